/**
 * Record batches, message format 2 (KIP-98): the header.
 *
 *      0  baseOffset            int64   the offset of the first record; a producer sends 0, the broker writes it in
 *      8  batchLength           int32   the number of bytes after this field
 *     12  partitionLeaderEpoch  int32   the broker's
 *     16  magic                 int8    2; in message formats 0 and 1 the magic byte is at the same place
 *     17  crc                   uint32  CRC-32C of everything after this field
 *     21  attributes            int16   bits 0–2 codec, 3 log append time, 4 transactional, 5 control, 6 delete horizon
 *     23  lastOffsetDelta       int32   of a producer: recordCount - 1
 *     27  baseTimestamp         int64   milliseconds; the timestamps of records are differences to it
 *     35  maxTimestamp          int64
 *     43  producerId            int64   -1 unless the producer is idempotent
 *     51  producerEpoch         int16   -1
 *     53  baseSequence          int32   -1; the sequence of the first record
 *     57  recordCount           int32
 *     61  records                       compressed together, if a codec is set; see records.ts
 *
 * Offset and leader epoch lie outside the checksum, so a broker writes them without touching the rest: a batch that was taken
 * is kept byte for byte.
 */
import type { Chunks } from '../chunks.ts'
import { readInt64, saturate } from '../int64.ts'

/** Offset and length, which every format begins with; the length does not count them. */
export const BATCH_PREFIX_BYTES = 12
export const MAGIC_POSITION = 16
export const CRC_POSITION = 17
export const ATTRIBUTES_POSITION = 21
export const BATCH_HEADER_BYTES = 61

/**
 * The most records that are taken in one batch. Real ones have some ten thousand; well compressed, millions of empty ones need a few
 * kilobytes, and every other logstore would wait for their rows.
 */
export const MAX_RECORDS = 1_000_000

export const CODEC_BITS = 0x07

export interface BatchHeader {
  /** Where the batch begins in the bytes that it was read from. */
  readonly position: number
  /** The whole batch, header included. */
  readonly sizeInBytes: number
  readonly baseOffset: number
  readonly partitionLeaderEpoch: number
  readonly magic: number
  readonly crc: number
  readonly attributes: number
  /** One of `Codec`, or 5 to 7. */
  readonly codec: number
  readonly lastOffsetDelta: number
  /** Milliseconds since 1970, -1 for none; saturating at ±2^53. */
  readonly baseTimestamp: number
  readonly maxTimestamp: number
  /** Rounded beyond 2^53: `checkBatches` lets no such id through. */
  readonly producerId: number
  readonly producerEpoch: number
  readonly baseSequence: number
  readonly recordCount: number
}

/** Reads the header of the batch at a position, where 61 bytes must be. Nothing is checked. */
export function readBatchHeader(chunks: Chunks, position: number): BatchHeader {
  const { piece, offset } = chunks.together(position, BATCH_HEADER_BYTES)
  const attributes = piece.readInt16BE(offset + ATTRIBUTES_POSITION)
  return {
    position,
    sizeInBytes: piece.readInt32BE(offset + 8) + BATCH_PREFIX_BYTES,
    baseOffset: saturate(readInt64(piece, offset)),
    partitionLeaderEpoch: piece.readInt32BE(offset + 12),
    magic: piece.readInt8(offset + MAGIC_POSITION),
    crc: piece.readUInt32BE(offset + CRC_POSITION),
    attributes,
    codec: attributes & CODEC_BITS,
    lastOffsetDelta: piece.readInt32BE(offset + 23),
    baseTimestamp: saturate(readInt64(piece, offset + 27)),
    maxTimestamp: saturate(readInt64(piece, offset + 35)),
    producerId: readInt64(piece, offset + 43),
    producerEpoch: piece.readInt16BE(offset + 51),
    baseSequence: piece.readInt32BE(offset + 53),
    recordCount: piece.readInt32BE(offset + 57),
  }
}

/** The records of a batch, compressed as they are. */
export function batchPayload(chunks: Chunks, header: BatchHeader): Chunks {
  return chunks.slice(header.position + BATCH_HEADER_BYTES, header.position + header.sizeInBytes)
}

/** Writes the offset of the first record into a batch, in place. */
export function setBaseOffset(chunks: Chunks, header: BatchHeader, baseOffset: number): void {
  chunks.writeInt64(header.position, baseOffset)
}
