/**
 * CRC-32C (Castagnoli), the checksum of record batches of format 2.
 *
 * Native, because the checksum is the largest single cost of taking a batch: 3 µs for 16 KiB, of which 0.15 are the call.
 */
import { crc32c as nativeCrc32c } from '@node-rs/crc32'

/**
 * The checksum of `bytes` as an unsigned 32-bit number. A checksum given as `seed` is continued, so that bytes in pieces need
 * not be joined: `crc32c(b, crc32c(a))` is the checksum of `a` and `b` in a row.
 */
export function crc32c(bytes: Uint8Array, seed = 0): number {
  return nativeCrc32c(bytes, seed)
}
