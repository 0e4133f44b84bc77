/**
 * What a codec has decompressed so far, in one buffer, and how much more it may: a codec adds its output piece by piece (blocks,
 * frames), and what would pass the limit is refused before there is memory for it.
 */
import { ErrorCode } from '../error-codes.ts'
import { RecordsError } from './records-error.ts'

/** A piece costs time even if it is empty. 128 MiB are 4096 blocks as xerial makes them, and 2048 of lz4's smallest. */
const MAX_PIECES = 100_000

export class BoundedOutput {
  readonly #limitBytes: number
  /** Bytes from 0 to before `#length` are output. As long as there is but one piece, this is that piece. */
  #bytes: Buffer = Buffer.alloc(0)
  #length = 0
  #pieces = 0

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes
  }

  get length(): number {
    return this.#length
  }

  /** How much may still be added. */
  get leftBytes(): number {
    return this.#limitBytes - this.#length
  }

  /** For who knows the length of the next piece beforehand: throws if it is too long. */
  expect(length: number): void {
    if (length > this.leftBytes) throw this.tooLarge()
  }

  add(piece: Buffer): void {
    this.expect(piece.length)
    if (++this.#pieces > MAX_PIECES) throw new RecordsError(`the records are compressed in more than ${MAX_PIECES} pieces`)
    if (this.#length === 0) this.#bytes = piece
    else this.#append(piece)
    this.#length += piece.length
  }

  /** The output from a position on: a view, good until the next `add`. */
  from(position: number): Buffer {
    return this.#bytes.subarray(position, this.#length)
  }

  finish(): Buffer {
    return this.#bytes.length === this.#length ? this.#bytes : this.from(0)
  }

  tooLarge(): RecordsError {
    const message = `the records are longer than ${this.#limitBytes} bytes when decompressed`
    return new RecordsError(message, { errorCode: ErrorCode.MESSAGE_TOO_LARGE })
  }

  #append(piece: Buffer): void {
    const length = this.#length + piece.length
    if (length > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.min(this.#limitBytes, Math.max(length, 2 * this.#length)))
      this.#bytes.copy(larger, 0, 0, this.#length)
      this.#bytes = larger
    }
    piece.copy(this.#bytes, this.#length)
  }
}
