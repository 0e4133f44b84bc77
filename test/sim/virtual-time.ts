/**
 * Time and chance of a simulation: everything that runs in this process has them from here and from nowhere else.
 *
 * Timers, `Date` and the numbers that node:crypto draws are replaced as long as a simulation runs, so that no code needs a seam
 * for them. Time stands still while anything is left to do and then jumps to the next timer. Names and generations influence
 * nothing, but they stand in files: their digits make a checkpoint longer or shorter, so they come from the seed too.
 */
import FakeTimers from '@sinonjs/fake-timers'
import crypto from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'
import type { Random } from '../protocol/random.ts'

const replaced: FakeTimers.FakeMethod[] = [
  'setTimeout',
  'clearTimeout',
  'setInterval',
  'clearInterval',
  'setImmediate',
  'clearImmediate',
  'Date',
  'performance',
]

/** The real one: it comes when all that promises have left to do is done. */
const realImmediate = setImmediate
const realCrypto = { randomInt: crypto.randomInt, randomUUID: crypto.randomUUID }

export class VirtualTime {
  readonly #clock: FakeTimers.Clock

  private constructor(clock: FakeTimers.Clock) {
    this.#clock = clock
  }

  /** Replaces time and chance of this process until `uninstall`. */
  static install(startMs: number, random: Random): VirtualTime {
    const time = new VirtualTime(FakeTimers.install({ now: startMs, toFake: replaced }))
    Object.assign(crypto, {
      randomInt: (first: number, end?: number) => (end === undefined ? random.below(first) : first + random.below(end - first)),
      randomUUID: () => uuidOf(random),
    })
    // Modules have bound `setTimeout` of node:timers/promises and `randomInt` by name.
    syncBuiltinESMExports()
    return time
  }

  /** Sets the clock of the machine, which people and time servers do. */
  setClock(nowMs: number): void {
    this.#clock.setSystemTime(nowMs)
  }

  /** What waits for a timer then waits for ever. */
  async uninstall(): Promise<void> {
    await this.#settle()
    this.#clock.uninstall()
    Object.assign(crypto, realCrypto)
    syncBuiltinESMExports()
  }

  /** Does all that can be done at this moment, then what the next timer is for; false if there is none. */
  async step(): Promise<boolean> {
    await this.#settle()
    if (this.#clock.countTimers() === 0) return false
    this.#clock.next()
    return true
  }

  #settle(): Promise<void> {
    return new Promise(resolve => void realImmediate(resolve))
  }
}

function uuidOf(random: Random): ReturnType<typeof crypto.randomUUID> {
  const digits = Array.from({ length: 8 }, () => random.below(0x10000).toString(16).padStart(4, '0')).join('')
  return `${digits.slice(0, 8)}-${digits.slice(8, 12)}-4${digits.slice(13, 16)}-8${digits.slice(17, 20)}-${digits.slice(20)}`
}
