/**
 * The parked entries of one logstore: appended behind, read from the front, removed part by part once they are in the table.
 *
 * What must stay true: an entry counts as parked (`end`) only when its record and the name of its part are on disk; entries come
 * in their order, each once; a part is removed only after those before it, so what is there after any crash has no gap.
 */
import { join } from 'node:path'
import { sluiceError } from '../base/errors.ts'
import type { OpenFile } from '../base/files.ts'
import type { JournalEntry } from './format.ts'
import {
  encodePartHeader,
  encodeRecords,
  PARKED_HEADER_BYTES,
  PARKED_VERSION,
  partName,
  type ParkedEnd,
  type ParkedRecord,
} from './parked-file.ts'
import { readRecords, recoverParts, type ParkedPlace, type Part } from './parked-parts.ts'

/** A part is closed when the next records would make it longer. */
const PART_BYTES = 64 * 1024 * 1024
const NOTHING: ParkedEnd = { part: 0, bytes: 0, entry: 0 }

export class ParkedEntries {
  readonly #place: ParkedPlace
  /** Oldest first; each is on disk with at least one entry. */
  #parts: Part[] = []
  /** The last part's file while it is written; undefined also after a write that failed: then the next entry begins another part. */
  #file: OpenFile | undefined
  /** Where everything ends that is on disk; undefined before the first entry. Stays where it was when the last part is removed. */
  #end: ParkedEnd | undefined
  #isOpen = false
  #isAppending = false
  #isRemoving = false

  constructor(place: ParkedPlace) {
    this.#place = place
    this.#end = place.reported ?? undefined
  }

  /** Where the entries end that are on disk here; undefined if there are none. */
  get end(): ParkedEnd | undefined {
    return this.#isOpen && this.#parts.length === 0 ? undefined : this.#end
  }

  /** Everything up to this entry is on disk here or in the table. */
  get lastEntry(): number {
    return this.#end?.entry ?? -1
  }

  /** The bytes of all parts. */
  get bytes(): number {
    return this.#parts.reduce((sum, { bytes }) => sum + bytes, 0)
  }

  /** Finds what earlier lives have left. Does nothing the second time; may be called again after a failure. */
  async open(): Promise<void> {
    if (this.#isOpen) return
    const recovered = await recoverParts(this.#place)
    this.#parts = recovered?.parts ?? []
    this.#end = recovered?.end
    this.#isOpen = true
  }

  /**
   * Appends entries behind all that are there; they are on disk when this resolves. After a rejection nothing is known about them:
   * the file is not written again, nor read behind where it ended before, and the entries are to be appended once more. One
   * call at a time.
   */
  async append(entries: readonly ParkedRecord[]): Promise<void> {
    const { pieces, length } = encodeRecords(entries)
    const first = entries[0]!.number
    const entry = entries.at(-1)!.number
    this.#isAppending = true
    try {
      const part = this.#parts.at(-1)
      if (part === undefined || part.bytes + length > PART_BYTES) await this.#closeFile()
      if (this.#file === undefined || part === undefined) return await this.#beginPart({ first, entry }, pieces, length)
      await this.#file.write(pieces, part.bytes)
      part.bytes += length
      part.lastEntry = entry
      this.#end = { part: part.firstEntry, bytes: part.bytes, entry }
    } catch (error) {
      await this.#closeFile().catch(() => {})
      throw error
    } finally {
      this.#isAppending = false
    }
  }

  /** Removes the parts of which everything is in the table, which holds everything up to this entry. */
  async removeStored(storedEntry: number): Promise<void> {
    if (this.#isRemoving) return
    this.#isRemoving = true
    const { files, directory } = this.#place
    try {
      for (let part; (part = this.#parts[0]) !== undefined && part.lastEntry <= storedEntry; this.#parts.shift()) {
        // What is being appended to it is not in the table.
        if (this.#parts.length === 1 && this.#isAppending) return
        if (this.#parts.length === 1) await this.#closeFile()
        await files.remove(part.path)
        await files.syncDirectory(directory)
      }
    } finally {
      this.#isRemoving = false
    }
  }

  /** Lets go of the file that is written. */
  close(): Promise<void> {
    return this.#closeFile()
  }

  /** Reads the entries behind the one with the number `after`. */
  openReader(after: number): ParkedReader {
    return new ParkedReader(this.#place, () => this.#parts, after)
  }

  async #closeFile(): Promise<void> {
    const file = this.#file
    this.#file = undefined
    await file?.close()
  }

  async #beginPart(range: { first: number; entry: number }, pieces: readonly Buffer[], length: number): Promise<void> {
    const { files, directory, journalId, logstoreId, isSalvaged = false } = this.#place
    const path = join(directory, partName(logstoreId, range.first))
    await files.makeDirectory(directory, 0o700)
    // An attempt that failed may have left one; nothing in it counts.
    await files.remove(path)
    const file = await files.open(path, { create: true, durable: true })
    try {
      const origin = { formatVersion: PARKED_VERSION, journalId, logstoreId, isSalvaged }
      const header = encodePartHeader({ ...origin, firstEntry: range.first, before: this.#end ?? NOTHING })
      await file.write([header, ...pieces], 0)
      await files.syncDirectory(directory)
    } catch (error) {
      await file.close()
      throw error
    }
    const bytes = PARKED_HEADER_BYTES + length
    this.#file = file
    this.#parts.push({ path, firstEntry: range.first, bytes, lastEntry: range.entry, isSalvaged })
    this.#end = { part: range.first, bytes, entry: range.entry }
  }
}

/** Reads the parked entries of a logstore in their order, as far as they are on disk. */
export class ParkedReader {
  readonly #place: ParkedPlace
  readonly #parts: () => readonly Part[]
  readonly #after: number
  /** The part that is being read; it may have been removed meanwhile. */
  #part: Part | undefined
  #file: OpenFile | undefined
  #offset = 0
  #entry = -1

  constructor(place: ParkedPlace, parts: () => readonly Part[], after: number) {
    this.#place = place
    this.#parts = parts
    this.#after = after
  }

  /** The next entries; empty if there are no more on disk. Rejects with PARKED_DAMAGED. */
  async next(): Promise<JournalEntry[]> {
    for (;;) {
      const part = this.#part
      if (part === undefined || this.#offset >= part.bytes) {
        const isNext = ({ firstEntry, lastEntry }: Part) => firstEntry > (part?.firstEntry ?? -1) && lastEntry > this.#after
        const next = this.#parts().find(isNext)
        if (next === undefined) return []
        await this.#begin(next)
        continue
      }
      const from = { offset: this.#offset, entry: this.#entry }
      const { entries, offset, problem } = await readRecords(this.#file!, from, part, this.#place.logstoreId)
      // What is whole before it is given first; the next call meets it again.
      if (entries.length === 0 && problem !== undefined) throw damaged(part, offset, problem)
      this.#offset = offset
      this.#entry = entries.at(-1)?.number ?? this.#entry
      const unstored = entries.filter(({ number }) => number > this.#after)
      if (unstored.length > 0) return unstored
    }
  }

  async close(): Promise<void> {
    await this.#file?.close()
    this.#file = undefined
  }

  async #begin(part: Part): Promise<void> {
    if (part.problem !== undefined) throw damaged(part, 0, part.problem)
    await this.close()
    this.#file = await this.#place.files.open(part.path, { readOnly: true })
    this.#part = part
    this.#offset = PARKED_HEADER_BYTES
    this.#entry = -1
  }
}

function damaged({ path }: Part, position: number, problem: string): Error {
  return sluiceError('PARKED_DAMAGED', { file: path, position, problem })
}
