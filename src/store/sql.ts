/**
 * Names and literals in SQL: what the databases and tables are called, and how text is quoted where it cannot be a parameter.
 *
 *     p_PROJECT              database of a project; one table per logstore, named as the logstore
 *     q_PROJECT/LOGSTORE     database of its view `log`, so that a person's SQL calls every logstore's table `log` (`views.ts`)
 *
 * The prefixes keep projects apart from the server's own databases, and are what the embedded engine's grants are made of. A
 * "/" is in no name, so the second form is unambiguous.
 */
import { createHash } from 'node:crypto'
import type { Logstore } from '../catalog/model.ts'

/** What it takes to find a logstore's table and to know it again. */
export type LogstoreName = Pick<Logstore, 'id' | 'project' | 'name'>

/** The name of the view, the same in each logstore's view database. */
export const viewName = 'log'

/** Where a logstore is, as the parameters of a statement: `{database:Identifier}.{table:Identifier}`. */
export interface TableName {
  database: string
  table: string
  viewDatabase: string
}

export function tableNameOf({ project, name }: LogstoreName): TableName {
  return { database: `p_${fitted(project)}`, table: fitted(name), viewDatabase: `q_${fitted(project)}/${fitted(name)}` }
}

/**
 * ClickHouse names files after databases and tables, a hyphen takes three bytes in them, and a dropped table's file has the
 * names of both and an id: together they must stay below the file system's 255 bytes.
 */
const maxFileNameBytes = 96

/** The name itself, or where its file name would be too long, its beginning and a hash, joined by a "~" that is in no name. */
function fitted(name: string): string {
  const fileNameBytes = name.length + 2 * (name.match(/-/g)?.length ?? 0)
  if (fileNameBytes <= maxFileNameBytes) return name
  return `${name.slice(0, 20)}~${shortHash(name)}`
}

/** The first 64 bits of a text's SHA-256, in hexadecimal. */
export function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16)
}

/** Text as a string literal. */
export function quoteString(text: string): string {
  return `'${text.replace(/[\\']/g, '\\$&')}'`
}

/** Text as an identifier. */
export function quoteIdentifier(text: string): string {
  return `\`${text.replace(/[\\`]/g, '\\$&')}\``
}

/** Names are quoted in some statements, as ClickHouse does not take parameters in all of them (`CREATE OR REPLACE VIEW`). */
export function quoteTable({ database, table }: TableName): string {
  return `${quoteIdentifier(database)}.${quoteIdentifier(table)}`
}
