/**
 * Prints frames field by field, for people who look into a wire dump. Secrets are blanked, payloads are described but not
 * shown, and a frame that cannot be decoded is printed as far as its header goes, with the error.
 *
 *     Produce request, version 9, correlation id 4, client "sarama"
 *       acks: 1
 *       topicData[0].name: "nginx"
 *       topicData[0].partitionData[0].records: 8246 bytes, format 2, gzip, 1 records
 *
 * Frames are given without their size. Bare SASL tokens (after SaslHandshake 0) are no such frames and must not come here.
 */
import { apiName } from './api-keys.ts'
import { Chunks } from './chunks.ts'
import { decodeRequestHeader, decodeResponse } from './headers.ts'
import { type AnyMessage, findApi } from './messages/apis.ts'
import { ProtocolError } from './protocol-error.ts'
import { Reader } from './reader.ts'
import { BATCH_HEADER_BYTES, readBatchHeader } from './records/batch.ts'
import { codecName } from './records/compression.ts'

export function explainRequest(frame: Chunks | Buffer): string {
  return orError(() => {
    const reader = new Reader(frame)
    const { apiKey, apiVersion, correlationId, clientId } = decodeRequestHeader(reader)
    const client = clientId === null ? 'no client id' : `client ${JSON.stringify(clientId)}`
    const title = `${apiName(apiKey)} request, version ${apiVersion}, correlation id ${correlationId}, ${client}`
    const message = findApi(apiKey)?.request
    if (!message?.isDeclared(apiVersion)) return `${title}\n  ${reader.remaining} bytes that are not decoded`
    return `${title}\n${orError(() => explainBody(message, message.decode(reader, apiVersion), apiVersion))}`
  })
}

/** Which request a response belongs to is not in its bytes; the caller remembers it by the correlation id. */
export function explainResponse(frame: Chunks | Buffer, apiKey: number, apiVersion: number): string {
  const title = `${apiName(apiKey)} response, version ${apiVersion}`
  const message = findApi(apiKey)?.response
  if (!message?.isDeclared(apiVersion)) return `${title}\n  ${frame.length} bytes that are not decoded`
  return orError(() => {
    const { correlationId, value } = decodeResponse(message, apiVersion, frame)
    return `${title}, correlation id ${correlationId}\n${explainBody(message, value, apiVersion)}`
  }, `${title}\n`)
}

function explainBody(message: AnyMessage, value: unknown, version: number): string {
  const printed = [...lines('', message.printable(value, version))]
  return printed.length === 0 ? '  (no fields)' : printed.map(line => `  ${line}`).join('\n')
}

/** One line for each field that is no structure, with the path to it. */
function* lines(path: string, value: unknown): Generator<string> {
  if (Array.isArray(value)) {
    if (value.length === 0) yield `${path}: []`
    for (const [index, element] of value.entries()) yield* lines(`${path}[${index}]`, element)
  } else if (value instanceof Chunks) yield `${path}: ${describeRecords(value)}`
  else if (Buffer.isBuffer(value)) yield `${path}: ${value.length} bytes`
  else if (typeof value === 'object' && value !== null) {
    for (const [name, field] of Object.entries(value)) yield* lines(path === '' ? name : `${path}.${name}`, field)
  } else yield `${path}: ${JSON.stringify(value)}`
}

/** By the first batch; what follows it is counted in bytes only. */
function describeRecords(records: Chunks): string {
  const size = `${records.length} bytes`
  if (records.length < BATCH_HEADER_BYTES) return size
  const { magic, codec, recordCount } = readBatchHeader(records, 0)
  return magic === 2 ? `${size}, format 2, ${codecName(codec)}, ${recordCount} records` : `${size}, format ${magic}`
}

function orError(explain: () => string, prefix = ''): string {
  try {
    return explain()
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
    return `${prefix}  not decodable: ${error.message}`
  }
}
