/**
 * The journal: every log that sluice has taken, in one sequence of files, before anything else is done with it.
 *
 * What is written here is durable before its promise resolves; that is the whole of the promise that an acknowledgement makes.
 * Everything that fixes an order (offset, entry number, sequence of the producer) is done synchronously in `append`; only the
 * wait for the disk is shared. While one group of entries is being written and synced, the next one gathers.
 */
import type { Chunks } from '../../protocol/chunks.ts'
import { setBaseOffset, type BatchHeader } from '../../protocol/records/batch.ts'
import { sluiceError } from '../base/errors.ts'
import type { Files } from '../base/files.ts'
import type { Log } from '../base/log.ts'
import { Outcome } from '../base/outcome.ts'
import { Checkpoints, type Indexed } from './checkpoint.ts'
import { encodeEnvelope, type Entry, type Place } from './format.ts'
import { sequencedBatches, type SequencedBatch, type Stream, type TakenBatch } from './producer-states.ts'
import type { ReadLimit } from './reader.ts'
import { recoverJournal, type Recovered } from './recovery.ts'
import { SegmentFiles, type Segment } from './segments.ts'
import type { JournalState } from './state.ts'
import { JournalWriter } from './writer.ts'

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
  /** Succeeds once the write is on disk, with `sync: interval` a bit earlier. Fails with STORAGE_FAILED if it, or one before it, is not. */
  durable: Outcome
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
  /** Beyond half of this, segments are given up as soon as they may be, and not at the next regular checkpoint. */
  maxBytes?: number
  /** Whether a write is acknowledged once it is on disk, or before, and on disk `syncIntervalMs` later. */
  sync?: 'always' | 'interval'
  syncIntervalMs?: number
  log: Log
  now?: () => number
  /** Called with how long each write of a group took, in milliseconds. */
  onWritten?: (ms: number) => void
  /** Called after each group that became durable, with how far the journal may be read now. */
  onDurable?: (limit: ReadLimit) => void
  /** Called with each write when it is acknowledged. */
  onTaken?: (entry: Entry) => void
}

/** Files of segments that nobody needs any more are kept for those to come: new ones would have to be filled first. */
export const SPARE_SEGMENTS = 4

export class Journal {
  readonly #options: JournalOptions
  readonly #now: () => number
  readonly #segmentFiles: SegmentFiles
  readonly #checkpoints: Checkpoints
  readonly #journalId: string
  readonly #state: JournalState
  readonly #writer: JournalWriter
  /** Every segment there is but the one that is being written, oldest first. */
  readonly #finished: Segment[]
  /** The number that the next entry gets; those from the end of what is durable up to it are waiting or being written. */
  #nextEntry: number
  #indexed: Indexed
  /** Settles when the checkpoint that was asked for last has been written: they are written one after the other. */
  #checkpointing: Promise<void> = Promise.resolve()
  /** What the last checkpoint said, to leave out more than two that say the same. */
  #checkpointed = ''
  #checkpointTimer: NodeJS.Timeout | undefined
  /** How many hold the segments that there are. */
  #holds = 0
  /** True while a checkpoint is being written for room. */
  #isMakingRoom = false
  #closed = false

  private constructor(options: JournalOptions, checkpoints: Checkpoints, recovered: Recovered) {
    this.#options = options
    this.#now = options.now ?? Date.now
    const isInterval = options.sync === 'interval'
    this.#segmentFiles = new SegmentFiles({ ...options, syncsWrites: !isInterval })
    this.#checkpoints = checkpoints
    this.#journalId = recovered.journalId
    this.#state = recovered.state
    this.#finished = recovered.segments
    this.#nextEntry = recovered.end.entry
    this.#indexed = recovered.indexed
    this.#writer = new JournalWriter({
      ...options,
      ...recovered,
      segmentFiles: this.#segmentFiles,
      syncIntervalMs: isInterval ? (options.syncIntervalMs ?? 0) : undefined,
      now: this.#now,
      saveState: () => this.#state.save(this.#now()),
      onBegun: () => void this.#checkpointOrWarn(),
      onFinished: segment => this.#finished.push(segment),
      onDurable: ({ entry }) => {
        this.#state.producers.markDurable(entry)
        options.onDurable?.(this.readLimit)
      },
      onLost: firstLostEntry => {
        this.#nextEntry = firstLostEntry
        this.#state.rollBack(firstLostEntry)
      },
    })
  }

  /**
   * Opens the journal in a directory, or makes it. Whatever was acknowledged in earlier lives is there. Rejects with
   * JOURNAL_DAMAGED if it is not, with JOURNAL_FORMAT if a newer sluice wrote it.
   */
  static async open(options: JournalOptions): Promise<Journal> {
    await options.files.makeDirectory(options.directory, 0o700)
    const checkpoints = new Checkpoints(options)
    const journal = new Journal(options, checkpoints, await recoverJournal({ ...options, checkpoints }))
    await journal.#writer.beginSegment()
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
    return this.#writer.problem
  }

  /** Writes that wait for their turn to be written. */
  get waitingEntries(): number {
    return this.#writer.waitingEntries
  }

  /** The bytes of the journal that are durable and not indexed. */
  get unindexedBytes(): number {
    return Math.max(0, this.#durable.position - this.#indexed.place.position)
  }

  /**
   * The bytes of the journal that may not be given up yet. Files are given up as a whole, and some are spare: up to six segments more
   * are on disk.
   */
  get heldBytes(): number {
    const { position } = this.#durable
    const first = this.#finished[0]?.base ?? this.#writer.openBase ?? position
    return position - Math.max(first, this.#holds > 0 ? 0 : this.#checkpoints.forgettable)
  }

  /** How far the journal may be read. */
  get readLimit(): ReadLimit {
    return { position: this.#durable.position, segment: this.#writer.lastSegment }
  }

  /** How far the journal has been indexed, as `setIndexed` was last told. */
  get indexed(): Indexed {
    return this.#indexed
  }

  /** How far it has been indexed if everything that is durable is. */
  get allIndexed(): Indexed {
    const { entry } = this.#durable
    const stored = Object.fromEntries(this.#state.logstoreIds.map(id => [id, entry - 1]))
    return { ...this.#indexed, place: this.#durable, stored }
  }

  /** Entries that are durable, counted through all lives of the journal. */
  get durableEntries(): number {
    return this.#durable.entry
  }

  /** The offset that the next log of a shard gets; every log below it is durable. */
  nextOffset(logstoreId: string, shard: number): number {
    return this.#state.nextOffset(logstoreId, shard)
  }

  /** The same for all shards of a logstore that were ever written to. */
  nextOffsets(logstoreId: string): Map<number, number> {
    return this.#state.nextOffsets(logstoreId)
  }

  /** Records how far the journal has been indexed; the segments before it are given up two checkpoints later. */
  setIndexed(indexed: Indexed): void {
    this.#indexed = indexed
    if (this.heldBytes > (this.#options.maxBytes ?? Infinity) / 2) void this.#makeRoom()
  }

  /**
   * Keeps every segment that there is, and that is to come, until the function is called that this returns: somebody copies them. It
   * counts as room that is taken, so it is not to be for long.
   */
  hold(): () => void {
    this.#holds++
    let isHeld = true
    return () => {
      if (!isHeld) return
      isHeld = false
      this.#holds--
      this.#checkpointing = this.#checkpointing.then(() => this.#recycle()).catch((error: unknown) => this.#warn(error))
    }
  }

  /** Forgets the offsets and producers of a logstore that was deleted: its id is never written to again. */
  forgetLogstore(logstoreId: string): void {
    this.#state.forgetLogstore(logstoreId)
    const { [logstoreId]: _, ...stored } = this.#indexed.stored
    this.#indexed = { ...this.#indexed, stored }
    delete this.#indexed.parked?.[logstoreId]
  }

  /**
   * Takes batches into the journal. The offset is given before this returns, not when it resolves: two calls in a row are
   * neighbours in their shard even if nobody awaits the first. Connections rely on it to keep a producer's batches in order while
   * several are in flight.
   */
  append(write: Write): Appended | SequenceRefusal {
    if (this.#closed) return { shard: write.shard, baseOffset: -1, durable: Outcome.of(stopping()), isDuplicate: false }
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
    if (verdict.kind === 'duplicate') return duplicateOf(verdict.batch)
    const entry = this.#nextEntry
    const appended = this.#take(write)
    const { shard, baseOffset, durable } = appended
    this.#state.producers.take(stream, batch, { shard, baseOffset, entry, durable }, this.#now())
    return appended
  }

  /** The outcome of a write that was taken before, if it is one; takes nothing. */
  findTaken(write: Write): Appended | undefined {
    const sequenced = sequencedBatches(write, write.batches)
    if (sequenced?.followEachOther !== true) return undefined
    const verdict = this.#state.producers.judge(sequenced.stream, sequenced.batch)
    return verdict.kind === 'duplicate' ? duplicateOf(verdict.batch) : undefined
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
    const said = JSON.stringify([this.#durable, this.#writer.lastSegment, this.#indexed])
    // Once more what the last one said is worth saying if the older of the two that are kept still holds segments.
    if (said === this.#checkpointed && this.#checkpoints.forgettable >= this.#indexed.place.position) return
    await this.#checkpoints.write({
      journalId: this.#journalId,
      durable: this.#durable,
      segment: this.#writer.lastSegment,
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
    await this.#writer.drain()
    await this.#checkpointOrWarn()
    await this.#prepareNext()
    await this.#writer.close()
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
    const entry: Entry = {
      number,
      logstoreId,
      shard,
      jsonTopic,
      partition,
      baseOffset,
      recordCount,
      receivedMs,
      source,
      clientId,
      accessKeyId,
      records,
    }
    const nextOffset = baseOffset + recordCount
    const durable = this.#writer.add({ entry, envelope: encodeEnvelope(entry), batches, offsets, nextOffset })
    return { shard, baseOffset, durable, isDuplicate: false }
  }

  /** Everything before this place is on disk. */
  get #durable(): Place {
    return this.#writer.durable
  }

  /** Writes two checkpoints before their time, so that the segments before the older one can be given up. */
  async #makeRoom(): Promise<void> {
    if (this.#isMakingRoom) return
    this.#isMakingRoom = true
    await this.#checkpointOrWarn()
    await this.#checkpointOrWarn()
    this.#isMakingRoom = false
  }

  /** Makes the next segment's file out of one that nobody needs any more; of others like it some stay to be next in turn. */
  async #recycle(): Promise<void> {
    const forgettable = this.#checkpoints.forgettable
    const endOf = (index: number): number => this.#finished[index + 1]?.base ?? this.#writer.openBase ?? Infinity
    const isSpare = (index: number): boolean => index < this.#finished.length && endOf(index) <= forgettable
    while (this.#holds === 0 && isSpare(this.#segmentFiles.hasNext ? SPARE_SEGMENTS : 0)) {
      await this.#segmentFiles.recycle(this.#finished[0]!)
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

function duplicateOf({ shard, baseOffset, durable }: TakenBatch): Appended {
  return { shard, baseOffset, durable, isDuplicate: true }
}

function stopping(): Error {
  return sluiceError('STORAGE_FAILED', { doing: 'stopping: the journal takes nothing any more' })
}
