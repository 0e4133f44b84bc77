/**
 * How the table of a logstore is laid out: what it has beside the columns of its fields.
 *
 * `_offset` is unique in a shard except for the elements of a split array, which `_index` tells apart; `_entry`, the number of
 * the journal entry, orders logs as they arrived. Partitions are UTC days of `_received`, so that retention drops whole parts,
 * and the zones stand in the types, so that they are UTC days on every host: the indexer cuts its blocks there, and one insert
 * is one part, which is stored wholly or not at all.
 */
import type { IndexLevel, Logstore } from '../catalog/model.ts'
import { fieldColumns, type FieldColumn } from './fields.ts'
import { quoteIdentifier } from './sql.ts'

/** The columns that an insert names, in the order of a RowBlock's bytes. The other columns compute themselves. */
export const insertedColumns = {
  _shard: 'UInt16',
  _offset: 'Int64 CODEC(Delta, ZSTD(1))',
  _index: 'UInt32 CODEC(Delta, ZSTD(1))',
  _entry: 'UInt64 CODEC(Delta, ZSTD(1))',
  _time: "DateTime64(3, 'UTC') CODEC(Delta, LZ4)",
  _received: "DateTime64(3, 'UTC') CODEC(Delta, LZ4)",
  _source: 'LowCardinality(String)',
  _client: 'LowCardinality(String)',
  _key: 'String',
  _headers: 'Map(LowCardinality(String), String)',
  content: 'String CODEC(ZSTD(1))',
  _fields: 'String CODEC(ZSTD(1))',
  _tags: 'Array(LowCardinality(String))',
  _error: 'LowCardinality(String)',
} as const

/** Their types, as ClickHouse writes them. */
export const insertedTypes: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries(insertedColumns).map(([name, definition]) => [name, definition.replace(/ CODEC\(.*$/, '')]),
)

/** How the names of the columns of fields begin; no other column's does. */
export const fieldPrefix = 'f_'

/** Everything that a table has in columns and indexes, by name; of a column all that stands behind its name. */
export interface TableLayout {
  columns: ReadonlyMap<string, string>
  fields: ReadonlyMap<string, FieldColumn>
  indexes: ReadonlyMap<string, string>
}

/** How the table of a logstore is to be, at its level of indexing and with its fields. */
export function layoutOf({ index, fields }: Pick<Logstore, 'index' | 'fields'>): TableLayout {
  const wanted = index === 'none' ? new Map<string, FieldColumn>() : fieldColumns(fields)
  const definitions = [...wanted].map(([name, { type, value }]): [string, string] => {
    return [name, `${type} DEFAULT ${value} CODEC(ZSTD(1))`]
  })
  return {
    columns: new Map([...Object.entries<string>(insertedColumns), ...definitions]),
    fields: wanted,
    indexes: new Map([...timeIndex, ...wordIndexes[index]]),
  }
}

const timeIndex: [string, string][] = [['time_minmax', '_time TYPE minmax GRANULARITY 1']]

/**
 * What finds words, by level. The text index knows every word, without regard to case; `LIKE` does not use it, `ILIKE` and the
 * token functions do. The filter is 32 KiB for 8192 logs and is asked with `hasToken(lower(content), 'word')`.
 */
const wordIndexes: Record<IndexLevel, [string, string][]> = {
  full: [['content_text', 'content TYPE text(tokenizer = splitByNonAlpha, preprocessor = lower(content))']],
  light: [['content_bloom', 'lower(content) TYPE tokenbf_v1(32768, 4, 0) GRANULARITY 1']],
  fields: [],
  none: [],
}

/**
 * The columns of the view of a table with `columns` (name → type): these, and one that `SELECT *` leaves out, `_document`, which
 * is a log's document whatever its format, for `JSONExtract`.
 */
export function viewColumns(columns: ReadonlyMap<string, string>): string {
  const declared = [...columns].map(([name, type]) => `${quoteIdentifier(name)} ${type}`)
  return [...declared, "_document String ALIAS if(_fields = '', content, _fields)"].join(', ')
}

/** The names of all indexes that some level has. */
export const indexNames: readonly string[] = [...timeIndex, ...Object.values(wordIndexes).flat()].map(([name]) => name)

/**
 * The two fsync settings make "inserted" mean "on disk", which the journal's checkpoint relies on; they cost 3 ms per insert.
 * The window is how many insert tokens are remembered. The merge settings keep merges small and few.
 */
export const tableSettings =
  'ttl_only_drop_parts = 1, non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, ' +
  'min_level_for_wide_part = 1, merge_selector_base = 10'

/** A hundred years, so that the end of a log's time is one that the engine can hold. */
const maxRetentionDays = 36_500

/**
 * Not of `toDateTime(_received)`: that ends in 2106, a sum beyond it wraps round, and the logs of a long retention would be
 * gone at once. DateTime64 ends in 2299.
 */
export function ttl(retentionDays: number): string {
  return `_received + ${interval(retentionDays)}`
}

export function interval(retentionDays: number): string {
  return `toIntervalDay(${Math.min(Math.trunc(retentionDays), maxRetentionDays)})`
}
