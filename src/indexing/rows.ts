/**
 * Turns the batches of a journal entry into rows.
 *
 * Nothing is ever left out. A batch that passed its checksum and cannot be read all the same ends in one row with the batch's
 * bytes as they came and the reason in `_error`, behind the rows of the records that could be read.
 */
import { BATCH_HEADER_BYTES, type BatchHeader } from '../../protocol/records/batch.ts'
import { decompress } from '../../protocol/records/compression.ts'
import { RecordsError } from '../../protocol/records/records-error.ts'
import { readRecords, type KafkaRecord } from '../../protocol/records/records.ts'
import { type DecodedEntry } from '../journal/format.ts'
import { type Row } from '../store/row-block.ts'

/** What a batch may grow to when it is decompressed. Honest logs of 1 MiB have been seen to grow to 114. */
const MAX_DECOMPRESSED_BYTES = 128 * 1024 * 1024

/**
 * What one record may hold. A row is in the store's memory several times over while it is inserted; a batch as it came is never
 * larger (`MAX_BATCH_BYTES` of the protocol), so it can always be stored in place of a record that is.
 */
const MAX_RECORD_BYTES = 16 * 1024 * 1024

/** The rows of `entry`, but for those up to the offset `storedOffset` of its shard, which the store has. */
export function* rowsOf(entry: DecodedEntry, storedOffset: number): Generator<Row, void> {
  let baseOffset = entry.baseOffset
  for (const batch of entry.batches) {
    if (baseOffset + batch.recordCount - 1 > storedOffset)
      for (const row of rowsOfBatch(entry, batch, baseOffset)) if (row.offset > storedOffset) yield row
    baseOffset += batch.recordCount
  }
}

/**
 * Records are numbered by their place in the batch: the deltas that a producer writes may repeat, and Kafka takes them so. The
 * row is one object that is filled anew.
 */
function* rowsOfBatch(entry: DecodedEntry, batch: BatchHeader, baseOffset: number): Generator<Row, void> {
  const { shard, number, receivedMs, source, clientId } = entry
  const bytes = entry.records.view(batch.position, batch.sizeInBytes)
  const row: Row = {
    shard,
    offset: baseOffset,
    index: 0,
    entry: number,
    timeMs: receivedMs,
    receivedMs,
    source,
    client: clientId,
    ...NO_RECORD,
  }
  try {
    const payload = decompress(batch.codec, bytes.subarray(BATCH_HEADER_BYTES), MAX_DECOMPRESSED_BYTES)
    for (const record of readRecords(batch, payload)) {
      const { timestamp, key, value, headers } = record
      if (sizeOf(record) > MAX_RECORD_BYTES) throw new RecordsError(`a record is longer than ${MAX_RECORD_BYTES} bytes`)
      // A record without a timestamp (-1) is as old as its arrival.
      row.timeMs = timestamp < 0 ? receivedMs : timestamp
      row.key = key
      row.headers = headers
      row.content = value
      yield row
      row.offset++
    }
  } catch (error) {
    if (!(error instanceof RecordsError)) throw error
    yield Object.assign(row, NO_RECORD, { timeMs: receivedMs, content: bytes, error: error.message })
  }
}

const NO_RECORD = { key: null, headers: [], content: null, fields: '', tags: [], error: '' }

function sizeOf({ key, value, headers }: KafkaRecord): number {
  let bytes = (key?.length ?? 0) + (value?.length ?? 0)
  for (const header of headers) bytes += header.key.length + (header.value?.length ?? 0)
  return bytes
}
