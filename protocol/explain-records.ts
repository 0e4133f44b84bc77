/**
 * What a `records` field holds, for people: every batch with what its header says and whether its checksum is right, and if asked
 * for, the records. Nothing is assumed of the bytes: what cannot be read is a `problem`, behind what could be.
 */
import { isUtf8 } from 'node:buffer'
import { crc32 } from 'node:zlib'
import { Chunks } from './chunks.ts'
import { Reader } from './reader.ts'
import {
  ATTRIBUTES_POSITION,
  BATCH_HEADER_BYTES,
  batchPayload,
  CODEC_BITS,
  MAGIC_POSITION,
  readBatchHeader,
} from './records/batch.ts'
import type { BatchHeader } from './records/batch.ts'
import { codecName, decompress } from './records/compression.ts'
import { conversionBudget, convertMessageSet } from './records/message-set.ts'
import { RecordsError } from './records/records-error.ts'
import { readRecords } from './records/records.ts'

/** What a batch may decompress to, and how much of it is shown. */
const MAX_PLAIN_BYTES = 128 * 1024 * 1024
const MAX_RECORDS = 1000
const MAX_CHARACTERS = 500

export interface RecordsSummary {
  bytes: number
  batches: BatchSummary[]
  /** Why there are bytes that are in no batch. */
  problem?: string
}

export interface BatchSummary {
  /** 2, or of a message in an old set 0 or 1. */
  format: number
  bytes: number
  baseOffset: number
  codec: string
  checksum: 'good' | 'wrong' | 'not known'
  /** The rest only formats that have it: format 0 has no time, and only format 2 the rest. */
  time?: string | null
  maxTime?: string | null
  count?: number
  producerId?: number
  producerEpoch?: number
  baseSequence?: number
  /** Bits beside the codec. */
  attributes?: string[]
  /** If asked for. */
  records?: RecordSummary[]
  /** Why there are not all of them. */
  problem?: string
}

export interface RecordSummary {
  time: string | null
  key: Content | null
  value: Content | null
  headers?: { key: Content; value: Content | null }[]
}

/** The beginning of a key or value, as text if it is text; `bytes` is the size of the whole if that is not all. */
export type Content = ({ text: string } | { hex: string }) & { bytes?: number }

/** What of it is wanted and known: `records` says whether those are wanted too, `cut` whether the end was replaced by zeros. */
export interface SummaryOptions {
  records?: boolean
  cut?: boolean
}

export function summarizeRecords(chunks: Chunks, options: SummaryOptions = {}): RecordsSummary {
  const summary: RecordsSummary = { bytes: chunks.length, batches: [] }
  for (let position = 0; position < chunks.length;) {
    const left = chunks.length - position
    if (left <= MAGIC_POSITION) return { ...summary, problem: `the last ${left} bytes are too few for a batch` }
    const format = chunks.uint8At(position + MAGIC_POSITION)
    if (format > 2) return { ...summary, problem: `the last ${left} bytes are of no known format (${format})` }
    const size = 12 + chunks.view(position + 8, 4).readInt32BE()
    const least = format === 2 ? BATCH_HEADER_BYTES : MAGIC_POSITION + 10
    if (size < least) return { ...summary, problem: `a batch of ${size} bytes, ${left} bytes before the end` }
    if (size > left) return { ...summary, problem: `a batch of ${size} bytes is cut: ${left} are there` }
    const bytes = chunks.slice(position, position + size)
    summary.batches.push(format === 2 ? summarizeBatch(bytes, options) : summarizeMessage(bytes, format, options))
    position += size
  }
  return summary
}

/** The lines of a summary: the first says how many bytes, the others are indented. */
export function* formatRecords({ bytes, batches, problem }: RecordsSummary): Generator<string> {
  yield `${bytes} bytes`
  for (const batch of batches) {
    yield `  ${formatBatch(batch)}`
    for (const { time, key, value, headers = [] } of batch.records ?? []) {
      yield `    ${time ?? 'no time'}${key === null ? '' : `, key ${formatContent(key)}`}: ${formatContent(value)}`
      for (const header of headers) yield `      header ${formatContent(header.key)}: ${formatContent(header.value)}`
    }
    if (batch.problem !== undefined) yield `    ${batch.problem}`
  }
  if (problem !== undefined) yield `  ${problem}`
}

function formatBatch(batch: BatchSummary): string {
  const { format, bytes, baseOffset, codec, checksum, time, maxTime, count, producerId, attributes = [] } = batch
  const parts = [`format ${format}, ${bytes} bytes, base offset ${baseOffset}`]
  if (count !== undefined) parts.push(`${count} records`)
  parts.push(codec === 'none' ? 'not compressed' : codec, `checksum ${checksum}`)
  if (producerId !== undefined)
    parts.push(
      producerId < 0 ? 'no producer id' : `producer ${producerId} epoch ${batch.producerEpoch} sequence ${batch.baseSequence}`,
    )
  if (time !== undefined)
    parts.push(time === null ? 'no time' : maxTime === undefined || maxTime === time ? time : `${time} to ${maxTime}`)
  return [...parts, ...attributes].join(', ')
}

function summarizeBatch(bytes: Chunks, options: SummaryOptions): BatchSummary {
  const header = readBatchHeader(bytes, 0)
  const { baseOffset, codec, baseTimestamp, maxTimestamp, recordCount: count, producerId, producerEpoch, baseSequence } = header
  return {
    format: 2,
    bytes: bytes.length,
    baseOffset,
    codec: codecName(codec),
    checksum: checksumOf(bytes.crc32c(ATTRIBUTES_POSITION) === header.crc, options),
    time: formatTime(baseTimestamp),
    maxTime: formatTime(maxTimestamp),
    count,
    producerId,
    producerEpoch,
    baseSequence,
    attributes: attributeNames.filter((_, bit) => (header.attributes & (1 << (bit + 3))) !== 0),
    ...(options.records === true && summarizePayload(bytes, header)),
  }
}

/** From bit 3 on. */
const attributeNames = ['log append time', 'transactional', 'control', 'delete horizon']

function summarizePayload(bytes: Chunks, header: BatchHeader): { records: RecordSummary[]; problem?: string } {
  const records: RecordSummary[] = []
  try {
    const payload = decompress(header.codec, batchPayload(bytes, header).toBuffer(), MAX_PLAIN_BYTES)
    for (const { timestamp, key, value, headers } of readRecords(header, payload)) {
      if (records.length === MAX_RECORDS) return { records, problem: `${header.recordCount - MAX_RECORDS} more are not shown` }
      records.push({
        time: formatTime(timestamp),
        key: key && summarizeContent(key),
        value: value && summarizeContent(value),
        ...(headers.length > 0 && {
          headers: headers.map(({ key, value }) => ({
            key: summarizeContent(Buffer.from(key)),
            value: value && summarizeContent(value),
          })),
        }),
      })
    }
    return { records }
  } catch (error) {
    if (!(error instanceof RecordsError)) throw error
    return { records, problem: `not readable: ${error.message}` }
  }
}

/** A message of format 0 or 1; those in a compressed one are read as sluice reads them: converted to a batch. */
function summarizeMessage(bytes: Chunks, format: number, options: SummaryOptions): BatchSummary {
  const reader = new Reader(bytes)
  const baseOffset = reader.int64Saturating()
  reader.skip(4)
  const crc = reader.uint32()
  reader.skip(1)
  const codec = reader.uint8() & CODEC_BITS
  const summary: BatchSummary = {
    format,
    bytes: bytes.length,
    baseOffset,
    codec: codecName(codec),
    checksum: checksumOf(crc32(bytes.slice(MAGIC_POSITION).toBuffer()) === crc, options),
    ...(format === 1 && reader.remaining >= 8 && { time: formatTime(reader.int64Saturating()) }),
  }
  return options.records === true ? { ...summary, ...summarizeSet(bytes) } : summary
}

function checksumOf(isRight: boolean, { cut = false }: SummaryOptions): BatchSummary['checksum'] {
  if (isRight) return 'good'
  return cut ? 'not known' : 'wrong'
}

function summarizeSet(bytes: Chunks): { records: RecordSummary[]; problem?: string } {
  try {
    const batch = Chunks.of(convertMessageSet(bytes, conversionBudget({ leftBytes: MAX_PLAIN_BYTES })))
    return summarizePayload(batch, readBatchHeader(batch, 0))
  } catch (error) {
    if (!(error instanceof RecordsError)) throw error
    return { records: [], problem: `not readable: ${error.message}` }
  }
}

/** In ISO 8601, or as the number if no date is that far away; null for none. */
function formatTime(timestamp: number): string | null {
  if (timestamp < 0) return timestamp === -1 ? null : `${timestamp} ms`
  const date = new Date(timestamp)
  return Number.isNaN(date.valueOf()) ? `${timestamp} ms` : date.toISOString()
}

function summarizeContent(bytes: Buffer): Content {
  const isText = isUtf8(bytes)
  // No character has more than four bytes.
  const text = isText ? bytes.toString('utf8', 0, 4 * MAX_CHARACTERS).slice(0, MAX_CHARACTERS) : ''
  const hex = isText ? '' : bytes.toString('hex', 0, MAX_CHARACTERS / 2)
  const isAll = isText ? Buffer.byteLength(text) === bytes.length : hex.length === 2 * bytes.length
  return { ...(isText ? { text } : { hex }), ...(!isAll && { bytes: bytes.length }) }
}

function formatContent(content: Content | null): string {
  if (content === null) return 'null'
  const shown = 'text' in content ? escapeControls(content.text) : `hex ${content.hex}`
  return content.bytes === undefined ? shown : `${shown} … (${content.bytes} bytes)`
}

/** A string in quotes that is safe to print. */
export function quote(text: string): string {
  return escapeControls(JSON.stringify(text))
}

/**
 * The same text without anything that moves the cursor or changes how a terminal writes: control and format characters (C0, C1,
 * bidirectional marks), line separators and half surrogates, escaped as in JSON. What is JSON stays the same JSON.
 */
export function escapeControls(text: string): string {
  return text.replaceAll(/[\p{C}\p{Zl}\p{Zp}]/gu, character => {
    let escaped = ''
    for (let index = 0; index < character.length; index++)
      escaped += `\\u${character.charCodeAt(index).toString(16).padStart(4, '0')}`
    return escaped
  })
}
