/**
 * What benchmarks found, for others to read: one file for each, written anew by each run.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'

export interface Results<Row> {
  benchmark: string
  takenAt: string
  /** True if the run was a short one, whose figures are not to be shown. */
  isQuick: boolean
  machine: { cpu: string; cores: number; memoryBytes: number; node: string }
  rows: Row[]
}

/** Writes `bench/results/NAME.json`; returns its path. */
export function writeResults<Row>(benchmark: string, rows: Row[], isQuick: boolean): string {
  const path = `bench/results/${benchmark}.json`
  const cores = cpus()
  const machine = { cpu: cores[0]!.model, cores: cores.length, memoryBytes: totalmem(), node: process.version }
  const results: Results<Row> = { benchmark, takenAt: new Date().toISOString(), isQuick, machine, rows }
  mkdirSync('bench/results', { recursive: true })
  writeFileSync(path, `${JSON.stringify(results, undefined, 2)}\n`)
  return path
}
