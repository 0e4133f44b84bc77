/**
 * The way of one logstore's entries into its table: straight, or through parked files while the table cannot be written.
 *
 *     straight    journal → writer
 *     parked      journal → parker → parked files → writer, tried again and again
 *
 * A table that is broken must not hold up the others: what was read and not stored is parked, and the journal's place moves on. When
 * the writer has caught up with the parker, entries go straight again. Their order is that of the journal on both ways.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Files } from '../base/files.ts'
import type { Logstore } from '../catalog/model.ts'
import type { JournalEntry, Place } from '../journal/format.ts'
import { ParkedEntries, type ParkedReader } from '../journal/parked-entries.ts'
import type { ParkedEnd } from '../journal/parked-file.ts'
import type { ReadLimit } from '../journal/reader.ts'
import { Parker } from './parker.ts'
import { TableWriter, type TableWriterOptions } from './table-writer.ts'

export interface LogstoreRouteOptions extends Omit<TableWriterOptions, 'onBroken'> {
  files: Files
  /** The journal's. */
  directory: string
  parkedDirectory: string
  /** What the checkpoint says of parked entries, as `ParkedPlace` has it. */
  reported: ParkedEnd | null | undefined
  journalEntry: number
  /** Where the indexer begins to read, if there are parked files of an earlier life. */
  parkFrom: Place | undefined
  readLimit: () => ReadLimit
  /** Whether rows take all the memory that they may: then no more are read from parked files than can be stored. */
  isMemoryFull: () => boolean
  /** Called when more is parked. */
  onParked: () => void
  /** Called with the bytes of the parked files when they have changed noticeably. */
  onParkedBytes: (bytes: number) => void
}

/** What keeps the logstore from being indexed: the table cannot be written, files cannot be written, or not be read. */
interface Problems {
  table: string | null
  parking: string | null
  reading: string | null
}

const FIRST_RETRY_MS = 1000
const LAST_RETRY_MS = 10_000
/** A smaller change of the parked bytes is not worth a message. */
const NOTICEABLE_BYTES = 256 * 1024

export class LogstoreRoute {
  readonly #options: LogstoreRouteOptions
  /** As the catalog has it now. */
  #logstore: Logstore
  readonly #abort = new AbortController()
  readonly #parked: ParkedEntries
  /** Undefined while entries go straight. */
  #parker: Parker | undefined
  /** The one that stores; while parked, the one that is fed from the parked files. */
  #writer: TableWriter
  /** Where the group begins of the entry that the writer is being given, while entries go straight. */
  #adding: Place | undefined
  /** While the writer takes over from the parker nothing new is taken. */
  #handingOver: Promise<void> | undefined
  /** Settles when nothing is fed to the writer any more. Never rejects. */
  #feeding: Promise<void> = Promise.resolve()
  readonly #problems: Problems = { table: null, parking: null, reading: null }
  #toldBytes = 0

  constructor(options: LogstoreRouteOptions) {
    this.#options = options
    this.#logstore = options.logstore
    const { files, nodeId: journalId, parkedDirectory: directory, logstore, reported, journalEntry, log } = options
    this.#parked = new ParkedEntries({ files, directory, journalId, logstoreId: logstore.id, reported, journalEntry, log })
    this.#writer = this.#createWriter(options.storedEntry)
    if (options.parkFrom !== undefined) this.#park(options.parkFrom)
  }

  /** The logstore is another one by now, of the same id. */
  setLogstore(logstore: Logstore): void {
    this.#logstore = logstore
    this.#writer.setLogstore(logstore)
  }

  /** Everything up to this entry is in the table. */
  get storedEntry(): number {
    return this.#writer.storedEntry
  }

  /** Where the group begins that holds the oldest entry which is neither in the table nor parked; undefined if there is none. */
  get unsettled(): Place | undefined {
    return this.#parker === undefined ? this.#writer.unstored : this.#parker.unparked
  }

  /** Where what is parked ends; undefined if nothing is. */
  get parkedEnd(): ParkedEnd | undefined {
    return this.#parked.end
  }

  /** The bytes in memory that are neither stored nor parked yet. */
  get bytes(): number {
    return this.#writer.bytes + (this.#parker?.bytes ?? 0)
  }

  /** Takes an entry of the group that begins at `begin`. Waits while more is on its way than can be held, but not for a broken table. */
  async add(entry: JournalEntry, begin: Place): Promise<void> {
    while (this.#handingOver !== undefined) await this.#handingOver
    if (this.#parker !== undefined) return this.#parker.add(entry, begin)
    // It was parked in an earlier life, whose last checkpoint did not say so yet.
    if (entry.number <= this.#parked.lastEntry) return
    this.#adding = begin
    await this.#writer.add(entry, begin)
    this.#adding = undefined
  }

  /** Resolves when everything that was added is in the table, or parked as far as it can be. */
  async drain(): Promise<void> {
    if (this.#parker === undefined) await this.#writer.drain()
    await this.#parker?.settle()
  }

  /** Gives up, as a writer does. */
  async stop(): Promise<void> {
    this.#abort.abort()
    await Promise.all([this.#writer.stop(), this.#parker?.stop()])
    await this.#feeding
    await this.#parked.close()
  }

  /** How the log names the logstore. */
  get #names(): { project: string; logstore: string } {
    const { project, name } = this.#logstore
    return { project, logstore: name }
  }

  #createWriter(storedEntry: number): TableWriter {
    const { onStored } = this.#options
    const writer: TableWriter = new TableWriter({
      ...this.#options,
      logstore: this.#logstore,
      storedEntry,
      onStored: rows => {
        this.#tellProblem({ table: null })
        onStored(rows)
        void this.#removeStored()
      },
      onProblem: table => this.#tellProblem({ table }),
      onBroken: () => this.#handleBroken(writer),
    })
    return writer
  }

  #handleBroken(writer: TableWriter): void {
    if (writer.isStopped) return
    // Where the first entry waits that is not stored: in the writer's blocks, or at its door.
    const from = writer.unstored ?? this.#adding
    void writer.stop()
    // One that is fed from the parked files is replaced by who feeds it.
    if (this.#parker === undefined && !this.#abort.signal.aborted) this.#park(from)
  }

  #park(from: Place | undefined): void {
    const { files, directory, logstore, readLimit, log, onParked } = this.#options
    log.warn(this.#names, 'the logs of a logstore are parked until its table can be written; other logstores go on')
    const parker = new Parker({
      files,
      directory,
      logstoreId: logstore.id,
      parked: this.#parked,
      from,
      storedEntry: this.storedEntry,
      readLimit,
      onParked: () => {
        this.#tellBytes()
        onParked()
      },
      onProblem: parking => {
        if (parking !== null) log.error({ ...this.#names, problem: parking }, 'logs cannot be parked; the journal keeps them')
        this.#tellProblem({ parking })
      },
    })
    this.#parker = parker
    this.#feeding = this.#feed(parker)
  }

  /** Feeds what is parked to one writer after the other, until one has caught up with the parker. Never rejects. */
  async #feed(parker: Parker): Promise<void> {
    const { signal } = this.#abort
    let waitMs = FIRST_RETRY_MS
    while (!signal.aborted) {
      const stored = this.storedEntry
      if (this.#writer.isStopped) {
        await Promise.all([this.#writer.stop(), delay(waitMs, undefined, { signal }).catch(() => {})])
        if (signal.aborted) return
        this.#writer = this.#createWriter(stored)
      }
      if (await this.#feedWriter(this.#writer, parker)) {
        this.#options.log.info(this.#names, 'what was parked of a logstore is on its way into the table')
        return
      }
      waitMs = this.storedEntry > stored ? FIRST_RETRY_MS : Math.min(2 * waitMs, LAST_RETRY_MS)
    }
  }

  /** Feeds a writer; true once it has caught up and entries go straight, false when it was stopped. Never rejects. */
  async #feedWriter(writer: TableWriter, parker: Parker): Promise<boolean> {
    const reader = this.#parked.openReader(writer.storedEntry)
    try {
      // The first is stored before others are added: a table that is still broken must cost little memory.
      let entries: JournalEntry[]
      while ((entries = await reader.next()).length === 0 && parker.isCopying && !this.#abort.signal.aborted) await parker.changed
      const [first, ...others] = entries
      if (first !== undefined) await writer.add(first)
      await writer.drain()
      await this.#addTo(writer, others)
      for (;;) {
        if (!(await this.#feedAll(reader, writer))) return false
        if (parker.isCopying) await parker.changed
        else if (await this.#handOver(reader, writer, parker)) break
        if (this.#abort.signal.aborted) return false
      }
      this.#tellProblem({ reading: null })
      void this.#removeStored()
      return true
    } catch (error) {
      const problem = (error as Error).message
      this.#options.log.error({ ...this.#names, problem }, 'what is parked cannot be read; it is tried again')
      this.#tellProblem({ reading: problem })
      await writer.drain()
      await writer.stop()
      return false
    } finally {
      await reader.close()
    }
  }

  /** Feeds a writer with everything that is parked by now; false if it was stopped. */
  async #feedAll(reader: ParkedReader, writer: TableWriter): Promise<boolean> {
    for (let entries; !writer.isStopped && (entries = await reader.next()).length > 0;) {
      await this.#addTo(writer, entries)
      if (this.#options.isMemoryFull()) await writer.drain()
    }
    return !writer.isStopped
  }

  async #addTo(writer: TableWriter, entries: readonly JournalEntry[]): Promise<void> {
    for (const entry of entries) {
      await writer.add(entry)
      if (writer.isStopped) return
    }
  }

  /** Lets the writer take over from a parker that follows; false if one of them cannot. Until then nothing new is taken. */
  async #handOver(reader: ParkedReader, writer: TableWriter, parker: Parker): Promise<boolean> {
    let reopen!: () => void
    this.#handingOver = new Promise(resolve => (reopen = resolve))
    try {
      await parker.settle()
      if (!parker.isIdle || !(await this.#feedAll(reader, writer))) return false
      this.#parker = undefined
      void parker.stop()
      return true
    } finally {
      this.#handingOver = undefined
      reopen()
    }
  }

  /** Removes the files of which everything is in the table. */
  async #removeStored(): Promise<void> {
    try {
      await this.#parked.removeStored(this.storedEntry)
    } catch (error) {
      this.#options.log.warn({ ...this.#names, err: error }, 'a file of parked logs is in the table, and cannot be removed yet')
    }
    this.#tellBytes()
  }

  #tellBytes(): void {
    const { bytes } = this.#parked
    const isNoticeable = Math.abs(bytes - this.#toldBytes) >= NOTICEABLE_BYTES || (bytes === 0) !== (this.#toldBytes === 0)
    if (!isNoticeable) return
    this.#toldBytes = bytes
    this.#options.onParkedBytes(bytes)
  }

  #tellProblem(changed: Partial<Problems>): void {
    const before = toSentence(this.#problems)
    Object.assign(this.#problems, changed)
    const now = toSentence(this.#problems)
    if (now !== before) this.#options.onProblem(now)
  }
}

function toSentence({ table, parking, reading }: Problems): string | null {
  const problems = [table, parking, reading].filter(problem => problem !== null)
  return problems.length === 0 ? null : problems.join('; ')
}
