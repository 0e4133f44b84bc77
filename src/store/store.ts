/**
 * The store: the logs that were indexed, one table per logstore, in a ClickHouse that is reached over HTTP.
 *
 * Embedded, a server or a cluster makes no difference here: there are hosts, one or more (`cluster.ts`). The address may change at any time, as the embedded engine gets a new port with
 * each start: `connect` gives it, and calls under way at that moment reject with STORE_UNAVAILABLE like any lost connection.
 * Every call can: whoever has to get through tries again.
 */
import type { ClickHouseClient } from '@clickhouse/client'
import { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { type SluiceError, sluiceError } from '../base/errors.ts'
import type { Logstore } from '../catalog/model.ts'
import { openAnswer } from './answer.ts'
import { attachParts, freezeTables, type FrozenTable } from './backup.ts'
import { Hosts, hostOf, onEachHost, onEveryHost, type Host } from './cluster.ts'
import { closeClients, openClients, type Clients, type StoreConnection } from './connection.ts'
import { openExport, planExport, type ExportOptions, type ExportPiece, type ExportRange } from './export.ts'
import { trimTable, type Trimmed } from './retention.ts'
import { encodeColumns, type RowBlock } from './row-block.ts'
import { tableNameOf, type LogstoreName } from './sql.ts'
import { isMissingColumn, isMissingTable, queryError, storeError } from './store-error.ts'
import { insertedTypes } from './table-layout.ts'
import { dropTable, ensureTable } from './tables.ts'
import { newestLogsSql, refuseFileFunction } from './user-query.ts'
import { userQueryId } from './views.ts'

export interface InsertOptions {
  /** Begins with `insertQueryPrefix`, so that the insert can be found and ended; used for one insert only. */
  queryId: string
  /** A second insert with the same token, in one life of the engine, stores nothing. */
  token: string
}

export interface QueryOptions {
  logstore: Logstore
  /** In it the logstore's table is called `log`; absent for the newest 100 logs. */
  sql?: string | undefined
  /** A ClickHouse format, unless the SQL names one itself; JSONEachRow if absent. */
  format?: string | undefined
  /** After how many seconds ClickHouse ends the query; 30 if absent. The server has a limit of its own. */
  maxSeconds?: number | undefined
  signal?: AbortSignal | undefined
}

/** The beginning of the query ids of all inserts of a node into a logstore. */
export function insertQueryPrefix(logstore: LogstoreName, nodeId: string): string {
  return `sluice-insert:${nodeId}:${logstore.id}:`
}

/** One insert is one part, which is stored wholly or not at all: so it is parsed as one block, however the server is configured. */
const insertSettings = {
  async_insert: 0,
  max_insert_block_size: '1000000',
  max_insert_threads: '1',
  input_format_parallel_parsing: 0,
} as const

const insertSql =
  `INSERT INTO {database:Identifier}.{table:Identifier} (${Object.keys(insertedTypes).join(', ')}) ` +
  'FORMAT RowBinaryWithNamesAndTypes'
const insertHeader = encodeColumns(insertedTypes)

const defaultMaxSeconds = 30

/** How long an insert that was killed may take to be gone, and how often to look. */
const killDeadlineMs = 60_000
const killPollMs = 50

/** What leads to ClickHouse as long as it has one address. */
interface Access extends Clients {
  hosts: Hosts
  cluster: string | undefined
}

export class Store {
  /** Undefined while no address is known. */
  #access: Access | undefined
  /** The tables known to be there and up to date on this connection: by the logstore's id, what they were made from. */
  readonly #ensured = new Map<string, string>()

  constructor({ connection }: { connection?: StoreConnection | undefined } = {}) {
    this.connect(connection)
  }

  /** Says where ClickHouse answers from now on; undefined while it does not. Ends what is under way on the old connection. */
  connect(connection: StoreConnection | undefined): void {
    const old = this.#access
    this.#access = connection === undefined ? undefined : openAccess(connection)
    this.#ensured.clear()
    if (old !== undefined) void closeAccess(old)
  }

  async close(): Promise<void> {
    const old = this.#access
    this.#access = undefined
    if (old !== undefined) await closeAccess(old)
  }

  /** Rejects with STORE_UNAVAILABLE unless ClickHouse answers, on every host, and knows both users. */
  async ping(): Promise<void> {
    await this.#perform(async ({ hosts, query }) => {
      await onEveryHost(await hosts.lookUp(), ({ client }) => client.command({ query: 'SELECT 1 FORMAT Null' }))
      await query.command({ query: 'SELECT 1 FORMAT Null' })
    })
  }

  /**
   * Makes the logstore's database, table and view, or brings them up to date with its fields, index and retention; does nothing
   * if this connection has done it before. Rejects with TABLE_NOT_OURS if the table is another's, unless its comment names one of
   * `deletedIds`: the table of a deleted logstore is dropped.
   */
  async ensureTable(logstore: Logstore, deletedIds: ReadonlySet<string> = new Set()): Promise<void> {
    const { retentionDays, index, fields, removedFields } = logstore
    const madeFrom = JSON.stringify([retentionDays, index, fields, removedFields])
    if (this.#ensured.get(logstore.id) === madeFrom) return
    await this.#perform(async access => {
      const { cluster } = access
      const hosts = await access.hosts.lookUp()
      await onEachHost(hosts, host => ensureTable({ host, hosts, cluster }, logstore, deletedIds))
      if (access === this.#access) this.#ensured.set(logstore.id, madeFrom)
    })
  }

  /**
   * Stores the block in the logstore's table, wholly or not at all; when this resolves it is on ClickHouse's disk.
   *
   * A rejection with STORE_UNAVAILABLE says nothing about whether it was stored or still will be: `resolveInserts`, then
   * `highestOffsets`, tell. The block must not change until this has ended.
   */
  async insert(logstore: LogstoreName, block: RowBlock, { queryId, token }: InsertOptions): Promise<void> {
    await this.#perform(async ({ hosts }) => {
      const { client } = hostOf(await hosts.list(), token)
      try {
        const { stream } = await client.exec({
          query: insertSql,
          query_params: tableParams(logstore),
          query_id: queryId,
          values: Readable.from([insertHeader, block.encoded], { objectMode: false }),
          clickhouse_settings: { ...insertSettings, insert_deduplication_token: token },
        })
        await drain(stream)
      } catch (error) {
        // Somebody changed it. Whatever is missing, the next `ensureTable` makes it again.
        this.#ensured.delete(logstore.id)
        if (isMissingTable(error)) throw sluiceError('STORE_UNAVAILABLE', { problem: 'the table is gone' }, error)
        if (isMissingColumn(error)) throw sluiceError('STORE_UNAVAILABLE', { problem: 'a column of the table is gone' }, error)
        throw error
      }
    })
  }

  /**
   * Ends every insert of this node into the logstore that ClickHouse still runs, and resolves when none is left.
   *
   * An insert outlives the connection of its client. Before one may be repeated, and before the table is asked what it holds,
   * nothing may be under way that still adds to it.
   */
  async resolveInserts(logstore: LogstoreName, nodeId: string): Promise<void> {
    const prefix = insertQueryPrefix(logstore, nodeId)
    await this.#perform(async ({ hosts }) => {
      await onEveryHost(await hosts.lookUp(), ({ client }) => endQueries(client, prefix))
    })
  }

  /** The highest stored offset of each shard; without the shards, or the table, that hold nothing. */
  async highestOffsets(logstore: LogstoreName): Promise<Map<number, number>> {
    const query = 'SELECT _shard AS shard, max(_offset) AS value FROM {database:Identifier}.{table:Identifier} GROUP BY _shard'
    return highestOf(await this.#select<ShardValue>(logstore, query))
  }

  /** When the newest log of each shard was received, ms since 1970; without the shards that hold nothing. */
  async newestReceived(logstore: LogstoreName): Promise<Map<number, number>> {
    const query =
      'SELECT _shard AS shard, toUnixTimestamp64Milli(max(_received)) AS value FROM {database:Identifier}.{table:Identifier} ' +
      'GROUP BY _shard'
    return highestOf(await this.#select<ShardValue>(logstore, query))
  }

  /** How many logs are stored. */
  async count(logstore: LogstoreName): Promise<number> {
    const query = 'SELECT count() AS logs FROM {database:Identifier}.{table:Identifier}'
    const answers = await this.#select<{ logs: string | number }>(logstore, query)
    // Replicas hold the same logs, and one may be behind.
    const byShard = new Map<number, number>()
    for (const { host, rows } of answers)
      byShard.set(host.shard, Math.max(byShard.get(host.shard) ?? 0, Number(rows[0]?.logs ?? 0)))
    return [...byShard.values()].reduce((sum, logs) => sum + logs, 0)
  }

  /** Drops the oldest days of the logstore until it is within its `maxBytes`, on each server of a cluster; the newest day stays. */
  async trim(logstore: Logstore): Promise<Trimmed> {
    const trimmed = await this.#perform(async ({ hosts }) =>
      onEveryHost(await hosts.lookUp(), ({ client }) => trimTable(client, logstore)),
    )
    return {
      days: [...new Set(trimmed.flatMap(({ days }) => days))].sort(),
      bytes: Math.max(...trimmed.map(({ bytes }) => bytes)),
      isTooLarge: trimmed.some(({ isTooLarge }) => isTooLarge),
    }
  }

  /** Drops the logstore's table with all its logs, and its view; a table that is not this very logstore's is left alone. */
  async dropLogstore(logstore: LogstoreName): Promise<void> {
    await this.#perform(async ({ hosts }) => {
      this.#ensured.delete(logstore.id)
      await onEachHost(await hosts.lookUp(), ({ client }) => dropTable(client, logstore))
    })
  }

  /**
   * Runs SQL that a person wrote, or asks for the newest logs, and resolves with the answer's bytes as they come.
   *
   * Rejects, or the stream fails, with STORE_REFUSED if the SQL is to be changed. The query is ended in ClickHouse when `signal`
   * aborts or the stream is destroyed, which an aborted request alone would not do.
   */
  async query({
    logstore,
    sql,
    format = 'JSONEachRow',
    maxSeconds = defaultMaxSeconds,
    signal,
  }: QueryOptions): Promise<Readable> {
    await this.ensureTable(logstore)
    return this.#perform(async clients => {
      if (sql !== undefined) await refuseFileFunction(clients.query, sql)
      signal?.throwIfAborted()
      return openAnswer(clients.query, clients, {
        query: sql ?? newestLogsSql,
        query_id: userQueryId(logstore.project),
        http_headers: { 'X-ClickHouse-Database': tableNameOf(logstore).viewDatabase, 'X-ClickHouse-Format': format },
        clickhouse_settings: { max_execution_time: maxSeconds },
        signal,
      })
    }, queryError)
  }

  /** Freezes the tables of logstores, in the directory of the embedded engine, until `unfreezeTables`. */
  async freeze(logstores: readonly Logstore[], engineData: string): Promise<FrozenTable[]> {
    return this.#perform(({ service }) => freezeTables(service, logstores, engineData))
  }

  /** Moves parts that were frozen from a directory into the logstore's table. */
  async attach(logstore: Logstore, parts: readonly string[], from: string): Promise<void> {
    await this.ensureTable(logstore)
    await this.#perform(({ service }) => attachParts(service, logstore, parts, from))
  }

  /** In which pieces to export the logs of a range. */
  async planExport(logstore: Logstore, range: ExportRange): Promise<ExportPiece[]> {
    await this.ensureTable(logstore)
    return this.#perform(({ service }) => planExport(service, logstore, range))
  }

  /** Opens a piece of an export, or all of it; the stream fails as that of `query` does. */
  async openExport(logstore: Logstore, options: ExportOptions): Promise<Readable> {
    return this.#perform(clients => openExport(clients, logstore, options))
  }

  /** What each host answers; no rows where there is no table. */
  async #select<Row>(logstore: LogstoreName, query: string): Promise<{ host: Host; rows: Row[] }[]> {
    return this.#perform(async ({ hosts }) =>
      onEveryHost(await hosts.list(), async host => {
        try {
          return { host, rows: await selectRows<Row>(host.client, query, tableParams(logstore)) }
        } catch (error) {
          if (isMissingTable(error)) return { host, rows: [] }
          throw error
        }
      }),
    )
  }

  /** Runs `work` with the access of the moment; what it rejects with becomes an error of sluice's table, except an abort. */
  async #perform<Result>(
    work: (access: Access) => Promise<Result>,
    translate: (error: unknown) => SluiceError = storeError,
  ): Promise<Result> {
    const access = this.#access
    if (access === undefined) throw sluiceError('STORE_UNAVAILABLE', { problem: 'it is not running yet' })
    try {
      return await work(access)
    } catch (error) {
      throw error instanceof Error && error.name === 'AbortError' ? error : translate(error)
    }
  }
}

function openAccess(connection: StoreConnection): Access {
  const clients = openClients(connection)
  return { ...clients, hosts: new Hosts(connection, clients.service), cluster: connection.cluster }
}

async function closeAccess(access: Access): Promise<void> {
  await Promise.all([closeClients(access), access.hosts.close()])
}

/** A number for a shard of the logstore. Large ones come as text. */
interface ShardValue {
  shard: number
  value: string | number
}

/** The highest value of each shard that any host knows: a block is on one of them, and its replicas may not have it yet. */
function highestOf(answers: readonly { rows: readonly ShardValue[] }[]): Map<number, number> {
  const highest = new Map<number, number>()
  for (const { rows } of answers)
    for (const { shard, value } of rows) highest.set(shard, Math.max(highest.get(shard) ?? -Infinity, Number(value)))
  return highest
}

/** Ends all queries whose ids begin with `prefix` and resolves when none is left. */
async function endQueries(client: ClickHouseClient, prefix: string): Promise<void> {
  const deadline = performance.now() + killDeadlineMs
  for (;;) {
    await client.command({ query: 'KILL QUERY WHERE startsWith(query_id, {prefix:String}) SYNC', query_params: { prefix } })
    const query = 'SELECT count() AS running FROM system.processes WHERE startsWith(query_id, {prefix:String})'
    const [row] = await selectRows<{ running: string | number }>(client, query, { prefix })
    if (Number(row?.running) === 0) return
    if (performance.now() > deadline) throw sluiceError('STORE_UNAVAILABLE', { problem: 'an earlier insert does not end' })
    await delay(killPollMs)
  }
}

async function selectRows<Row>(client: ClickHouseClient, query: string, query_params: Record<string, string>): Promise<Row[]> {
  const answer = await client.query({ query, query_params, format: 'JSONEachRow' })
  return answer.json<Row>()
}

function tableParams(logstore: LogstoreName): Record<string, string> {
  const { database, table } = tableNameOf(logstore)
  return { database, table }
}

/** An exec's connection is free again only when its answer was read. */
async function drain(stream: Readable): Promise<void> {
  for await (const _ of stream);
}
