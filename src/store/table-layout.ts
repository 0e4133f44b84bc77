/**
 * How the table of a logstore is laid out: what it has beside the columns of its fields.
 *
 * `_offset` is unique in a shard except for the elements of a split array, which `_index` tells apart; `_entry`, the number of
 * the journal entry, orders logs as they arrived. Partitions are UTC days of `_received`, so that retention drops whole parts,
 * and the zones stand in the types, so that they are UTC days on every host: the indexer cuts its blocks there, and one insert
 * is one part, which is stored wholly or not at all.
 */

/** The columns that an insert names, in the order of a RowBlock's bytes. The other columns compute themselves from `content`. */
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

/** Words are found without regard to case; `LIKE` does not use the index, `ILIKE` and the token functions do. */
export const indexes = [
  'INDEX content_text content TYPE text(tokenizer = splitByNonAlpha, preprocessor = lower(content))',
  'INDEX time_minmax _time TYPE minmax GRANULARITY 1',
]

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
