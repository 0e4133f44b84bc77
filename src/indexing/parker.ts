/**
 * Brings the entries of one logstore from the journal into its parked files, while its table cannot be written.
 *
 *     copying     it reads the journal by itself, from where the logstore's first entry lies that is neither stored nor parked, until it
 *                 has caught up with the indexer's own reading; entries that the indexer hands over meanwhile are met on the way
 *     following   what the indexer hands over is written, group by group
 *
 * It begins by copying, and does so again after any write that failed: so nobody ever waits for a disk that fails, and nothing is
 * in memory only for long.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Files } from '../base/files.ts'
import type { JournalEntry, Place } from '../journal/format.ts'
import type { ParkedEntries } from '../journal/parked-entries.ts'
import { JournalReader, type ReadLimit } from '../journal/reader.ts'

export interface ParkerOptions {
  files: Files
  /** The journal's. */
  directory: string
  logstoreId: string
  parked: ParkedEntries
  /** Where to begin copying; undefined if everything that was read is stored or parked. */
  from: Place | undefined
  /** Everything up to this entry is in the table. */
  storedEntry: number
  /** How far the indexer has read. */
  readLimit: () => ReadLimit
  /** Called when more is parked. */
  onParked: () => void
  /** Called with what keeps it from parking, and with null when it goes on. */
  onProblem: (problem: string | null) => void
}

/** About as much is written at once. */
const GROUP_BYTES = 4 * 1024 * 1024
/** Beyond this many bytes that wait to be written, reading waits too. */
const MAX_WAITING_BYTES = 8 * 1024 * 1024
const FIRST_RETRY_MS = 200
const LAST_RETRY_MS = 10_000

export class Parker {
  readonly #options: ParkerOptions
  readonly #abort = new AbortController()
  /** While copying: everything before this place is parked, or stored. */
  #copied: Place | undefined
  /** What was handed over and is not on disk yet, in order; only while following. */
  #waiting: { entry: JournalEntry; begin: Place }[] = []
  #waitingBytes = 0
  /** Resolved at each change of what others may wait for. */
  #change = newSignal()
  readonly #working: Promise<void>

  constructor(options: ParkerOptions) {
    this.#options = options
    this.#copied = options.from
    this.#working = this.#work()
  }

  /** Where the group begins that holds the oldest entry which is not parked; undefined if all are that were read. */
  get unparked(): Place | undefined {
    return this.#copied ?? this.#waiting[0]?.begin
  }

  get isCopying(): boolean {
    return this.#copied !== undefined
  }

  /** Whether everything that was handed over is parked, and nothing else is to be copied. */
  get isIdle(): boolean {
    return !this.isCopying && this.#waiting.length === 0
  }

  /** The bytes in memory that wait to be written. */
  get bytes(): number {
    return this.#waitingBytes
  }

  /** Resolves when something has changed: more was parked, or it copies, or it was stopped. */
  get changed(): Promise<void> {
    return this.#change.promise
  }

  /** Takes an entry that the indexer has read. Waits while many are waiting. */
  async add(entry: JournalEntry, begin: Place): Promise<void> {
    if (this.isCopying || this.#isParked(entry)) return
    this.#waiting.push({ entry, begin })
    this.#waitingBytes += entry.bytes.length
    this.#announce()
    while (this.#waitingBytes > MAX_WAITING_BYTES && !this.#abort.signal.aborted) await this.changed
  }

  /** Resolves when everything that was handed over is parked, or has to be copied later. */
  async settle(): Promise<void> {
    while (this.#waiting.length > 0 && !this.#abort.signal.aborted) await this.changed
  }

  /** Resolves when nothing is under way any more. What is not parked is read again if it is still wanted. */
  async stop(): Promise<void> {
    this.#abort.abort()
    this.#announce()
    await this.#working
  }

  async #work(): Promise<void> {
    const { signal } = this.#abort
    const { parked, onParked, onProblem } = this.#options
    let waitMs = FIRST_RETRY_MS
    while (!signal.aborted) {
      try {
        await parked.open()
        if (this.#copied !== undefined) await this.#copy(this.#copied)
        else if (this.#waiting.length > 0) await this.#writeWaiting()
        else {
          await this.changed
          continue
        }
        if (waitMs > FIRST_RETRY_MS) onProblem(null)
        waitMs = FIRST_RETRY_MS
        onParked()
      } catch (error) {
        this.#copied = this.unparked
        this.#forget(this.#waiting.length)
        onProblem((error as Error).message)
        await delay(waitMs, undefined, { signal }).catch(() => {})
        waitMs = Math.min(2 * waitMs, LAST_RETRY_MS)
      }
    }
  }

  /** Copies from the journal until nothing is left that the indexer has read. */
  async #copy(from: Place): Promise<void> {
    const { files, directory, logstoreId, parked, readLimit, onParked } = this.#options
    const reader = new JournalReader({ files, directory, from })
    try {
      let entries: JournalEntry[] = []
      let bytes = 0
      while (!this.#abort.signal.aborted) {
        const group = await reader.next(readLimit())
        for (const entry of group?.entries ?? []) {
          if (entry.logstoreId !== logstoreId || this.#isParked(entry)) continue
          entries.push(entry)
          bytes += entry.bytes.length
        }
        if (entries.length > 0 && (bytes >= GROUP_BYTES || group === undefined)) {
          await parked.append(entries)
          entries = []
          bytes = 0
          this.#copied = reader.place
          this.#announce()
          onParked()
        } else if (entries.length === 0) this.#copied = reader.place
        // Here, as between any two awaits, nothing else runs: what the indexer reads from now on it hands over.
        if (group === undefined && reader.place.position >= readLimit().position) {
          this.#copied = undefined
          this.#announce()
          return
        }
      }
    } finally {
      await reader.close()
    }
  }

  async #writeWaiting(): Promise<void> {
    let bytes = 0
    let count = 0
    for (const { entry } of this.#waiting) {
      if (bytes >= GROUP_BYTES) break
      bytes += entry.bytes.length
      count++
    }
    await this.#options.parked.append(this.#waiting.slice(0, count).map(({ entry }) => entry))
    this.#forget(count)
  }

  #isParked({ number }: JournalEntry): boolean {
    return number <= this.#options.storedEntry || number <= this.#options.parked.lastEntry
  }

  #forget(count: number): void {
    for (const { entry } of this.#waiting.splice(0, count)) this.#waitingBytes -= entry.bytes.length
    this.#announce()
  }

  #announce(): void {
    this.#change.resolve()
    this.#change = newSignal()
  }
}

function newSignal(): { promise: Promise<void>; resolve: () => void } {
  let resolve!: () => void
  const promise = new Promise<void>(onResolve => (resolve = onResolve))
  return { promise, resolve }
}
