/**
 * Brings the entries of one logstore into its table, each row exactly once.
 *
 * Rows gather in a block until it is large or old enough; then the block is one insert, and the next one gathers. A block holds
 * rows in journal order and of one UTC day of arrival only, so that it becomes one part of the table: a part is there as a
 * whole or not at all. It holds all rows of an offset or none. After a start, and after any insert of which it is not known what became, whatever may still
 * run is killed and the table is asked what it holds; the work goes on from there.
 */
import { randomUUID } from 'node:crypto'
import { setImmediate as nextTurn, setTimeout as delay } from 'node:timers/promises'
import { SluiceError, sluiceError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import type { Logstore } from '../catalog/model.ts'
import { Decoder } from '../decoding/decoder.ts'
import type { DecodedEntry, Place } from '../journal/format.ts'
import { RowBlock, type Row, type SpareBuffers } from '../store/row-block.ts'
import { insertQueryPrefix, type Store } from '../store/store.ts'
import { BlockInsert } from './block-insert.ts'
import type { InsertPace } from './insert-pace.ts'
import { rowsOf } from './rows.ts'

export interface TableWriterOptions {
  store: Store
  logstore: Logstore
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
  pace: InsertPace
  /** For the blocks of all tables. */
  spares: SpareBuffers
  /** How many tables have rows that are not stored. */
  busyTables: () => number
  log: Log
  /** Called with each row on its way; nothing of it may be kept. */
  onRow: (row: Row) => void
  /** Called when a block is in the table; it is good until the call returns. */
  onStored: (rows: RowBlock) => void
  /** Called with what keeps the table from being written, and with null when it is written again. */
  onProblem: (problem: string | null) => void
  /** Called, maybe more than once, when the problem is this table's alone and others should not wait for it any longer. */
  onBroken: () => void
}

/** Larger blocks cost the engine less CPU per row, until its memory is the limit. */
const BLOCK_ROWS = 50_000
const BLOCK_BYTES = 12 * 1024 * 1024
const FIRST_RETRY_MS = 200
const LAST_RETRY_MS = 10_000
/** How long a problem of this table alone may last while nobody waits for it; and how long others wait while a block is divided. */
const BROKEN_MS = 10_000
/** A call that takes longer and fails is this table's problem if the store answers others. */
const HANG_MS = 60_000
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
  /** As the catalog has it now. */
  #logstore: Logstore
  #decoder: Decoder
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
  /** Since when a block is stored piece by piece; undefined if none is. */
  #dividingSince: number | undefined
  /** How many calls of `add` and `drain` wait for the store. */
  #waiting = 0
  /** Rows since others had their turn. */
  #rowsOfTurn = 0

  constructor(options: TableWriterOptions) {
    this.#options = options
    this.#logstore = options.logstore
    this.#decoder = createDecoder(options.logstore)
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

  /** The memory of the rows that are not in the table yet. */
  get bytes(): number {
    return (this.#gathering?.rows.heldBytes ?? 0) + (this.#inserting?.rows.heldBytes ?? 0)
  }

  /** The logstore is another one by now, of the same id; the table follows before the next insert. */
  setLogstore(logstore: Logstore): void {
    // To compile patterns takes time, and the logstores come anew with each change of any of them.
    if (decodingOf(logstore) !== decodingOf(this.#logstore)) this.#decoder = createDecoder(logstore)
    this.#logstore = logstore
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
    const { onRow } = this.#options
    for (const row of rowsOf(entry, storedOffset, this.#decoder)) {
      this.#rowsOfTurn++
      // Only where an offset begins, with index 0, may a block end: also for the timer, so nothing is awaited anywhere else.
      if (row.index === 0) {
        if (this.#isFull) await this.#waitFor(this.flush())
        else if (this.#rowsOfTurn >= TURN_ROWS) await this.#giveTurn()
        if (this.isStopped) return
      }
      this.#blockFor(entry, begin, day).rows.append(row)
      onRow(row)
    }
    this.#blockFor(entry, begin, day).lastEntry = entry.number
    const { pace, busyTables } = this.#options
    if (this.#isFull) void this.flush()
    else this.#timer ??= setTimeout(() => void this.flush(), pace.ageMs(busyTables()))
  }

  get #isFull(): boolean {
    const rows = this.#gathering?.rows
    return rows !== undefined && (rows.rows >= BLOCK_ROWS || rows.bytes >= BLOCK_BYTES)
  }

  /** The block that gathers. One that begins in the middle of an entry has the entry before for its last until it is through. */
  #blockFor(entry: DecodedEntry, begin: Place | undefined, day: number): Block {
    const lastEntry = entry.number - 1
    const block = (this.#gathering ??= { rows: new RowBlock(this.#options.spares), begin, lastEntry, day })
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
    const { store, nodeId, bootId, pace, log, onStored } = this.#options
    const logstore = this.#logstore
    const { signal } = this.#abort
    const insert = new BlockInsert({
      rows: block.rows,
      token: `${bootId}:${logstore.id}:${++this.#blocks}`,
      table: {
        insert: (rows, token) =>
          pace.run(async () => {
            if (signal.aborted) throw sluiceError('STORE_UNAVAILABLE', { problem: 'the indexer stops' })
            await store.insert(logstore, rows, { queryId: `${insertQueryPrefix(logstore, nodeId)}${randomUUID()}`, token })
          }),
        highestOffsets: () => store.highestOffsets(logstore),
        settle: () => this.#askTable(),
      },
      isStopped: () => signal.aborted,
      onStep: isStored => this.#handleStep(isStored),
    })
    await this.#retry(async () => {
      await this.#ensureTable()
      await insert.run()
    })
    this.#dividingSince = undefined
    if (signal.aborted) return
    if (insert.refused > 0)
      log.warn({ ...this.#names, logs: insert.refused }, 'logs that the store refuses are stored with the reason in _error')
    this.#storedEntry = block.lastEntry
    this.#inserting = undefined
    onStored(block.rows)
    if (!insert.hasFailed) block.rows.release()
  }

  /** A piece of the block that is being inserted was stored or refused. */
  #handleStep(isStored: boolean): void {
    if (isStored) this.#brokenSince = undefined
    else this.#dividingSince ??= Date.now()
    this.#reportIfBroken()
  }

  async #askForStored() {
    const offsets = await this.#askTable()
    return { offsets, receivedMs: await this.#options.store.newestReceived(this.#logstore) }
  }

  /**
   * Waits until the logstore is deleted: an entry has offsets that the table has already, and was received after all that is there,
   * while in one journal offsets and times grow together. So it is not there, and would be skipped as if it were.
   */
  async #refuse(shard: number, offset: number): Promise<void> {
    await this.#retry(() => Promise.reject(sluiceError('TABLE_AHEAD', { ...this.#names, shard, offset })))
  }

  /** What the table holds when none of this node's inserts runs any more. */
  async #askTable(): Promise<Map<number, number>> {
    const { store, nodeId } = this.#options
    await this.#ensureTable()
    await store.resolveInserts(this.#logstore, nodeId)
    return store.highestOffsets(this.#logstore)
  }

  /** Costs nothing while the table is known to be as the logstore is now. */
  #ensureTable(): Promise<void> {
    return this.#options.store.ensureTable(this.#logstore, this.#options.deletedIds())
  }

  /** How the log names the logstore. */
  get #names(): { project: string; logstore: string } {
    const { project, name } = this.#logstore
    return { project, logstore: name }
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
    const hasLasted = (since = Infinity): boolean => Date.now() - since >= BROKEN_MS
    const isBroken = this.#brokenSince !== undefined && (this.#waiting > 0 || hasLasted(this.#brokenSince))
    if (isBroken || (this.#waiting > 0 && hasLasted(this.#dividingSince))) this.#options.onBroken()
  }

  #answersOthers(): Promise<boolean> {
    return this.#options.store.ping().then(
      () => true,
      () => false,
    )
  }

  /** Does it until it succeeds, or until `stop`; then undefined. */
  async #retry<Result>(act: () => Promise<Result>): Promise<Result | undefined> {
    const { signal } = this.#abort
    /** How many blocks of all tables had been stored when it failed last. */
    let storedBefore = Infinity
    for (let waitMs = FIRST_RETRY_MS; !signal.aborted; waitMs = Math.min(2 * waitMs, LAST_RETRY_MS)) {
      const begunMs = Date.now()
      try {
        const acting = act()
        this.#acting = acting
        const result = await acting
        this.#brokenSince = undefined
        if (waitMs > FIRST_RETRY_MS) this.#options.onProblem(null)
        return result
      } catch (error) {
        const { log, onProblem, storedBlocks } = this.#options
        if (signal.aborted) break
        const problem = describe(error)
        log.warn({ ...this.#names, problem }, 'a logstore cannot be indexed now; it is tried again')
        onProblem(problem)
        // A store that is away stores nothing of others either.
        const hung = Date.now() - begunMs >= HANG_MS
        const isOwn = isRefusal(error) || storedBlocks() > storedBefore || (hung && (await this.#answersOthers()))
        storedBefore = storedBlocks()
        this.#brokenSince = isOwn ? (this.#brokenSince ?? Date.now()) : undefined
        this.#reportIfBroken()
        await delay(waitMs, undefined, { signal }).catch(() => {})
      }
    }
    return undefined
  }
}

function createDecoder({ format, masks }: Logstore): Decoder {
  return new Decoder(format, masks)
}

/** What a logstore's decoder is made from. */
function decodingOf({ format, masks }: Logstore): string {
  return JSON.stringify([format, masks])
}

/** What is wrong, and what to do. */
function describe(error: unknown): string {
  const { message } = error as Error
  const isChanged = error instanceof SluiceError && error.code === 'STORE_REFUSED'
  return isChanged ? `${message}; if somebody has changed the table, change it back` : message
}

/** Whether the store answers, and does not want this. */
function isRefusal(error: unknown): boolean {
  return error instanceof SluiceError && error.code !== 'STORE_UNAVAILABLE'
}
