/**
 * The records in a batch of format 2, one after the other. A varint is a zigzag varint.
 *
 *     length varint          the number of bytes after this field
 *     attributes int8        not used
 *     timestampDelta varlong milliseconds after the batch's baseTimestamp, may be negative
 *     offsetDelta varint     counts from the batch's baseOffset
 *     keyLength varint       -1 for null, then no bytes follow
 *     key
 *     valueLength varint     -1 for null
 *     value
 *     headerCount varint
 *     headers                keyLength varint, key (UTF-8), valueLength varint (-1 for null), value
 *
 * A hot loop: every log goes through it once. It makes views of the payload, no copies.
 */
import { saturate } from '../int64.ts'
import { ProtocolError } from '../protocol-error.ts'
import { Reader } from '../reader.ts'
import type { BatchHeader } from './batch.ts'
import { RecordsError } from './records-error.ts'

export interface KafkaRecord {
  /**
   * The batch's base offset plus the record's delta. Nothing keeps a producer from sending deltas that repeat or jump (Kafka
   * takes them), so this does not identify a record; its place in the batch does.
   */
  readonly offset: number
  /** Milliseconds since 1970, -1 for none; saturating at ±2^53. */
  readonly timestamp: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: readonly RecordHeader[]
}

export interface RecordHeader {
  readonly key: string
  readonly value: Buffer | null
}

const NO_HEADERS: readonly RecordHeader[] = []
/** A header takes a byte for either length at least. */
const MIN_HEADER_BYTES = 2
/** The smallest would take a hundred times their bytes of memory. */
const MAX_HEADERS = 10_000

/**
 * Walks over the records of a batch. `payload` is what follows the header, decompressed.
 *
 * Throws a RecordsError at the first record that is broken, after the good ones before it; and in place of the last record if there
 * is more behind it, for which there would be no offset.
 * The log-append-time bit is ignored: producers have no business setting it, and then maxTimestamp is not the broker's.
 */
export function* readRecords(header: BatchHeader, payload: Buffer): Generator<KafkaRecord, void> {
  const reader = new Reader(payload)
  reader.field = 'records'
  let record: KafkaRecord | undefined
  for (let index = 0; index < header.recordCount; index++) {
    if (record !== undefined) yield record
    record = readRecord(reader, header, index)
  }
  if (reader.remaining > 0) {
    throw new RecordsError(`${reader.remaining} bytes are left after the last of ${header.recordCount} records`)
  }
  if (record !== undefined) yield record
}

function readRecord(reader: Reader, header: BatchHeader, index: number): KafkaRecord {
  try {
    const length = reader.varint()
    const end = reader.position + length
    if (length < 0 || length > reader.remaining) throw reader.error(`a record of ${length} bytes`)
    reader.skip(1) // attributes
    const timestamp = saturate(header.baseTimestamp + reader.varlong())
    const offset = header.baseOffset + reader.varint()
    const key = readNullableBytes(reader)
    const value = readNullableBytes(reader)
    const headers = readHeaders(reader, end)
    if (reader.position !== end) throw reader.error('the record does not end where its length says')
    return { offset, timestamp, key, value, headers }
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
    throw new RecordsError(`record ${index} of ${header.recordCount} is broken: ${error.message}`, { cause: error })
  }
}

function readHeaders(reader: Reader, end: number): readonly RecordHeader[] {
  const count = reader.varint()
  if (count === 0) return NO_HEADERS
  if (count < 0 || count * MIN_HEADER_BYTES > end - reader.position) throw reader.error(`a record of ${count} headers`)
  if (count > MAX_HEADERS) throw reader.error(`a record of ${count} headers, at most ${MAX_HEADERS} are read`)
  const headers: RecordHeader[] = []
  for (let index = 0; index < count; index++) {
    const key = readNullableBytes(reader)
    if (key === null) throw reader.error('a header without a key')
    headers.push({ key: key.toString(), value: readNullableBytes(reader) })
  }
  return headers
}

/** Any negative length is null, as in Kafka. */
function readNullableBytes(reader: Reader): Buffer | null {
  const length = reader.varint()
  return length < 0 ? null : reader.raw(length)
}
