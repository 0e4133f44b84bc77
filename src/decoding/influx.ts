/**
 * InfluxDB's line protocol: `cpu,host=a usage_idle=98.2,n=3i 1700000000000000000`.
 *
 *     {"name":"cpu","tags":{"host":"a"},"fields":{"usage_idle":98.2,"n":3},"timestamp":1700000000000000000}
 *
 * The names are those of Telegraf's JSON, so that the same queries serve both.
 */
import { float, integer, member, object, quote, type Parsed } from './json-text.ts'
import { epochTime } from './time.ts'

const COMMA = 0x2c
const SPACE = 0x20
const EQUALS = 0x3d
const QUOTE = 0x22
const BACKSLASH = 0x5c

const float64 = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/
const timestampOfLine = /^-?\d{1,19}$/

export function parseInflux(text: string): Parsed | undefined {
  const line = text.trim()
  if (line.startsWith('#')) return undefined
  let end = findEnd(line, 0, false)
  if (end === 0 || end === line.length) return undefined
  const name = unescape(line.slice(0, end))
  const tags: string[] = []
  while (line.charCodeAt(end) === COMMA) {
    const equals = findEnd(line, end + 1, true)
    if (equals === end + 1 || line.charCodeAt(equals) !== EQUALS) return undefined
    const next = findEnd(line, equals + 1, true)
    if (next === equals + 1 || line.charCodeAt(next) === EQUALS) return undefined
    tags.push(member(unescape(line.slice(end + 1, equals)), quote(unescape(line.slice(equals + 1, next)))))
    end = next
  }
  const fields: string[] = []
  do {
    while (fields.length === 0 && line.charCodeAt(end + 1) === SPACE) end++
    const equals = findEnd(line, end + 1, true)
    if (equals === end + 1 || line.charCodeAt(equals) !== EQUALS) return undefined
    const isText = line.charCodeAt(equals + 1) === QUOTE
    const next = isText ? findQuote(line, equals + 2) + 1 : findEnd(line, equals + 1, false)
    const value = isText ? textValue(line.slice(equals + 2, next - 1)) : fieldValue(line.slice(equals + 1, next))
    if (next === 0 || value === undefined) return undefined
    fields.push(member(unescape(line.slice(end + 1, equals)), value))
    end = next
  } while (line.charCodeAt(end) === COMMA)

  const members = [member('name', quote(name)), member('tags', object(tags)), member('fields', object(fields))]
  const timestamp = line.slice(end).trim()
  if (timestamp === '') return { document: object(members), timeMs: undefined }
  if (line.charCodeAt(end) !== SPACE || !timestampOfLine.test(timestamp)) return undefined
  members.push(member('timestamp', integer(String(BigInt(timestamp)))))
  return { document: object(members), timeMs: epochTime(Number(timestamp)) }
}

/** The position of the comma, space or (where it counts) equals sign that ends what begins at `position`. */
function findEnd(line: string, position: number, atEquals: boolean): number {
  for (; position < line.length; position++) {
    const code = line.charCodeAt(position)
    if (code === BACKSLASH) position++
    else if (code === COMMA || code === SPACE || (atEquals && code === EQUALS)) return position
  }
  return line.length
}

/** The position of the quotation mark that ends a text, or -1. */
function findQuote(line: string, position: number): number {
  for (; position < line.length; position++) {
    const code = line.charCodeAt(position)
    if (code === BACKSLASH) position++
    else if (code === QUOTE) return position
  }
  return -1
}

function unescape(text: string): string {
  return text.includes('\\') ? text.replace(/\\([,= ])/g, '$1') : text
}

function textValue(text: string): string {
  return quote(text.includes('\\') ? text.replace(/\\(["\\])/g, '$1') : text)
}

function fieldValue(text: string): string | undefined {
  if (/^-?\d{1,20}[iu]$/.test(text)) return integer(String(BigInt(text.slice(0, -1))))
  if (text.length <= 400 && float64.test(text)) return float(text)
  if (/^(?:t|T|true|True|TRUE)$/.test(text)) return 'true'
  return /^(?:f|F|false|False|FALSE)$/.test(text) ? 'false' : undefined
}
