/**
 * Snappy, in both forms that producers send: the raw format (librdkafka, franz-go, ruby-kafka, Sarama up to 1.46), and what
 * Java's SnappyOutputStream writes around it (Java, kafka-python, kafka-go, Sarama since 1.47), called xerial after its author:
 *
 *     magic    82 53 4e 41 50 50 59 00   "\x82SNAPPY\0"
 *     version, compatible version        int32 each, written in either byte order; not looked at
 *     blocks   length int32, then that many bytes of the raw format; the header may come again between two blocks
 *
 * Raw data cannot begin like that: behind a length (82 53) the 4e would copy bytes of the output, and there are none yet.
 */
import { uncompressSync } from 'snappy'
import { Reader } from '../reader.ts'
import type { BoundedOutput } from './bounded-output.ts'

const XERIAL_MAGIC = Buffer.from('\x82SNAPPY\0', 'latin1')
const XERIAL_HEADER_BYTES = 16
const LENGTH_BYTES = 4

export function decompressSnappy(compressed: Buffer, output: BoundedOutput): void {
  if (isXerialHeaderAt(compressed, 0)) decompressXerial(compressed, output)
  else decompressRaw(compressed, output)
}

function decompressXerial(compressed: Buffer, output: BoundedOutput): void {
  // What is too short for a length is ignored, as in Kafka.
  for (let position = 0; position + LENGTH_BYTES <= compressed.length;) {
    if (isXerialHeaderAt(compressed, position)) {
      position += XERIAL_HEADER_BYTES
      continue
    }
    const start = position + LENGTH_BYTES
    const end = start + compressed.readInt32BE(position)
    if (end < start || end > compressed.length) throw new RangeError(`a block of ${end - start} bytes at byte ${position}`)
    decompressRaw(compressed.subarray(start, end), output)
    position = end
  }
}

/** The format begins with the length of what it holds, so that is checked before anything is allocated. */
function decompressRaw(block: Buffer, output: BoundedOutput): void {
  output.expect(new Reader(block).uvarint())
  // Copying the output out of native memory takes a sixth of the time that handing the memory over takes.
  output.add(uncompressSync(block, { copyOutputData: true }) as Buffer)
}

function isXerialHeaderAt(bytes: Buffer, position: number): boolean {
  return bytes.subarray(position, position + XERIAL_MAGIC.length).equals(XERIAL_MAGIC)
}
