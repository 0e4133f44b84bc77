/**
 * What a running server says of its logstores: how far each is in the journal, how far in its table, and what is in the way.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Catalog } from '../catalog/catalog.ts'
import type { Logstore } from '../catalog/model.ts'
import type { IndexingProgress } from '../indexing/progress.ts'
import type { Journal } from '../journal/journal.ts'
import type { Store } from '../store/store.ts'

export interface LogstoreStatus {
  project: string
  logstore: string
  /** The number of the last write that the journal took since the server has started; null if there was none. */
  lastEntry: number | null
  /** By shard, the offset of the next log that the journal takes. */
  nextOffsets: Record<string, number>
  /** The number of the last write that is in the table, as far as it is known. */
  storedEntry: number | null
  /** What the table holds; null while it cannot be asked. */
  rows: number | null
  /** What the table is behind the journal; null is what is not known, of logs that were there before the server started. */
  lagRows: number | null
  lagBytes: number | null
  lagMs: number | null
  /** The bytes of files with logs that wait until the table can be written. */
  parkedBytes: number
  /** What keeps its logs from being stored, and what to do about it. */
  problem: string | null
}

export interface Status {
  /** What is wrong with the server, a sentence each; those of single logstores stand there. */
  problems: string[]
  logstores: LogstoreStatus[]
}

export interface StatusSources {
  catalog: Catalog
  journal: Journal
  progress: IndexingProgress
  store: Store
  /** What is wrong with the server itself. */
  problems: () => string[]
}

/** How long tables are asked for their rows, and how many at once. */
const COUNT_MS = 3000
const COUNTS_AT_ONCE = 8

/** The status of the logstores, in their order. */
export async function collectStatus(sources: StatusSources, logstores: readonly Logstore[]): Promise<Status> {
  const { journal, progress } = sources
  const rows = await countRows(sources.store, logstores)
  const nowMs = Date.now()
  const statuses = logstores.map(({ id, project, name }): LogstoreStatus => {
    const nextOffsets = journal.nextOffsets(id)
    const lag = progress.lagOf(id, nextOffsets, nowMs)
    return {
      project,
      logstore: name,
      lastEntry: progress.lastEntryOf(id),
      nextOffsets: Object.fromEntries(nextOffsets),
      storedEntry: journal.indexed.stored[id] ?? null,
      rows: rows.get(id) ?? null,
      lagRows: lag.rows,
      lagBytes: lag.bytes,
      lagMs: lag.ageMs,
      parkedBytes: progress.parkedBytesOf(id),
      problem: progress.problems.get(id) ?? null,
    }
  })
  return { problems: sources.problems(), logstores: statuses }
}

/** By logstore id, what the tables hold that answer in time. */
async function countRows(store: Store, logstores: readonly Logstore[]): Promise<Map<string, number>> {
  const counted = new Map<string, number>()
  const left = [...logstores]
  let isOver = false
  const deadline = delay(COUNT_MS, undefined, { ref: false }).then(() => (isOver = true))
  const count = async (): Promise<void> => {
    for (let logstore; !isOver && (logstore = left.shift()) !== undefined;) {
      const { id } = logstore
      await store.count(logstore).then(
        rows => counted.set(id, rows),
        () => {},
      )
    }
  }
  await Promise.race([deadline, Promise.all(Array.from({ length: COUNTS_AT_ONCE }, count))])
  return new Map(counted)
}
