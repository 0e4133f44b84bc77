/**
 * Reads the primitive types of Kafka's protocol: the only place that touches incoming bytes.
 *
 * What must stay true: a length is compared with what is left before anything is allocated or read by it, so what a frame costs
 * is bounded by the bytes that are really there, not by what they claim; and whatever the bytes are, the outcome is a value or a ProtocolError.
 *
 * Two encodings exist for what has a length (KIP-482): the classic ones with lengths of two or four bytes, and the compact
 * ones of *flexible* versions, with the length plus one as an unsigned varint. `flexible` is a property of the cursor, and the
 * methods adapt.
 */
import { Chunks } from './chunks.ts'
import { readInt64, saturate } from './int64.ts'
import { ProtocolError } from './protocol-error.ts'

const NO_BYTES = Buffer.alloc(0)

/**
 * The elements of all arrays of one message together. An element of two bytes becomes objects of some hundred, so that a request
 * full of them would take all memory; real ones name partitions, and a client has some thousands of those at most.
 */
const MAX_ELEMENTS = 100_000

export class Reader {
  /** Whether lengths are compact. */
  flexible = false
  /** The name of what is being read, for the message of an error. */
  field = 'message'

  readonly #pieces: readonly Buffer[]
  readonly #length: number
  /** The piece under the cursor: one of `#pieces`, or bytes of several that had to be joined. */
  #piece: Buffer = NO_BYTES
  /** The cursor within `#piece`. */
  #at = 0
  /** The position, in the whole run, of the end of `#piece`. */
  #pieceEnd = 0
  /** The index of the piece to go on with after `#piece`, and how many of its bytes have been read already. */
  #nextIndex = 0
  #nextAt = 0
  #elements = 0

  constructor(source: Chunks | Buffer) {
    this.#pieces = source instanceof Chunks ? source.pieces : [source]
    this.#length = source.length
  }

  get position(): number {
    return this.#pieceEnd - this.#piece.length + this.#at
  }

  get remaining(): number {
    return this.#length - this.position
  }

  /** The one check at the end that tells a message read with the wrong declaration. */
  end(): void {
    if (this.remaining > 0) throw this.error(`${this.remaining} bytes are left after the last field`)
  }

  /** An error about the bytes at the cursor. */
  error(problem: string): ProtocolError {
    return new ProtocolError(`${this.field} at byte ${this.position}: ${problem}`)
  }

  int8(): number {
    const at = this.#take(1)
    return this.#piece.readInt8(at)
  }

  uint8(): number {
    const at = this.#take(1)
    return this.#piece[at]!
  }

  int16(): number {
    const at = this.#take(2)
    return this.#piece.readInt16BE(at)
  }

  uint16(): number {
    const at = this.#take(2)
    return this.#piece.readUInt16BE(at)
  }

  int32(): number {
    const at = this.#take(4)
    return this.#piece.readInt32BE(at)
  }

  uint32(): number {
    const at = this.#take(4)
    return this.#piece.readUInt32BE(at)
  }

  float64(): number {
    const at = this.#take(8)
    return this.#piece.readDoubleBE(at)
  }

  /** Refuses what a number cannot hold exactly. */
  int64(): number {
    const at = this.#take(8)
    const value = readInt64(this.#piece, at)
    if (!Number.isSafeInteger(value)) throw this.error('an int64 beyond ±2^53')
    return value
  }

  /** The nearest number within ±2^53. */
  int64Saturating(): number {
    const at = this.#take(8)
    return saturate(readInt64(this.#piece, at))
  }

  /** Any byte but 0 is true, as in Kafka. */
  bool(): boolean {
    return this.uint8() !== 0
  }

  /** As 32 hexadecimal digits. */
  uuid(): string {
    const at = this.#take(16)
    return this.#piece.toString('hex', at, at + 16)
  }

  /** An unsigned varint of at most five bytes. */
  uvarint(): number {
    let value = 0
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.uint8()
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
    const last = this.uint8()
    if (last > 0x0f) throw this.error('a varint of more than 32 bits')
    return (value | (last << 28)) >>> 0
  }

  /** A zigzag varint of at most five bytes. */
  varint(): number {
    const value = this.uvarint()
    return (value >>> 1) ^ -(value & 1)
  }

  /** A zigzag varint of at most ten bytes, saturating at ±2^53: Kafka has it for differences of timestamps only. */
  varlong(): number {
    // The lowest bit is the sign. The others are summed as doubles, exactly as long as the sum stays below 2^53.
    let byte = this.uint8()
    const negative = (byte & 1) === 1
    let magnitude = (byte & 0x7f) >> 1
    let scale = 64
    for (let length = 1; byte >= 0x80; length++) {
      byte = this.uint8()
      if (length === 9 && byte > 1) throw this.error('a varint of more than 64 bits')
      magnitude += (byte & 0x7f) * scale
      scale *= 128
    }
    return saturate(negative ? -magnitude - 1 : magnitude)
  }

  string(): string {
    return this.nullableString() ?? this.#refuseNull()
  }

  nullableString(): string | null {
    const length = this.flexible ? this.uvarint() - 1 : this.int16()
    if (this.#isNull(length)) return null
    const at = this.#take(length)
    return readText(this.#piece, at, length)
  }

  /** A view where the bytes lie in one piece, else a copy. */
  bytes(): Buffer {
    return this.nullableBytes() ?? this.#refuseNull()
  }

  nullableBytes(): Buffer | null {
    const length = this.#longLength()
    return this.#isNull(length) ? null : this.raw(length)
  }

  /** The bytes of a `records` field as they came, never copied. */
  records(): Chunks | null {
    const length = this.#longLength()
    return this.#isNull(length) ? null : this.chunks(length)
  }

  /**
   * The number of elements of an array, -1 for null. It is believed only if that many elements of at least
   * `minElementBytes` fit into what is left and the message has not had too many, so the caller may allocate by it.
   */
  arrayLength(minElementBytes = 1): number {
    const length = this.#longLength()
    if (length < -1 || length * minElementBytes > this.remaining) {
      throw this.error(`an array of ${length} elements, ${this.remaining} bytes are left`)
    }
    this.#elements += Math.max(0, length)
    if (this.#elements > MAX_ELEMENTS) throw this.error(`${this.#elements} elements in arrays, at most ${MAX_ELEMENTS} are taken`)
    return length
  }

  /**
   * Reads the tagged fields at the end of a structure (KIP-482). `read` is called with each tag; it reads the value and
   * returns true, or returns false, and the value is skipped: that is how newer clients can send more than we know.
   */
  taggedFields(read: (tag: number) => boolean): void {
    const count = this.uvarint()
    for (let index = 0; index < count; index++) {
      const tag = this.uvarint()
      const size = this.uvarint()
      this.#checkLength(size)
      const end = this.position + size
      if (!read(tag)) this.skip(size)
      else if (this.position !== end) throw this.error(`the value of tag ${tag} does not end where its size of ${size} says`)
    }
  }

  skipTaggedFields(): void {
    this.taggedFields(skipTag)
  }

  /** The next `length` bytes without looking at them: a view where they lie in one piece, else a copy. */
  raw(length: number): Buffer {
    const at = this.#take(length)
    return this.#piece.subarray(at, at + length)
  }

  /** The next `length` bytes without looking at them, never copied. */
  chunks(length: number): Chunks {
    if (length === 0) return Chunks.empty
    if (this.#at + length <= this.#piece.length) return new Chunks([this.raw(length)], length)
    const pieces: Buffer[] = []
    this.#consume(length, view => pieces.push(view))
    return new Chunks(pieces, length)
  }

  skip(length: number): void {
    this.#consume(length, ignore)
  }

  /** Moves the cursor over `length` bytes that lie together in `#piece` afterwards, and returns where in it they begin. */
  #take(length: number): number {
    const at = this.#at
    const end = at + length
    if (end > this.#piece.length) return this.#gather(length)
    this.#at = end
    return at
  }

  /** The slow path of `#take`: the bytes go on in the next piece. */
  #gather(length: number): number {
    this.#checkLength(length)
    if (this.#at === this.#piece.length) {
      this.#nextPiece()
      if (this.#at + length <= this.#piece.length) return this.#take(length)
    }
    const joined = Buffer.allocUnsafe(length)
    let filled = 0
    this.#consume(length, view => (filled += view.copy(joined, filled)))
    // The joined bytes take the place of the piece under the cursor; what is left of that one, if anything, comes next.
    this.#pieceEnd = this.position
    if (this.#at < this.#piece.length) {
      this.#nextIndex--
      this.#nextAt = this.#at
    }
    this.#piece = joined
    this.#at = length
    return 0
  }

  /** Moves the cursor over `length` bytes and shows them piece by piece. */
  #consume(length: number, show: (view: Buffer) => void): void {
    this.#checkLength(length)
    for (let left = length; left > 0;) {
      if (this.#at === this.#piece.length) this.#nextPiece()
      const end = Math.min(this.#piece.length, this.#at + left)
      show(this.#piece.subarray(this.#at, end))
      left -= end - this.#at
      this.#at = end
    }
  }

  /** To be called only if something is left. */
  #nextPiece(): void {
    this.#piece = this.#pieces[this.#nextIndex]!
    this.#pieceEnd += this.#piece.length - this.#nextAt
    this.#at = this.#nextAt
    this.#nextIndex++
    this.#nextAt = 0
  }

  #longLength(): number {
    return this.flexible ? this.uvarint() - 1 : this.int32()
  }

  #isNull(length: number): boolean {
    if (length === -1) return true
    this.#checkLength(length)
    return false
  }

  #checkLength(length: number): void {
    if (length < 0) throw this.error(`a length of ${length}`)
    if (length > this.remaining) throw this.error(`${length} bytes are announced or needed, ${this.remaining} are left`)
  }

  #refuseNull(): never {
    throw this.error('null where null is not allowed')
  }
}

/**
 * Short texts that were read lately, each at the place that its length and its first and last byte give: the names of clients and topics
 * come again with every request, and comparing their bytes costs a fifth of making them anew.
 */
const recentTexts: { bytes: Buffer; text: string }[] = []
const RECENT_TEXTS = 256
const MAX_RECENT_BYTES = 64

function readText(piece: Buffer, at: number, length: number): string {
  const end = at + length
  if (length === 0 || length > MAX_RECENT_BYTES) return piece.toString('utf8', at, end)
  const place = (31 * length + 7 * piece[at]! + piece[end - 1]!) % RECENT_TEXTS
  const recent = recentTexts[place]
  if (recent?.bytes.length === length && isAt(piece, at, recent.bytes)) return recent.text
  const text = piece.toString('utf8', at, end)
  recentTexts[place] = { bytes: Buffer.from(piece.subarray(at, end)), text }
  return text
}

function isAt(piece: Buffer, at: number, bytes: Buffer): boolean {
  for (let index = 0; index < bytes.length; index++) if (piece[at + index] !== bytes[index]) return false
  return true
}

const skipTag = (): boolean => false
const ignore = (): void => {}
