/**
 * Writes what is appended to the journal, group after group: while one is being written and synced, the next one gathers.
 *
 *     sync: always      gather → write and sync, one call → durable → answer
 *     sync: interval    gather → write → answer           … sync once in a while → durable
 *
 * Durable is what is known to be on disk, in both: only that is read by the indexer, written down in checkpoints and kept by a
 * restart. With `always` nothing is answered that is not durable; with `interval` a power cut takes what was answered since the last
 * sync.
 */
import { randomInt } from 'node:crypto'
import { sluiceError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import type { Outcome } from '../base/outcome.ts'
import { FORMAT_VERSION, type Entry, type Place } from './format.ts'
import { Group, sealGroup, type Pending } from './group.ts'
import type { OpenSegment, Segment, SegmentFiles } from './segments.ts'

export interface JournalWriterOptions {
  segmentFiles: SegmentFiles
  segmentBytes: number
  /** How long what was answered may wait for its sync; undefined if answers wait for theirs. */
  syncIntervalMs: number | undefined
  journalId: string
  /** Where the journal ends, and the highest number that a segment ever had. */
  end: Place
  lastSegment: number
  log: Log
  now: () => number
  /** The journal's state as of the last durable entry. */
  saveState: () => unknown
  /** Called with how long each write took, in milliseconds: with `always` until it was on disk. */
  onWritten?: ((ms: number) => void) | undefined
  /** Called with each entry when it is acknowledged. */
  onTaken?: ((entry: Entry) => void) | undefined
  /** Called when a segment was begun. */
  onBegun: () => void
  /** Called with a segment that is not written any more. */
  onFinished: (segment: Segment) => void
  /** Called when everything before `end` has become durable. */
  onDurable: (end: Place) => void
  /** Called when the entries from this one on are lost, before anybody is told. */
  onLost: (firstLostEntry: number) => void
}

export class JournalWriter {
  readonly #options: JournalWriterOptions
  /** The segment that is being written; undefined before the first write of a life, and after one that failed. */
  #open: OpenSegment | undefined
  #lastSegment: number
  /** Everything before this place is on disk. */
  #durable: Place
  /** Everything before this place has been written; with `always` it is durable. */
  #written: Place
  /** The group that is being written. */
  #writing: Group | undefined
  /** Those that wait behind it; the last one gathers. */
  #waiting: Group[] = []
  /** With `interval`: what was written and is not durable yet, oldest first. */
  #unsynced: Pick<Pending, 'offsets' | 'nextOffset'>[] = []
  /** Settles when nothing is waiting any more; undefined while no commit is under way. */
  #committing: Promise<void> | undefined
  #syncTimer: NodeJS.Timeout | undefined
  /** Settles when the last sync that was begun is done: one at a time. Never rejects. */
  #syncing: Promise<void> = Promise.resolve()
  /** Why a sync failed: nothing is known of the file any more. */
  #failure: Error | undefined
  #problem: string | undefined

  constructor(options: JournalWriterOptions) {
    this.#options = options
    this.#durable = options.end
    this.#written = options.end
    this.#lastSegment = options.lastSegment
  }

  get durable(): Place {
    return this.#durable
  }

  /** The number of the newest segment. */
  get lastSegment(): number {
    return this.#lastSegment
  }

  /** Where the segment begins that is being written; undefined while there is none. */
  get openBase(): number | undefined {
    return this.#open?.segment.base
  }

  /** Why the last write failed; undefined if it did not. */
  get problem(): string | undefined {
    return this.#problem
  }

  /** How many entries wait to be written. */
  get waitingEntries(): number {
    return this.#unwritten.reduce((sum, { entries }) => sum + entries.length, 0)
  }

  /** Has an entry written with the next group. Returns what tells that it is on disk, for all of that group. */
  add(pending: Pending): Outcome {
    let group = this.#waiting.at(-1)
    if (group === undefined || !group.add(pending)) {
      group = new Group(pending)
      this.#waiting.push(group)
    }
    this.#committing ??= this.#commit()
    return group.durable
  }

  get #unwritten(): Group[] {
    return this.#writing === undefined ? this.#waiting : [this.#writing, ...this.#waiting]
  }

  /** Resolves when everything that was added is durable or refused. */
  async drain(): Promise<void> {
    await this.#committing
    clearTimeout(this.#syncTimer)
    await this.#sync().catch((error: unknown) => this.#abandon(error as Error))
  }

  /** Lets go of the file; everything must be drained. */
  async close(): Promise<void> {
    await this.#open?.file.close()
    this.#open = undefined
  }

  /** Begins the next segment where the journal ends. What was written before must be durable. */
  async beginSegment(): Promise<OpenSegment> {
    const { segmentFiles, journalId, now, saveState, onBegun, onFinished } = this.#options
    const before = this.#open
    const opened = await segmentFiles.begin({
      formatVersion: FORMAT_VERSION,
      journalId,
      number: this.#lastSegment + 1,
      generation: randomInt(2 ** 32),
      base: this.#durable.position,
      firstEntry: this.#durable.entry,
      begunMs: now(),
      state: Buffer.from(JSON.stringify(saveState()), 'utf8'),
    })
    this.#lastSegment++
    this.#open = opened
    if (before !== undefined) {
      onFinished(before.segment)
      await before.file.close()
    }
    onBegun()
    return opened
  }

  /** Writes group after group until nothing is waiting. Never rejects: what cannot be written is refused. */
  async #commit(): Promise<void> {
    // What the other connections have sent by now belongs into the first group too.
    await new Promise(resolve => setImmediate(resolve))
    while (this.#waiting.length > 0 || this.#failure !== undefined) {
      const written = await this.#writeNext().catch((error: Error) => this.#abandon(error))
      if (written !== undefined) this.#acknowledge(written)
    }
    this.#committing = undefined
  }

  async #writeNext(): Promise<Group> {
    if (this.#failure !== undefined) throw this.#failure
    const group = (this.#writing = this.#waiting.shift()!)
    const target = this.#segmentFor(group) ?? (await this.#nextSegment())
    const { pieces, end } = sealGroup(group, target, { previous: this.#written, durableUpTo: this.#durable.position })
    const startMs = performance.now()
    await target.file.write(pieces, target.offset)
    this.#options.onWritten?.(performance.now() - startMs)
    target.offset = end.position - target.segment.base
    this.#written = end
    return group
  }

  /** The open segment, if the group has room in it. */
  #segmentFor({ length }: Group): OpenSegment | undefined {
    const open = this.#open
    return open !== undefined && open.offset + length <= this.#options.segmentBytes ? open : undefined
  }

  /** A new segment, for a group of any length: one that is larger than a segment makes it longer. */
  async #nextSegment(): Promise<OpenSegment> {
    await this.#sync()
    return this.beginSegment()
  }

  #acknowledge({ entries, durable }: Group): void {
    this.#writing = undefined
    this.#problem = undefined
    const { syncIntervalMs, onTaken } = this.#options
    if (syncIntervalMs === undefined) this.#markDurable(this.#written, entries)
    else {
      // Not the entries themselves, which hold their bytes.
      for (const { offsets, nextOffset } of entries) this.#unsynced.push({ offsets, nextOffset })
      this.#syncTimer ??= setTimeout(() => this.#syncInTime(), syncIntervalMs).unref()
    }
    for (const { entry } of entries) onTaken?.(entry)
    durable.settle()
  }

  #markDurable(end: Place, entries: readonly Pick<Pending, 'offsets' | 'nextOffset'>[]): void {
    this.#durable = end
    for (const { offsets, nextOffset } of entries) offsets.durable = nextOffset
    this.#options.onDurable(end)
  }

  #syncInTime(): void {
    this.#syncTimer = undefined
    this.#sync().catch(() => {
      this.#committing ??= this.#commit()
    })
  }

  /** Makes everything durable that is written now. A sync that failed is not tried again: it would succeed and say nothing. */
  async #sync(): Promise<void> {
    const synced = this.#syncing.then(async () => {
      const end = this.#written
      const entries = this.#unsynced.length
      if (this.#failure !== undefined) throw this.#failure
      if (entries === 0) return
      await this.#open?.file.sync()
      this.#markDurable(end, this.#unsynced.splice(0, entries))
    })
    this.#syncing = synced.catch((error: Error) => {
      this.#failure = error
    })
    return synced
  }

  /**
   * Refuses everything that waits. Nothing is known about the end of the file now, so the file is not written again, nor
   * read: the header of the next segment says where this one ends.
   */
  async #abandon(cause: Error): Promise<undefined> {
    // What was written before the write that failed may be sound.
    await this.#sync().catch(() => {})
    const lost = this.#unwritten
    const lostEntries = this.waitingEntries
    const acknowledged = this.#unsynced.length
    this.#writing = undefined
    this.#waiting = []
    this.#unsynced = []
    this.#written = this.#durable
    this.#failure = undefined
    this.#options.onLost(this.#durable.entry)
    const error = sluiceError('STORAGE_FAILED', { doing: 'writing the journal' }, cause)
    this.#problem = `the journal could not be written: ${cause.message}`
    this.#options.log.error(
      { err: cause, entries: lostEntries, ...(acknowledged > 0 && { acknowledged }) },
      acknowledged === 0
        ? 'the journal could not be written; what was not on disk is refused'
        : 'the journal could not be written; what was acknowledged since the last sync is lost (journal.sync: interval)',
    )
    const open = this.#open
    this.#open = undefined
    if (open !== undefined) {
      this.#options.onFinished(open.segment)
      // Begun before anything is refused: a crash from now on does not bring it back beside its retry, if the disk lets us.
      await Promise.allSettled([open.file.close(), this.beginSegment()])
    }
    for (const { durable } of lost) durable.settle(error)
  }
}
