/**
 * Random numbers that can be had again: a test that fails prints its seed, and SLUICE_SEED repeats it.
 */
import { randomInt } from 'node:crypto'

const seed = process.env.SLUICE_SEED === undefined ? randomInt(2 ** 31) : Number(process.env.SLUICE_SEED)

export class Random {
  #state: number

  constructor(state: number) {
    this.#state = state
  }

  /** An integer from 0 to before `end` (mulberry32). */
  below(end: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * end)
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]!
  }

  /** An integer of at most `bits` bits with its sign, often a limit. */
  int(bits: number): number {
    const limit = 2 ** (Math.min(bits, 54) - 1)
    const most = limit - 1
    const least = bits > 54 ? -most : -limit
    const anywhere = Math.floor(this.below(2 ** 32) * 2 ** -32 * 2 * most) - most
    return this.pick([0, -1, 1, least, most, anywhere, anywhere, this.below(100)])
  }

  bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.below(256)))
  }
}

/** Runs a check many times, each with its own random numbers, and says how to repeat a failure. */
export function forRandom(runs: number, check: (random: Random) => void): void {
  for (let run = 0; run < runs; run++) {
    const runSeed = process.env.SLUICE_SEED === undefined ? (seed + run) % 2 ** 31 : seed
    try {
      check(new Random(runSeed))
    } catch (error) {
      if (error instanceof Error) error.message = `SLUICE_SEED=${runSeed}: ${error.message}`
      throw error
    }
    if (process.env.SLUICE_SEED !== undefined) return
  }
}
