/**
 * OTLP logs as JSON, as the OpenTelemetry Collector sends them: an ExportLogsServiceRequest, whose log records become a log each.
 *
 *     {"resourceLogs":[{"resource":{…},"scopeLogs":[{"scope":{…},"logRecords":[{"timeUnixNano":"…","body":{"stringValue":"…"},…}]}]}]}
 *
 * What is read of a record is the record itself, with what it shares with others before it (`resource`, `scope`), and with lists of keys and
 * values as the objects that they mean: `[{"key":"a","value":{"intValue":"1"}}]` is `{"a":1}`. All else is copied as it is written.
 */
import { findMembers, listMembers, skipBlanks, splitArray } from './json-bytes.ts'
import { float, integer, object, type Parsed } from './json-text.ts'

/** A record in a request, and what was read of it; undefined if it is not as it should be. */
export interface OtlpLog {
  bytes: Buffer
  parsed: Parsed | undefined
}

/** Far more than people write; each level calls the next, and scans once more what is in it. */
const MAX_DEPTH = 32
/** What records share is written out for each: as much may come of one request, and of one record. */
const MAX_DOCUMENTS_BYTES = 32 * 2 ** 20
const MAX_DOCUMENT_BYTES = 2 * 2 ** 20

const OPEN_BRACE = 0x7b
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const QUOTE = 0x22
const LETTER_R = 0x72
const firstKey = Buffer.from('"resourceLogs"')

/** Whether a value begins as a request does. */
export function beginsAsOtlp(value: Buffer): boolean {
  const begin = skipBlanks(value, skipBlanks(value, 0) + 1)
  // Nearly all logs are told by this letter.
  if (value[begin + 1] !== LETTER_R || value.length < begin + firstKey.length) return false
  return firstKey.compare(value, begin, begin + firstKey.length) === 0
}

/**
 * The logs of a request, undefined if it is none, has none or has anything beside them; `not-divided` if there are more than `maxLogs`, or
 * if what is read of them would take too much memory.
 */
export function splitOtlp(value: Buffer, maxLogs: number): OtlpLog[] | 'not-divided' | undefined {
  const logs: OtlpLog[] = []
  let documentsBytes = 0
  try {
    const [request, ...others] = listMembers(value) ?? []
    if (request?.key.equals(firstKey) !== true || others.length > 0) return undefined
    for (const resourceLogs of elementsOf(request.value)) {
      const [resource, scopeLogsList] = readGroup(resourceLogs, 'resource', 'scopeLogs')
      for (const scopeLogs of scopeLogsList) {
        const [scope, records] = readGroup(scopeLogs, 'scope', 'logRecords')
        for (const bytes of records) {
          const documentBytes = resource.length + scope.length + bytes.length
          documentsBytes += documentBytes
          if (logs.length === maxLogs || documentsBytes > MAX_DOCUMENTS_BYTES) return 'not-divided'
          logs.push({ bytes, parsed: documentBytes > MAX_DOCUMENT_BYTES ? undefined : parseRecord(bytes, [resource, scope]) })
        }
      }
    }
  } catch (error) {
    if (error instanceof NotOtlp) return undefined
    throw error
  }
  return logs.length === 0 ? undefined : logs
}

function parseRecord(bytes: Buffer, shared: readonly string[]): Parsed | undefined {
  try {
    const [time, observed] = findMembers(bytes, timeKeys)
    return { document: object([...shared, ...flatten(bytes)]), timeMs: timeOf(time) ?? timeOf(observed), isTimeOfLog: true }
  } catch (error) {
    if (error instanceof NotOtlp) return undefined
    throw error
  }
}

const timeKeys = ['timeUnixNano', 'observedTimeUnixNano'].map(key => Buffer.from(key))

/** Milliseconds of nanoseconds, as text or as a number; undefined if they are 0, which means that nobody knows. */
function timeOf(value: Buffer | undefined): number | undefined {
  if (value === undefined || value.length > 22) return undefined
  const digits = unquoted(value)
  if (!/^\d{1,20}$/.test(digits)) return undefined
  const nanoseconds = BigInt(digits)
  return nanoseconds === 0n ? undefined : Number(nanoseconds / 1_000_000n)
}

/**
 * What the elements of the list `listName` have in common, as the member `name` of their documents, and these elements. What stands beside
 * both, as `schemaUrl`, goes into it, so that nothing is lost.
 */
function readGroup(group: Buffer, name: string, listName: string): [string, Buffer[]] {
  let common: string[] | undefined
  let elements: Buffer[] | undefined
  const others: string[] = []
  for (const { key, value } of listMembers(group) ?? notOtlp()) {
    const text = key.toString()
    if (text === `"${name}"` && common === undefined) common = isNothing(value) ? [] : flatten(value)
    else if (text === `"${listName}"` && elements === undefined) elements = elementsOf(value)
    else if (value.toString() !== '""') others.push(`${text}:${value.toString()}`)
  }
  return [`"${name}":${object([...(common ?? []), ...others])}`, elements ?? []]
}

/** The members of an object, with `attributes` and `body` as what they mean. */
function flatten(bytes: Buffer): string[] {
  return (listMembers(bytes) ?? notOtlp()).map(({ key, value }) => {
    const name = key.toString()
    if (name === '"attributes"') return `${name}:${objectOf(value, 0)}`
    return `${name}:${name === '"body"' ? valueOf(value, 0) : value.toString()}`
  })
}

/** The object that a list of keys and values means. */
function objectOf(list: Buffer | undefined, depth: number): string {
  const members = elementsOf(list).map(element => {
    const [key, value] = findMembers(element, keyValueKeys)
    if (key !== undefined && key[0] !== QUOTE) notOtlp()
    return `${key?.toString() ?? '""'}:${valueOf(value, depth)}`
  })
  return object(members)
}

const keyValueKeys = ['key', 'value'].map(key => Buffer.from(key))

/** What an AnyValue means; it has one member, or none. */
function valueOf(any: Buffer | undefined, depth: number): string {
  if (isNothing(any)) return 'null'
  if (depth > MAX_DEPTH) notOtlp()
  // Not as it is specified, and clear all the same.
  if (any[0] !== OPEN_BRACE) return any.toString()
  const [member] = listMembers(any) ?? notOtlp()
  if (member === undefined) return 'null'
  const { value } = member
  switch (member.key.toString()) {
    case '"intValue"':
      return wholeNumber(value)
    case '"doubleValue"':
      return float(unquoted(value))
    case '"arrayValue"':
      return `[${elementsOf(memberOf(value, 'values')).map(element => valueOf(element, depth + 1)).join(',')}]` // prettier-ignore
    case '"kvlistValue"':
      return objectOf(memberOf(value, 'values'), depth + 1)
    default:
      return value.toString()
  }
}

function wholeNumber(value: Buffer): string {
  const digits = unquoted(value)
  return /^-?(?:0|[1-9]\d{0,39})$/.test(digits) ? integer(digits) : value.toString()
}

function unquoted(value: Buffer): string {
  return value[0] === QUOTE ? value.toString('utf8', 1, value.length - 1) : value.toString()
}

function memberOf(bytes: Buffer, key: string): Buffer | undefined {
  return findMembers(bytes, [Buffer.from(key)])[0]
}

/** The objects in a list; none if there is no list. */
function elementsOf(list: Buffer | undefined): Buffer[] {
  if (isNothing(list)) return []
  if (list[0] !== OPEN_BRACKET) notOtlp()
  const first = skipBlanks(list, 1)
  if (list[first] === CLOSE_BRACKET && first === list.length - 1) return []
  return splitArray(list, Infinity) ?? notOtlp()
}

function isNothing(value: Buffer | undefined): value is undefined {
  return value === undefined || (value.length === 4 && value.toString('latin1') === 'null')
}

class NotOtlp extends Error {}

function notOtlp(): never {
  throw new NotOtlp()
}
