/**
 * Reads the wire format of protobuf: a message is fields, each a number, a type and a value.
 *
 *     tag      varint   number × 8 + type
 *     value    type 0: varint · 1: eight bytes · 2: a length as varint, and as many bytes · 5: four bytes
 *
 * What must stay true: nothing is read beyond the end of a message, whatever the lengths in it say. Bytes that are no message throw a
 * RangeError. Groups (types 3 and 4) are none: no message of proto3 has them.
 */

export const WireType = { VARINT: 0, FIXED64: 1, BYTES: 2, FIXED32: 5 } as const

const MAX_VARINT_BYTES = 10
/** So many bytes of a varint make a number that is exact. */
const EXACT_BYTES = 7

export class ProtobufReader {
  /** Of the field that `next` has read: its number and type; of the values only that of its type is set. */
  number = 0
  type = 0
  /** Of a varint, of four and of eight bytes: without a sign, a BigInt if it is large. */
  value: number | bigint = 0
  /** Of bytes: from where to where they are in the buffer. */
  begin = 0
  end = 0
  readonly #buffer: Buffer
  readonly #messageEnd: number
  #position: number

  /** Reads the message that is in `buffer` from `begin` to `end`. */
  constructor(buffer: Buffer, begin: number, end: number) {
    this.#buffer = buffer
    this.#position = begin
    this.#messageEnd = end
  }

  /** Reads the next field; false at the end of the message. */
  next(): boolean {
    if (this.#position === this.#messageEnd) return false
    const tag = Number(this.#readVarint())
    this.number = Math.floor(tag / 8)
    this.type = tag % 8
    if (tag >= 2 ** 32 || this.number === 0) throw new RangeError('a field has no number')
    if (this.type === WireType.VARINT) this.value = this.#readVarint()
    else if (this.type === WireType.FIXED64) this.value = this.#buffer.readBigUInt64LE(this.#take(8))
    else if (this.type === WireType.FIXED32) this.value = this.#buffer.readUInt32LE(this.#take(4))
    else if (this.type === WireType.BYTES) {
      const length = Number(this.#readVarint())
      this.begin = this.#take(length)
      this.end = this.begin + length
    } else throw new RangeError(`a field of type ${this.type}`)
    return true
  }

  /** The position of as many bytes, which are passed over. */
  #take(length: number): number {
    const at = this.#position
    if (length > this.#messageEnd - at) throw new RangeError('a field is longer than its message')
    this.#position += length
    return at
  }

  /** 64 bits; what does not fit into them is dropped, as protobuf's own libraries do it. */
  #readVarint(): number | bigint {
    let value = 0
    let scale = 1
    for (let count = 0; count < EXACT_BYTES; count++) {
      const byte = this.#buffer[this.#take(1)]!
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
      scale *= 0x80
    }
    let bits = BigInt(value)
    for (let count = EXACT_BYTES; count < MAX_VARINT_BYTES; count++) {
      const byte = this.#buffer[this.#take(1)]!
      bits |= BigInt(byte & 0x7f) << BigInt(7 * count)
      if (byte < 0x80) return BigInt.asUintN(64, bits)
    }
    throw new RangeError('a varint does not end')
  }
}
