/**
 * How many inserts run at once, and how long rows wait for more to come along.
 *
 * Each insert costs the engine something however small it is, so rows gather for a while. That while grows with the tables that
 * have rows and with what inserts take: there is always less to do in it than can be done.
 */

/** More at once do not get the engine any further. */
const PLACES = 3
/** After this long an insert is not counted any more: one that hangs holds up nobody for longer. */
const PLACE_MS = 10_000
/** What the while may grow to. */
const MAX_AGE_MS = 5000
/** How much each insert counts in the mean of what they take. */
const WEIGHT = 1 / 8

export class InsertPace {
  readonly #minAgeMs: number
  #free = PLACES
  /** Those that wait for a place, in the order they came: a table has one insert at a time, so all tables take turns. */
  readonly #queue: (() => void)[] = []
  /** What an insert takes, on average. */
  #insertMs = 0

  /** Rows wait `minAgeMs` at least, unless their block is full before. */
  constructor({ minAgeMs }: { minAgeMs: number }) {
    this.#minAgeMs = minAgeMs
  }

  /** How long rows may wait for others while as many tables have rows: so long that inserts take two thirds of the places. */
  ageMs(tables: number): number {
    return Math.max(this.#minAgeMs, Math.min((1.5 * tables * this.#insertMs) / PLACES, MAX_AGE_MS))
  }

  /** Runs `insert` when it is its turn. */
  async run<Result>(insert: () => Promise<Result>): Promise<Result> {
    if (this.#free > 0) this.#free--
    else await new Promise<void>(resolve => this.#queue.push(resolve))
    const begunMs = performance.now()
    let hasPlace = true
    const leave = (): void => {
      if (hasPlace) this.#passOn()
      hasPlace = false
    }
    const timer = setTimeout(leave, PLACE_MS)
    try {
      return await insert()
    } finally {
      clearTimeout(timer)
      leave()
      this.#insertMs += WEIGHT * (performance.now() - begunMs - this.#insertMs)
    }
  }

  #passOn(): void {
    const next = this.#queue.shift()
    if (next === undefined) this.#free++
    else next()
  }
}
