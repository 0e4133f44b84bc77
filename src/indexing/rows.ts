/**
 * Turns the batches of a journal entry into rows.
 *
 * Nothing is ever left out. A batch that passed its checksum and cannot be read all the same ends in one row with the batch's
 * bytes as they came and the reason in `_error`, behind the rows of the records that could be read. Where a logstore masks its logs
 * such bytes are withheld: they may hold what must not be stored.
 */
import { BATCH_HEADER_BYTES, type BatchHeader } from '../../protocol/records/batch.ts'
import { decompress } from '../../protocol/records/compression.ts'
import { RecordsError } from '../../protocol/records/records-error.ts'
import { readRecords, type KafkaRecord } from '../../protocol/records/records.ts'
import type { Decoder } from '../decoding/decoder.ts'
import type { MaskedRecord } from '../decoding/masks.ts'
import type { DecodedEntry } from '../journal/format.ts'
import type { Row } from '../store/row-block.ts'

/** What a batch may grow to when it is decompressed. Honest logs of 1 MiB have been seen to grow to 114. */
const MAX_DECOMPRESSED_BYTES = 128 * 1024 * 1024

/**
 * What one record may hold. A row is in the store's memory several times over while it is inserted; a batch as it came is never
 * larger (`MAX_BATCH_BYTES` of the protocol), so it can always be stored in place of a record that is.
 */
const MAX_RECORD_BYTES = 16 * 1024 * 1024

/** The header of a record that says that its value is JSON, whatever the format of the logstore. */
const FORMAT_HEADER = 'data-parse-format'

/**
 * The rows of `entry`, but for those up to the offset `storedOffset` of its shard, which the store has. The rows of one record share its
 * offset.
 */
export function rowsOf(entry: DecodedEntry, storedOffset: number, decoder: Decoder): Generator<Row, void> {
  const [batch, ...others] = entry.batches
  // Nearly all entries are one batch, and to hand on what another generator yields costs as much as to decode a log.
  if (batch !== undefined && others.length === 0) return rowsOfBatch(entry, batch, entry.baseOffset, storedOffset, decoder)
  return rowsOfBatches(entry, storedOffset, decoder)
}

function* rowsOfBatches(entry: DecodedEntry, storedOffset: number, decoder: Decoder): Generator<Row, void> {
  let baseOffset = entry.baseOffset
  for (const batch of entry.batches) {
    yield* rowsOfBatch(entry, batch, baseOffset, storedOffset, decoder)
    baseOffset += batch.recordCount
  }
}

/**
 * Records are numbered by their place in the batch: the deltas that a producer writes may repeat, and Kafka takes them so. The
 * row is one object that is filled anew.
 */
function* rowsOfBatch(
  entry: DecodedEntry,
  batch: BatchHeader,
  baseOffset: number,
  storedOffset: number,
  decoder: Decoder,
): Generator<Row, void> {
  if (baseOffset + batch.recordCount - 1 <= storedOffset) return
  const { shard, number, receivedMs, source, clientId, jsonTopic } = entry
  const { masker } = decoder
  const bytes = entry.records.view(batch.position, batch.sizeInBytes)
  const row: Row = {
    shard,
    offset: baseOffset - 1,
    entry: number,
    receivedMs,
    source,
    client: clientId,
    timeMs: receivedMs,
    ...NO_RECORD,
  }
  try {
    const payload = decompress(batch.codec, bytes.subarray(BATCH_HEADER_BYTES), MAX_DECOMPRESSED_BYTES)
    for (const received of readRecords(batch, payload)) {
      if (sizeOf(received) > MAX_RECORD_BYTES) throw new RecordsError(`a record is longer than ${MAX_RECORD_BYTES} bytes`)
      row.offset++
      if (row.offset <= storedOffset) continue
      const record = decoder.unpack(received)
      const masked = masker?.mask(record)
      const { key, headers } = masked?.record ?? record
      row.key = key
      row.headers = headers
      row.error = withheldError(masked)
      row.index = 0
      for (const log of decoder.decode(masked?.record ?? record, receivedMs, jsonTopic || asksForJson(record))) {
        row.timeMs = log.timeMs
        row.content = log.content
        row.fields = log.fields
        row.tags = masked?.isMasked === true ? [...log.tags, 'masked'] : log.tags
        yield row
        row.index++
      }
    }
  } catch (error) {
    if (!(error instanceof RecordsError)) throw error
    const content = masker === undefined ? bytes : null
    const offset = row.offset + 1
    if (offset <= storedOffset) return
    const withheld = masker === undefined ? '' : '; its bytes are withheld, since the logs of this logstore are masked'
    yield Object.assign(row, NO_RECORD, { offset, timeMs: receivedMs, content, error: `${error.message}${withheld}` })
  }
}

function asksForJson({ headers }: KafkaRecord): boolean {
  for (const { key, value } of headers) if (key === FORMAT_HEADER && value?.toString('latin1') === 'json') return true
  return false
}

function withheldError(masked: MaskedRecord | undefined): string {
  return masked === undefined || masked.withheld === ''
    ? ''
    : `too large or too slow to be masked, and withheld: ${masked.withheld}`
}

const NO_RECORD = { index: 0, key: null, headers: [], content: null, fields: '', tags: [], error: '' }

function sizeOf({ key, value, headers }: KafkaRecord): number {
  let bytes = (key?.length ?? 0) + (value?.length ?? 0)
  for (const header of headers) bytes += header.key.length + (header.value?.length ?? 0)
  return bytes
}
