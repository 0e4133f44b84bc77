/**
 * The journal: every log that sluice has taken, in one sequence of files, before anything else is done with it.
 *
 * What is written here is durable before its promise resolves; that is the whole of the promise that an acknowledgement makes.
 * Everything that fixes an order (offset, entry number, sequence of the producer) is done synchronously in `append`; only the
 * wait for the disk is shared. While one group of entries is being written and synced, the next one gathers.
 */
import { randomInt } from 'node:crypto'
import { type Chunks } from '../../protocol/chunks.ts'
import { setBaseOffset, type BatchHeader } from '../../protocol/records/batch.ts'
import { sluiceError } from '../base/errors.ts'
import { type Files } from '../base/files.ts'
import { type Log } from '../base/log.ts'
import { Checkpoints, type Indexed } from './checkpoint.ts'
import { encodeEnvelope, FORMAT_VERSION, type Entry, type Place } from './format.ts'
import { gatherGroup, sealGroup, type GatheredGroup, type Pending } from './group.ts'
import { sequencedBatches, type SequencedBatch, type Stream } from './producer-states.ts'
import { type ReadLimit } from './reader.ts'
import { recoverJournal, type Recovered } from './recovery.ts'
import { SegmentFiles, type OpenSegment, type Segment } from './segments.ts'
import { type JournalState } from './state.ts'

/** Where a write came from, and what it holds. */
export interface Write {
  logstoreId: string
  shard: number
  /** The partition that the producer named. */
  partition: number
  jsonTopic: boolean
  source: string
  clientId: string
  accessKeyId: string
  records: Chunks
  /** The batches of `records`, checked, in order. */
  batches: readonly BatchHeader[]
}

export interface Appended {
  shard: number
  baseOffset: number
  /** Resolves once the write is on disk. Rejects with STORAGE_FAILED if it is not, or if a write before it is not. */
  durable: Promise<void>
  /** True if the producer had sent it before, and this is the outcome of the first time. */
  isDuplicate: boolean
}

/** Why a producer's batch is not taken: one before it is missing, or a newer epoch of the producer has replaced this one. */
export type SequenceRefusal = 'OUT_OF_ORDER_SEQUENCE' | 'OLD_PRODUCER_EPOCH'

export interface JournalOptions {
  files: Files
  directory: string
  segmentBytes: number
  /** How many streams of idempotent producers are remembered. */
  maxStreams: number
  checkpointIntervalMs: number
  log: Log
  now?: () => number
  /** Called after each group that became durable, with how far the journal may be read now. */
  onDurable?: (limit: ReadLimit) => void
}

export class Journal {
  readonly #options: JournalOptions
  readonly #now: () => number
  readonly #segmentFiles: SegmentFiles
  readonly #checkpoints: Checkpoints
  readonly #journalId: string
  readonly #state: JournalState
  /** Every segment there is but the one that is being written, oldest first. */
  #finished: Segment[]
  /** The segment that is being written; undefined before the first write of a life, and after one that failed. */
  #open: OpenSegment | undefined
  /** The highest number that a segment ever had. */
  #lastSegment: number
  /** Everything before this place is on disk. */
  #durable: Place
  /** The number that the next entry gets; those from `#durable.entry` up to it are waiting or being written. */
  #nextEntry: number
  #pending: Pending[] = []
  /** Settles when nothing is waiting any more; undefined while no commit is under way. */
  #committing: Promise<void> | undefined
  #indexed: Indexed
  /** Settles when the checkpoint that was asked for last has been written: they are written one after the other. */
  #checkpointing: Promise<void> = Promise.resolve()
  /** What the last checkpoint said, to leave out one that would say the same. */
  #checkpointed = ''
  #checkpointTimer: NodeJS.Timeout | undefined
  #problem: string | undefined
  #closed = false

  private constructor(options: JournalOptions, checkpoints: Checkpoints, recovered: Recovered) {
    this.#options = options
    this.#now = options.now ?? Date.now
    this.#segmentFiles = new SegmentFiles(options)
    this.#checkpoints = checkpoints
    this.#journalId = recovered.journalId
    this.#state = recovered.state
    this.#finished = recovered.segments
    this.#lastSegment = recovered.lastSegment
    this.#durable = recovered.end
    this.#nextEntry = recovered.end.entry
    this.#indexed = recovered.indexed
  }

  /**
   * Opens the journal in a directory, or makes it. Whatever was acknowledged in earlier lives is there. Rejects with
   * JOURNAL_DAMAGED if it is not, with JOURNAL_FORMAT if a newer sluice wrote it.
   */
  static async open(options: JournalOptions): Promise<Journal> {
    await options.files.makeDirectory(options.directory, 0o700)
    const checkpoints = new Checkpoints(options)
    const journal = new Journal(options, checkpoints, await recoverJournal({ ...options, checkpoints }))
    await journal.#beginSegment()
    // Beginning has asked for a checkpoint. Without one the journal works too: the one before serves, and it is tried again.
    await journal.#checkpointing
    journal.#checkpointTimer = setInterval(() => void journal.#checkpointOrWarn(), options.checkpointIntervalMs).unref()
    return journal
  }

  /** Drawn when the journal was made: it names this node to the store. */
  get id(): string {
    return this.#journalId
  }

  /** Why the last write failed; undefined if it did not. */
  get problem(): string | undefined {
    return this.#problem
  }

  /** The bytes of the journal that are durable and not indexed. */
  get unindexedBytes(): number {
    return Math.max(0, this.#durable.position - this.#indexed.place.position)
  }

  /** How far the journal may be read. */
  get readLimit(): ReadLimit {
    return { position: this.#durable.position, segment: this.#lastSegment }
  }

  /** How far the journal has been indexed, as `setIndexed` was last told. */
  get indexed(): Indexed {
    return this.#indexed
  }

  /** Entries that are durable, counted through all lives of the journal. */
  get durableEntries(): number {
    return this.#durable.entry
  }

  /** The offset that the next log of a shard gets; every log below it is durable. */
  nextOffset(logstoreId: string, shard: number): number {
    return this.#state.nextOffset(logstoreId, shard)
  }

  /** Records how far the journal has been indexed; the segments before it are given up two checkpoints later. */
  setIndexed(indexed: Indexed): void {
    this.#indexed = indexed
  }

  /** Forgets the offsets and producers of a logstore that was deleted: its id is never written to again. */
  forgetLogstore(logstoreId: string): void {
    this.#state.forgetLogstore(logstoreId)
    const { [logstoreId]: _, ...stored } = this.#indexed.stored
    this.#indexed = { ...this.#indexed, stored }
  }

  /**
   * Takes batches into the journal. The offset is given before this returns, not when it resolves: two calls in a row are
   * neighbours in their shard even if nobody awaits the first. Connections rely on it to keep a producer's batches in order while
   * several are in flight.
   */
  append(write: Write): Appended | SequenceRefusal {
    if (this.#closed) return { shard: write.shard, baseOffset: -1, durable: refused(stopping()), isDuplicate: false }
    const sequenced = sequencedBatches(write, write.batches)
    if (sequenced === undefined) return this.#take(write)
    const { stream, batch, followEachOther } = sequenced
    if (!followEachOther) {
      this.refuse(stream, batch)
      return 'OUT_OF_ORDER_SEQUENCE'
    }
    const verdict = this.#state.producers.judge(stream, batch)
    if (verdict.kind === 'gap') return 'OUT_OF_ORDER_SEQUENCE'
    if (verdict.kind === 'fenced') return 'OLD_PRODUCER_EPOCH'
    if (verdict.kind === 'duplicate') {
      const { shard, baseOffset, durable } = verdict.batch
      return { shard, baseOffset, durable, isDuplicate: true }
    }
    const entry = this.#nextEntry
    const appended = this.#take(write)
    const { shard, baseOffset, durable } = appended
    this.#state.producers.take(stream, batch, { shard, baseOffset, entry, durable }, this.#now())
    return appended
  }

  /** Records that a batch was refused, so that nothing behind it in its stream is taken before it. */
  refuse(stream: Stream, batch: SequencedBatch): void {
    this.#state.producers.refuse(stream, batch, this.#now())
  }

  /** Writes a checkpoint if anything has changed since the last, and gives up the segments that nobody needs any more. */
  checkpoint(): Promise<void> {
    const written = this.#checkpointing.then(() => this.#writeCheckpoint())
    this.#checkpointing = written.catch(() => {})
    return written
  }

  async #writeCheckpoint(): Promise<void> {
    const said = JSON.stringify([this.#durable, this.#lastSegment, this.#indexed])
    if (said === this.#checkpointed) return
    await this.#checkpoints.write({
      journalId: this.#journalId,
      durable: this.#durable,
      segment: this.#lastSegment,
      state: this.#state.save(this.#now()),
      indexed: this.#indexed,
    })
    this.#checkpointed = said
    await this.#recycle()
    void this.#prepareNext()
  }

  /** Writes what is waiting, and a checkpoint, and lets go of the files. What is appended from now on is refused. */
  async close(): Promise<void> {
    this.#closed = true
    clearInterval(this.#checkpointTimer)
    await this.#committing
    await this.#checkpointOrWarn()
    await this.#prepareNext()
    await this.#open?.file.close()
    this.#open = undefined
  }

  #take(write: Write): Appended {
    const { logstoreId, shard, partition, jsonTopic, source, clientId, accessKeyId, records, batches } = write
    const offsets = this.#state.shard(logstoreId, shard)
    const baseOffset = offsets.taken
    for (const batch of batches) {
      setBaseOffset(records, batch, offsets.taken)
      offsets.taken += batch.recordCount
    }
    const recordCount = offsets.taken - baseOffset
    const receivedMs = this.#state.receive(this.#now())
    const number = this.#nextEntry++
    const origin = { receivedMs, source, clientId, accessKeyId }
    const entry: Entry = { number, logstoreId, shard, jsonTopic, partition, baseOffset, recordCount, ...origin, records }
    const durable = new Promise<void>((resolve, reject) => {
      this.#pending.push({ entry, envelope: encodeEnvelope(entry), batches, offsets, resolve, reject })
    })
    durable.catch(ignore)
    this.#committing ??= this.#commit()
    return { shard, baseOffset, durable, isDuplicate: false }
  }

  /** Writes group after group until nothing is waiting. Never rejects: what cannot be written is refused. */
  async #commit(): Promise<void> {
    // What the other connections have sent by now belongs into the first group too.
    await new Promise(resolve => setImmediate(resolve))
    while (this.#pending.length > 0) {
      // They stay in `#pending`, to be refused with the rest should the group fail.
      const group = gatherGroup(this.#pending)
      try {
        const target = await this.#segmentFor(group)
        const { pieces, end } = sealGroup(group, target, this.#durable)
        await target.file.write(pieces, target.offset)
        target.offset = end.position - target.segment.base
        this.#durable = end
      } catch (error) {
        await this.#abandon(error)
        continue
      }
      this.#acknowledge(group)
    }
    this.#committing = undefined
  }

  /** The open segment if the group has room in it, else a new one. A group larger than a segment gets one that is longer. */
  async #segmentFor({ length }: GatheredGroup): Promise<OpenSegment> {
    const open = this.#open
    if (open !== undefined && open.offset + length <= this.#options.segmentBytes) return open
    return this.#beginSegment()
  }

  #acknowledge({ entries }: GatheredGroup): void {
    this.#pending.splice(0, entries.length)
    this.#problem = undefined
    this.#state.producers.markDurable(this.#durable.entry)
    for (const { offsets, entry, resolve } of entries) {
      offsets.durable = entry.baseOffset + entry.recordCount
      resolve()
    }
    this.#options.onDurable?.(this.readLimit)
  }

  /**
   * Refuses everything that waits. Nothing is known about the end of the file now, so the file is not written again, nor
   * read: the header of the next segment says where this one ends.
   */
  async #abandon(cause: unknown): Promise<void> {
    const lost = this.#pending
    this.#pending = []
    this.#nextEntry = this.#durable.entry
    this.#state.rollBack(this.#durable.entry)
    const error = sluiceError('STORAGE_FAILED', { doing: 'writing the journal' }, cause)
    this.#problem = `the journal could not be written: ${(cause as Error).message}`
    this.#options.log.error(
      { err: cause, entries: lost.length },
      'the journal could not be written; what was not on disk is refused',
    )
    const open = this.#open
    this.#open = undefined
    if (open !== undefined) {
      this.#finished.push(open.segment)
      // Begun before anything is refused: a crash from now on does not bring it back beside its retry, if the disk lets us.
      await Promise.allSettled([open.file.close(), this.#beginSegment()])
    }
    for (const { reject } of lost) reject(error)
  }

  /** Begins the next segment where the journal ends, and has the file for the one after it prepared. */
  async #beginSegment(): Promise<OpenSegment> {
    const before = this.#open
    const opened = await this.#segmentFiles.begin({
      formatVersion: FORMAT_VERSION,
      journalId: this.#journalId,
      number: this.#lastSegment + 1,
      generation: randomInt(2 ** 32),
      base: this.#durable.position,
      firstEntry: this.#durable.entry,
      begunMs: this.#now(),
      state: Buffer.from(JSON.stringify(this.#state.save(this.#now())), 'utf8'),
    })
    this.#lastSegment++
    this.#open = opened
    if (before !== undefined) {
      this.#finished.push(before.segment)
      await before.file.close()
    }
    void this.#checkpointOrWarn()
    return opened
  }

  async #recycle(): Promise<void> {
    const forgettable = this.#checkpoints.forgettable
    const endOfFirst = (): number => (this.#finished[1] ?? this.#open?.segment)?.base ?? Infinity
    while (this.#finished[0] !== undefined && endOfFirst() <= forgettable) {
      await this.#segmentFiles.recycle(this.#finished[0])
      this.#finished.shift()
    }
  }

  async #checkpointOrWarn(): Promise<void> {
    try {
      await this.checkpoint()
    } catch (error) {
      this.#warn(error)
    }
  }

  /** Has a file ready before the next segment begins. */
  async #prepareNext(): Promise<void> {
    try {
      await this.#segmentFiles.prepareNext()
    } catch (error) {
      this.#warn(error)
    }
  }

  #warn(error: unknown): void {
    this.#options.log.warn({ err: error }, 'the journal could not write a checkpoint or prepare a segment; it is tried again')
  }
}

function stopping(): Error {
  return sluiceError('STORAGE_FAILED', { doing: 'stopping: the journal takes nothing any more' })
}

/** An outcome that nobody may be waiting for: its producer may have gone. */
function refused(error: Error): Promise<void> {
  const durable = Promise.reject<void>(error)
  durable.catch(ignore)
  return durable
}

function ignore(): void {}
