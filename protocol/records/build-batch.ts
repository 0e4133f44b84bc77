/**
 * Builds batches of format 2, byte for byte as Kafka's producer does where nothing is compressed. For whoever acts as a
 * producer, and for records that came in an older format.
 */
import { saturate } from '../int64.ts'
import { Writer } from '../writer.ts'
import { ATTRIBUTES_POSITION, BATCH_HEADER_BYTES, BATCH_PREFIX_BYTES, CRC_POSITION } from './batch.ts'
import { Codec, compress } from './compression.ts'
import { crc32c } from './crc32c.ts'

type Content = string | Uint8Array | null

export interface RecordInput {
  /** Milliseconds since 1970; -1, the default, for none. */
  readonly timestamp?: number
  readonly key?: Content
  readonly value: Content
  readonly headers?: readonly { readonly key: string; readonly value: Content }[]
}

/** What a batch says beside its records. */
export interface BatchFields {
  /** `Codec.NONE` is the default. */
  readonly codec?: number
  /** Attribute bits beside the codec. */
  readonly attributes?: number
  readonly baseOffset?: number
  readonly producerId?: number
  readonly producerEpoch?: number
  readonly baseSequence?: number
}

export interface BatchInput extends BatchFields {
  /** At least one. */
  readonly records: readonly RecordInput[]
}

/** Records in one piece, not compressed yet, and what the header says of them. */
export interface EncodedRecords {
  readonly payload: Buffer
  readonly count: number
  readonly baseTimestamp: number
  readonly maxTimestamp: number
}

export function buildBatch({ records, ...fields }: BatchInput): Buffer {
  return sealBatch(encodeRecords(records), fields)
}

/** Encodes records one after the other, without keeping them: there may be many. */
export function encodeRecords(records: Iterable<RecordInput>): EncodedRecords {
  const writer = new Writer()
  let count = 0
  let baseTimestamp = -1
  let maxTimestamp = -1
  for (const record of records) {
    const { timestamp = -1 } = record
    if (count === 0) baseTimestamp = timestamp
    maxTimestamp = Math.max(maxTimestamp, timestamp)
    const body = encodeRecord(record, count++, saturate(timestamp - baseTimestamp))
    writer.varint(body.length)
    writer.raw(body)
  }
  return { payload: writer.finish(), count, baseTimestamp, maxTimestamp }
}

/** Puts the header before the records. */
export function sealBatch(records: EncodedRecords, fields: BatchFields): Buffer {
  const { codec = Codec.NONE } = fields
  const payload = compress(codec, records.payload)
  const writer = new Writer(BATCH_HEADER_BYTES)
  writer.int64(fields.baseOffset ?? 0)
  writer.int32(BATCH_HEADER_BYTES - BATCH_PREFIX_BYTES + payload.length)
  writer.int32(-1) // partition leader epoch
  writer.int8(2) // magic
  writer.uint32(0) // the checksum, see below
  writer.int16((fields.attributes ?? 0) | codec)
  writer.int32(records.count - 1)
  writer.int64(records.baseTimestamp)
  writer.int64(records.maxTimestamp)
  writer.int64(fields.producerId ?? -1)
  writer.int16(fields.producerEpoch ?? -1)
  writer.int32(fields.baseSequence ?? -1)
  writer.int32(records.count)
  const header = writer.finish()
  header.writeUInt32BE(crc32c(payload, crc32c(header.subarray(ATTRIBUTES_POSITION))), CRC_POSITION)
  return Buffer.concat([header, payload])
}

function encodeRecord(record: RecordInput, offsetDelta: number, timestampDelta: number): Buffer {
  const { key = null, value, headers = [] } = record
  const writer = new Writer(64 + (key?.length ?? 0) + (value?.length ?? 0))
  writer.int8(0) // attributes
  writer.varlong(timestampDelta)
  writer.varint(offsetDelta)
  writeContent(writer, key)
  writeContent(writer, value)
  writer.varint(headers.length)
  for (const header of headers) {
    writeContent(writer, header.key)
    writeContent(writer, header.value)
  }
  return writer.finish()
}

function writeContent(writer: Writer, content: Content): void {
  if (content === null) return writer.varint(-1)
  const bytes = typeof content === 'string' ? Buffer.from(content) : content
  writer.varint(bytes.length)
  writer.raw(bytes)
}
