/**
 * What benchmarks found, for the report and for others to read: one file for each, written anew by each run.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { join } from 'node:path'
import { resultsDirectory } from './load/paths.ts'

export interface Results<Row> {
  benchmark: string
  takenAt: string
  /** True if the run was a short one, whose figures are not to be quoted. */
  isQuick: boolean
  machine: { cpu: string; cores: number; memoryGb: number; node: string }
  rows: Row[]
}

/**
 * Writes `bench/results/NAME.json`, or `NAME-quick.json`, which the report leaves alone; returns its path. `node` is the version that was
 * measured.
 */
export function writeResults<Row>(
  benchmark: string,
  rows: Row[],
  isQuick: boolean,
  directory = resultsDirectory,
  node = process.version,
): string {
  const path = join(directory, `${benchmark}${isQuick ? '-quick' : ''}.json`)
  const cores = cpus()
  const machine = {
    cpu: cores[0]!.model,
    cores: cores.length,
    memoryGb: Math.round(totalmem() / 1e9),
    node,
  }
  const results: Results<Row> = { benchmark, takenAt: new Date().toISOString(), isQuick, machine, rows }
  mkdirSync(directory, { recursive: true })
  writeFileSync(path, `${JSON.stringify(results, undefined, 2)}\n`)
  return path
}

/** Undefined if the benchmark was not run to be quoted. */
export function readResults<Row>(directory: string, benchmark: string): Results<Row> | undefined {
  const path = join(directory, `${benchmark}.json`)
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Results<Row>) : undefined
}

/** A sentence on what the numbers are of. */
export function describeMachine({ machine, takenAt }: Results<unknown>): string {
  const { cpu, cores, memoryGb, node } = machine
  return `Measured on ${takenAt.slice(0, 10)}: ${cpu}, ${cores} cores, ${memoryGb} GB, Node ${node.replace(/^v/, '')}.`
}
