/**
 * Kafka's int64 as a JavaScript number.
 *
 * BigInt would cost an allocation per field and infect every sum. Offsets, ids and millisecond timestamps stay below 2^53 for
 * as long as anybody will run this, so numbers do; who reads decides what happens to a value that a double cannot hold:
 * messages refuse it, record timestamps saturate (nanoseconds sent by mistake are common and must not cost the log).
 */

const TWO_TO_32 = 0x1_0000_0000

/** Exact within ±2^53, rounded to the nearest double beyond: `Number.isSafeInteger` tells the two apart. */
export function readInt64(buffer: Buffer, position: number): number {
  return buffer.readInt32BE(position) * TWO_TO_32 + buffer.readUInt32BE(position + 4)
}

/** Throws a RangeError for what is not a safe integer. */
export function writeInt64(buffer: Buffer, value: number, position: number): void {
  if (!Number.isSafeInteger(value)) throw new RangeError(`${value} is not an integer within ±2^53`)
  buffer.writeInt32BE(Math.floor(value / TWO_TO_32), position)
  buffer.writeUInt32BE(value >>> 0, position + 4)
}

/** The nearest safe integer. */
export function saturate(value: number): number {
  return Math.max(Number.MIN_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, value))
}
