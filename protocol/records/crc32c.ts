/**
 * CRC-32C (Castagnoli), the checksum of record batches of format 2.
 *
 * Native, because the checksum is the largest single cost of taking a batch: 3 µs for 16 KiB, of which 0.15 are the call.
 */
import { crc32c as nativeCrc32c } from '@node-rs/crc32'

/** Up to so many bytes the table is faster than the native call and the view that it needs. */
const SHORT_BYTES = 64
const POLYNOMIAL = 0x82f63b78
const TABLE = Int32Array.from({ length: 256 }, (_, byte) => {
  for (let bit = 0; bit < 8; bit++) byte = byte & 1 ? (byte >>> 1) ^ POLYNOMIAL : byte >>> 1
  return byte
})

/**
 * The checksum of the bytes from `start` to before `end` as an unsigned 32-bit number. A checksum given as `seed` is continued, so
 * that bytes in pieces need not be joined: `crc32c(b, crc32c(a))` is the checksum of `a` and `b` in a row.
 */
export function crc32c(bytes: Uint8Array, seed = 0, start = 0, end = bytes.length): number {
  if (end - start > SHORT_BYTES) return nativeCrc32c(end - start === bytes.length ? bytes : bytes.subarray(start, end), seed)
  let crc = ~seed
  for (let at = start; at < end; at++) crc = TABLE[(crc ^ bytes[at]!) & 0xff]! ^ (crc >>> 8)
  return ~crc >>> 0
}
