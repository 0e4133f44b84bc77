/**
 * Message sets, formats 0 and 1: how Kafka kept records before version 0.11, and how APISIX, Kong, apinto and old producers
 * still send them. A set is converted when it comes in, so that nothing behind this file knows of it.
 *
 *      0  offset      int64   counted from anything; not looked at, a message's place is its offset
 *      8  size        int32   the number of bytes after this field
 *     12  crc         uint32  CRC-32, as in gzip, of everything after this field
 *     16  magic       int8    0 or 1
 *     17  attributes  int8    bits 0–2 codec, 3 log append time
 *     18  timestamp   int64   milliseconds, -1 for none; not in format 0
 *         key         length int32, -1 for null, and bytes
 *         value       the same
 *
 * If there is a codec, the message is a wrapper: its value is a message set, compressed, whose messages stand in its place. What
 * else it says (offset, timestamp, key) belongs to the broker's side of the format and is not heeded.
 */
import { crc32 } from 'node:zlib'
import type { Chunks } from '../chunks.ts'
import { ErrorCode } from '../error-codes.ts'
import { ProtocolError } from '../protocol-error.ts'
import { Reader } from '../reader.ts'
import { CODEC_BITS } from './batch.ts'
import { encodeRecords, type RecordInput, sealBatch } from './build-batch.ts'
import { Codec, decompress } from './compression.ts'
import { RecordsError } from './records-error.ts'

const PREFIX_BYTES = 12
/** Checksum, magic, attributes, and two lengths: the smallest size. */
const MIN_MESSAGE_BYTES = 14

/** What the wrappers of one request may hold together: a full request, had it not been compressed, and some more. */
const MAX_DECOMPRESSED_BYTES = 128 * 1024 * 1024

/**
 * The messages of one request. Each costs time to convert, during which nobody else is served; agents that write old formats send some
 * thousands at once.
 */
const MAX_MESSAGES = 200_000

/** How much one request may still cost; counted down by whoever spends it. */
export interface ConversionBudget {
  leftBytes: number
  leftMessages: number
}

export function conversionBudget({ leftBytes = MAX_DECOMPRESSED_BYTES, leftMessages = MAX_MESSAGES } = {}): ConversionBudget {
  return { leftBytes, leftMessages }
}

interface Message extends RecordInput {
  readonly magic: number
  readonly codec: number
  readonly timestamp: number
  readonly value: Buffer | null
}

/**
 * Converts a message set to one batch of format 2. Throws a RecordsError if any message in it is broken.
 *
 * A set that was compressed is compressed again. Its batch stays in memory until the disk has it, and on disk until the store
 * has it: so either is in proportion to what was sent, whatever the ratio.
 */
export function convertMessageSet(set: Chunks, budget: ConversionBudget): Buffer {
  const { leftBytes } = budget
  const records = encodeRecords(countMessages(readMessages(openSet(set), budget), budget))
  if (records.count === 0) throw invalid('there is no whole message for this partition')
  return sealBatch(records, { codec: budget.leftBytes < leftBytes ? Codec.GZIP : Codec.NONE })
}

function openSet(set: Chunks | Buffer): Reader {
  const reader = new Reader(set)
  reader.field = 'message'
  return reader
}

/** Passes messages on, as many as the budget allows; an error says at which it came. */
function* countMessages(messages: Iterable<Message>, budget: ConversionBudget): Generator<Message, void> {
  let count = 0
  try {
    for (const message of messages) {
      if (budget.leftMessages-- <= 0)
        throw tooLarge(`there are more than ${MAX_MESSAGES} messages of an old format in this request, send fewer at once`)
      yield message
      count++
    }
  } catch (error) {
    if (error instanceof RecordsError) error.recordIndex = count
    throw error
  }
}

/** The messages of a set in order, those in wrappers in their wrapper's place. */
function* readMessages(set: Reader, budget: ConversionBudget): Generator<Message, void> {
  for (const message of readSet(set)) {
    if (message.codec === Codec.NONE) yield message
    else yield* unwrap(message, budget)
  }
}

function* unwrap(wrapper: Message, budget: ConversionBudget): Generator<Message, void> {
  const { magic, codec, value } = wrapper
  if (codec === Codec.ZSTD) throw invalid('zstd needs message format 2')
  if (value === null) throw invalid('a compressed message has no value')
  let isEmpty = true
  for (const message of readSet(openSet(decompressWithin(budget, codec, value)))) {
    if (message.codec !== Codec.NONE) throw invalid('a compressed message is inside another')
    if (message.magic !== magic) throw invalid(`a message of format ${message.magic} is inside one of format ${magic}`)
    isEmpty = false
    yield message
  }
  if (isEmpty) throw invalid('a compressed message holds none')
}

/** How much was decompressed until it fails is not known. Half of what was left is spent then, so that other partitions have some. */
function decompressWithin(budget: ConversionBudget, codec: number, compressed: Buffer): Buffer {
  const { leftBytes } = budget
  if (leftBytes === 0) throw tooLarge('this request holds too much when decompressed, send less at once')
  budget.leftBytes = Math.floor(leftBytes / 2)
  const plain = decompress(codec, compressed, leftBytes)
  budget.leftBytes = leftBytes - plain.length
  return plain
}

/** The messages of one level. A message at the end that is cut is left out: Kafka's brokers send such sets, so its readers do. */
function* readSet(set: Reader): Generator<Message, void> {
  while (set.remaining >= PREFIX_BYTES) {
    set.skip(8) // offset
    const size = set.int32()
    if (size < MIN_MESSAGE_BYTES) throw corrupt(set, `its size of ${size} bytes is too small`)
    if (size > set.remaining) return
    yield readMessage(set, size)
  }
}

function readMessage(set: Reader, size: number): Message {
  const bytes = set.raw(size)
  const message = new Reader(bytes)
  const crc = message.uint32()
  const magic = message.uint8()
  if (magic === 2) throw invalid('format 2 follows an older message format, a producer sends one of them')
  if (magic > 2) throw corrupt(set, `there is no message format ${magic}`)
  if (crc32(bytes.subarray(4)) !== crc) throw corrupt(set, 'its checksum is wrong, it was damaged on the way; send it again')
  try {
    const codec = message.uint8() & CODEC_BITS
    // Nothing below -1 is a time; and nanoseconds sent by mistake must not cost the log.
    const timestamp = magic === 0 ? -1 : Math.max(-1, message.int64Saturating())
    return { magic, codec, timestamp, key: readNullableBytes(message), value: readNullableBytes(message) }
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
    throw corrupt(set, `its fields do not fit into its size of ${size} bytes`)
  }
}

/** Any negative length is null, as in Kafka. */
function readNullableBytes(reader: Reader): Buffer | null {
  const length = reader.int32()
  return length < 0 ? null : reader.raw(length)
}

function corrupt(set: Reader, problem: string): RecordsError {
  return new RecordsError(`${set.field} before byte ${set.position}: ${problem}`)
}

function invalid(message: string): RecordsError {
  return new RecordsError(message, { errorCode: ErrorCode.INVALID_RECORD })
}

function tooLarge(message: string): RecordsError {
  return new RecordsError(message, { errorCode: ErrorCode.MESSAGE_TOO_LARGE })
}
