/**
 * What the processes of a server hold while it runs, sampled every second, and whether that grows.
 */
import { readdirSync, readFileSync } from 'node:fs'
import type { Role, Server } from '../support/server.ts'

export const roles = ['serve', 'indexer', 'engine'] as const satisfies readonly Role[]

/** Of one process of each part; of two of a part, which there are while a killed server's children end, the larger figures. */
export interface Sample {
  /** Since the beginning. */
  seconds: number
  memoryBytes: Partial<Record<Role, number>>
  files: Partial<Record<Role, number>>
  /** Logs that were acknowledged, since the beginning. */
  acknowledged: number
}

export function takeSample(server: Server, seconds: number, acknowledged: number): Sample {
  const sample: Sample = { seconds, memoryBytes: {}, files: {}, acknowledged }
  for (const { pid, role } of server.processes) {
    if (role === undefined) continue
    try {
      const status = readFileSync(`/proc/${pid}/status`, 'latin1')
      const memoryBytes = Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024
      const files = readdirSync(`/proc/${pid}/fd`).length
      sample.memoryBytes[role] = Math.max(memoryBytes, sample.memoryBytes[role] ?? 0)
      sample.files[role] = Math.max(files, sample.files[role] ?? 0)
    } catch {
      // It has ended.
    }
  }
  return sample
}

/** The medians of a figure in the second and in the last quarter of a run. */
export interface Trend {
  what: string
  second: number
  last: number
  isFlat: boolean
}

/** What may come on top of the second quarter's median: a share of it, and what the collectors and caches make of one load. */
const TOLERANCE = { share: 1.3, memoryBytes: 64 * 1024 * 1024, files: 20 }

/** The first quarter is left out: caches fill in it. */
export function findTrends(samples: readonly Sample[]): Trend[] {
  const end = samples.at(-1)?.seconds ?? 0
  const trends: Trend[] = []
  for (const figure of ['memoryBytes', 'files'] as const)
    for (const role of roles) {
      const median = (from: number, to: number): number =>
        medianOf(
          samples
            .filter(({ seconds }) => seconds >= from * end && seconds <= to * end)
            .map(sample => sample[figure][role])
            .filter(value => value !== undefined),
        )
      const [second, last] = [median(0.25, 0.5), median(0.75, 1)]
      const isFlat = last <= TOLERANCE.share * second + TOLERANCE[figure]
      trends.push({ what: `${figure === 'files' ? 'open files' : 'memory'} of ${role}`, second, last, isFlat })
    }
  return trends
}

export function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? sorted[middle]! : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2
}
