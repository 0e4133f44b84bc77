/**
 * Writes the entries that a repair has found into the parked files of their logstores, behind what is parked there already: the indexer
 * stores them before anything that comes later.
 */
import { join } from 'node:path'
import type { Files } from '../base/files.ts'
import type { Log } from '../base/log.ts'
import type { Indexed } from './checkpoint.ts'
import type { JournalEntry } from './format.ts'
import { ParkedEntries } from './parked-entries.ts'
import type { ParkedEnd, ParkedRecord } from './parked-file.ts'
import { listParkedLogstores, type ParkedPlace } from './parked-parts.ts'

export interface SalvageOptions {
  files: Files
  /** The journal's. */
  directory: string
  journalId: string
  indexed: Indexed
  log: Log
}

/** Where the entries of every logstore are parked that has any. */
export async function listParked(options: SalvageOptions): Promise<ParkedPlace[]> {
  const logstoreIds = await listParkedLogstores(options.files, join(options.directory, 'parked'))
  return [...logstoreIds].map(logstoreId => parkedPlaceOf(options, logstoreId))
}

function parkedPlaceOf({ files, directory, journalId, indexed, log }: SalvageOptions, logstoreId: string): ParkedPlace {
  return {
    files,
    directory: join(directory, 'parked'),
    journalId,
    logstoreId,
    reported: indexed.parked === undefined ? undefined : (indexed.parked[logstoreId] ?? null),
    journalEntry: indexed.place.entry,
    isSalvaged: true,
    log,
  }
}

/** The entries of one logstore. */
interface Target {
  parked: ParkedEntries
  waiting: ParkedRecord[]
}

/** About as much is written at once, of all logstores together. */
const WAITING_BYTES = 8 * 1024 * 1024

export class Salvage {
  readonly #options: SalvageOptions
  readonly #targets = new Map<string, Target>()
  #waitingBytes = 0

  constructor(options: SalvageOptions) {
    this.#options = options
  }

  /** Finds what is parked, and removes what a repair has left that came to no end. */
  async open(): Promise<void> {
    for (const { logstoreId } of await listParked(this.#options)) await this.#target(logstoreId)
  }

  /** By logstore id: where what is parked ends. */
  get ends(): Record<string, ParkedEnd> {
    const ends: Record<string, ParkedEnd> = {}
    for (const [logstoreId, { parked }] of this.#targets) if (parked.end !== undefined) ends[logstoreId] = parked.end
    return ends
  }

  /** Takes an entry; those of a logstore come in their order. True if it was neither in its table nor parked. */
  async add(entry: JournalEntry): Promise<boolean> {
    const { place, stored } = this.#options.indexed
    const { logstoreId, number, seed, bytes } = entry
    if (number < place.entry || number <= (stored[logstoreId] ?? -1)) return false
    const target = await this.#target(logstoreId)
    if (number <= target.parked.lastEntry) return false
    // A copy: the entry is a piece of all that was read with it.
    target.waiting.push({ number, seed, bytes: Buffer.from(bytes) })
    this.#waitingBytes += bytes.length
    if (this.#waitingBytes >= WAITING_BYTES) await this.flush()
    return true
  }

  /** Resolves when everything that was added is on disk. */
  async flush(): Promise<void> {
    for (const target of this.#targets.values()) {
      if (target.waiting.length > 0) await target.parked.append(target.waiting)
      target.waiting = []
    }
    this.#waitingBytes = 0
  }

  /** Lets go of the files. */
  async close(): Promise<void> {
    for (const { parked } of this.#targets.values()) await parked.close()
  }

  async #target(logstoreId: string): Promise<Target> {
    const known = this.#targets.get(logstoreId)
    if (known !== undefined) return known
    const parked = new ParkedEntries(parkedPlaceOf(this.#options, logstoreId))
    await parked.open()
    const target: Target = { parked, waiting: [] }
    this.#targets.set(logstoreId, target)
    return target
  }
}
