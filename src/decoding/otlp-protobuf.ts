/**
 * OTLP logs as protobuf become OTLP/JSON, as the specification maps them: ids in hexadecimal, other bytes in base64, whole numbers of 64
 * bits as text, enumerations as numbers; what has its default is left out.
 *
 * The messages are those of opentelemetry-proto 1, declared below. As protobuf has it, fields that are not known are skipped, and a message
 * that comes twice where there is one is put together of both. Texts stay the bytes they are, also where these are no UTF-8.
 */
import { member, object, quote } from './json-text.ts'
import { ProtobufReader, WireType } from './protobuf.ts'

/** As deep as protobuf's own libraries go by default. */
const MAX_DEPTH = 100
/** What is made of a message may be many times its size, if somebody means it; a record may have as much. */
const MAX_JSON_BYTES = 16 * 2 ** 20
/** A million takes about a second; requests of 16 MiB have two. */
const MAX_FIELDS = 2 ** 21

/** A field: how protobuf writes its value and JSON has it; `texts` are many. Or a message, or many of them. */
type ScalarKind = 'text' | 'texts' | 'hex' | 'base64' | 'bool' | 'int32' | 'uint32' | 'fixed32' | 'int64' | 'fixed64' | 'double'
interface MessageKind {
  of: () => Declaration
  isRepeated: boolean
}

interface Declaration {
  /** By number, and in the order in which JSON has them. */
  fields: ReadonlyMap<number, { name: string; kind: ScalarKind | MessageKind }>
  /** Whether at most one of its fields is set: the last one, also if it has its default. */
  isChoice: boolean
}

/** What may still come of a request. */
interface Budget {
  bytesLeft: number
  fieldsLeft: number
}

/** What was read of a field: the JSON of its value, that of each of its values, or the bytes of a message. */
type Found = { json: string } | { list: string[] } | { pieces: Range[] }

/** From where to where a message is in a buffer. */
interface Range {
  begin: number
  end: number
}

function declare(fields: Record<number, [string, ScalarKind | MessageKind]>, isChoice = false): Declaration {
  return { fields: new Map(Object.entries(fields).map(([number, [name, kind]]) => [Number(number), { name, kind }])), isChoice }
}

const one = (of: () => Declaration): MessageKind => ({ of, isRepeated: false })
const many = (of: () => Declaration): MessageKind => ({ of, isRepeated: true })

const request = declare({ 1: ['resourceLogs', many(() => resourceLogs)] })
const resourceLogs = declare({
  1: ['resource', one(() => resource)],
  2: ['scopeLogs', many(() => scopeLogs)],
  3: ['schemaUrl', 'text'],
})
const resource = declare({
  1: ['attributes', many(() => keyValue)],
  2: ['droppedAttributesCount', 'uint32'],
  3: ['entityRefs', many(() => entityRef)],
})
const entityRef = declare({
  1: ['schemaUrl', 'text'],
  2: ['type', 'text'],
  3: ['idKeys', 'texts'],
  4: ['descriptionKeys', 'texts'],
})
const scopeLogs = declare({
  1: ['scope', one(() => scope)],
  2: ['logRecords', many(() => logRecord)],
  3: ['schemaUrl', 'text'],
})
const scope = declare({
  1: ['name', 'text'],
  2: ['version', 'text'],
  3: ['attributes', many(() => keyValue)],
  4: ['droppedAttributesCount', 'uint32'],
})
const logRecord = declare({
  1: ['timeUnixNano', 'fixed64'],
  11: ['observedTimeUnixNano', 'fixed64'],
  2: ['severityNumber', 'int32'],
  3: ['severityText', 'text'],
  5: ['body', one(() => anyValue)],
  6: ['attributes', many(() => keyValue)],
  7: ['droppedAttributesCount', 'uint32'],
  8: ['flags', 'fixed32'],
  9: ['traceId', 'hex'],
  10: ['spanId', 'hex'],
  12: ['eventName', 'text'],
})
const keyValue = declare({ 1: ['key', 'text'], 2: ['value', one(() => anyValue)] })
const anyValue = declare(
  {
    1: ['stringValue', 'text'],
    2: ['boolValue', 'bool'],
    3: ['intValue', 'int64'],
    4: ['doubleValue', 'double'],
    5: ['arrayValue', one(() => arrayValue)],
    6: ['kvlistValue', one(() => keyValueList)],
    7: ['bytesValue', 'base64'],
  },
  true,
)
const arrayValue = declare({ 1: ['values', many(() => anyValue)] })
const keyValueList = declare({ 1: ['values', many(() => keyValue)] })

/** The JSON of an ExportLogsServiceRequest; undefined if the bytes are none, or it would be too large. Never throws for what it reads. */
export function otlpJsonOf(bytes: Buffer): Buffer | undefined {
  try {
    return Buffer.from(
      jsonOfMessage(bytes, { begin: 0, end: bytes.length }, request, { bytesLeft: MAX_JSON_BYTES, fieldsLeft: MAX_FIELDS }, 0),
      'latin1',
    )
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
  }
}

function jsonOfMessage(bytes: Buffer, { begin, end }: Range, declaration: Declaration, budget: Budget, depth: number): string {
  if (depth > MAX_DEPTH) throw new RangeError('messages in messages, too deep')
  const { fields, isChoice } = declaration
  let found: (Found | undefined)[] = []
  const field = new ProtobufReader(bytes, begin, end)
  while (field.next()) {
    if (budget.fieldsLeft-- === 0) throw new RangeError('too many fields')
    const kind = fields.get(field.number)?.kind
    if (kind === undefined) continue
    const before = found[field.number]
    let next: Found | undefined
    if (typeof kind === 'string') {
      const json = jsonOf(bytes, field, kind)
      if (json !== undefined) next = kind === 'texts' ? addTo(before, json) : { json }
    } else if (field.type === WireType.BYTES) {
      if (kind.isRepeated) next = addTo(before, jsonOfMessage(bytes, field, kind.of(), budget, depth + 1))
      // The bytes of two that are one message, in a row, are those of the message that both make.
      else if (before !== undefined && 'pieces' in before) before.pieces.push({ begin: field.begin, end: field.end })
      else next = { pieces: [{ begin: field.begin, end: field.end }] }
    }
    if (next === undefined || next === before) continue
    if (isChoice) found = []
    found[field.number] = next
  }
  const members: string[] = []
  for (const [number, { name, kind }] of fields) {
    const json = finish(bytes, found[number], (buffer, range) =>
      jsonOfMessage(buffer, range, (kind as MessageKind).of(), budget, depth + 1),
    )
    if (json === undefined || (!isChoice && defaults.has(json))) continue
    members.push(member(name, json))
    budget.bytesLeft -= name.length + 4 + (typeof kind === 'string' ? json.length : 2)
    if (budget.bytesLeft < 0) throw new RangeError('too much JSON')
  }
  budget.bytesLeft -= 3
  return object(members)
}

function addTo(before: Found | undefined, json: string): Found {
  if (before === undefined || !('list' in before)) return { list: [json] }
  before.list.push(json)
  return before
}

function finish(bytes: Buffer, found: Found | undefined, read: (buffer: Buffer, range: Range) => string): string | undefined {
  if (found === undefined) return undefined
  if ('json' in found) return found.json
  if ('list' in found) return `[${found.list.join(',')}]`
  const [first, ...others] = found.pieces
  if (others.length === 0) return read(bytes, first!)
  const whole = Buffer.concat(found.pieces.map(({ begin, end }) => bytes.subarray(begin, end)))
  return read(whole, { begin: 0, end: whole.length })
}

const defaults: ReadonlySet<string> = new Set(['""', '"0"', '0'])

/** The JSON of a value; undefined if the field is not of the type that it must be, which makes it one that is not known. */
function jsonOf(buffer: Buffer, { type, value, begin, end }: ProtobufReader, kind: ScalarKind): string | undefined {
  if (type !== typeOf[kind]) return undefined
  switch (kind) {
    case 'text':
    case 'texts':
      return quote(buffer.toString('latin1', begin, end))
    case 'hex':
      return `"${buffer.toString('hex', begin, end)}"`
    case 'base64':
      return `"${buffer.toString('base64', begin, end)}"`
    case 'bool':
      return String(value !== 0 && value !== 0n)
    case 'int32':
      return String(BigInt.asIntN(32, BigInt(value)))
    case 'uint32':
      return String(BigInt.asUintN(32, BigInt(value)))
    case 'int64':
      return typeof value === 'number' ? `"${value}"` : `"${BigInt.asIntN(64, value)}"`
    case 'fixed64':
      return `"${value}"`
    case 'fixed32':
      return String(value)
    case 'double':
      return jsonOfDouble(BigInt(value))
  }
}

const typeOf: Record<ScalarKind, number> = {
  text: WireType.BYTES,
  texts: WireType.BYTES,
  hex: WireType.BYTES,
  base64: WireType.BYTES,
  bool: WireType.VARINT,
  int32: WireType.VARINT,
  uint32: WireType.VARINT,
  int64: WireType.VARINT,
  fixed64: WireType.FIXED64,
  fixed32: WireType.FIXED32,
  double: WireType.FIXED64,
}

const eightBytes = new DataView(new ArrayBuffer(8))

function jsonOfDouble(bits: bigint): string {
  eightBytes.setBigUint64(0, bits)
  const value = eightBytes.getFloat64(0)
  if (!Number.isFinite(value)) return `"${value}"`
  return Object.is(value, -0) ? '-0' : String(value)
}
