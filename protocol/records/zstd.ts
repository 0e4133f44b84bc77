/**
 * Zstandard: Node's own where it has one (22.15 and later), else libzstd in WebAssembly, which is as fast. No library with a
 * native binding for older Node versions bounds its output, or installs without a compiler.
 */
import * as zlib from 'node:zlib'
import type { BoundedOutput } from './bounded-output.ts'

type Decompress = (compressed: Buffer, output: BoundedOutput) => void

/** What the type declarations for Node 20 do not have. With `info` it tells how much of the input it has read. */
type NodeDecompress = (
  compressed: Buffer,
  options: { maxOutputLength: number; info: true },
) => { buffer: Buffer; engine: { bytesWritten: number } }

/** All frames, skippable ones too, which hold nothing. */
export const decompressZstd = await openDecompressor()

/** Undefined where Node has none. */
export const compressZstd = (zlib as { zstdCompressSync?: (plain: Buffer) => Buffer }).zstdCompressSync

async function openDecompressor(): Promise<Decompress> {
  const { zstdDecompressSync } = zlib as { zstdDecompressSync?: NodeDecompress }
  if (zstdDecompressSync) return (compressed, output) => decompressFrames(zstdDecompressSync, compressed, output)
  const { ZSTDDecoder } = await import('zstddec')
  const decoder = new ZSTDDecoder()
  await decoder.init()
  return (compressed, output) => {
    // The decoder has a buffer of that size and nothing else for its output; memory that is not written to costs nothing. It
    // does not look at what libzstd returns: an error, be it broken data or too little room, comes out as no bytes.
    const { buffer, byteOffset, byteLength } = decoder.decode(compressed, output.leftBytes)
    if (byteLength === 0) throw new Error(`the frame is damaged, or longer than ${output.leftBytes} bytes when decompressed`)
    output.add(Buffer.from(buffer, byteOffset, byteLength))
  }
}

/**
 * Frame by frame, because Node ignores what follows the first one (nodejs/node#64741). Some versions do not notice a frame that
 * is cut either (nodejs/node#64592): then records are missing, which whoever reads them does notice.
 */
function decompressFrames(decompress: NodeDecompress, compressed: Buffer, output: BoundedOutput): void {
  let position = 0
  do {
    const { buffer, engine } = decompress(compressed.subarray(position), { maxOutputLength: output.leftBytes + 1, info: true })
    output.add(buffer)
    position += engine.bytesWritten
  } while (position < compressed.length)
  if (output.length === 0) throw new Error('there is no frame that holds anything')
}
