/**
 * The tables of logstores: how they are made, recognised, kept up to date and dropped.
 *
 * What must stay true: a table is written to or dropped only if its comment says that sluice made it for this very logstore.
 */
import type { ClickHouseClient } from '@clickhouse/client'
import { sluiceError } from '../base/errors.ts'
import type { Logstore } from '../catalog/model.ts'
import { tableEngine, type Host } from './cluster.ts'
import { quoteIdentifier, quoteString, quoteTable, tableNameOf, type LogstoreName, type TableName } from './sql.ts'
import { indexNames, interval, layoutOf, tableSettings, ttl, viewColumns } from './table-layout.ts'
import { checkVersion, planMigration, readTableComment, tableComment, type TableComment } from './table-migration.ts'
import { replaceViews } from './views.ts'

/** A definition has some KB; other programs may fill the disk while it is written. */
const minFreeBytes = 32 * 1024 * 1024

/** Where a table is: on a server that stands alone, or on one of a cluster. */
export interface Placement {
  host: Host
  /** All servers of the cluster, or the one. */
  hosts: readonly Host[]
  cluster: string | undefined
}

/**
 * Makes the logstore's table and view on one server, or brings them up to date: another version's layout, fields and level of indexing,
 * retention.
 *
 * A table that belongs to a logstore of `deletedIds` is dropped first. Rejects with TABLE_NOT_OURS if the name is taken by
 * anything else, with TABLE_NEWER if a later sluice made it, with STORE_UNAVAILABLE if the disk is about to be full.
 */
export async function ensureTable(placement: Placement, logstore: Logstore, deletedIds: ReadonlySet<string>): Promise<void> {
  const { client } = placement.host
  await checkRoom(client)
  const name = tableNameOf(logstore)
  let found = await findTable(client, name)
  const owner = found?.made?.logstoreId
  if (owner !== undefined && owner !== logstore.id && deletedIds.has(owner)) {
    await drop(client, name)
    found = undefined
  }
  if (found === undefined) {
    await create(placement, logstore, name)
    found = await findTable(client, name)
  }
  const table = `${name.database}.${name.table}`
  if (found?.made?.logstoreId !== logstore.id) throw sluiceError('TABLE_NOT_OURS', { table, found: describeOwner(found) })
  checkVersion(table, found.made)
  await update(client, logstore, name, found)
  await replaceViews(client, {
    logstore,
    name,
    columns: viewColumns(await columnTypes(client, name)),
    cluster: placement.cluster,
  })
}

/**
 * On a full disk ClickHouse leaves a file of no bytes where the definition of a table or view ought to be, with ALTER also in place
 * of the one that was there, and without an error. It does not start any more with such a file.
 */
async function checkRoom(client: ClickHouseClient): Promise<void> {
  const answer = await client.query({ query: 'SELECT toFloat64(filesystemAvailable()) AS bytes', format: 'JSONEachRow' })
  const [free] = await answer.json<{ bytes: number }>()
  if (free !== undefined && free.bytes < minFreeBytes)
    throw sluiceError('STORE_UNAVAILABLE', {
      problem: `its disk has ${free.bytes} bytes left; tables are made and changed with ${minFreeBytes} and more`,
    })
}

/** Drops the logstore's table and view; does nothing if there is no table or it is another's. */
export async function dropTable(client: ClickHouseClient, logstore: LogstoreName): Promise<void> {
  const name = tableNameOf(logstore)
  const found = await findTable(client, name)
  if (found?.made?.logstoreId === logstore.id) await drop(client, name)
}

/** What stands under the name of a logstore's table. */
interface FoundTable {
  comment: string
  /** What the comment says; undefined if it is not sluice's. */
  made: TableComment | undefined
  /** The engine's clause with partitions, order, TTL and settings, as ClickHouse writes it. */
  definition: string
  /** The names of the indexes that it has of those that some level has. */
  indexes: string[]
}

export async function findTable(client: ClickHouseClient, { database, table }: TableName): Promise<FoundTable | undefined> {
  const answer = await client.query({
    query:
      'SELECT comment, engine_full AS definition, create_table_query AS statement FROM system.tables ' +
      'WHERE database = {database:String} AND name = {table:String}',
    query_params: { database, table },
    format: 'JSONEachRow',
  })
  const [row] = await answer.json<{ comment: string; definition: string; statement: string }>()
  if (row === undefined) return undefined
  const { comment, definition, statement } = row
  const indexes = indexNames.filter(index => statement.includes(`INDEX ${index} `))
  return { comment, made: readTableComment(comment), definition, indexes }
}

async function create({ host, hosts, cluster }: Placement, logstore: Logstore, name: TableName): Promise<void> {
  const { client } = host
  const engine = cluster === undefined ? 'MergeTree' : await tableEngine(host, hosts, logstore.id)
  const { columns, indexes } = layoutOf(logstore)
  const parts = [
    ...[...columns].map(([column, definition]) => `${quoteIdentifier(column)} ${definition}`),
    ...[...indexes].map(([index, definition]) => `INDEX ${index} ${definition}`),
  ]
  await run(client, `CREATE DATABASE IF NOT EXISTS ${quoteIdentifier(name.database)}`)
  // Another process may make it at the same time; the caller looks at what there is afterwards.
  await run(
    client,
    `CREATE TABLE IF NOT EXISTS ${quoteTable(name)} (${parts.join(', ')})
     ENGINE = ${engine} PARTITION BY toYYYYMMDD(_received, 'UTC') ORDER BY (_shard, _offset, _index)
     TTL ${ttl(logstore.retentionDays)} SETTINGS ${tableSettings} COMMENT ${quoteString(tableComment(logstore))}`,
  )
}

async function update(client: ClickHouseClient, logstore: Logstore, name: TableName, found: FoundTable): Promise<void> {
  const present = { columns: await columnTypes(client, name), indexes: found.indexes, comment: found.comment }
  for (const commands of planMigration(logstore, present)) await run(client, `ALTER TABLE ${quoteTable(name)} ${commands}`)
  if (!found.definition.includes(interval(logstore.retentionDays)))
    await run(client, `ALTER TABLE ${quoteTable(name)} MODIFY TTL ${ttl(logstore.retentionDays)}`)
}

/** The columns of the table, by name, in their order. */
async function columnTypes(client: ClickHouseClient, { database, table }: TableName): Promise<Map<string, string>> {
  const answer = await client.query({
    query:
      'SELECT name, type FROM system.columns WHERE database = {database:String} AND table = {table:String} ORDER BY position',
    query_params: { database, table },
    format: 'JSONEachRow',
  })
  return new Map((await answer.json<{ name: string; type: string }>()).map(({ name, type }) => [name, type]))
}

/** The view goes first: without it nothing refers to the table, and a table without a view is seen and finished later. */
async function drop(client: ClickHouseClient, name: TableName): Promise<void> {
  await run(client, `DROP DATABASE IF EXISTS ${quoteIdentifier(name.viewDatabase)} SYNC`)
  // The server's guard against dropping large tables is for people; here the logstore is gone from the catalog already.
  await run(client, `DROP TABLE IF EXISTS ${quoteTable(name)} SYNC SETTINGS max_table_size_to_drop = 0`)
}

async function run(client: ClickHouseClient, query: string): Promise<void> {
  await client.command({ query })
}

function describeOwner(found: FoundTable | undefined): string {
  if (found === undefined) return 'it vanished while it was made'
  if (found.made !== undefined) return `it belongs to logstore ${found.made.logstoreId}`
  return found.comment === '' ? 'it has no comment' : `its comment is ${JSON.stringify(found.comment.slice(0, 100))}`
}
