/**
 * Cuts the byte stream of a connection into frames: a size of four bytes, and as many bytes.
 *
 * Bytes are kept in the pieces in which they came and are given on as such, never joined. A size is checked as soon as its four
 * bytes are there, so that nobody can make us wait for, or hold, more than the limit.
 */
import { Chunks } from './chunks.ts'
import { ProtocolError } from './protocol-error.ts'

/** The size of a frame goes before it. */
export const FRAME_PREFIX_BYTES = 4
const NO_BYTES = Buffer.alloc(0)

const HTTP_METHODS = ['GET ', 'POST', 'PUT ', 'HEAD', 'OPTI', 'DELE', 'PATC', 'CONN']
const TLS_HANDSHAKE = 0x16
const TLS_MAJOR_VERSION = 3

/**
 * Pieces below this size that follow each other are copied together. A buffer costs some hundred bytes beside its content, so a client
 * that sends single bytes would otherwise hold a hundred times the memory that it is counted for. The end of a request that comes behind
 * whole TLS records is not copied, nor are those.
 */
const SMALL_PIECE_BYTES = 512
const GATHERED_PIECE_BYTES = 4096

export class FrameReader {
  /** The largest frame that is accepted, without its prefix. May be changed at any time; holds for frames not begun yet. */
  limitBytes: number

  /** What was pushed and not yet taken: the pieces from `#first` on, that one from byte `#consumed` on. */
  readonly #pieces: Buffer[] = []
  #first = 0
  #consumed = 0
  /** The number of those bytes. */
  #bufferedBytes = 0
  /** The size of the frame under way; undefined until its prefix is complete, which is then taken off the pieces. */
  #frameBytes: number | undefined
  /** Where small pieces are copied to: bytes before `#gatheredEnd` are in use. */
  #gathered = NO_BYTES
  #gatheredEnd = 0
  /** Where in it the last piece begins, which may be made longer; undefined if the last piece lies elsewhere. */
  #lastPieceStart: number | undefined
  #isLastSmall = false

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes
  }

  /** The number of bytes held. */
  get bufferedBytes(): number {
    return this.#bufferedBytes
  }

  /** The size of the frame that is not complete yet, without its prefix; undefined until `next` has seen the prefix. */
  get expectedBytes(): number | undefined {
    return this.#frameBytes
  }

  /** Forgets what is held, of a frame under way too; returns how many bytes that were. */
  clear(): number {
    const bytes = this.#bufferedBytes
    this.#take(bytes)
    this.#frameBytes = undefined
    return bytes
  }

  /** Takes what the socket delivered. The buffer belongs to the frame reader from now on. */
  push(chunk: Buffer): void {
    if (chunk.length === 0) return
    const isSmall = chunk.length < SMALL_PIECE_BYTES
    if (isSmall && this.#isLastSmall && this.#bufferedBytes > 0) this.#gather(chunk)
    else {
      this.#pieces.push(chunk)
      this.#lastPieceStart = undefined
    }
    this.#isLastSmall = isSmall
    this.#bufferedBytes += chunk.length
  }

  /**
   * The next whole frame without its prefix, or undefined if more bytes are needed. To be called until it returns undefined.
   * Throws a ProtocolError if the prefix is negative or beyond the limit; then the connection is of no use any more.
   */
  next(): Chunks | undefined {
    if (!this.hasNext()) return undefined
    const frame = this.#take(this.#frameBytes!)
    this.#frameBytes = undefined
    return frame
  }

  /** Whether there is a whole frame, which `next` will return. Throws as that does. */
  hasNext(): boolean {
    if (this.#frameBytes === undefined) {
      if (this.#bufferedBytes < FRAME_PREFIX_BYTES) return false
      this.#frameBytes = this.#checkSize(this.#takePrefix())
    }
    return this.#bufferedBytes >= this.#frameBytes
  }

  #takePrefix(): number {
    const piece = this.#pieces[this.#first]!
    const at = this.#consumed
    if (at + FRAME_PREFIX_BYTES >= piece.length) return this.#take(FRAME_PREFIX_BYTES).toBuffer().readInt32BE()
    this.#consumed += FRAME_PREFIX_BYTES
    this.#bufferedBytes -= FRAME_PREFIX_BYTES
    return piece.readInt32BE(at)
  }

  #checkSize(sizeBytes: number): number {
    if (sizeBytes >= 0 && sizeBytes <= this.limitBytes) return sizeBytes
    throw new ProtocolError(`a frame of ${sizeBytes} bytes, the limit is ${this.limitBytes}${hintAt(sizeBytes)}`)
  }

  /** To be called only if that many bytes are held. */
  #take(length: number): Chunks {
    if (length === 0) return Chunks.empty
    let view = this.#takeOfPiece(length)
    const taken = [view]
    for (let left = length - view.length; left > 0; left -= view.length) taken.push((view = this.#takeOfPiece(left)))
    this.#bufferedBytes -= length
    this.#dropTaken()
    return new Chunks(taken, length)
  }

  /** What the first piece has of the next `length` bytes. */
  #takeOfPiece(length: number): Buffer {
    const piece = this.#pieces[this.#first]!
    const start = this.#consumed
    const end = Math.min(piece.length, start + length)
    this.#consumed = end
    if (end === piece.length) {
      this.#first++
      this.#consumed = 0
    }
    return piece.subarray(start, end)
  }

  /** Forgets pieces that are taken; not each time, since moving the others up for every frame would be quadratic. */
  #dropTaken(): void {
    if (this.#bufferedBytes === 0) {
      this.#gathered = NO_BYTES
      this.#gatheredEnd = 0
      this.#lastPieceStart = undefined
    }
    if (2 * this.#first < this.#pieces.length) return
    if (this.#first < this.#pieces.length) this.#pieces.splice(0, this.#first)
    // There mostly are few: to set the length takes V8 ten times as long.
    else while (this.#pieces.length > 0) this.#pieces.pop()
    this.#first = 0
  }

  #gather(chunk: Buffer): void {
    if (this.#gatheredEnd + chunk.length > this.#gathered.length) {
      this.#gathered = Buffer.allocUnsafe(GATHERED_PIECE_BYTES)
      this.#gatheredEnd = 0
      this.#lastPieceStart = undefined
    }
    const start = this.#lastPieceStart ?? this.#gatheredEnd
    this.#gatheredEnd += chunk.copy(this.#gathered, this.#gatheredEnd)
    const piece = this.#gathered.subarray(start, this.#gatheredEnd)
    if (this.#lastPieceStart === undefined) this.#pieces.push(piece)
    else this.#pieces[this.#pieces.length - 1] = piece
    this.#lastPieceStart = start
  }
}

/** What a strange size may be: the first four bytes of another protocol. For the person whose client is misconfigured. */
function hintAt(sizeBytes: number): string {
  const prefix = Buffer.alloc(FRAME_PREFIX_BYTES)
  prefix.writeInt32BE(sizeBytes)
  if (HTTP_METHODS.includes(prefix.toString('latin1'))) {
    return ': this looks like an HTTP request, which belongs on the HTTP port'
  }
  if (prefix[0] === TLS_HANDSHAKE && prefix[1] === TLS_MAJOR_VERSION) {
    return ': this looks like TLS, but this port takes plain connections'
  }
  return ''
}
