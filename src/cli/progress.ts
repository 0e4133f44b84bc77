/**
 * A line on the terminal that says how far something is, and is gone when it is done. Where standard error is no terminal,
 * nothing is printed.
 */
import { formatCount, formatDuration, formatSize } from './output.ts'

const REDRAW_MS = 100
const BAR_CHARACTERS = 30
/** To the beginning of the line, and clear it. */
const CLEAR = '\r\x1b[K'

interface Terminal {
  isTTY?: boolean
  write(text: string): unknown
}

type Describe = (done: number, of: number, elapsedMs: number) => string

export class Progress {
  readonly #doing: string
  readonly #terminal: Terminal
  readonly #describe: Describe
  readonly #beganMs = performance.now()
  #drawnMs = -Infinity

  constructor(doing: string, terminal: Terminal = process.stderr, describe: Describe = describeBytes) {
    this.#doing = doing
    this.#terminal = terminal
    this.#describe = describe
  }

  /** May be called as often as one likes. `of` is Infinity where nobody knows how much there is: then there is no bar. */
  update(done: number, of: number): void {
    if (this.#terminal.isTTY !== true || performance.now() - this.#drawnMs < REDRAW_MS) return
    this.#drawnMs = performance.now()
    const share = of === 0 ? 1 : Math.min(done / of, 1)
    const filled = '█'.repeat(Math.round(share * BAR_CHARACTERS))
    const bar = of === Infinity ? '' : `${filled.padEnd(BAR_CHARACTERS, '░')} `
    this.#terminal.write(`${CLEAR}${this.#doing} ${bar}${this.#describe(done, of, this.#drawnMs - this.#beganMs)}`)
  }

  /** Takes the line away; the next update draws it again. */
  end(): void {
    if (this.#drawnMs !== -Infinity) this.#terminal.write(CLEAR)
    this.#drawnMs = -Infinity
  }
}

function describeBytes(done: number, of: number): string {
  return `${formatSize(done)} of ${formatSize(of)}`
}

/** For what is counted in logs: how many, how fast, and how long the others will take. */
export function describeLogs(done: number, of: number, elapsedMs: number): string {
  const counts = `${formatCount(done)} of ${formatCount(of)} logs`
  if (done === 0 || elapsedMs === 0) return counts
  const leftMs = (Math.max(0, of - done) / done) * elapsedMs
  return `${counts}, ${formatCount(Math.round((1000 * done) / elapsedMs))}/s, ${formatDuration(leftMs)} left`
}
