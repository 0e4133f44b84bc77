/**
 * Brings the entries of one logstore into its table, each row exactly once.
 *
 * Rows gather in a block until it is large or old enough; then the block is one insert, and the next one gathers. A block holds
 * rows in journal order and of one UTC day of arrival only, so that it becomes one part of the table: a part is there as a
 * whole or not at all. After a start, and after any insert of which it is not known what became, whatever may still
 * run is killed and the table is asked what it holds; the work goes on from there.
 */
import { randomUUID } from 'node:crypto'
import { setImmediate as nextTurn, setTimeout as delay } from 'node:timers/promises'
import { SluiceError, sluiceError } from '../base/errors.ts'
import { type Log } from '../base/log.ts'
import { type Logstore } from '../catalog/model.ts'
import { type Decoder } from '../decoding/decoder.ts'
import { type DecodedEntry, type Place } from '../journal/format.ts'
import { RowBlock } from '../store/row-block.ts'
import { insertQueryPrefix, type Store } from '../store/store.ts'
import { rowsOf } from './rows.ts'

export interface TableWriterOptions {
  store: Store
  logstore: Logstore
  /** What reads the logstore's logs, as its settings are now. */
  decoder: () => Decoder
  /** Tells this node's inserts from those of others. */
  nodeId: string
  /** Drawn at each start of the indexer. */
  bootId: string
  /** The last entry that is known to be in the table. */
  storedEntry: number
  /** The logstores whose tables may be dropped for another of the same name. */
  deletedIds: () => ReadonlySet<string>
  /** How many blocks were stored, of all tables: tells whether the store works while this table does not. */
  storedBlocks: () => number
  log: Log
  /** Called when a block is in the table, with its rows. */
  onStored: (rows: number) => void
  /** Called with what keeps the table from being written, and with null when it is written again. */
  onProblem: (problem: string | null) => void
  /** Called, maybe more than once, when the problem is this table's alone and others should not wait for it any longer. */
  onBroken: () => void
}

/** Larger blocks cost the engine less CPU per row, until its memory is the limit. */
const BLOCK_ROWS = 50_000
const BLOCK_BYTES = 12 * 1024 * 1024
/** A log is searchable within a second: a block waits this long for more rows. */
const BLOCK_AGE_MS = 300
const FIRST_RETRY_MS = 200
const LAST_RETRY_MS = 10_000
/** How long a problem of this table alone may last while nobody waits for it. */
const BROKEN_MS = 10_000
/** After as many rows other tables, timers and answers get their turn: that many take some milliseconds. */
const TURN_ROWS = 2000
const DAY_MS = 24 * 60 * 60 * 1000

interface Block {
  rows: RowBlock
  /** Where the group begins that holds the block's first entry of the journal; undefined if all are parked. */
  begin: Place | undefined
  /** The last entry that is in this block, or in those before it, to its last row. */
  lastEntry: number
  /** The UTC day on which its entries arrived. */
  day: number
}

export class TableWriter {
  readonly #options: TableWriterOptions
  readonly #abort = new AbortController()
  /** By shard, what is in the table already: offsets up to these, and none received later; known once the table was asked. */
  #stored: { offsets: Map<number, number>; receivedMs: Map<number, number> } | undefined
  /** Everything of this logstore up to this entry is in the table. */
  #storedEntry: number
  #gathering: Block | undefined
  #inserting: Block | undefined
  /** Settles when `#inserting` is in the table. Never rejects. */
  #inserted: Promise<void> = Promise.resolve()
  #timer: NodeJS.Timeout | undefined
  /** How many blocks were sent: with the boot id, each has a token of its own. */
  #blocks = 0
  /** The call to the store that is under way, or was last. */
  #acting: Promise<unknown> = Promise.resolve()
  /** Since when every call has failed for a reason that is this table's own; undefined if the last one did not. */
  #brokenSince: number | undefined
  /** How many calls of `add` and `drain` wait for the store. */
  #waiting = 0
  /** Rows since others had their turn. */
  #rowsOfTurn = 0

  constructor(options: TableWriterOptions) {
    this.#options = options
    this.#storedEntry = options.storedEntry
  }

  get storedEntry(): number {
    return this.#storedEntry
  }

  /** Where the group begins that holds the oldest entry of the journal which is not in the table; undefined if all are. */
  get unstored(): Place | undefined {
    return this.#inserting?.begin ?? this.#gathering?.begin
  }

  /** Whether it was told to give up. */
  get isStopped(): boolean {
    return this.#abort.signal.aborted
  }

  /** The bytes of the rows that are not in the table yet. */
  get bytes(): number {
    return (this.#gathering?.rows.bytes ?? 0) + (this.#inserting?.rows.bytes ?? 0)
  }

  /** The logstore's settings have changed: a table that is looked at from now on is made as they say. */
  setLogstore(logstore: Logstore): void {
    this.#options.logstore = logstore
  }

  /**
   * Takes an entry of the group that begins at `begin`; of one that is parked no place is given. Waits while the block is full and
   * the one before is on its way.
   */
  async add(entry: DecodedEntry, begin?: Place): Promise<void> {
    if (entry.number <= this.#storedEntry || this.isStopped) return
    const stored = (this.#stored ??= await this.#waitFor(this.#retry(() => this.#askForStored())))
    if (stored === undefined) return
    const storedOffset = stored.offsets.get(entry.shard) ?? -1
    if (entry.baseOffset <= storedOffset && entry.receivedMs > (stored.receivedMs.get(entry.shard) ?? Infinity))
      return this.#waitFor(this.#refuse(entry.shard, storedOffset))
    const day = Math.floor(entry.receivedMs / DAY_MS)
    if (this.#gathering !== undefined && this.#gathering.day !== day) await this.#waitFor(this.flush())
    if (this.isStopped) return
    for (const row of rowsOf(entry, storedOffset, this.#options.decoder())) {
      const { rows } = this.#blockFor(entry, begin, day)
      rows.append(row)
      if (rows.rows >= BLOCK_ROWS || rows.bytes >= BLOCK_BYTES) await this.#waitFor(this.flush())
      else if (++this.#rowsOfTurn >= TURN_ROWS) await this.#giveTurn()
      else continue
      if (this.isStopped) return
    }
    if (this.isStopped) return
    this.#blockFor(entry, begin, day).lastEntry = entry.number
    this.#timer ??= setTimeout(() => void this.flush(), BLOCK_AGE_MS)
  }

  /** The block that gathers. One that begins in the middle of an entry has the entry before for its last until it is through. */
  #blockFor(entry: DecodedEntry, begin: Place | undefined, day: number): Block {
    const lastEntry = entry.number - 1
    const block = (this.#gathering ??= { rows: new RowBlock(), begin, lastEntry, day })
    block.begin ??= begin
    return block
  }

  async #giveTurn(): Promise<void> {
    this.#rowsOfTurn = 0
    await nextTurn()
  }

  /** Sends the block that gathers on its way; resolves when it is the next one to be inserted. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    await this.#inserted
    const block = this.#gathering
    // Another flush may have waited for the same insert and sent the block.
    if (block === undefined || this.#inserting !== undefined) return
    this.#gathering = undefined
    this.#inserting = block
    this.#inserted = this.#store(block)
  }

  /** Resolves when everything that was added is in the table. */
  async drain(): Promise<void> {
    await this.#waitFor(this.flush().then(() => this.#inserted))
  }

  /**
   * Gives up: the logstore was deleted, or the indexer stops. What was not stored is read again if it is still wanted.
   * Resolves when nothing is under way any more.
   */
  async stop(): Promise<void> {
    clearTimeout(this.#timer)
    this.#abort.abort()
    await Promise.allSettled([this.#acting, this.#inserted])
  }

  async #store(block: Block): Promise<void> {
    const { store, logstore, nodeId, bootId } = this.#options
    const token = `${bootId}:${logstore.id}:${++this.#blocks}`
    let isRepeat = false
    await this.#retry(async () => {
      if (block.rows.rows === 0 || (isRepeat && (await this.#isStored(block)))) return
      isRepeat = true
      await store.insert(logstore, block.rows, { queryId: `${insertQueryPrefix(logstore, nodeId)}${randomUUID()}`, token })
    })
    if (this.#abort.signal.aborted) return
    this.#storedEntry = block.lastEntry
    this.#inserting = undefined
    this.#options.onStored(block.rows.rows)
  }

  /** Whether a block that was sent before is in the table: as a whole, since it is one part. */
  async #isStored(block: Block): Promise<boolean> {
    const stored = await this.#askTable()
    return [...block.rows.highestOffsets].every(([shard, offset]) => (stored.get(shard) ?? -1) >= offset)
  }

  async #askForStored() {
    const offsets = await this.#askTable()
    return { offsets, receivedMs: await this.#options.store.newestReceived(this.#options.logstore) }
  }

  /**
   * Waits until the logstore is deleted: an entry has offsets that the table has already, and was received after all that is there,
   * while in one journal offsets and times grow together. So it is not there, and would be skipped as if it were.
   */
  async #refuse(shard: number, offset: number): Promise<void> {
    const { project, name } = this.#options.logstore
    await this.#retry(() => Promise.reject(sluiceError('TABLE_AHEAD', { project, logstore: name, shard, offset })))
  }

  /** What the table holds when none of this node's inserts runs any more. */
  async #askTable(): Promise<Map<number, number>> {
    const { store, logstore, nodeId, deletedIds } = this.#options
    await store.ensureTable(logstore, deletedIds())
    await store.resolveInserts(logstore, nodeId)
    return store.highestOffsets(logstore)
  }

  /** Waits for the store on behalf of somebody whom this holds up. */
  async #waitFor<Result>(waiting: Promise<Result>): Promise<Result> {
    this.#waiting++
    this.#reportIfBroken()
    try {
      return await waiting
    } finally {
      this.#waiting--
    }
  }

  #reportIfBroken(): void {
    if (this.#brokenSince === undefined) return
    if (this.#waiting > 0 || Date.now() - this.#brokenSince >= BROKEN_MS) this.#options.onBroken()
  }

  /** Does it until it succeeds, or until `stop`; then undefined. */
  async #retry<Result>(act: () => Promise<Result>): Promise<Result | undefined> {
    const { signal } = this.#abort
    /** How many blocks of all tables had been stored when it failed last. */
    let storedBefore = Infinity
    for (let waitMs = FIRST_RETRY_MS; !signal.aborted; waitMs = Math.min(2 * waitMs, LAST_RETRY_MS)) {
      try {
        const acting = act()
        this.#acting = acting
        const result = await acting
        this.#brokenSince = undefined
        if (waitMs > FIRST_RETRY_MS) this.#options.onProblem(null)
        return result
      } catch (error) {
        const { log, logstore, onProblem, storedBlocks } = this.#options
        const problem = (error as Error).message
        log.warn(
          { project: logstore.project, logstore: logstore.name, problem },
          'a logstore cannot be indexed now; it is tried again',
        )
        onProblem(problem)
        // A store that is away stores nothing of others either.
        const isOwn = isRefusal(error) || storedBlocks() > storedBefore
        storedBefore = storedBlocks()
        this.#brokenSince = isOwn ? (this.#brokenSince ?? Date.now()) : undefined
        this.#reportIfBroken()
        await delay(waitMs, undefined, { signal }).catch(() => {})
      }
    }
    return undefined
  }
}

/** Whether the store answers, and does not want this. */
function isRefusal(error: unknown): boolean {
  return error instanceof SluiceError && error.code !== 'STORE_UNAVAILABLE'
}
