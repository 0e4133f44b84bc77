/**
 * The size limit of a logstore: which days of its table are dropped when it is too large on disk.
 *
 * A day is a partition of the table, of `_received` in UTC. What must stay true: days go from the oldest on, whole, and the newest
 * never goes, however large: it is being written, and where it alone is beyond the limit, dropping it would leave next to nothing.
 */
import type { ClickHouseClient } from '@clickhouse/client'
import { sluiceError } from '../base/errors.ts'
import type { Logstore } from '../catalog/model.ts'
import { quoteString, quoteTable, tableNameOf, type TableName } from './sql.ts'
import { findTable } from './tables.ts'

export interface Trimmed {
  /** The days that were dropped, oldest first: `2026-01-31`. */
  days: string[]
  /** What is left, in bytes on disk; of a cluster, on the server that has most. */
  bytes: number
  /** True if that is more than the limit: one day alone is. */
  isTooLarge: boolean
}

interface StoredDay {
  /** As the partition is called: `20260131`. */
  day: string
  bytes: number
}

/** Drops the oldest days until the table is within the logstore's limit, or only one is left. */
export async function trimTable(client: ClickHouseClient, logstore: Logstore): Promise<Trimmed> {
  const limit = logstore.maxBytes ?? Infinity
  const name = tableNameOf(logstore)
  const stored = await storedDays(client, name)
  let bytes = stored.reduce((sum, { bytes }) => sum + bytes, 0)
  const days: string[] = []
  while (bytes > limit && stored.length > 1) {
    const oldest = stored.shift()!
    await dropDay(client, logstore, name, oldest.day)
    bytes -= oldest.bytes
    days.push(oldest.day.replace(/^(\d{4})(\d{2})(\d{2})$/, '$1-$2-$3'))
  }
  return { days, bytes, isTooLarge: bytes > limit }
}

/** The days of a table, oldest first. Parts that were merged into others do not count; ClickHouse removes their files in minutes. */
async function storedDays(client: ClickHouseClient, { database, table }: TableName): Promise<StoredDay[]> {
  const answer = await client.query({
    query:
      'SELECT partition_id AS day, toFloat64(sum(bytes_on_disk)) AS bytes FROM system.parts ' +
      'WHERE active AND database = {database:String} AND table = {table:String} GROUP BY day ORDER BY day',
    query_params: { database, table },
    format: 'JSONEachRow',
  })
  return answer.json<StoredDay>()
}

async function dropDay(client: ClickHouseClient, logstore: Logstore, name: TableName, day: string): Promise<void> {
  const found = await findTable(client, name)
  if (found?.made?.logstoreId !== logstore.id)
    throw sluiceError('TABLE_NOT_OURS', { table: `${name.database}.${name.table}`, found: 'it was replaced' })
  // The server's guard against dropping large partitions is for people.
  await client.command({
    query: `ALTER TABLE ${quoteTable(name)} DROP PARTITION ID ${quoteString(day)} SETTINGS max_partition_size_to_drop = 0`,
  })
}
