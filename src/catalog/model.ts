/**
 * What the catalog holds: projects, their logstores, their access keys. Plain values, as they stand in the catalog file.
 *
 * Ids are made once and never used again, so that whatever else keeps an id (journal entries, table comments, the topic id
 * on the wire) never takes a thing for its predecessor of the same name.
 */
import type { LogFormat, Mask } from '../decoding/log-format.ts'

export interface Project {
  /** A UUID in its usual text form. */
  id: string
  name: string
  /** Where the project lives; a host name that carries another region does not know this project. */
  region: string
  /** ISO 8601, UTC. */
  createdAt: string
}

export interface Logstore {
  /** A UUID in its usual text form; also the topic id in Metadata, and in the comment of the logstore's table. */
  id: string
  /** The name of the project it belongs to; names of projects never change. */
  project: string
  name: string
  mode: LogstoreMode
  /** Shards are numbered from 0, never renumbered, never removed. */
  shards: number
  /** Those of them that take no logs any more, since they were split or merged; ascending. */
  retiredShards: number[]
  /** How many partitions Metadata shows; never falls. In a balanced logstore a partition is only a hint. */
  partitions: number
  /** How long logs are kept, in days. */
  retentionDays: number
  /** How large the table may become on disk, in bytes; beyond it the oldest days are dropped. Null if there is no limit. */
  maxBytes: number | null
  format: LogFormat
  /** Applied one after the other. */
  masks: Mask[]
  index: IndexLevel
  /** The fields of logs that are typed columns of the table. */
  fields: Field[]
  /** The paths of fields that somebody removed from the list: they are not put into it again by themselves. */
  removedFields: string[][]
  createdAt: string
}

export const logstoreModes = ['balanced', 'keyed'] as const

/**
 * Where a batch goes: in a `balanced` logstore to the shard that has received the least lately, whatever partition its producer named;
 * in a `keyed` one the partition is the shard, so the order of a partition's logs is kept to the end.
 */
export type LogstoreMode = (typeof logstoreModes)[number]

export const indexLevels = ['full', 'light', 'fields', 'none'] as const

/**
 * What makes searching a logstore fast, and storing it expensive: `full` has typed columns and an index of every word, `light` columns
 * and a filter that finds rare words, `fields` the columns alone, `none` nothing but the logs. Any of them finds everything.
 */
export type IndexLevel = (typeof indexLevels)[number]

/** A field of a log that the store keeps as a column. */
export interface Field {
  /** The keys from the outermost to the innermost: `['http', 'status']`. Users' data: any text. */
  path: string[]
  type: FieldType
}

export const fieldTypes = ['keyword', 'text', 'integer', 'number'] as const

/** `keyword` has few different values, `text` many. */
export type FieldType = (typeof fieldTypes)[number]

export interface AccessKey {
  /** Unique within its project. */
  id: string
  project: string
  /** The secret's hash in the form that `catalog/secrets.ts` writes; the secret itself is kept nowhere. */
  secretHash: string
  /** The logstores it may write to; null for all of the project, also those that are made later. */
  logstores: string[] | null
  createdAt: string
}

/** A logstore that nobody can write to any more, and whose table is still to be dropped. */
export interface DeletedLogstore {
  id: string
  project: string
  name: string
}
