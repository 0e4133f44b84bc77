/** One run: a load on a server that is warm, or what a server of its own takes to start or to hold connections. */
import { readFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { cpuSeconds, peakBytes, untilQuiet } from '../indexing/processes.ts'
import { runLoad, type Load, type LoadResult, type Target } from '../load/generator.ts'
import { Kafka } from '../load/kafka.ts'
import { Sluice } from '../load/sluice.ts'
import type { Row } from './rows.ts'
import type { Run } from './runs.ts'
import { QUICK_POOL, SETTLE_SECONDS, type Systems } from './systems.ts'

export type Measured = Omit<Run, 'kind' | 'row' | 'round' | 'system' | 'at' | 'freeMemoryMb' | 'limitShare'>

type System = Run['system']

const MB = 1e6
const START_SECONDS = 120

export async function measure(systems: Systems, row: Row, system: System, isQuick: boolean): Promise<Measured> {
  if (row.kind === 'load') return measureLoad(systems, row, system, isQuick)
  const server = await systems.start(row, system)
  try {
    if (row.kind === 'idle') return await measureIdle(systems, row, server, isQuick)
    if (!(server instanceof Kafka || server instanceof Sluice)) throw new Error(`${system} cannot be started and measured`)
    return await measureStart(row, server)
  } finally {
    await server.remove()
  }
}

async function measureLoad(systems: Systems, row: Row, system: System, isQuick: boolean): Promise<Measured> {
  const server = await systems.get(row, system)
  const load = { ...row.load, ...windowOf(row, system, isQuick) }
  if (system === 'limit')
    return measuredOf(await runLoad(server, { ...load, mode: 'stream', batch: row.limitBytes!, connections: 1 }))
  if (!(row.isIndexing && server instanceof Sluice)) return measuredOf(await systems.load(server, load))
  const { pids } = server
  const used = (): number => pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0)
  const before = used()
  const result = await runLoad(server, { ...load, warmup: 0 })
  await untilQuiet(...pids)
  const treePeakMb = pids.reduce((sum, pid) => sum + peakBytes(pid), 0) / MB
  return { ...measuredOf(result), treeCpuSeconds: used() - before, treePeakMb }
}

/** For how long, in seconds, and until how many bytes. */
function windowOf({ load, isIndexing }: Row, system: System, isQuick: boolean): Load {
  const [bytes, pool] = isQuick ? [2e8, QUICK_POOL] : [1e9, 64 * 1024 * 1024]
  if (system === 'limit') return { warmup: 0.5, duration: isQuick ? 1 : 3 }
  if (load.rate !== undefined) return isQuick ? { warmup: 1, duration: 3 } : { warmup: 3, duration: 10 }
  if (load.mode === 'churn') return { warmup: 1, duration: isQuick ? 2 : 6, pool }
  // It takes a while to store so much.
  if (isIndexing) return { duration: 10, maxBytes: isQuick ? 5e7 : 3e8, pool }
  if (isQuick) return { warmup: 0.5, duration: 1.5, maxBytes: bytes, pool }
  return { warmup: 1.5, duration: system === 'kafka-synced' ? 3 : 5, maxBytes: bytes, pool }
}

async function measureIdle(systems: Systems, row: Row, server: Target, isQuick: boolean): Promise<Measured> {
  // Code that all connections share is loaded by the first of them. They stay, so that they leave no garbage.
  await systems.load(server, { ...row.load, connections: 50, warmup: SETTLE_SECONDS, duration: 1 })
  const before = residentBytes(server.pids[0]!)
  const result = await systems.load(server, { ...row.load, warmup: 2, duration: isQuick ? 2 : 8 })
  const measured = measuredOf(result)
  return { ...measured, connectionKb: (measured.residentMb * MB - before) / 1000 / row.load.connections! }
}

/** From the start of the process to the first batch that is acknowledged. */
async function measureStart(row: Row, server: Kafka | Sluice): Promise<Measured> {
  if (row.journalBytes > 0)
    await runLoad(server, {
      batch: 1_000_000,
      connections: 4,
      warmup: SETTLE_SECONDS,
      duration: START_SECONDS,
      maxBytes: row.journalBytes,
    })
  else await runLoad(server, { mode: 'probe', batch: 1000, duration: START_SECONDS })
  if (server instanceof Kafka) await server.stop()
  else await server.server.kill('SIGTERM')
  const probing = runLoad({ ...targetOf(server), pids: [] }, { mode: 'probe', batch: 1000, duration: START_SECONDS })
  const startedMs = Date.now()
  const started = server instanceof Kafka ? (server.launch(), server.whenStarted()) : server.server.restart()
  const result = await probing
  await started
  const pid = server.pids[0]!
  const treeCpuSeconds = server.pids.reduce((sum, each) => sum + cpuSeconds(each), 0)
  const startSeconds = (result.ended_ms - startedMs) / 1000
  return {
    ...measuredOf(result),
    seconds: startSeconds,
    startSeconds,
    cpuSeconds: cpuSeconds(pid),
    treeCpuSeconds,
    residentMb: residentBytes(pid) / MB,
    peakMb: peakBytes(pid) / MB,
    // The generator did not know of the processes.
    foreignShare: shareOfMachine(result.machine.other_s - treeCpuSeconds, result.seconds),
  }
}

function targetOf({ broker, ca, pids }: Target): Target {
  return { broker, ca, pids }
}

function measuredOf(result: LoadResult): Measured {
  const [acknowledging] = result.servers
  const sum = (of: (server: LoadResult['servers'][number]) => number): number =>
    result.servers.reduce((total, server) => total + of(server), 0)
  return {
    tls: result.tls,
    seconds: result.seconds,
    requests: result.requests,
    records: result.records,
    payloadBytes: result.payload_bytes,
    wireBytes: result.wire_bytes,
    ...(result.ack_ms === undefined ? {} : { ackMs: result.ack_ms }),
    cpuSeconds: acknowledging?.cpu_s ?? 0,
    kernelSeconds: acknowledging?.cpu_system_s ?? 0,
    residentMb: acknowledging?.rss_mb ?? 0,
    peakMb: acknowledging?.hwm_mb ?? 0,
    treeCpuSeconds: sum(server => server.cpu_s),
    treePeakMb: sum(server => server.hwm_mb),
    foreignShare: shareOfMachine(result.machine.other_s, result.seconds),
    stolenShare: shareOfMachine(result.machine.stolen_s, result.seconds),
  }
}

function shareOfMachine(busySeconds: number, seconds: number): number {
  return Math.max(0, busySeconds / (seconds * cpus().length))
}

function residentBytes(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))![1]) * 1024
}
