/**
 * What has happened in a simulation, event by event: the last ones to be read when it fails, and the hash of all, which is the same
 * for two runs of one seed.
 */
import { createHash } from 'node:crypto'

const KEPT_EVENTS = 30

export class Trace {
  readonly #hash = createHash('sha256')
  readonly #startMs = performance.now()
  readonly #echo: ((line: string) => void) | undefined
  /** The last events, the oldest at `#events % KEPT_EVENTS` once there are so many. */
  readonly #last: string[] = []
  #events = 0

  /** `echo` is called with every event. */
  constructor(echo?: (line: string) => void) {
    this.#echo = echo
  }

  get events(): number {
    return this.#events
  }

  /** Virtual milliseconds since the beginning. */
  get elapsedMs(): number {
    return performance.now() - this.#startMs
  }

  add(who: string, what: string): void {
    const line = `${String(this.elapsedMs).padStart(7)} ms  ${who}  ${what}`
    this.#hash.update(line)
    this.#last[this.#events++ % KEPT_EVENTS] = line
    this.#echo?.(line)
  }

  get last(): string[] {
    const oldest = this.#events % KEPT_EVENTS
    return this.#events < KEPT_EVENTS ? [...this.#last] : [...this.#last.slice(oldest), ...this.#last.slice(0, oldest)]
  }

  /** Of all events so far. */
  get digest(): string {
    return this.#hash.copy().digest('hex')
  }
}
