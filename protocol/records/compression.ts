/**
 * The codecs of record batches and message sets, by their number in the attributes.
 *
 * What can be decompressed is what is in the table at the end, and nothing else asks. The output is bounded while it is made,
 * not measured afterwards; eight kilobytes of gzip can hold eight megabytes, zstd far more. There is no limit on the ratio:
 * honest logs reach 100.
 */
import { constants, gunzipSync, gzipSync } from 'node:zlib'
import { compressFrameSync } from 'lz4-napi'
import { compressSync as compressSnappy } from 'snappy'
import { ErrorCode } from '../error-codes.ts'
import { BoundedOutput } from './bounded-output.ts'
import { decompressLz4 } from './lz4.ts'
import { RecordsError } from './records-error.ts'
import { decompressSnappy } from './snappy.ts'
import { compressZstd, decompressZstd } from './zstd.ts'

export const Codec = { NONE: 0, GZIP: 1, SNAPPY: 2, LZ4: 3, ZSTD: 4 } as const

const names = new Map<number, string>(Object.entries(Codec).map(([name, codec]) => [codec, name.toLowerCase()]))

/** The name of a codec, or `codec 5` for a number that Kafka does not use. */
export function codecName(codec: number): string {
  return names.get(codec) ?? `codec ${codec}`
}

export function isSupportedCodec(codec: number): boolean {
  return decompressors.has(codec)
}

/** The names of what can be decompressed, for messages. */
export function supportedCodecNames(): string[] {
  return [...decompressors.keys()].map(codecName)
}

/**
 * The decompressed bytes; with codec none the same buffer. Throws a RecordsError if the codec is not supported, the data is
 * broken, or the output would be longer than `limitBytes` (at least 1).
 *
 * Synchronous: batches are small, a trip through the thread pool costs more than most of them, and order is kept for nothing.
 */
export function decompress(codec: number, compressed: Buffer, limitBytes: number): Buffer {
  const decompressor = decompressors.get(codec)
  if (!decompressor) {
    const message = `${codecName(codec)} is not supported, only ${supportedCodecNames().join(', ')}`
    throw new RecordsError(message, { errorCode: ErrorCode.UNSUPPORTED_COMPRESSION_TYPE })
  }
  const output = new BoundedOutput(limitBytes)
  try {
    decompressor(compressed, output)
  } catch (error) {
    if (error instanceof RecordsError) throw error
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw output.tooLarge() // zlib's
    throw new RecordsError(`broken ${codecName(codec)}: ${(error as Error).message}`, { cause: error })
  }
  return output.finish()
}

/** Whether batches can be compressed with it: zstd needs Node 22.15. */
export function isCompressor(codec: number): boolean {
  return compressors.has(codec)
}

/** At the fastest level: the event loop waits for it. */
export function compress(codec: number, plain: Buffer): Buffer {
  const compressor = compressors.get(codec)
  if (compressor === undefined) throw new RangeError(`batches are not built with ${codecName(codec)}`)
  return compressor(plain)
}

/** All members, if there are several. Stricter than Kafka: what follows the last one must be another, or zeros. */
function gunzip(compressed: Buffer, output: BoundedOutput): void {
  output.add(gunzipSync(compressed, { maxOutputLength: output.leftBytes }))
}

function copyNothing(plain: Buffer, output: BoundedOutput): void {
  output.add(plain)
}

const decompressors = new Map<number, (compressed: Buffer, output: BoundedOutput) => void>([
  [Codec.NONE, copyNothing],
  [Codec.GZIP, gunzip],
  [Codec.SNAPPY, decompressSnappy],
  [Codec.LZ4, decompressLz4],
  [Codec.ZSTD, decompressZstd],
])

const compressors = new Map<number, (plain: Buffer) => Buffer>([
  [Codec.NONE, plain => plain],
  [Codec.GZIP, plain => gzipSync(plain, { level: constants.Z_BEST_SPEED })],
  [Codec.SNAPPY, plain => compressSnappy(plain)],
  [Codec.LZ4, plain => compressFrameSync(plain)],
  ...(compressZstd === undefined ? [] : [[Codec.ZSTD, compressZstd] as const]),
])
