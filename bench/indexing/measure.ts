/**
 * One journal brought into one table by the indexer's process, and the same rows inserted without it, for comparison.
 */
import type { ClickHouseClient } from '@clickhouse/client'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { Child } from '../../src/base/child.ts'
import { silentLog } from '../../src/base/log.ts'
import { createConfigSchema, type Config } from '../../src/config/schema.ts'
import type { Logstore } from '../../src/catalog/model.ts'
import type { FromIndexer, ToIndexer } from '../../src/indexing/messages.ts'
import { closeClients, openClients, type Clients } from '../../src/store/connection.ts'
import { Engine } from '../../src/store/engine.ts'
import { tableNameOf } from '../../src/store/sql.ts'
import { Store } from '../../src/store/store.ts'
import { insertedColumns } from '../../src/store/table-layout.ts'
import type { BuiltJournal } from './journal.ts'
import { cpuSeconds, peakBytes, untilQuiet } from './processes.ts'

/** As it is by default. */
const { indexing } = createConfigSchema('.').parse({})

export interface Cost {
  /** From the first row to the last, without the merges after it. */
  seconds: number
  /** With all merges. */
  engineCpuSeconds: number
  enginePeakBytes: number
  /** Of the table's files, after all merges. */
  diskBytes: number
}

export interface IndexerCost extends Cost {
  indexerCpuSeconds: number
  indexerPeakBytes: number
  /** Why inserts were refused, which the indexer repeats. */
  problems: string[]
}

/** An engine with the logstore's table, and what reaches it. */
export interface Table {
  engine: Engine
  /** The engine's. */
  directory: string
  store: Store
  clients: Clients
  name: string
  close(): Promise<void>
}

/** The rows of a block that is inserted without sluice, unless its bytes are too many. */
const BLOCK_ROWS = 50_000
const BLOCK_BYTES = 16_000_000

const columns = Object.keys(insertedColumns).join(', ')

export async function openTable(directory: string, { memoryBytes }: Config['store'], logstore: Logstore): Promise<Table> {
  let isClosing = false
  const engine = new Engine({
    directory,
    memoryBytes,
    log: silentLog,
    onConnection(connection) {
      // A new process would have neither the CPU nor the memory of the one before.
      if (connection === undefined && !isClosing) fail(`the engine ended: ${(engine.state as { reason?: string }).reason}`)
    },
  })
  const connection = await engine.start()
  const store = new Store({ connection })
  const clients = openClients(connection)
  await store.ensureTable(logstore)
  const { database, table } = tableNameOf(logstore)
  return {
    engine,
    directory,
    store,
    clients,
    name: `\`${database}\`.\`${table}\``,
    async close() {
      isClosing = true
      await closeClients(clients)
      await store.close()
      await engine.stop()
    },
  }
}

/** Ends the run: what it measured until now is no measurement. */
function fail(problem: string): never {
  console.error(problem)
  process.exit(1)
}

/** Lets an indexer read the whole journal, and waits until its rows are stored and merged. */
export async function indexJournal(journal: BuiltJournal, table: Table, logstore: Logstore): Promise<IndexerCost> {
  const connection = table.engine.connection
  const problems: string[] = []
  let handleEnd: (how: Error | undefined) => void
  const indexed = new Promise<void>((resolve, reject) => (handleEnd = how => (how === undefined ? resolve() : reject(how))))
  const indexer = new Child<ToIndexer, FromIndexer>({
    name: 'indexer',
    entry: new URL('../../src/indexing/main.js', import.meta.url),
    log: silentLog,
    onStart() {
      const { directory: journalDirectory, id: nodeId, indexed } = journal
      indexer.send({ kind: 'start', journalDirectory, nodeId, indexed, ...indexing, logLevel: 'error' })
      indexer.send({ kind: 'catalog', logstores: [logstore], deleted: [] })
      indexer.send({ kind: 'store', connection })
    },
    onMessage(message) {
      if (message.kind === 'problem' && message.problem !== null) problems.push(message.problem)
      if (message.kind === 'indexed' && message.indexed.place.position >= journal.limit.position) handleEnd(undefined)
    },
    onEnd: reason => handleEnd(new Error(`the indexer ${reason}`)),
  })
  indexer.start()
  const [indexerPid, enginePid] = [indexer.pid!, table.engine.pid!]
  try {
    await untilQuiet(indexerPid, enginePid)
    const [indexerBefore, engineBefore] = [cpuSeconds(indexerPid), cpuSeconds(enginePid)]
    const startMs = performance.now()
    indexer.send({ kind: 'durable', limit: journal.limit })
    await indexed
    const seconds = (performance.now() - startMs) / 1000
    await untilQuiet(indexerPid, enginePid)
    return {
      seconds,
      indexerCpuSeconds: cpuSeconds(indexerPid) - indexerBefore,
      indexerPeakBytes: peakBytes(indexerPid),
      problems,
      ...(await costOf(table, engineBefore)),
    }
  } finally {
    await indexer.stop()
  }
}

/** Inserts the rows of so many entries of one table into another, in large blocks, and waits until they are merged. */
export async function copyRows(
  from: Table,
  to: Table,
  part: { rows: number; logBytes: number; entries: number },
  firstEntry = 0,
): Promise<Cost> {
  const bytesPerRow = part.logBytes / part.rows
  const entriesPerBlock = Math.max(1, Math.floor((Math.min(BLOCK_ROWS, BLOCK_BYTES / bytesPerRow) * part.entries) / part.rows))
  const enginePid = to.engine.pid!
  await untilQuiet(enginePid, from.engine.pid!)
  const engineBefore = cpuSeconds(enginePid)
  let seconds = 0
  const endEntry = firstEntry + part.entries
  for (let entry = firstEntry; entry < endEntry; entry += entriesPerBlock) {
    const block = await readBlock(from, entry, Math.min(endEntry, entry + entriesPerBlock))
    const startMs = performance.now()
    await insertBlock(to.clients.service, to.name, block)
    seconds += (performance.now() - startMs) / 1000
  }
  await untilQuiet(enginePid)
  return { seconds, ...(await costOf(to, engineBefore)) }
}

export async function countRows({ clients, name }: Table): Promise<number> {
  const answer = await clients.service.query({ query: `SELECT count() AS rows FROM ${name}`, format: 'JSONEachRow' })
  return Number((await answer.json<{ rows: string }>())[0]?.rows)
}

async function costOf(table: Table, engineBefore: number): Promise<Omit<Cost, 'seconds'>> {
  const pid = table.engine.pid!
  const [engineCpuSeconds, enginePeakBytes] = [cpuSeconds(pid) - engineBefore, peakBytes(pid)]
  return { engineCpuSeconds, enginePeakBytes, diskBytes: await diskBytes(table) }
}

async function readBlock({ clients, name }: Table, entry: number, endEntry: number): Promise<Buffer> {
  const query =
    `SELECT ${columns} FROM ${name} WHERE _entry >= ${entry} AND _entry < ${endEntry} ` +
    'ORDER BY _shard, _offset, _index FORMAT RowBinary'
  const { stream } = await clients.service.exec({ query })
  return buffer(stream)
}

async function insertBlock(client: ClickHouseClient, name: string, block: Buffer): Promise<void> {
  const query = `INSERT INTO ${name} (${columns}) FORMAT RowBinary`
  const { stream } = await client.exec({ query, values: Readable.from([block], { objectMode: false }) })
  for await (const _ of stream);
}

/** Of the parts that a query reads; those that were merged into them stay on disk for some minutes more. */
export async function diskBytes({ clients, name, directory }: Table): Promise<number> {
  const answer = await clients.service.query({ query: `SELECT DISTINCT _part AS part FROM ${name}`, format: 'JSONEachRow' })
  const active = new Set((await answer.json<{ part: string }>()).map(({ part }) => part))
  const data = join(directory, 'data', 'store')
  let bytes = 0
  for (const path of await readdir(data, { recursive: true })) {
    const parts = path.split('/')
    if (!parts.some(part => active.has(part))) continue
    const { size } = await stat(join(data, path))
    bytes += size
  }
  return bytes
}
