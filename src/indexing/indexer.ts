/**
 * Reads the journal up to where it is durable and sends each entry on the way to its logstore's table.
 */
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { setTimeout as elapsed } from 'node:timers/promises'
import type { Files } from '../base/files.ts'
import type { Log } from '../base/log.ts'
import type { DeletedLogstore, Logstore } from '../catalog/model.ts'
import type { Indexed } from '../journal/checkpoint.ts'
import type { Place } from '../journal/format.ts'
import type { ParkedEnd } from '../journal/parked-file.ts'
import { listParkedLogstores, removeParked } from '../journal/parked-parts.ts'
import { JournalReader, type ReadLimit } from '../journal/reader.ts'
import { SpareBuffers } from '../store/row-block.ts'
import type { Store } from '../store/store.ts'
import { FieldSampler } from './field-sampler.ts'
import { Freshness } from './freshness.ts'
import { InsertPace } from './insert-pace.ts'
import { LogstoreRoute } from './logstore-route.ts'
import type { FromIndexer } from './messages.ts'

/** How long a call to the store that is under way is waited for at the end. */
const STOP_MS = 1000
/** What was parked is told this late: any number of logstores may be parked a little at a time. */
const REPORT_MS = 100

export class Indexer {
  readonly #files: Files
  readonly #directory: string
  readonly #parkedDirectory: string
  readonly #indexed: Indexed
  readonly #store: Store
  readonly #reader: JournalReader
  readonly #nodeId: string
  readonly #bootId = randomUUID()
  readonly #log: Log
  readonly #tell: (message: FromIndexer) => void
  readonly #memoryBytes: number
  readonly #pace: InsertPace
  readonly #spares = new SpareBuffers()
  readonly #freshness = new Freshness()
  readonly #sampler: FieldSampler
  readonly #routes = new Map<string, LogstoreRoute>()
  readonly #logstores = new Map<string, Logstore>()
  /** By logstore id, as the checkpoint says; the routes know better once they have begun. */
  readonly #stored: Record<string, number>
  #limit: ReadLimit = { position: 0, segment: 0 }
  /** Up to which position everything was said to be stored or parked. */
  #reported: number
  /** How many blocks were stored, of all logstores. */
  #storedBlocks = 0
  /** Where the group begins whose entries are being sent on their ways. */
  #distributing: Place | undefined
  #deleted: readonly DeletedLogstore[] = []
  /** Whether it is known which logstores there are. */
  #hasCatalog = false
  /** Whether it is known where the store answers; without, nothing is read that could not be stored anyway. */
  #hasStore = false
  #reportTimer: NodeJS.Timeout | undefined
  #wake: () => void = () => {}
  #isStopping = false
  #running: Promise<void> | undefined

  constructor(options: {
    files: Files
    directory: string
    indexed: Indexed
    store: Store
    nodeId: string
    /** The memory that rows of all tables together may take; beyond it reading waits until they are stored. */
    memoryBytes: number
    /** How long rows wait for others at least, to be stored together. */
    flushMs: number
    log: Log
    tell: (message: FromIndexer) => void
  }) {
    this.#files = options.files
    this.#directory = options.directory
    this.#parkedDirectory = join(options.directory, 'parked')
    this.#indexed = options.indexed
    this.#store = options.store
    this.#reader = new JournalReader({ ...options, from: options.indexed.place })
    this.#stored = { ...options.indexed.stored }
    this.#reported = options.indexed.place.position
    this.#nodeId = options.nodeId
    this.#memoryBytes = options.memoryBytes
    this.#pace = new InsertPace({ minAgeMs: options.flushMs })
    this.#log = options.log
    this.#tell = options.tell
    this.#sampler = new FieldSampler(report => this.#tell({ kind: 'fields', report }))
  }

  /** Reads until it is stopped. Rejects if the journal cannot be read. */
  run(): Promise<void> {
    this.#running = this.#read()
    return this.#running
  }

  /** The journal may be read up to `limit` from now on. */
  advance(limit: ReadLimit): void {
    this.#limit = limit
    this.#wake()
  }

  /** The store answers somewhere, or does not. */
  setStore(isThere: boolean): void {
    this.#hasStore = isThere
    if (isThere) this.#dropDeleted()
    this.#wake()
  }

  /** These are the logstores there are, and those whose tables are to go. */
  setCatalog(logstores: readonly Logstore[], deleted: readonly DeletedLogstore[]): void {
    this.#logstores.clear()
    for (const logstore of logstores) {
      this.#logstores.set(logstore.id, logstore)
      this.#routes.get(logstore.id)?.setLogstore(logstore)
    }
    this.#deleted = deleted
    this.#hasCatalog = true
    this.#wake()
    if (this.#hasStore) this.#dropDeleted()
  }

  /** Stores what was read, within `graceMs`, and stops. What is not stored by then is read again at the next start. */
  async stop(graceMs: number): Promise<void> {
    this.#isStopping = true
    this.#wake()
    const drain = () => this.#drain()
    // Where the journal cannot be read any further, what lies before that place is stored all the same.
    const stored = Promise.resolve(this.#running).then(drain, drain)
    await Promise.race([stored, elapsed(graceMs)])
    await Promise.race([Promise.all([...this.#routes.values()].map(route => route.stop())), elapsed(STOP_MS)])
    clearTimeout(this.#reportTimer)
    this.#sampler.stop()
    await this.#reader.close()
  }

  async #read(): Promise<void> {
    while (!this.#isStopping && !this.#hasCatalog) await this.#woken()
    if (!this.#isStopping) await this.#findParked()
    while (!this.#isStopping) {
      // What wakes us also changes one of the three; between these lines and the promise nothing else runs.
      if (!this.#hasStore || this.#reader.place.position >= this.#limit.position) {
        // The logs of deleted logstores, and those that were stored before, are done with as well.
        if (this.#findSettled().position > this.#reported) this.#report()
        await this.#woken()
        continue
      }
      const group = await this.#reader.next(this.#limit)
      if (group === undefined) continue
      this.#distributing = group.begin
      for (const entry of group.entries) {
        const logstore = this.#logstores.get(entry.logstoreId)
        // The logs of a logstore that was deleted are deleted.
        if (logstore !== undefined) await this.#route(logstore).add(entry, group.begin)
      }
      this.#distributing = undefined
      if (this.#isMemoryFull()) await this.#drain()
    }
  }

  #woken(): Promise<void> {
    return new Promise(resolve => (this.#wake = resolve))
  }

  /** Goes on where earlier lives have left parked entries; those of logstores that were deleted are deleted. */
  async #findParked(): Promise<void> {
    for (const id of await listParkedLogstores(this.#files, this.#parkedDirectory)) {
      const logstore = this.#logstores.get(id)
      if (logstore === undefined) await removeParked(this.#files, this.#parkedDirectory, id)
      else this.#route(logstore, this.#indexed.place)
    }
  }

  #isMemoryFull(): boolean {
    let bytes = 0
    for (const route of this.#routes.values()) bytes += route.bytes
    return bytes > this.#memoryBytes
  }

  /** How many logstores have rows that are not stored. */
  #countBusy(): number {
    let busy = 0
    for (const { bytes } of this.#routes.values()) if (bytes > 0) busy++
    return busy
  }

  async #drain(): Promise<void> {
    await Promise.all([...this.#routes.values()].map(route => route.drain()))
  }

  /** The way of a logstore's entries; one that has parked entries of an earlier life parks from the place `parkFrom` on. */
  #route(logstore: Logstore, parkFrom?: Place): LogstoreRoute {
    const known = this.#routes.get(logstore.id)
    if (known !== undefined) return known
    const { parked, place } = this.#indexed
    const route = new LogstoreRoute({
      store: this.#store,
      logstore,
      nodeId: this.#nodeId,
      bootId: this.#bootId,
      storedEntry: this.#stored[logstore.id] ?? -1,
      deletedIds: () => new Set(this.#deleted.map(({ id }) => id)),
      storedBlocks: () => this.#storedBlocks,
      pace: this.#pace,
      spares: this.#spares,
      busyTables: () => this.#countBusy(),
      log: this.#log,
      files: this.#files,
      directory: this.#directory,
      parkedDirectory: this.#parkedDirectory,
      reported: parked === undefined ? undefined : (parked[logstore.id] ?? null),
      journalEntry: place.entry,
      parkFrom,
      readLimit: () => ({ position: this.#reader.place.position, segment: this.#limit.segment }),
      isMemoryFull: () => this.#isMemoryFull(),
      onRow: row => this.#sampler.observe(logstore.id, row),
      onStored: rows => {
        this.#storedBlocks++
        this.#freshness.add(rows, Date.now())
        this.#report(rows.rows, { [logstore.id]: [...rows.nextOffsets()] })
      },
      onParked: () => (this.#reportTimer ??= setTimeout(() => this.#report(), REPORT_MS)),
      onParkedBytes: bytes => this.#tell({ kind: 'parked', logstoreId: logstore.id, bytes }),
      onProblem: problem => this.#tell({ kind: 'problem', logstoreId: logstore.id, problem }),
    })
    this.#routes.set(logstore.id, route)
    return route
  }

  /** Up to where everything is stored or parked: to the oldest entry that is neither. */
  #findSettled(): Place {
    let place = this.#distributing ?? this.#reader.place
    for (const { unsettled } of this.#routes.values())
      if (unsettled !== undefined && unsettled.position < place.position) place = unsettled
    return place
  }

  #report(rows = 0, offsets: Record<string, [number, number][]> = {}): void {
    clearTimeout(this.#reportTimer)
    this.#reportTimer = undefined
    const place = this.#findSettled()
    this.#reported = place.position
    const parked: Record<string, ParkedEnd> = {}
    for (const [logstoreId, { storedEntry, parkedEnd }] of this.#routes) {
      this.#stored[logstoreId] = storedEntry
      if (parkedEnd !== undefined) parked[logstoreId] = parkedEnd
    }
    const indexed = { place, stored: this.#stored, parked }
    this.#tell({ kind: 'indexed', indexed, rows, freshness: this.#freshness.take(), offsets })
  }

  /** Drops the tables of deleted logstores, as far as the store answers. */
  #dropDeleted(): void {
    for (const logstore of this.#deleted) void this.#drop(logstore)
  }

  async #drop({ id, project, name }: DeletedLogstore): Promise<void> {
    // What is under way could make the table again behind the drop.
    await this.#routes.get(id)?.stop()
    this.#routes.delete(id)
    this.#sampler.forget(id)
    delete this.#stored[id]
    try {
      await removeParked(this.#files, this.#parkedDirectory, id)
      await this.#store.dropLogstore({ id, project, name })
      this.#tell({ kind: 'problem', logstoreId: id, problem: null })
      this.#tell({ kind: 'dropped', logstoreId: id })
    } catch (error) {
      this.#log.warn(
        { project, logstore: name, problem: (error as Error).message },
        'the table of a deleted logstore is not dropped yet',
      )
    }
  }
}
