/**
 * The results on disk: a file with a line of JSON for the machine, and one for each run as it ends, so that what was interrupted can go on.
 */
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Latency } from '../load/generator.ts'
import type { System } from './rows.ts'

/** What the numbers are of. */
export interface Machine {
  kind: 'machine'
  startedAt: string
  cpu: string
  cores: number
  memoryGb: number
  system: string
  node: string
  java: string
  kafka: string
  /** A short run, to see that things work. */
  isQuick: boolean
}

/** One load on one system. CPU is user and kernel time of all threads; MB are 10⁶ bytes, GB 10⁹, of record values. */
export interface Run {
  kind: 'run'
  row: string
  round: number
  /** `limit` is TLS alone, `bare` a server that does nothing but acknowledge. */
  system: System | 'limit' | 'bare'
  at: string
  tls: string
  seconds: number
  requests: number
  records: number
  payloadBytes: number
  wireBytes: number
  ackMs?: Latency
  /** Of the process that acknowledges. */
  cpuSeconds: number
  kernelSeconds: number
  residentMb: number
  peakMb: number
  /** Of all its processes, until everything is stored. */
  treeCpuSeconds: number
  treePeakMb: number
  /** What programs that have nothing to do with it used, as a share of the machine. */
  foreignShare: number
  /** What the host of a virtual machine gave to others, as a share of the machine; absent in older results. */
  stolenShare?: number
  freeMemoryMb: number
  startSeconds?: number
  connectionKb?: number
  /** What TLS alone would have taken, measured in the same round, as a share of what this took. */
  limitShare?: number
}

export interface Results {
  machine: Machine
  runs: Run[]
}

/** Reads a file of results; undefined if there is none. A line that was cut off as it was written is left out. */
export function readResults(file: string): Results | undefined {
  if (!existsSync(file)) return undefined
  const results: { machine?: Machine; runs: Run[] } = { runs: [] }
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    const read = parse(line)
    if (read?.kind === 'machine') results.machine = read
    else if (read?.kind === 'run') results.runs.push(read)
  }
  return results.machine === undefined ? undefined : { machine: results.machine, runs: withLimits(results.runs) }
}

export class ResultFile {
  readonly #file: string
  readonly runs: Run[]

  /** Goes on with a file that is there if `isResumed`, else begins anew. */
  constructor(file: string, machine: Machine, isResumed: boolean) {
    this.#file = file
    this.runs = isResumed ? (readResults(file)?.runs ?? []) : []
    mkdirSync(dirname(file), { recursive: true })
    if (!isResumed || !existsSync(file)) writeFileSync(file, '')
    // After what was cut off.
    appendFileSync(file, `\n${JSON.stringify(machine)}\n`)
  }

  add(run: Run): void {
    this.runs.push(run)
    appendFileSync(this.#file, `${JSON.stringify(run)}\n`)
  }

  has(row: string, round: number, system: Run['system']): boolean {
    return this.runs.some(run => run.row === row && run.round === round && run.system === system)
  }
}

/**
 * Sets each run of sluice and of the bare path beside the limit of its round: bytes on the wire cost TLS the same, whatever they hold. The
 * limit is given as if its bytes had been the requests that sluice had.
 */
export function withLimits(runs: readonly Run[]): Run[] {
  const find = (of: Run, system: Run['system']): Run | undefined =>
    runs.find(run => run.system === system && run.row === of.row && run.round === of.round && run.wireBytes > 0)
  return runs.map(run => {
    const isLimited = run.system === 'sluice' || run.system === 'bare'
    const other = isLimited ? find(run, 'limit') : run.system === 'limit' ? find(run, 'sluice') : undefined
    if (other === undefined || run.wireBytes === 0) return run
    const scale = run.wireBytes / other.wireBytes
    if (isLimited) return { ...run, limitShare: (other.cpuSeconds * scale) / run.cpuSeconds }
    const { requests, records, payloadBytes } = other
    return { ...run, requests: requests * scale, records: records * scale, payloadBytes: payloadBytes * scale }
  })
}

function parse(line: string): Machine | Run | undefined {
  try {
    return JSON.parse(line) as Machine | Run
  } catch {
    return undefined
  }
}
