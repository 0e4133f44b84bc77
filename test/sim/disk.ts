/**
 * What goes wrong with the disk of a simulation: weather that comes and goes, and the one call at which a life ends.
 *
 *     failing   some calls fail, some writes are short
 *     full      nothing more is taken: writes, and files that would be made, fail with ENOSPC
 *     away      every call fails
 *     slow      some calls take up to seconds
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Random } from '../protocol/random.ts'
import type { Fault, MemoryFiles, Operation, OperationKind } from '../support/memory-files.ts'
import type { Trace } from './trace.ts'

const WEATHERS = ['failing', 'full', 'away', 'slow'] as const
type Weather = (typeof WEATHERS)[number]

/** The calls that change something. */
const CHANGING: readonly OperationKind[] = ['open', 'write', 'sync', 'rename', 'syncDirectory', 'remove', 'truncate']
/** The calls that a full disk refuses. */
const GROWING: readonly OperationKind[] = ['write', 'truncate']

export class Disk {
  readonly #random: Random
  readonly #trace: Trace
  #weather: Weather | undefined
  /** Whether calls that only read fail too. */
  #failsReads = false
  /** The call at which the life ends, counted down; Infinity if it ends otherwise. */
  #callsLeft = Infinity
  /** Whether every call counts, or only writes. */
  #countsWritesOnly = false
  #crash: (() => void) | undefined

  constructor(random: Random, trace: Trace) {
    this.#random = random
    this.#trace = trace
  }

  /** Looks after the file system that a new process finds. */
  watch(files: MemoryFiles): void {
    files.intercept = operation => this.#intercept(operation)
  }

  /** Calls `crash` at the call behind `calls` others, or the write behind `calls` writes; from that one on none settles. */
  crashAfter(calls: number, kind: 'call' | 'write', crash: () => void): void {
    this.#callsLeft = calls
    this.#countsWritesOnly = kind === 'write'
    this.#crash = crash
  }

  /** No call ends a life before `crashAfter` says so again. */
  disarm(): void {
    this.#callsLeft = Infinity
    this.#countsWritesOnly = false
    this.#crash = undefined
  }

  /** Lets one kind of weather come, of those that `kinds` counts, and go again. */
  async storm(kinds: number): Promise<void> {
    const random = this.#random
    const weather = WEATHERS[random.below(Math.min(kinds, WEATHERS.length))]!
    this.#weather = weather
    this.#failsReads = random.below(3) === 0
    this.#trace.add('disk', `is ${weather}`)
    await delay(random.pick([10, 200, 1000, 4000]))
    this.clear()
  }

  clear(): void {
    if (this.#weather !== undefined) this.#trace.add('disk', 'is well')
    this.#weather = undefined
  }

  #intercept(operation: Operation): Fault | undefined {
    const { kind, path, length } = operation
    const counts = this.#callsLeft < 0 || !this.#countsWritesOnly || kind === 'write'
    const fault = counts && this.#callsLeft-- <= 0 ? this.#end() : this.#faultOf(operation)
    const name = path.slice(path.lastIndexOf('/') + 1)
    const met = fault === undefined ? '' : 'fail' in fault ? ` ${fault.fail}` : 'short' in fault ? ' is short' : ' hangs'
    this.#trace.add('disk', `${kind} ${name}${length > 0 ? ` ${length}` : ''}${met}`)
    return fault
  }

  #end(): Fault {
    this.#crash?.()
    this.#crash = undefined
    return { hang: true, reached: this.#random.pick(['none', 'some', 'all']) }
  }

  #faultOf({ kind, length }: Operation): Fault | undefined {
    const random = this.#random
    const isChanging = CHANGING.includes(kind)
    if (this.#weather === undefined || (!isChanging && !this.#failsReads)) return undefined
    switch (this.#weather) {
      case 'failing':
        if (random.below(12) > 0) return undefined
        return kind === 'write' && random.below(3) === 0 ? { short: random.below(length) } : { fail: 'EIO' }
      case 'full':
        return GROWING.includes(kind) ? { fail: 'ENOSPC', reached: random.pick(['none', 'some']) } : undefined
      case 'away':
        return { fail: 'EIO', reached: random.pick(['none', 'some', 'all']) }
      case 'slow':
        return random.below(8) > 0 ? undefined : { hang: true, until: delay(random.pick([50, 500, 3000])), reached: 'some' }
    }
  }
}
