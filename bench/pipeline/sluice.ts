/**
 * From send to searchable: what a whole server stores under a load that it cannot keep up with, what that costs, and how fresh logs
 * are while it has less to do.
 */
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Logstore } from '../../src/catalog/model.ts'
import { loadConfig } from '../../src/config/load-config.ts'
import { until } from '../../test/support/wait.ts'
import { copyRows, countRows, diskBytes, openTable, type Cost } from '../indexing/measure.ts'
import { cpuSeconds, untilQuiet } from '../indexing/processes.ts'
import type { Certificates } from '../load/certificates.ts'
import { runLoad, USER, type Load } from '../load/generator.ts'
import { Sluice } from '../load/sluice.ts'
import { freshnessMs, readServerMetrics } from './server-metrics.ts'

/** How much of a load is put on it, and for how long. */
export interface Plan {
  load: Load & { connections: number; batch: number }
  warmUpSeconds: number
  seconds: number
  freshnessSeconds: number
  /** As shares of what it can store. */
  freshnessShares: readonly number[]
}

export interface PipelineCost {
  rows: number
  /** Of the logs' values, before compression. */
  logBytes: number
  rowsPerSecond: number
  freshness: { share: number; rowsPerSecond: number; p50Ms: number; p99Ms: number }[]
  cpuSeconds: { serve: number; indexer: number; engine: number }
  /** Of the table's files after all merges, as a share of the logs' bytes. */
  diskShare: number
  bare: Cost
}

const TOPIC = 'bench'
/**
 * Of the journal: producers are slowed down early, so that they send what can be stored, and little is left to be stored when
 * they end. Small files, because room is given up by the file.
 */
const JOURNAL = { maxBytes: 96e6, segmentBytes: 2 ** 23 }
/** Not looked at, until the journal is full and producers are slowed down. */
const FILL_SHARE = 0.25
const LONGEST_LINGER_MS = 250
const LOOK_MS = 200
const STORED_MS = 600_000

/** Starts a server for it, and removes it. `begin` is told what comes and about how long it takes, in seconds. */
export async function measurePipeline(
  certificates: Certificates,
  { load, warmUpSeconds, seconds, freshnessSeconds, freshnessShares }: Plan,
  begin: (what: string, seconds: number) => void,
): Promise<PipelineCost> {
  begin('sluice: warm-up', 3 * warmUpSeconds)
  const sluice = await Sluice.start({ certificates, settings: { journal: JOURNAL } })
  try {
    const { server } = sluice
    await runLoad(sluice, { ...load, warmup: 0, duration: warmUpSeconds })
    await untilStored(sluice)

    begin('sluice: all that it can store', 1.5 * seconds + 10)
    const [before, cpuBefore] = [await readServerMetrics(server), cpuOf(sluice)]
    const loading = runLoad(sluice, { ...load, warmup: 0, duration: seconds })
    await Promise.race([delay(FILL_SHARE * seconds * 1000), loading])
    const [filled, filledMs] = [await readServerMetrics(server), performance.now()]
    const result = await loading
    const [loaded, loadedMs] = [await readServerMetrics(server), performance.now()]
    await untilStored(sluice)
    const [after, cpuAfter] = [await readServerMetrics(server), cpuOf(sluice)]
    const rows = after.indexedRows - before.indexedRows
    const bytesPerRow = result.payload_bytes / result.records
    const rowsPerSecond = (loaded.indexedRows - filled.indexedRows) / ((loadedMs - filledMs) / 1000)

    const freshness: PipelineCost['freshness'] = []
    for (const share of freshnessShares) {
      begin(`sluice: freshness at ${share * 100} % of that`, freshnessSeconds + 10)
      freshness.push({ share, ...(await measureFreshness(sluice, load, share * rowsPerSecond, bytesPerRow, freshnessSeconds)) })
    }

    const logstore = await server.control<Logstore>('GET', `/v1/projects/${USER}/logstores/${TOPIC}`)
    const allRows = (await readServerMetrics(server)).indexedRows
    await server.kill('SIGTERM')
    begin('the same rows without sluice', seconds)
    const firstEntry = before.journalEntries
    const part = { rows, logBytes: rows * bytesPerRow, entries: after.journalEntries - firstEntry }
    const { bare, bytes } = await insertBare(server.data, logstore, part, firstEntry)
    return {
      rows,
      logBytes: rows * bytesPerRow,
      rowsPerSecond,
      freshness,
      cpuSeconds: {
        serve: cpuAfter.serve - cpuBefore.serve,
        indexer: cpuAfter.indexer - cpuBefore.indexer,
        engine: cpuAfter.engine - cpuBefore.engine,
      },
      diskShare: bytes / (allRows * bytesPerRow),
      bare,
    }
  } finally {
    await sluice.remove()
  }
}

/** At a rate that is spread over the connections, in batches as large as those of the load as far as they gather in time. */
async function measureFreshness(
  sluice: Sluice,
  load: Plan['load'],
  rate: number,
  bytesPerRow: number,
  seconds: number,
): Promise<Omit<PipelineCost['freshness'][number], 'share'>> {
  const gatherMs = (load.batch / bytesPerRow / (rate / load.connections)) * 1000
  const warmup = 3
  const loading = runLoad(sluice, {
    ...load,
    rate: Math.round(rate),
    lingerMs: Math.round(Math.min(LONGEST_LINGER_MS, gatherMs)),
    warmup,
    duration: seconds,
  })
  await Promise.race([delay(warmup * 1000), loading])
  const before = await readServerMetrics(sluice.server)
  const { records, seconds: loadedSeconds } = await loading
  await untilStored(sluice)
  const after = await readServerMetrics(sluice.server)
  return {
    rowsPerSecond: records / loadedSeconds,
    p50Ms: freshnessMs(before, after, 0.5),
    p99Ms: freshnessMs(before, after, 0.99),
  }
}

/** Until everything that was sent is in the table, and merged. */
async function untilStored(sluice: Sluice): Promise<void> {
  await until(
    'a journal that is stored',
    async () => {
      await delay(LOOK_MS)
      return (await readServerMetrics(sluice.server)).unindexedBytes === 0
    },
    STORED_MS,
  )
  await untilQuiet(...sluice.pids)
}

function cpuOf({ server }: Sluice): PipelineCost['cpuSeconds'] {
  const of = (role: 'serve' | 'indexer' | 'engine'): number => {
    const pid = server.findPid(role)
    if (pid === undefined) throw new Error(`the ${role} has ended, and its CPU with it`)
    return cpuSeconds(pid)
  }
  return { serve: of('serve'), indexer: of('indexer'), engine: of('engine') }
}

/** Inserts rows of a server that was stopped into an engine of their own; also says what the server's table takes. */
async function insertBare(
  data: string,
  logstore: Logstore,
  part: { rows: number; logBytes: number; entries: number },
  firstEntry: number,
): Promise<{ bare: Cost; bytes: number }> {
  const { store } = loadConfig()
  const table = await openTable(join(data, 'clickhouse'), store, logstore)
  try {
    const bytes = await diskBytes(table)
    const bareTable = await openTable(join(data, 'bare'), store, logstore)
    try {
      const bare = await copyRows(table, bareTable, part, firstEntry)
      const copied = await countRows(bareTable)
      if (copied !== part.rows) throw new Error(`${copied} rows were inserted without sluice of ${part.rows}`)
      return { bare, bytes }
    } finally {
      await bareTable.close()
    }
  } finally {
    await table.close()
  }
}
