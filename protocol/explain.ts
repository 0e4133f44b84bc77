/**
 * Prints frames field by field, for people who look into a wire dump. Secrets are blanked, payloads are described and only on
 * demand shown, and a frame that cannot be decoded is printed as far as its header goes, with the error.
 *
 *     Produce request, version 9, correlation id 4, client "sarama"
 *       acks: 1
 *       topicData[0].name: "nginx"
 *       topicData[0].partitionData[0].records: 8246 bytes
 *         format 2, 8246 bytes, base offset 0, 1 records, gzip, checksum good, no producer id, 2026-11-21T10:00:00.000Z
 *
 * Frames are given without their size. Bare SASL tokens (after SaslHandshake 0) are no such frames and must not come here.
 */
import { ApiKey, apiName } from './api-keys.ts'
import { Chunks } from './chunks.ts'
import { ErrorCode } from './error-codes.ts'
import { formatRecords, quote, summarizeRecords } from './explain-records.ts'
import { decodeRequestHeader, decodeResponse } from './headers.ts'
import { findApi } from './messages/apis.ts'
import { ProtocolError } from './protocol-error.ts'
import { Reader } from './reader.ts'

export interface ExplainOptions {
  /** Whether records are decompressed and shown too. */
  records?: boolean
  /** Whether the end of the frame is missing and zeros stand in its place: then a wrong checksum says nothing. */
  cut?: boolean
}

/** A frame as data, for programs. */
export interface FrameDescription {
  /** Absent, with what follows, if not even the header can be decoded. */
  api?: string
  version?: number
  correlationId?: number
  clientId?: string | null
  /** The fields of this version by their names, secrets blanked. Bytes and records are objects that say how many there are. */
  fields?: unknown
  /** Why there are no fields. */
  problem?: string
}

export function explainRequest(frame: Chunks | Buffer, options: ExplainOptions = {}): string {
  const { api, version, correlationId, clientId = null, ...body } = describe(() => readRequest(frame))
  if (api === undefined) return explainBody(body, options)
  const client = clientId === null ? 'no client id' : `client ${quote(clientId)}`
  return `${api} request, version ${version}, correlation id ${correlationId}, ${client}\n${explainBody(body, options)}`
}

/** Which request a response belongs to is not in its bytes; the caller remembers it by the correlation id. */
export function explainResponse(
  frame: Chunks | Buffer,
  apiKey: number,
  apiVersion: number,
  options: ExplainOptions = {},
): string {
  const { api, version, correlationId, ...body } = describe(() => readResponse(frame, apiKey, apiVersion))
  const id = correlationId === undefined ? '' : `, correlation id ${correlationId}`
  return `${api} response, version ${version}${id}\n${explainBody(body, options)}`
}

/** As `explainRequest`, for programs. */
export function describeRequest(frame: Chunks | Buffer, options: ExplainOptions = {}): FrameDescription {
  return withoutBytes(
    describe(() => readRequest(frame)),
    options,
  ) as FrameDescription
}

/** As `explainResponse`, for programs. */
export function describeResponse(
  frame: Chunks | Buffer,
  apiKey: number,
  apiVersion: number,
  options: ExplainOptions = {},
): FrameDescription {
  return withoutBytes(
    describe(() => readResponse(frame, apiKey, apiVersion)),
    options,
  ) as FrameDescription
}

/** Tells in parts what a frame is: what was told before an error stays. */
function describe(read: () => Generator<FrameDescription, void>): FrameDescription {
  const description: FrameDescription = {}
  try {
    for (const part of read()) Object.assign(description, part)
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
    description.problem = `not decodable: ${error.message}`
  }
  return description
}

function* readRequest(frame: Chunks | Buffer): Generator<FrameDescription, void> {
  const reader = new Reader(frame)
  const { apiKey, apiVersion, correlationId, clientId } = decodeRequestHeader(reader)
  yield { api: apiName(apiKey), version: apiVersion, correlationId, clientId }
  const message = findApi(apiKey)?.request
  if (!message?.isDeclared(apiVersion)) yield { problem: `${reader.remaining} bytes that are not decoded` }
  else yield { fields: message.printable(message.decode(reader, apiVersion), apiVersion) }
}

function* readResponse(frame: Chunks | Buffer, apiKey: number, apiVersion: number): Generator<FrameDescription, void> {
  const version = isVersionRefused(frame, apiKey) ? 0 : apiVersion
  yield { api: apiName(apiKey), version }
  const message = findApi(apiKey)?.response
  if (!message?.isDeclared(version)) return yield { problem: `${frame.length} bytes that are not decoded` }
  const { correlationId, value } = decodeResponse(message, version, frame)
  yield { correlationId, fields: message.printable(value, version) }
}

/** Who asks for the versions in one that is not known is told in the oldest (KIP-511); the code stands behind the correlation id. */
function isVersionRefused(frame: Chunks | Buffer, apiKey: number): boolean {
  if (apiKey !== ApiKey.ApiVersions || frame.length < 6) return false
  const reader = new Reader(frame)
  reader.skip(4)
  return reader.int16() === ErrorCode.UNSUPPORTED_VERSION
}

function explainBody({ fields, problem }: FrameDescription, options: ExplainOptions): string {
  const printed = problem === undefined ? [...lines('', fields, options)] : [problem]
  return printed.length === 0 ? '  (no fields)' : printed.map(line => `  ${line}`).join('\n')
}

/**
 * One line for each field, with the path to it. An element of an array that holds nothing but scalars is one line too, or as many
 * as are needed if it is long; records are several.
 */
function* lines(path: string, value: unknown, options: ExplainOptions): Generator<string> {
  if (value instanceof Chunks) {
    const [size, ...batches] = formatRecords(summarizeRecords(value, options))
    yield `${path}: ${size}`
    yield* batches
  } else if (Array.isArray(value) && !value.every(isScalar)) {
    for (const [index, element] of value.entries()) {
      if (isFlat(element)) yield* wrap(`${path}[${index}]: `, element)
      else yield* lines(`${path}[${index}]`, element, options)
    }
  } else if (isStruct(value)) {
    for (const [name, field] of Object.entries(value)) yield* lines(path === '' ? name : `${path}.${name}`, field, options)
  } else yield `${path}: ${formatValue(path.replace(/.*\./, ''), value)}`
}

const MAX_LINE_CHARACTERS = 160

function isStruct(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !Buffer.isBuffer(value)
}

function isScalar(value: unknown): boolean {
  return typeof value !== 'object' || value === null || Buffer.isBuffer(value)
}

/** Whether it is a structure of scalars and arrays of such. */
function isFlat(value: unknown): value is object {
  const isShort = (field: unknown): boolean => isScalar(field) || (Array.isArray(field) && field.every(isScalar))
  return isStruct(value) && Object.values(value).every(isShort)
}

/** The fields of a flat structure one after the other, on lines that are not longer than need be. */
function* wrap(title: string, struct: object): Generator<string> {
  let line = title
  for (const [index, [name, value]] of Object.entries(struct).entries()) {
    const field = `${name}: ${formatValue(name, value)}`
    if (index === 0) line += field
    else if (line.length + field.length < MAX_LINE_CHARACTERS) line += `, ${field}`
    else {
      yield `${line},`
      line = `    ${field}`
    }
  }
  yield line
}

/** A scalar or an array of scalars; what codes mean is said too. */
function formatValue(name: string, value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(element => formatValue(name, element)).join(', ')}]`
  if (Buffer.isBuffer(value)) return `${value.length} bytes`
  if (typeof value === 'string') return quote(value)
  if (name === 'apiKey') return `${String(value)} ${apiName(value as number)}`
  return name === 'errorCode' && value !== 0 ? `${String(value)} ${errorName(value as number)}` : String(value)
}

function errorName(code: number): string {
  return Object.entries(ErrorCode).find(([, value]) => value === code)?.[0] ?? 'which sluice does not answer'
}

/** The same value with bytes and records described by objects that can become JSON. */
function withoutBytes(value: unknown, options: ExplainOptions): unknown {
  if (value instanceof Chunks) return summarizeRecords(value, options)
  if (Buffer.isBuffer(value)) return { bytes: value.length }
  if (Array.isArray(value)) return value.map(element => withoutBytes(element, options))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, withoutBytes(field, options)]))
}
