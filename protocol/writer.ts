/**
 * Writes the primitive types of Kafka's protocol into one growing buffer; the counterpart of the reader, with the same words.
 *
 * A value that its type cannot hold throws a TypeError or a RangeError: that is a mistake of the caller, not of a client.
 */
import { Chunks } from './chunks.ts'
import { writeInt64 } from './int64.ts'

export class Writer {
  /** Whether lengths are compact (KIP-482). */
  flexible = false
  /** The name of what is being written, for the message of an error. */
  field = 'message'

  /** Bytes from 0 to before `#length` are written, the others are garbage. */
  #buffer: Buffer
  #length = 0

  constructor(sizeBytes = 256) {
    this.#buffer = Buffer.allocUnsafe(sizeBytes)
  }

  get length(): number {
    return this.#length
  }

  /** What was written: a view, so nothing must be written afterwards. */
  finish(): Buffer {
    return this.#buffer.subarray(0, this.#length)
  }

  int8(value: number): void {
    const at = this.#extend(1)
    this.#buffer.writeInt8(value, at)
  }

  uint8(value: number): void {
    const at = this.#extend(1)
    this.#buffer.writeUInt8(value, at)
  }

  int16(value: number): void {
    const at = this.#extend(2)
    this.#buffer.writeInt16BE(value, at)
  }

  uint16(value: number): void {
    const at = this.#extend(2)
    this.#buffer.writeUInt16BE(value, at)
  }

  int32(value: number): void {
    const at = this.#extend(4)
    this.#buffer.writeInt32BE(value, at)
  }

  uint32(value: number): void {
    const at = this.#extend(4)
    this.#buffer.writeUInt32BE(value, at)
  }

  int64(value: number): void {
    const at = this.#extend(8)
    writeInt64(this.#buffer, value, at)
  }

  /** The same as `int64`; they differ in what is read. */
  int64Saturating(value: number): void {
    this.int64(value)
  }

  float64(value: number): void {
    const at = this.#extend(8)
    this.#buffer.writeDoubleBE(value, at)
  }

  bool(value: boolean): void {
    this.uint8(value ? 1 : 0)
  }

  /** Takes 32 hexadecimal digits. */
  uuid(value: string): void {
    if (!/^[0-9a-f]{32}$/i.test(value)) throw new TypeError('a uuid is 32 hexadecimal digits')
    const at = this.#extend(16)
    this.#buffer.write(value, at, 'hex')
  }

  uvarint(value: number): void {
    let rest = value >>> 0
    if (rest !== value) throw new RangeError(`${value} is not an unsigned 32-bit number`)
    for (; rest > 0x7f; rest >>>= 7) this.uint8((rest & 0x7f) | 0x80)
    this.uint8(rest)
  }

  varint(value: number): void {
    if ((value | 0) !== value) throw new RangeError(`${value} is not a 32-bit number`)
    this.uvarint(((value << 1) ^ (value >> 31)) >>> 0)
  }

  varlong(value: number): void {
    if (!Number.isSafeInteger(value)) throw new RangeError(`${value} is not an integer within ±2^53`)
    // Zigzag without 64-bit shifts: the sign is the lowest bit of the first byte, the magnitude follows.
    const magnitude = value < 0 ? -value - 1 : value
    let byte = ((magnitude % 64) << 1) | (value < 0 ? 1 : 0)
    for (let rest = Math.floor(magnitude / 64); rest > 0; rest = Math.floor(rest / 128)) {
      this.uint8(byte | 0x80)
      byte = rest % 128
    }
    this.uint8(byte)
  }

  string(value: string): void {
    if (typeof value !== 'string') throw new TypeError(`a string is needed, not ${typeof value}`)
    this.nullableString(value)
  }

  nullableString(value: string | null): void {
    if (value === null) return this.#shortLength(-1)
    const length = Buffer.byteLength(value)
    this.#shortLength(length)
    const at = this.#extend(length)
    this.#buffer.write(value, at, 'utf8')
  }

  bytes(value: Uint8Array): void {
    if (!(value instanceof Uint8Array)) throw new TypeError(`bytes are needed, not ${typeof value}`)
    this.nullableBytes(value)
  }

  nullableBytes(value: Uint8Array | null): void {
    this.#longLength(value?.length ?? -1)
    if (value) this.raw(value)
  }

  /** A `records` field. The pieces are copied. */
  records(value: Chunks | Uint8Array | null): void {
    this.#longLength(value?.length ?? -1)
    if (value instanceof Chunks) value.pieces.forEach(piece => this.raw(piece))
    else if (value) this.raw(value)
  }

  /** The number of elements that follow, -1 for null. */
  arrayLength(length: number): void {
    this.#longLength(length)
  }

  /** Bytes as they are, without a length. */
  raw(bytes: Uint8Array): void {
    const at = this.#extend(bytes.length)
    this.#buffer.set(bytes, at)
  }

  /** Writes content behind its size as an unsigned varint, which is known only afterwards: the content is moved up for it. */
  sized(writeContent: () => void): void {
    const start = this.#length
    writeContent()
    const end = this.#length
    this.uvarint(end - start)
    const sizeBytes = this.#length - end
    this.#buffer.copyWithin(start + sizeBytes, start, end)
    this.#length = start
    this.uvarint(end - start)
    this.#length = end + sizeBytes
  }

  /** Writes over four bytes that were written before, such as a size that was not known yet. */
  patchInt32(position: number, value: number): void {
    this.#buffer.writeInt32BE(value, position)
  }

  #shortLength(length: number): void {
    if (this.flexible) this.uvarint(length + 1)
    else this.int16(length)
  }

  #longLength(length: number): void {
    if (this.flexible) this.uvarint(length + 1)
    else this.int32(length)
  }

  /** Makes room for `length` bytes more and returns where they begin. */
  #extend(length: number): number {
    const at = this.#length
    const end = at + length
    if (end > this.#buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(end, 2 * this.#buffer.length))
      this.#buffer.copy(larger, 0, 0, at)
      this.#buffer = larger
    }
    this.#length = end
    return at
  }
}
