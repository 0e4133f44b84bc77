/**
 * A run of bytes in the pieces in which the socket delivered them.
 *
 * TLS hands over at most 16 KiB at a time, so a large produce request is a hundred buffers. They are checksummed, patched and
 * written to disk as they are; joining them would copy every byte once more than needed. `toBuffer` joins, for whoever must.
 */
import { writeInt64 } from './int64.ts'
import { crc32c } from './records/crc32c.ts'

export class Chunks {
  static readonly empty = new Chunks([], 0)

  /** None is empty. Never changed: slices share it. */
  readonly pieces: readonly Buffer[]
  readonly length: number

  // The piece that was last looked at and the position of its first byte. A look-up goes on from here, forwards or back, so
  // going through a run costs each piece a few steps, however many positions are asked for.
  #lastIndex = 0
  #lastStart = 0

  /** For those who know that no piece is empty and that the lengths add up to `length`; else see `Chunks.of`. */
  constructor(pieces: readonly Buffer[], length: number) {
    this.pieces = pieces
    this.length = length
  }

  static of(...buffers: readonly Buffer[]): Chunks {
    const pieces = buffers.filter(buffer => buffer.length > 0)
    return new Chunks(
      pieces,
      pieces.reduce((sum, piece) => sum + piece.length, 0),
    )
  }

  /** The bytes from `start` to before `end`, as views: nothing is copied. */
  slice(start: number, end = this.length): Chunks {
    this.#check(start, end)
    return start === end ? Chunks.empty : new Chunks([...this.#views(start, end)], end - start)
  }

  /** All bytes in one buffer: the piece itself if there is but one, else a copy. */
  toBuffer(): Buffer {
    return this.pieces.length === 1 ? this.pieces[0]! : Buffer.concat(this.pieces, this.length)
  }

  /** `length` bytes in one buffer: a view where they lie in one piece, else a copy. For headers, not for payloads. */
  view(start: number, length: number): Buffer {
    if (length === 0) return Buffer.alloc(0)
    const { piece, offset } = this.together(start, length)
    return piece.subarray(offset, offset + length)
  }

  /** A buffer with `length` bytes, at least one, and where in it they begin: the piece where they lie in one, else a copy. */
  together(start: number, length: number): { piece: Buffer; offset: number } {
    const end = start + length
    this.#check(start, end)
    const found = this.#find(start)
    if (found.offset + length <= found.piece.length) return found
    return { piece: Buffer.concat([...this.#views(start, end)], length), offset: 0 }
  }

  uint8At(position: number): number {
    this.#check(position, position + 1)
    const { piece, offset } = this.#find(position)
    return piece[offset]!
  }

  /** The CRC-32C of the bytes from `start` to before `end`, continuing `seed`. */
  crc32c(start = 0, end = this.length, seed = 0): number {
    this.#check(start, end)
    let crc = seed
    for (let position = start; position < end;) {
      const { piece, offset } = this.#find(position)
      const length = Math.min(piece.length - offset, end - position)
      crc = crc32c(piece, crc, offset, offset + length)
      position += length
    }
    return crc
  }

  /** Overwrites eight bytes in place, wherever the pieces end. Views of the same bytes see the change. */
  writeInt64(position: number, value: number): void {
    this.#check(position, position + 8)
    const { piece, offset } = this.#find(position)
    if (offset + 8 <= piece.length) return writeInt64(piece, value, offset)
    const bytes = Buffer.alloc(8)
    writeInt64(bytes, value, 0)
    let copied = 0
    for (const view of this.#views(position, position + 8)) copied += bytes.copy(view, 0, copied)
  }

  /** The piece that holds a position, and where in it. `position` must be less than the length. */
  #find(position: number): { piece: Buffer; offset: number } {
    let piece = this.pieces[this.#lastIndex]!
    while (position < this.#lastStart) {
      piece = this.pieces[--this.#lastIndex]!
      this.#lastStart -= piece.length
    }
    while (position - this.#lastStart >= piece.length) {
      this.#lastStart += piece.length
      piece = this.pieces[++this.#lastIndex]!
    }
    return { piece, offset: position - this.#lastStart }
  }

  *#views(start: number, end: number): Generator<Buffer> {
    for (let position = start; position < end;) {
      const { piece, offset } = this.#find(position)
      const view = piece.subarray(offset, offset + end - position)
      yield view
      position += view.length
    }
  }

  #check(start: number, end: number): void {
    if (!(start >= 0 && start <= end && end <= this.length)) {
      throw new RangeError(`bytes ${start} to ${end} of ${this.length}`)
    }
  }
}
