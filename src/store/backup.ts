/**
 * The tables in a backup: what the embedded engine holds, frozen for a while, and parts given back to it.
 *
 * `FREEZE` makes links to all parts of a table at one moment, under `shadow/NAME/` of the engine's directory, and costs neither time nor room.
 * A part is a directory whose files never change. What must stay true: a part is attached to a table of the same logstore only,
 * which was made for it anew, so what an older layout has not got is filled in when it is read.
 */
import type { ClickHouseClient } from '@clickhouse/client'
import { existsSync } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { sluiceError } from '../base/errors.ts'
import type { Config } from '../config/schema.ts'
import { quoteString, quoteTable, tableNameOf, type LogstoreName, type TableName } from './sql.ts'
import { findTable } from './tables.ts'

/** The name of what is frozen; there is never more than one. */
const frozenName = 'sluice_backup'

export interface FrozenTable {
  logstoreId: string
  /** The directory with the parts, each a directory. */
  directory: string
}

/** Where the embedded engine keeps its own files; undefined if the store is a server. */
export function engineDataDirectory({ data, store }: Config): string | undefined {
  return store.url === undefined ? join(data, 'clickhouse', 'data') : undefined
}

/** There while a restore is under way: what lies in such a data directory is not all that there was. */
export function restoringPath(data: string): string {
  return join(data, 'restoring')
}

/** Throws RESTORE_INCOMPLETE if a restore into the data directory did not come to its end. */
export function checkRestored(data: string): void {
  if (existsSync(restoringPath(data))) throw sluiceError('RESTORE_INCOMPLETE', { directory: data })
}

/** The directory where all frozen tables are, in the engine's own directory. */
function frozenDirectory(engineData: string): string {
  return join(engineData, 'shadow', frozenName)
}

/** Freezes the tables that there are of these logstores: each as it is at one moment between the call and its end. */
export async function freezeTables(
  client: ClickHouseClient,
  logstores: readonly LogstoreName[],
  engineData: string,
): Promise<FrozenTable[]> {
  await unfreezeTables(engineData)
  const frozen: FrozenTable[] = []
  for (const logstore of logstores) {
    const name = tableNameOf(logstore)
    if ((await findTable(client, name))?.made?.logstoreId !== logstore.id) continue
    const path = relative(engineData, await dataPath(client, name))
    await client.command({ query: `ALTER TABLE ${quoteTable(name)} FREEZE WITH NAME ${quoteString(frozenName)}` })
    frozen.push({ logstoreId: logstore.id, directory: join(frozenDirectory(engineData), path) })
  }
  return frozen
}

/** Removes what is frozen. */
export async function unfreezeTables(engineData: string | undefined): Promise<void> {
  if (engineData === undefined) return
  await rm(frozenDirectory(engineData), { recursive: true, force: true })
}

/** Moves parts into the logstore's table, which is there; on the same file system. */
export async function attachParts(
  client: ClickHouseClient,
  logstore: LogstoreName,
  parts: readonly string[],
  from: string,
): Promise<void> {
  const name = tableNameOf(logstore)
  const detached = join(await dataPath(client, name), 'detached')
  for (const part of parts) await rename(join(from, part), join(detached, part))
  for (const part of parts) await client.command({ query: `ALTER TABLE ${quoteTable(name)} ATTACH PART ${quoteString(part)}` })
}

/** Where the table's parts are. */
async function dataPath(client: ClickHouseClient, { database, table }: TableName): Promise<string> {
  const answer = await client.query({
    query: 'SELECT data_paths[1] AS path FROM system.tables WHERE database = {database:String} AND name = {table:String}',
    query_params: { database, table },
    format: 'JSONEachRow',
  })
  const [row] = await answer.json<{ path: string }>()
  return row!.path
}
