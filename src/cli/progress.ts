/**
 * A line on the terminal that says how far something is, and is gone when it is done. Where standard error is no terminal,
 * nothing is printed.
 */
import { formatSize } from './output.ts'

const REDRAW_MS = 100
const BAR_CHARACTERS = 30
/** To the beginning of the line, and clear it. */
const CLEAR = '\r\x1b[K'

export class Progress {
  readonly #doing: string
  readonly #terminal: { isTTY?: boolean; write(text: string): unknown }
  #drawnMs = -Infinity

  constructor(doing: string, terminal: { isTTY?: boolean; write(text: string): unknown } = process.stderr) {
    this.#doing = doing
    this.#terminal = terminal
  }

  /** May be called as often as one likes. */
  update(doneBytes: number, ofBytes: number): void {
    if (this.#terminal.isTTY !== true || performance.now() - this.#drawnMs < REDRAW_MS) return
    this.#drawnMs = performance.now()
    const share = ofBytes === 0 ? 1 : doneBytes / ofBytes
    const bar = '█'.repeat(Math.round(share * BAR_CHARACTERS)).padEnd(BAR_CHARACTERS, '░')
    this.#terminal.write(`${CLEAR}${this.#doing} ${bar} ${formatSize(doneBytes)} of ${formatSize(ofBytes)}`)
  }

  /** Takes the line away. */
  end(): void {
    if (this.#drawnMs !== -Infinity) this.#terminal.write(CLEAR)
  }
}
