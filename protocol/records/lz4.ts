/**
 * LZ4 frames: the frame is read here, since no library bounds the output of a whole one; its blocks are decompressed natively.
 * Numbers are little-endian.
 *
 *     magic             uint32  0x184d2204
 *     flags             uint8   bits 7–6 version 1, 5 blocks are independent, 4 block checksums, 3 content size,
 *                               2 content checksum, 0 dictionary id
 *     block descriptor  uint8   bits 6–4 the most a block may hold: 4 is 64 KiB, 5 256 KiB, 6 1 MiB, 7 4 MiB
 *     content size      uint64  if flagged; not believed and not needed
 *     header checksum   uint8
 *     blocks            length uint32 (bit 31: stored, not compressed), bytes, checksum uint32 if flagged
 *     end mark          uint32  0
 *     content checksum  uint32  if flagged
 *
 * The checksums are skipped. Those of the batch or the message have covered every byte on its whole way, and the header's is
 * wrong in message format 0 by tradition (KIP-57): it was computed over the magic too.
 */
import { uncompressSync } from 'lz4-napi'
import { Reader } from '../reader.ts'
import type { BoundedOutput } from './bounded-output.ts'

const MAGIC = 0x184d2204
const INDEPENDENT_BLOCKS = 0x20
const BLOCK_CHECKSUMS = 0x10
const CONTENT_SIZE = 0x08
const CONTENT_CHECKSUM = 0x04
const DICTIONARY_ID = 0x01
const STORED = 0x8000_0000

/** How far back a block may refer to the blocks before it, if they are not independent. */
const HISTORY_BYTES = 64 * 1024
/** No byte of a block stands for more. */
const MAX_RATIO = 255

/** All frames, if there are several. */
export function decompressLz4(compressed: Buffer, output: BoundedOutput): void {
  const reader = new Reader(compressed)
  reader.field = 'frame'
  do readFrame(reader, output)
  while (reader.remaining > 0)
}

function readFrame(reader: Reader, output: BoundedOutput): void {
  if (readUInt32(reader) !== MAGIC) throw reader.error('the magic number is wrong')
  const flags = reader.uint8()
  if (flags >> 6 !== 1) throw reader.error(`version ${flags >> 6}`)
  if (flags & DICTIONARY_ID) throw reader.error('it needs a dictionary')
  const maxBlockBytes = readMaxBlockBytes(reader)
  if (flags & CONTENT_SIZE) reader.skip(8)
  reader.skip(1) // header checksum
  const frameStart = output.length
  for (let header = readUInt32(reader); header !== 0; header = readUInt32(reader)) {
    const block = reader.raw(header % STORED)
    if (flags & BLOCK_CHECKSUMS) reader.skip(4)
    if (header >= STORED) {
      if (block.length > maxBlockBytes) throw reader.error(`a block of ${block.length} bytes, above the maximum`)
      output.add(block)
    } else {
      const historyStart = flags & INDEPENDENT_BLOCKS ? output.length : Math.max(frameStart, output.length - HISTORY_BYTES)
      output.add(decompressBlock(block, maxBlockBytes, output.from(historyStart)))
    }
  }
  if (flags & CONTENT_CHECKSUM) reader.skip(4)
}

function readMaxBlockBytes(reader: Reader): number {
  const code = (reader.uint8() >> 4) & 7
  if (code < 4) throw reader.error(`block size code ${code}`)
  return 2 ** (8 + 2 * code)
}

/** The library takes the room that there is for the output in front of the block. */
function decompressBlock(block: Buffer, maxBytes: number, history: Buffer): Buffer {
  const sized = Buffer.allocUnsafe(4 + block.length)
  sized.writeUInt32LE(Math.min(maxBytes, block.length * MAX_RATIO))
  block.copy(sized, 4)
  return history.length > 0 ? uncompressSync(sized, history) : uncompressSync(sized)
}

function readUInt32(reader: Reader): number {
  return reader.raw(4).readUInt32LE()
}
