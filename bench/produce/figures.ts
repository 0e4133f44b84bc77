/** What a run is worth in numbers: one for each column of the report. */
import type { Run } from './runs.ts'

export const figures = {
  cpuPerGb: { title: 'CPU s/GB', of: (run: Run) => per(run.cpuSeconds, run.payloadBytes / 1e9) },
  cpuPerMillion: { title: 'CPU s/M records', of: (run: Run) => per(run.cpuSeconds, run.records / 1e6) },
  cpuPerRequest: { title: 'CPU ms/request', of: (run: Run) => per(run.cpuSeconds * 1000, run.requests) },
  requests: { title: 'requests/s', of: (run: Run) => per(run.requests, run.seconds) },
  megabytes: { title: 'MB/s', of: (run: Run) => per(run.payloadBytes / 1e6, run.seconds) },
  ackP50: { title: 'ack p50, ms', of: (run: Run) => run.ackMs?.p50 },
  ackP99: { title: 'ack p99, ms', of: (run: Run) => run.ackMs?.p99 },
  ackP999: { title: 'ack p99.9, ms', of: (run: Run) => run.ackMs?.p99_9 },
  memory: { title: 'resident, MB', of: (run: Run) => run.residentMb },
  peakMemory: { title: 'at most, MB', of: (run: Run) => run.peakMb },
  treeCpuPerGb: { title: 'whole tree, CPU s/GB', of: (run: Run) => per(run.treeCpuSeconds, run.payloadBytes / 1e9) },
  treeMemory: { title: 'whole tree at most, MB', of: (run: Run) => run.treePeakMb },
  startSeconds: { title: 'start, s', of: (run: Run) => run.startSeconds },
  startCpu: { title: 'CPU s', of: (run: Run) => (run.startSeconds === undefined ? undefined : run.cpuSeconds) },
  memoryPerConnection: { title: 'KB/connection', of: (run: Run) => run.connectionKb },
  limitShare: { title: 'of the limit', of: (run: Run) => run.limitShare },
} as const satisfies Record<string, { title: string; of: (run: Run) => number | undefined }>

export type Figure = keyof typeof figures

export function valueOf(run: Run, figure: Figure): number | undefined {
  return figures[figure].of(run)
}

function per(amount: number | undefined, of: number): number | undefined {
  return amount === undefined || of === 0 ? undefined : amount / of
}
