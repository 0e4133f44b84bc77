/**
 * The columns of a logstore's fields: what they are called, and the expressions that fill them from a log's document.
 *
 * A field's path is the keys of users' documents, so it may be any text. What must stay true: two paths never share a column,
 * one path always has the same column, and a document that is not JSON or has another type there leaves the column empty or
 * NULL and never fails an insert. (Where an object is expected inside a document and an array is found, ClickHouse takes its
 * elements by position; to ask for the type first would cost a second parse of each document.)
 */
import type { Field, FieldType } from '../catalog/model.ts'
import { quoteIdentifier, quoteString, shortHash } from './sql.ts'

const columnTypes: Record<FieldType, string> = {
  keyword: 'LowCardinality(String)',
  text: 'String',
  integer: 'Nullable(Int64)',
  number: 'Nullable(Float64)',
}

/**
 * As what values are read from a document. A fraction that is read as Int64 is cut, and a truth value is a number; as text both
 * are seen for what they are.
 */
const readTypes: Record<FieldType, string> = { ...columnTypes, integer: 'String' }

/** Longer names are cut; a column's name is the name of its files. */
const maxPlainCharacters = 60

/** A key whose text may stand in a column's name as it is: it holds no "__" and neither begins nor ends with "_". */
const plainKey = /^[A-Za-z0-9]+(_[A-Za-z0-9]+)*$/

/**
 * The column of a field: `f_level`, `f_http__status`. Where a key has other characters they become "_", and a hash of the path
 * follows after "___", which no other column's name holds.
 */
export function fieldColumn(path: readonly string[]): string {
  const joined = path.join('__')
  if (path.length > 0 && path.every(key => plainKey.test(key)) && joined.length <= maxPlainCharacters) return `f_${joined}`
  const readable = joined.replace(/[^A-Za-z0-9]+/g, '_').slice(0, maxPlainCharacters)
  return `f_${readable}___${shortHash(JSON.stringify(path))}`
}

/** A column that fills itself: its type, and the expression of its DEFAULT. */
export interface FieldColumn {
  type: string
  value: string
}

/**
 * The columns of `fields`, by name.
 *
 * All share the text of one Tuple, from which ClickHouse sees that it has to parse the document only once; with an expression of
 * its own each column costs a parse of its own (three times as much for 25 fields). Only paths that cannot be in that Tuple
 * have one.
 */
export function fieldColumns(fields: readonly Field[]): Map<string, FieldColumn> {
  const { tree, apart } = arrange(fields)
  const tuple = quoteString(tupleType(tree))
  const columns = new Map<string, FieldColumn>()
  for (const field of fields) {
    const value = apart.has(field) ? ownExtraction(field) : sharedExtraction(field, tuple)
    columns.set(fieldColumn(field.path), { type: columnTypes[field.type], value })
  }
  return columns
}

/** The keys of the shared Tuple: a type at the leaves. */
type Tree = Map<string, FieldType | Tree>

/** Puts each field into the tree that fits: not below another field's leaf, not where another's branch is, no impossible name. */
function arrange(fields: readonly Field[]): { tree: Tree; apart: Set<Field> } {
  const tree: Tree = new Map()
  const apart = new Set<Field>()
  for (const field of fields) if (!field.path.every(mayBeInTuple) || !insert(tree, field)) apart.add(field)
  return { tree, apart }
}

/** A Tuple has no element without a name, and none with the name of the column where Nullable keeps its NULLs. */
function mayBeInTuple(key: string): boolean {
  return key !== '' && key.toLowerCase() !== 'null'
}

function insert(tree: Tree, { path, type }: Field): boolean {
  const [key, ...rest] = path
  if (key === undefined) return false
  const existing = tree.get(key)
  if (rest.length === 0) {
    if (existing !== undefined) return false
    tree.set(key, type)
    return true
  }
  if (typeof existing === 'string') return false
  const branch: Tree = existing ?? new Map()
  if (!insert(branch, { path: rest, type })) return false
  tree.set(key, branch)
  return true
}

function tupleType(tree: Tree): string {
  const elements = [...tree].map(([key, branch]) => {
    return `${quoteIdentifier(key)} ${typeof branch === 'string' ? readTypes[branch] : tupleType(branch)}`
  })
  return `Tuple(${elements.join(', ')})`
}

/**
 * The document of a log: what was read of a value that is not JSON, else the value. Nothing of a log that could not be decoded:
 * what the table has refused once is stored as it is and must not be refused again. And a log that is an array is no document:
 * its elements would be taken for the fields, by position.
 */
const documentOrNothing = String.raw`multiIf(_error != '', '', _fields != '', _fields, match(content, '^\\s*[{]'), content, '')`

function sharedExtraction({ path, type }: Field, tuple: string): string {
  const document = `JSONExtract(${documentOrNothing}, ${tuple})`
  return converted(
    path.reduce((value, key) => `tupleElement(${value}, ${quoteString(key)})`, document),
    type,
  )
}

function ownExtraction({ path, type }: Field): string {
  return converted(`JSONExtract(${documentOrNothing}, ${[...path, readTypes[type]].map(quoteString).join(', ')})`, type)
}

function converted(value: string, type: FieldType): string {
  return type === 'integer' ? `toInt64OrNull(${value})` : value
}
