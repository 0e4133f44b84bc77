/** What is known of agents: where they cannot do better, and what their pages say becomes of records. */
import { type Fate } from './fate.ts'

/** Agents that lose records while the server cannot take them, whatever their settings are, with the reason. */
export const mayLose: Readonly<Record<string, string>> = {
  apinto: 'It tries for about a second and goes on; nothing of its settings changes that.',
}

/** A fate, and the words of the agent's page in src/agents that tell it; a library has no page. */
export interface ExpectedFate {
  fate: Fate
  page?: string
}

/** By the agent and what goes wrong. */
export const expectedFates: Readonly<Record<string, Partial<Record<'revoked' | 'missing' | 'large', ExpectedFate>>>> = {}
