/**
 * The tables of logstores: how they are laid out, made, recognised, kept up to date and dropped.
 *
 * What must stay true: a table is written to or dropped only if its comment says that sluice made it for this very logstore.
 * The comment is JSON: `{"sluice":2,"logstore":"ID"}`, 2 being the version of the layout.
 */
import { type ClickHouseClient } from '@clickhouse/client'
import { sluiceError } from '../base/errors.ts'
import { type Logstore } from '../catalog/model.ts'
import { fieldColumn, fieldDefinitions } from './fields.ts'
import { indexes, insertedColumns, interval, tableSettings, ttl } from './table-layout.ts'
import { quoteIdentifier, quoteString, tableNameOf, viewName, type LogstoreName, type TableName } from './sql.ts'

const layoutVersion = 2

/** A definition has some KB; other programs may fill the disk while it is written. */
const minFreeBytes = 32 * 1024 * 1024

/**
 * Makes the logstore's table and view, or brings them up to date: fields that were added since get their columns, a new
 * retention its TTL. Older rows get a new column's values when they are read.
 *
 * A table that belongs to a logstore of `deletedIds` is dropped first. Rejects with TABLE_NOT_OURS if the name is taken by
 * anything else, with STORE_UNAVAILABLE if the disk is about to be full.
 */
export async function ensureTable(client: ClickHouseClient, logstore: Logstore, deletedIds: ReadonlySet<string>): Promise<void> {
  await checkRoom(client)
  const name = tableNameOf(logstore)
  let found = await findTable(client, name)
  if (found?.logstoreId !== undefined && found.logstoreId !== logstore.id && deletedIds.has(found.logstoreId)) {
    await drop(client, name)
    found = undefined
  }
  if (found === undefined) {
    await create(client, logstore, name)
    found = await findTable(client, name)
  }
  if (found?.logstoreId !== logstore.id)
    throw sluiceError('TABLE_NOT_OURS', { table: `${name.database}.${name.table}`, found: describeOwner(found) })
  await update(client, logstore, name, found)
  await run(client, `CREATE DATABASE IF NOT EXISTS ${quoteIdentifier(name.viewDatabase)}`)
  // A view keeps the columns it was made with; this one is to have the fields that were added.
  await run(
    client,
    `CREATE OR REPLACE VIEW ${quoteIdentifier(name.viewDatabase)}.${viewName} AS SELECT * FROM ${quoteTable(name)}`,
  )
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
  if (found?.logstoreId === logstore.id) await drop(client, name)
}

/** What stands under the name of a logstore's table. */
interface FoundTable {
  comment: string
  /** The logstore that the comment names; undefined if the comment is not sluice's. */
  logstoreId: string | undefined
  /** The engine's clause with partitions, order, TTL and settings, as ClickHouse writes it. */
  definition: string
}

export async function findTable(client: ClickHouseClient, { database, table }: TableName): Promise<FoundTable | undefined> {
  const answer = await client.query({
    query:
      'SELECT comment, engine_full AS definition FROM system.tables WHERE database = {database:String} AND name = {table:String}',
    query_params: { database, table },
    format: 'JSONEachRow',
  })
  const [row] = await answer.json<{ comment: string; definition: string }>()
  return row === undefined ? undefined : { ...row, logstoreId: readComment(row.comment) }
}

async function create(client: ClickHouseClient, { id, fields, retentionDays }: Logstore, name: TableName): Promise<void> {
  const columns = Object.entries(insertedColumns).map(([column, definition]) => `${column} ${definition}`)
  for (const [column, definition] of fieldDefinitions(fields)) columns.push(`${quoteIdentifier(column)} ${definition}`)
  const comment = JSON.stringify({ sluice: layoutVersion, logstore: id })
  await run(client, `CREATE DATABASE IF NOT EXISTS ${quoteIdentifier(name.database)}`)
  // Another process may make it at the same time; the caller looks at what there is afterwards.
  await run(
    client,
    `CREATE TABLE IF NOT EXISTS ${quoteTable(name)} (${[...columns, ...indexes].join(', ')})
     ENGINE = MergeTree PARTITION BY toYYYYMMDD(_received, 'UTC') ORDER BY (_shard, _offset, _index)
     TTL ${ttl(retentionDays)} SETTINGS ${tableSettings} COMMENT ${quoteString(comment)}`,
  )
}

async function update(client: ClickHouseClient, logstore: Logstore, name: TableName, found: FoundTable): Promise<void> {
  const present = await columnNames(client, name)
  const missing = logstore.fields.filter(field => !present.has(fieldColumn(field.path)))
  const wanted = [...Object.entries(insertedColumns).filter(([column]) => !present.has(column)), ...fieldDefinitions(missing)]
  if (wanted.length > 0) {
    const additions = wanted.map(([column, definition]) => `ADD COLUMN IF NOT EXISTS ${quoteIdentifier(column)} ${definition}`)
    await run(client, `ALTER TABLE ${quoteTable(name)} ${additions.join(', ')}`)
  }
  if (!found.definition.includes(interval(logstore.retentionDays)))
    await run(client, `ALTER TABLE ${quoteTable(name)} MODIFY TTL ${ttl(logstore.retentionDays)}`)
}

async function columnNames(client: ClickHouseClient, { database, table }: TableName): Promise<Set<string>> {
  const answer = await client.query({
    query: 'SELECT name FROM system.columns WHERE database = {database:String} AND table = {table:String}',
    query_params: { database, table },
    format: 'JSONEachRow',
  })
  return new Set((await answer.json<{ name: string }>()).map(({ name }) => name))
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

/** Names are quoted in these statements, as ClickHouse does not take parameters in all of them (`CREATE OR REPLACE VIEW`). */
function quoteTable({ database, table }: TableName): string {
  return `${quoteIdentifier(database)}.${quoteIdentifier(table)}`
}

function readComment(comment: string): string | undefined {
  try {
    const parsed = JSON.parse(comment) as { sluice?: unknown; logstore?: unknown } | null
    return typeof parsed?.sluice === 'number' && typeof parsed.logstore === 'string' ? parsed.logstore : undefined
  } catch {
    return undefined
  }
}

function describeOwner(found: FoundTable | undefined): string {
  if (found === undefined) return 'it vanished while it was made'
  if (found.logstoreId !== undefined) return `it belongs to logstore ${found.logstoreId}`
  return found.comment === '' ? 'it has no comment' : `its comment is ${JSON.stringify(found.comment.slice(0, 100))}`
}
