/**
 * What is checked before a producer's batches are taken, and the one place where the message formats are told apart: by the magic
 * byte, never by the version of the request, since Kong sends format 1 in Produce 3. Whatever comes in, format 2 goes out.
 */
import { Chunks } from '../chunks.ts'
import { ErrorCode } from '../error-codes.ts'
import {
  ATTRIBUTES_POSITION,
  BATCH_HEADER_BYTES,
  type BatchHeader,
  MAGIC_POSITION,
  MAX_RECORDS,
  readBatchHeader,
} from './batch.ts'
import { Codec, codecName, isSupportedCodec, supportedCodecNames } from './compression.ts'
import { conversionBudget, convertMessageSet, type ConversionBudget } from './message-set.ts'
import { RecordsError } from './records-error.ts'

const TRANSACTIONAL_BIT = 0x10
const CONTROL_BIT = 0x20

/** Length, attributes, both deltas, key length, value length and header count take one byte each at least. */
const MIN_RECORD_BYTES = 7

/**
 * The largest batch that is taken. Kafka takes 1 MiB unless it is told otherwise and agents are set to that; what is larger by far
 * could become a row that the store has no memory for.
 */
export const MAX_BATCH_BYTES = 16 * 1024 * 1024

/** Producers send one; a frame full of the smallest batches would hold a million and a half. */
const MAX_BATCHES = 1000

export interface CheckedBatches {
  /** What is to be stored: the bytes that came, or what they were converted to. */
  readonly records: Chunks
  /** At least one. */
  readonly batches: readonly BatchHeader[]
}

export interface BatchRefusal {
  readonly errorCode: ErrorCode
  /** One sentence for the operator of the producer. */
  readonly message: string
  /** The record at which it was found, from 0 over all batches of the partition; absent if it is about all of them. */
  readonly recordIndex?: number | undefined
}

/**
 * Checks what a producer sent for one partition, down to the last byte, before any of it is taken: all batches or none.
 *
 * Records of format 2 are not decompressed; what is wrong inside a batch is found when it is indexed. Stricter than Kafka:
 * bytes after the last whole batch are refused, where Kafka drops them. More lenient: several batches are taken (Kafka wants
 * one since Produce 3), and any base offset (Kafka wants 0), since it is overwritten.
 *
 * A message set of format 0 or 1 becomes one batch. `budget` is what all partitions of one request may spend on that.
 */
export function checkBatches(records: Chunks | null, budget = conversionBudget()): CheckedBatches | BatchRefusal {
  if (records === null || records.length === 0) return invalid('there is no record batch for this partition')
  if (isMessageSet(records)) return checkMessageSet(records, budget)
  const batches: BatchHeader[] = []
  let recordCount = 0
  for (let position = 0; position < records.length;) {
    if (batches.length === MAX_BATCHES) return invalid(`there are more than ${MAX_BATCHES} record batches for this partition`)
    const checked = checkBatchAt(records, position)
    if ('errorCode' in checked) {
      const recordIndex = position === 0 ? undefined : recordCount
      return { ...checked, recordIndex, message: `record batch at byte ${position}: ${checked.message}` }
    }
    batches.push(checked)
    recordCount += checked.recordCount
    position += checked.sizeInBytes
  }
  return { records, batches }
}

/** In every format the magic byte is at the same place. */
function isMessageSet(records: Chunks): boolean {
  return records.length > MAGIC_POSITION && records.uint8At(MAGIC_POSITION) <= 1
}

function checkMessageSet(set: Chunks, budget: ConversionBudget): CheckedBatches | BatchRefusal {
  try {
    const records = Chunks.of(convertMessageSet(set, budget))
    if (records.length > MAX_BATCH_BYTES) return tooLarge(records.length)
    return { records, batches: [readBatchHeader(records, 0)] }
  } catch (error) {
    if (!(error instanceof RecordsError)) throw error
    return { errorCode: error.errorCode, message: error.message, recordIndex: error.recordIndex }
  }
}

function checkBatchAt(records: Chunks, position: number): BatchHeader | BatchRefusal {
  const available = records.length - position
  if (available <= MAGIC_POSITION) return corrupt(`${available} bytes are too few for one`)
  const magic = records.uint8At(position + MAGIC_POSITION)
  if (magic <= 1) return invalid(`message format ${magic} follows format 2, a producer sends one of them`)
  if (magic > 2) return corrupt(`there is no message format ${magic}`)
  if (available < BATCH_HEADER_BYTES) return corrupt(`${available} bytes are too few for its header`)
  const header = readBatchHeader(records, position)
  const { sizeInBytes } = header
  if (sizeInBytes < BATCH_HEADER_BYTES) return corrupt(`its length of ${sizeInBytes} bytes is too small`)
  if (sizeInBytes > available) return corrupt(`its length is ${sizeInBytes} bytes, but ${available} are there`)
  if (sizeInBytes > MAX_BATCH_BYTES) return tooLarge(sizeInBytes)
  if (records.crc32c(position + ATTRIBUTES_POSITION, position + sizeInBytes) !== header.crc) {
    return corrupt('its checksum is wrong, it was damaged on the way; send it again')
  }
  return checkHeader(header) ?? header
}

/** Checks the fields that the checksum covers: what is wrong here the producer meant, and sending it again does not help. */
function checkHeader(header: BatchHeader): BatchRefusal | undefined {
  const { attributes, codec, recordCount, lastOffsetDelta, producerId, baseSequence } = header
  if (attributes & CONTROL_BIT) return invalid('producers must not write control batches')
  if (attributes & TRANSACTIONAL_BIT) return invalid('transactions are not supported, remove transactional.id')
  if (recordCount <= 0) return invalid(`its record count is ${recordCount}`)
  if (lastOffsetDelta !== recordCount - 1) {
    return invalid(`its record count of ${recordCount} does not fit its last offset delta of ${lastOffsetDelta}`)
  }
  if (recordCount > MAX_RECORDS)
    return {
      errorCode: ErrorCode.MESSAGE_TOO_LARGE,
      message: `it has ${recordCount} records, at most ${MAX_RECORDS} are taken: send fewer at once`,
    }
  if (codec === Codec.NONE && recordCount * MIN_RECORD_BYTES > header.sizeInBytes - BATCH_HEADER_BYTES) {
    return invalid(`${recordCount} records do not fit into its ${header.sizeInBytes} bytes`)
  }
  if (producerId >= 0 && baseSequence < 0) return invalid(`it has a producer id but a base sequence of ${baseSequence}`)
  if (producerId > Number.MAX_SAFE_INTEGER) return invalid('its producer id is none that was given out here')
  if (!isSupportedCodec(codec)) {
    return {
      errorCode: ErrorCode.UNSUPPORTED_COMPRESSION_TYPE,
      message: `compression ${codecName(codec)} is not supported, use one of ${supportedCodecNames().join(', ')}`,
    }
  }
  return undefined
}

function corrupt(message: string): BatchRefusal {
  return { errorCode: ErrorCode.CORRUPT_MESSAGE, message }
}

function tooLarge(sizeInBytes: number): BatchRefusal {
  const message = `it has ${sizeInBytes} bytes, at most ${MAX_BATCH_BYTES} are taken: let the producer send smaller batches`
  return { errorCode: ErrorCode.MESSAGE_TOO_LARGE, message }
}

function invalid(message: string): BatchRefusal {
  return { errorCode: ErrorCode.INVALID_RECORD, message }
}
