/**
 * Pieces of JSON documents, written as text: digits stay as they came, keys may be any text (`__proto__`) and may repeat.
 */

/** What was read of a value that is no JSON document. */
export interface Parsed {
  /** What was read, as a JSON object. */
  document: string
  /** The time that the log says it has, in milliseconds since 1970; undefined if it says none. */
  timeMs: number | undefined
  /** That time is the log's own, where the record's is that of the request which brought it among others. */
  isTimeOfLog?: boolean
}

/** Reads a log, received at a time in milliseconds since 1970; undefined if it is not in the format. Never throws for what it reads. */
export type Parser = (text: string, receivedMs: number) => Parsed | undefined

/** A number as people write it and JSON has it, and no more digits than any reader takes. */
const plainNumber = /^-?(?:0|[1-9]\d{0,17})(?:\.\d{1,18})?$/
const jsonNumber = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/
const LONGEST_NUMBER = 40

/** What needs no escapes, as most names do not: to look is a third of the work of JSON.stringify. */
const plainText = /^[\w .:/@+-]*$/
const LONGEST_PLAIN = 64

export function quote(text: string): string {
  return text.length <= LONGEST_PLAIN && plainText.test(text) ? `"${text}"` : JSON.stringify(text)
}

/** The text of a format without types: a number if it looks like one, else a string. */
export function scalar(text: string): string {
  return text.length <= LONGEST_NUMBER && plainNumber.test(text) ? text : quote(text)
}

/** A whole number: as it came if 64 bits hold it, else a string, since whoever reads documents stops at a larger one. */
export function integer(digits: string): string {
  if (digits.length < 19) return digits
  const value = BigInt(digits)
  return value >= -(2n ** 63n) && value < 2n ** 64n ? digits : quote(digits)
}

/** A floating point number: as it came if JSON has it so, else rewritten; one that is none is null. */
export function float(text: string): string {
  const value = Number(text)
  if (!Number.isFinite(value)) return 'null'
  const isLongInteger = text.length > 18 && !/[.eE]/.test(text)
  return jsonNumber.test(text) && !isLongInteger ? text : String(value)
}

/** An object of members as `member` makes them. */
export function object(members: readonly string[]): string {
  return `{${members.join(',')}}`
}

/** `value` is JSON already. */
export function member(key: string, value: string): string {
  return `${quote(key)}:${value}`
}
