/**
 * How long logs take from their arrival until they are stored, as counts that can be told and added up.
 */
import type { RowBlock } from '../store/row-block.ts'

/** The upper bounds of what is told apart, in seconds. */
export const FRESHNESS_BUCKETS = [0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 20, 30, 60] as const

/** How many logs took how long. */
export interface FreshnessCounts {
  /** One for each bucket, of those that are in no smaller one; the last is for what took longer. */
  counts: number[]
  /** What all logs took together, in seconds. */
  sum: number
}

export class Freshness {
  #counts = noCounts()
  #sum = 0

  /** Takes the rows of a block that was stored at `nowMs`. */
  add(rows: RowBlock, nowMs: number): void {
    for (const arrival of rows.arrivals()) {
      // The clock may have been set back meanwhile.
      const seconds = Math.max(0, nowMs - arrival.receivedMs) / 1000
      let bucket = 0
      while (seconds > (FRESHNESS_BUCKETS[bucket] ?? Infinity)) bucket++
      this.#counts[bucket]! += arrival.rows
      this.#sum += seconds * arrival.rows
    }
  }

  /** What was added since the last time. */
  take(): FreshnessCounts {
    const taken = { counts: this.#counts, sum: this.#sum }
    this.#counts = noCounts()
    this.#sum = 0
    return taken
  }
}

function noCounts(): number[] {
  return new Array<number>(FRESHNESS_BUCKETS.length + 1).fill(0)
}
