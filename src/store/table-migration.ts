/**
 * Brings a table from what it is to what it is to be: another version's layout, other fields, another level of indexing.
 *
 * A table's comment is JSON: `{"sluice":2,"logstore":"ID","layout":"HASH"}`. The first is the version of the layout, the last a
 * hash of all columns and indexes that the table was brought to. What must stay true: the comment is written when the rest is
 * done, so that whatever was cut short is done again, and every step may be done twice. Nothing here computes what is stored
 * already: older parts get a new column's values when they are read or merged, and a new index when they are merged.
 *
 * Version 1 had neither `_fields` nor `_tags`, and its fields came from `content` alone.
 */
import { sluiceError } from '../base/errors.ts'
import type { Logstore } from '../catalog/model.ts'
import { fieldColumn } from './fields.ts'
import { quoteIdentifier, quoteString, shortHash } from './sql.ts'
import { fieldPrefix, layoutOf } from './table-layout.ts'

const layoutVersion = 2

/** What a comment of sluice's says of its table. */
/** What a table has. */
export interface PresentLayout {
  /** By name, with their types. */
  columns: ReadonlyMap<string, string>
  /** Names of those that some level has. */
  indexes: readonly string[]
  comment: string
}

export interface TableComment {
  version: number
  logstoreId: string
  /** Undefined in version 1. */
  layout: string | undefined
}

type LaidOut = Pick<Logstore, 'id' | 'index' | 'fields' | 'removedFields'>

/** The comment of a table that is as the logstore wants it. */
export function tableComment({ id, index, fields, removedFields }: LaidOut): string {
  const { columns, indexes } = layoutOf({ index, fields })
  const layout = shortHash(JSON.stringify([[...columns], [...indexes], removedFields]))
  return JSON.stringify({ sluice: layoutVersion, logstore: id, layout })
}

/** Undefined if the comment is not sluice's. */
export function readTableComment(comment: string): TableComment | undefined {
  try {
    const { sluice: version, logstore, layout } = (JSON.parse(comment) ?? {}) as Record<string, unknown>
    if (typeof version !== 'number' || typeof logstore !== 'string') return undefined
    return { version, logstoreId: logstore, layout: typeof layout === 'string' ? layout : undefined }
  } catch {
    return undefined
  }
}

/** Throws TABLE_NEWER if a later sluice made the table: what it relies on is not known here. */
export function checkVersion(table: string, { version }: TableComment): void {
  if (version > layoutVersion) throw sluiceError('TABLE_NEWER', { table, version, newest: layoutVersion })
}

/**
 * What is to be done with a table as it is: the commands of one ALTER each, in order; none if it is as the logstore wants it.
 *
 * Columns are dropped only of fields that were removed, that have another type now, and at level `none`: whoever knows an older
 * state of the logstore must not drop what was added since.
 */
export function planMigration(
  logstore: LaidOut,
  { columns: present, indexes: presentIndexes, comment }: PresentLayout,
): string[] {
  const { columns, fields, indexes } = layoutOf(logstore)
  const wantedComment = tableComment(logstore)
  const missing = [...columns].filter(([name]) => !present.has(name))
  const unwanted = findUnwanted(logstore, present)
  if (comment === wantedComment && missing.length === 0 && unwanted.length === 0) return []

  const changed = new Set(unwanted)
  const additions = [...columns].filter(([name]) => !present.has(name) || changed.has(name))
  const rewritten = [...fields].filter(([name]) => present.has(name) && !changed.has(name))
  const steps = [
    unwanted.map(name => `DROP COLUMN IF EXISTS ${quoteIdentifier(name)}`),
    [
      ...additions.map(([name, definition]) => `ADD COLUMN IF NOT EXISTS ${quoteIdentifier(name)} ${definition}`),
      // All fields share one Tuple again, also with those that were added one by one.
      ...rewritten.map(([name, { value }]) => `MODIFY COLUMN ${quoteIdentifier(name)} DEFAULT ${value}`),
      // One that is not there is dropped for seconds, with all inserts waiting.
      ...presentIndexes.filter(name => !indexes.has(name)).map(name => `DROP INDEX IF EXISTS ${name}`),
      ...[...indexes].map(([name, definition]) => `ADD INDEX IF NOT EXISTS ${name} ${definition}`),
    ],
    [`MODIFY COMMENT ${quoteString(wantedComment)}`],
  ]
  return steps.filter(commands => commands.length > 0).map(commands => commands.join(', '))
}

function findUnwanted({ index, fields, removedFields }: LaidOut, present: ReadonlyMap<string, string>): string[] {
  if (index === 'none') return [...present.keys()].filter(name => name.startsWith(fieldPrefix))
  const wanted = layoutOf({ index, fields }).fields
  const removed = removedFields.map(fieldColumn).filter(name => present.has(name) && !wanted.has(name))
  const retyped = [...wanted].filter(([name, { type }]) => (present.get(name) ?? type) !== type).map(([name]) => name)
  return [...removed, ...retyped]
}
