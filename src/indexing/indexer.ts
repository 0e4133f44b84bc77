/**
 * Reads the journal up to where it is durable and gives each entry to the writer of its logstore's table.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as elapsed } from 'node:timers/promises'
import { type Files } from '../base/files.ts'
import { type Log } from '../base/log.ts'
import { type DeletedLogstore } from '../catalog/model.ts'
import { type Logstore } from '../catalog/model.ts'
import { type Indexed } from '../journal/checkpoint.ts'
import { type Place } from '../journal/format.ts'
import { JournalReader, type ReadLimit } from '../journal/reader.ts'
import { type Store } from '../store/store.ts'
import { type FromIndexer } from './messages.ts'
import { TableWriter } from './table-writer.ts'

/** The bytes of rows that wait for all tables together; beyond them reading waits until they are stored. */
const MAX_WAITING_BYTES = 96 * 1024 * 1024
/** How long a call to the store that is under way is waited for at the end. */
const STOP_MS = 1000

export class Indexer {
  readonly #store: Store
  readonly #reader: JournalReader
  readonly #nodeId: string
  readonly #bootId = randomUUID()
  readonly #log: Log
  readonly #tell: (message: FromIndexer) => void
  readonly #writers = new Map<string, TableWriter>()
  readonly #logstores = new Map<string, Logstore>()
  /** By logstore id, as the checkpoint says; the writers know better once they have begun. */
  readonly #stored: Record<string, number>
  #limit: ReadLimit = { position: 0, segment: 0 }
  /** Where the group begins whose entries are being given to the writers. */
  #distributing: Place | undefined
  #deleted: readonly DeletedLogstore[] = []
  /** Whether it is known where the store answers; without, nothing is read that could not be stored anyway. */
  #hasStore = false
  #wake: () => void = () => {}
  #isStopping = false
  #running: Promise<void> | undefined

  constructor(options: {
    files: Files
    directory: string
    indexed: Indexed
    store: Store
    nodeId: string
    log: Log
    tell: (message: FromIndexer) => void
  }) {
    this.#store = options.store
    this.#reader = new JournalReader({ ...options, from: options.indexed.place })
    this.#stored = { ...options.indexed.stored }
    this.#nodeId = options.nodeId
    this.#log = options.log
    this.#tell = options.tell
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
    for (const logstore of logstores) this.#logstores.set(logstore.id, logstore)
    this.#deleted = deleted
    if (this.#hasStore) this.#dropDeleted()
  }

  /** Stores what was read, within `graceMs`, and stops. What is not stored by then is read again at the next start. */
  async stop(graceMs: number): Promise<void> {
    this.#isStopping = true
    this.#wake()
    const drain = () => Promise.all([...this.#writers.values()].map(writer => writer.drain()))
    // Where the journal cannot be read any further, what lies before that place is stored all the same.
    const stored = Promise.resolve(this.#running).then(drain, drain)
    await Promise.race([stored, elapsed(graceMs)])
    await Promise.race([Promise.all([...this.#writers.values()].map(writer => writer.stop())), elapsed(STOP_MS)])
    await this.#reader.close()
  }

  async #read(): Promise<void> {
    while (!this.#isStopping) {
      // What wakes us also changes one of the three; between these lines and the promise nothing else runs.
      if (!this.#hasStore || this.#reader.place.position >= this.#limit.position) {
        await new Promise<void>(resolve => (this.#wake = resolve))
        continue
      }
      const group = await this.#reader.next(this.#limit)
      if (group === undefined) continue
      this.#distributing = group.begin
      for (const entry of group.entries) {
        const logstore = this.#logstores.get(entry.logstoreId)
        // The logs of a logstore that was deleted are deleted.
        if (logstore !== undefined) await this.#writer(logstore).add(entry, group.begin)
      }
      this.#distributing = undefined
      await this.#holdMemory()
    }
  }

  async #holdMemory(): Promise<void> {
    const writers = [...this.#writers.values()]
    if (writers.reduce((sum, writer) => sum + writer.bytes, 0) <= MAX_WAITING_BYTES) return
    await Promise.all(writers.map(writer => writer.drain()))
  }

  #writer(logstore: Logstore): TableWriter {
    const known = this.#writers.get(logstore.id)
    if (known !== undefined) return known
    const writer = new TableWriter({
      store: this.#store,
      logstore,
      nodeId: this.#nodeId,
      bootId: this.#bootId,
      storedEntry: this.#stored[logstore.id] ?? -1,
      deletedIds: () => new Set(this.#deleted.map(({ id }) => id)),
      log: this.#log,
      onStored: rows => this.#report(rows),
      onProblem: problem => this.#tell({ kind: 'problem', logstoreId: logstore.id, problem }),
    })
    this.#writers.set(logstore.id, writer)
    return writer
  }

  /** Tells how far everything is stored: up to the oldest entry that is not. */
  #report(rows: number): void {
    let place = this.#distributing ?? this.#reader.place
    for (const [logstoreId, writer] of this.#writers) {
      this.#stored[logstoreId] = writer.storedEntry
      const { unstored } = writer
      if (unstored !== undefined && unstored.position < place.position) place = unstored
    }
    this.#tell({ kind: 'indexed', indexed: { place, stored: this.#stored }, rows })
  }

  /** Drops the tables of deleted logstores, as far as the store answers. */
  #dropDeleted(): void {
    for (const logstore of this.#deleted) void this.#drop(logstore)
  }

  async #drop({ id, project, name }: DeletedLogstore): Promise<void> {
    // What is under way could make the table again behind the drop.
    await this.#writers.get(id)?.stop()
    this.#writers.delete(id)
    delete this.#stored[id]
    try {
      await this.#store.dropLogstore({ id, project, name })
      this.#tell({ kind: 'dropped', logstoreId: id })
    } catch (error) {
      this.#log.warn(
        { project, logstore: name, problem: (error as Error).message },
        'the table of a deleted logstore is not dropped yet',
      )
    }
  }
}
