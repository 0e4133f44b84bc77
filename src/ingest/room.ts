/**
 * Whether there is room for what producers send: in the journal, which may grow only so far; on the disk, of which a reserve is
 * left to checkpoints and the store, without which nothing would ever get free; and, for a logstore that is parked, in its files.
 *
 *     0 ──── enough ──── SLOW_FROM ──── slowed down, ever more ──── 1 ──── refused before it is stored ────
 *
 * Nothing is asked of the disk while a producer waits: its free space is looked at once in a while.
 */
import type { Log } from '../base/log.ts'
import { formatBytes } from '../config/units.ts'

export interface RoomOptions {
  /** The bytes of the journal that cannot be recycled yet. */
  journalBytes: () => number
  maxJournalBytes: number
  /** The free bytes of the disk, as they were a moment ago; undefined if that is not known. */
  freeBytes: () => number | undefined
  reserveBytes: number
  /** The bytes of a logstore that are parked. */
  parkedBytes: (logstoreId: string) => number
  maxParkedBytes: number
  log: Log
}

/** From this fill on producers are slowed down, so that the last of the room lasts. */
const SLOW_FROM = 0.75
/** What comes and goes is told at most this often. */
const SILENCE_MS = 10_000

export class Room {
  readonly #options: RoomOptions
  /** What the log was told last: whether there is no room for anybody, and when that was. */
  #told = { isFull: false, atMs: -Infinity }

  constructor(options: RoomOptions) {
    this.#options = options
  }

  /** How much a producer of this logstore is to be slowed down: from 0, not at all, to 1, as much as may be. */
  slowness(logstoreId: string): number {
    const fill = Math.max(this.#journalFill, this.#diskFill, this.#parkedFill(logstoreId))
    return Math.min(1, Math.max(0, (fill - SLOW_FROM) / (1 - SLOW_FROM)))
  }

  /** Why nothing more can be taken, for this logstore or for any; undefined if there is room. */
  problem(logstoreId?: string): string | undefined {
    const problem = this.#commonProblem()
    if ((problem !== undefined) !== this.#told.isFull) this.#tell(problem)
    if (problem !== undefined || logstoreId === undefined || this.#parkedFill(logstoreId) < 1) return problem
    const { maxParkedBytes } = this.#options
    return `the table of the logstore cannot be written, and journal.parkedBytes (${formatBytes(maxParkedBytes)}) of its logs wait`
  }

  #commonProblem(): string | undefined {
    const { maxJournalBytes, reserveBytes } = this.#options
    if (this.#journalFill >= 1)
      return `the journal has reached journal.maxBytes (${formatBytes(maxJournalBytes)}), since the store does not keep up`
    if (this.#diskFill >= 1)
      return `the disk has no more than journal.reserveBytes (${formatBytes(reserveBytes)}) left, which the store needs to go on`
    return undefined
  }

  #tell(problem: string | undefined): void {
    const atMs = performance.now()
    if (atMs - this.#told.atMs < SILENCE_MS) return
    this.#told = { isFull: problem !== undefined, atMs }
    const { log } = this.#options
    if (problem === undefined) log.info('there is room again, producers are not refused any more')
    else log.warn({ problem }, 'producers are refused until there is room: they send it again')
  }

  get #journalFill(): number {
    return this.#options.journalBytes() / this.#options.maxJournalBytes
  }

  /** Twice the reserve is enough, the reserve itself is full. */
  get #diskFill(): number {
    const { freeBytes, reserveBytes } = this.#options
    const free = freeBytes()
    if (free === undefined || free >= 2 * reserveBytes) return 0
    return 1 - (1 - SLOW_FROM) * (free / reserveBytes - 1)
  }

  #parkedFill(logstoreId: string): number {
    return this.#options.parkedBytes(logstoreId) / this.#options.maxParkedBytes
  }
}
