/**
 * The list of a logstore's fields: what may stand in it, and how it changes.
 *
 * What must stay true: no path stands in it twice, it never has more than MAX_FIELDS, and a field that somebody removed comes back
 * only by somebody's hand.
 */
import { sluiceError } from '../base/errors.ts'
import type { Field, Logstore } from './model.ts'

/** Each is a column, which costs a file in every part of the table, and memory with every insert. */
export const MAX_FIELDS = 64
/** Also the most that is looked at in a document when fields are counted. */
export const MAX_PATH_KEYS = 32
export const MAX_KEY_BYTES = 256
/** Of removed fields that are remembered; the oldest are forgotten. */
const MAX_REMOVED_FIELDS = 1000

/** Half of a character that takes two units of UTF-16: no bytes stand for it. */
const loneSurrogate = /\p{Surrogate}/u

/** Whether a key may be part of a path. Any text is, up to a length. */
export function isKey(key: string): boolean {
  return key.length <= MAX_KEY_BYTES && Buffer.byteLength(key) <= MAX_KEY_BYTES && !loneSurrogate.test(key)
}

/** A path as people read it: `http.status`, or a JSON array where a key has a dot or begins like one. */
export function describePath(path: readonly string[]): string {
  const isPlain = path.every(key => /^[^.[\]"\s\p{C}]+$/u.test(key))
  if (isPlain) return path.join('.')
  // JSON leaves characters as they are that a terminal obeys.
  return JSON.stringify(path).replace(/[\p{C}\p{Z}]/gu, character => (character === ' ' ? ' ' : escapeCharacter(character)))
}

/** Adds a field by hand. Throws INVALID_ARGUMENT, FIELD_EXISTS or TOO_MANY_FIELDS. */
export function withField(logstore: Logstore, { path, type }: Field): Logstore {
  if (path.length === 0 || path.length > MAX_PATH_KEYS || !path.every(isKey))
    throw sluiceError('INVALID_ARGUMENT', {
      problem: `the path of a field is 1 to ${MAX_PATH_KEYS} keys of at most ${MAX_KEY_BYTES} bytes each`,
    })
  const { fields, removedFields, name } = logstore
  const existing = fields.find(field => isSamePath(field.path, path))
  if (existing !== undefined) throw sluiceError('FIELD_EXISTS', { path: describePath(path), type: existing.type, logstore: name })
  if (fields.length >= MAX_FIELDS) throw sluiceError('TOO_MANY_FIELDS', { logstore: name, limit: MAX_FIELDS })
  return {
    ...logstore,
    fields: [...fields, { path, type }],
    removedFields: removedFields.filter(removed => !isSamePath(removed, path)),
  }
}

/** Removes a field. Throws FIELD_NOT_FOUND. */
export function withoutField(logstore: Logstore, path: readonly string[]): Logstore {
  const fields = logstore.fields.filter(field => !isSamePath(field.path, path))
  if (fields.length === logstore.fields.length)
    throw sluiceError('FIELD_NOT_FOUND', { path: describePath(path), logstore: logstore.name })
  return { ...logstore, fields, removedFields: [...logstore.removedFields, [...path]].slice(-MAX_REMOVED_FIELDS) }
}

/** Adds fields that were found in logs, as far as they may be; the very same logstore if none may. */
export function withDiscoveredFields(logstore: Logstore, found: readonly Field[]): Logstore {
  const { fields, removedFields } = logstore
  const known = new Set([...fields.map(({ path }) => path), ...removedFields].map(keyOfPath))
  const added = found.filter(({ path }) => !known.has(keyOfPath(path))).slice(0, Math.max(0, MAX_FIELDS - fields.length))
  return added.length === 0 ? logstore : { ...logstore, fields: [...fields, ...added] }
}

/** A text that is the path's alone. */
export function keyOfPath(path: readonly string[]): string {
  return JSON.stringify(path)
}

function escapeCharacter(character: string): string {
  return Array.from({ length: character.length }, (_, unit) => {
    return `\\u${character.charCodeAt(unit).toString(16).padStart(4, '0')}`
  }).join('')
}

function isSamePath(one: readonly string[], other: readonly string[]): boolean {
  return keyOfPath(one) === keyOfPath(other)
}
