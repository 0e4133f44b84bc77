/**
 * Cuts bytes into lines, as they come. A line ends at LF or CR LF, which are no part of it; what follows the last one is a line too
 * once the input has ended.
 */
import { sluiceError } from '../base/errors.ts'

const LF = 0x0a
const CR = 0x0d
/** What is longer is hardly a log: a file without line ends would be held in memory as a whole. */
export const MAX_LINE_BYTES = 16 * 2 ** 20

export interface Line {
  readonly value: Buffer
  /** Where the next line begins, in bytes from the beginning of the input. */
  readonly end: number
}

export class LineCutter {
  readonly #name: string
  /** The beginning of a line whose end has not come yet. */
  #begun: Buffer[] = []
  #begunBytes = 0
  #end = 0
  #lines = 0

  /** `name` is what errors call the input. */
  constructor(name: string) {
    this.#name = name
  }

  /** The lines that end in `chunk`; empty ones too. Throws if a line is too long, behind all lines before it. */
  *cut(chunk: Buffer): Generator<Line> {
    let start = 0
    for (let at = chunk.indexOf(LF); at !== -1; at = chunk.indexOf(LF, start)) {
      const line = this.#take(chunk.subarray(start, at))
      start = at + 1
      this.#end++
      yield { value: line.at(-1) === CR ? line.subarray(0, -1) : line, end: this.#end }
    }
    if (start < chunk.length) this.#begin(chunk.subarray(start))
  }

  /** The line that no line end follows, if there is one. */
  *finish(): Generator<Line> {
    if (this.#begunBytes > 0) yield { value: this.#take(Buffer.alloc(0)), end: this.#end }
  }

  #begin(piece: Buffer): void {
    this.#begun.push(piece)
    this.#begunBytes += piece.length
    this.#end += piece.length
    this.#check(this.#begunBytes)
  }

  #take(piece: Buffer): Buffer {
    this.#check(this.#begunBytes + piece.length)
    this.#end += piece.length
    this.#lines++
    const line = this.#begun.length === 0 ? piece : Buffer.concat([...this.#begun, piece])
    this.#begun = []
    this.#begunBytes = 0
    return line
  }

  #check(bytes: number): void {
    if (bytes <= MAX_LINE_BYTES) return
    const problem = `line ${this.#lines + 1} of ${this.#name} is longer than ${MAX_LINE_BYTES / 2 ** 20} MiB: what lies before it is sent, it is not`
    throw sluiceError('PUSH_FAILED', { problem })
  }
}
