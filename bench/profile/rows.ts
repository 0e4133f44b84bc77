/** What a profile has: for each load and server what its CPU went to. */
import type { Part } from './stacks.ts'

export interface ProfileRow {
  /** As `bench -- produce` names it. */
  row: string
  system: 'sluice' | 'bare'
  microsecondsPerRequest: number
  /** Of 1. */
  shares: Record<Part, number>
}
