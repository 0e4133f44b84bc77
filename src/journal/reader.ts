/**
 * Reads groups of entries from the journal's files, in order, from any place on: the indexer's way in, and recovery's.
 *
 * A reader believes nothing beyond the position it is told: behind it lie groups that are being written, that failed, or that
 * belong to an earlier life of the file.
 */
import { isSystemError, sluiceError } from '../base/errors.ts'
import type { Files, OpenFile } from '../base/files.ts'
import {
  decodeEntries,
  decodeGroupHeader,
  firstGroupOffset,
  GROUP_HEADER_BYTES,
  paddingAfter,
  type JournalEntry,
  type Place,
} from './format.ts'
import { listSegments, type Segment } from './segments.ts'

export interface Group {
  /** Where the group begins. */
  begin: Place
  /** Where the next one begins. */
  end: Place
  /** The position up to which everything was known to be on disk when the group was written. */
  durableUpTo: number
  /** The group as it stands in the file, without the padding. */
  bytes: Buffer
  entries: JournalEntry[]
}

/** The problem of a place where no group of the segment's life begins. */
export const NO_GROUP = 'there is no group'

/** What a segment holds at a place that is not a whole group. */
export interface BadGroup {
  problem: string
  /** The place in the file, in bytes. */
  offset: number
}

/** Reads the groups of one segment. */
export class SegmentReader {
  readonly segment: Segment
  readonly #file: OpenFile
  /** A stretch of the file that was read ahead, and the offset of its first byte. */
  #window: Buffer = Buffer.alloc(0)
  #windowOffset = 0

  private constructor(segment: Segment, file: OpenFile) {
    this.segment = segment
    this.#file = file
  }

  static async open(files: Files, segment: Segment): Promise<SegmentReader> {
    return new SegmentReader(segment, await files.open(segment.path, { readOnly: true }))
  }

  /** Where the segment's first group begins. */
  get firstPlace(): Place {
    const { base, firstEntry, generation } = this.segment
    return { position: base + firstGroupOffset(this.segment), entry: firstEntry, chain: generation }
  }

  /** The group at `place`. Nothing behind the position `limit` is read. */
  async read(place: Place, limit: number): Promise<Group | BadGroup> {
    const offset = place.position - this.segment.base
    const bad = (problem: string, at = 0): BadGroup => ({ problem, offset: offset + at })
    const { generation, base } = this.segment
    const header = decodeGroupHeader(await this.#bytes(offset, GROUP_HEADER_BYTES, limit - base), generation, place.position)
    if (header === undefined) return bad(NO_GROUP)
    if (header.firstEntry !== place.entry || header.chain !== place.chain) return bad('a group does not follow the one before')
    const bytes = await this.#bytes(offset, header.length, limit - base)
    if (bytes.length < header.length) return bad('a group is cut')
    const content = decodeEntries(bytes, header)
    if ('problem' in content) return bad(content.problem, content.at)
    const position = place.position + header.length + paddingAfter(header.length)
    const end = { position, entry: place.entry + header.count, chain: content.chain }
    const { durableUpTo } = header
    return { begin: place, end, durableUpTo, bytes: bytes.subarray(0, header.length), entries: content.entries }
  }

  close(): Promise<void> {
    return this.#file.close()
  }

  /** Up to `length` bytes of the file from `offset` on, none behind `limit`. The stretch is never overwritten: views of it stay valid. */
  async #bytes(offset: number, length: number, limit: number): Promise<Buffer> {
    let start = offset - this.#windowOffset
    if (start < 0 || start + length > this.#window.length) {
      const most = Math.max(0, limit - offset)
      const wanted = Math.min(length, most)
      this.#window = await this.#readAhead(offset, Math.min(Math.max(length, WINDOW_BYTES), most)).catch((error: unknown) => {
        // What the disk does not give may lie in what nobody has asked for yet.
        if (!isSystemError(error, 'EIO')) throw error
        return this.#readAhead(offset, wanted)
      })
      this.#windowOffset = offset
      start = 0
    }
    return this.#window.subarray(start, Math.min(start + length, this.#window.length))
  }

  async #readAhead(offset: number, length: number): Promise<Buffer> {
    const window = Buffer.allocUnsafe(length)
    return window.subarray(0, await this.#file.read(window, offset))
  }
}

const WINDOW_BYTES = 1024 * 1024

/** How far a reader may go: the journal is synced up to `position`, which lies in the segment of this number. */
export interface ReadLimit {
  position: number
  segment: number
}

/** Reads the journal through all its segments. */
export class JournalReader {
  readonly #files: Files
  readonly #directory: string
  /** The next group begins here. */
  #place: Place
  #reader: SegmentReader | undefined
  /** Where the segment that is being read ends, once a later one has begun. */
  #segmentEnd = Infinity

  constructor(options: { files: Files; directory: string; from: Place }) {
    this.#files = options.files
    this.#directory = options.directory
    this.#place = options.from
  }

  get place(): Place {
    return this.#place
  }

  /** The next group, or undefined if there is none before the limit. Rejects with JOURNAL_DAMAGED. */
  async next(limit: ReadLimit): Promise<Group | undefined> {
    if (this.#place.position >= limit.position) return undefined
    const reader = await this.#seek(limit)
    const group = await reader.read(this.#place, Math.min(limit.position, this.#segmentEnd))
    if ('problem' in group)
      throw sluiceError('JOURNAL_DAMAGED', { file: reader.segment.path, position: group.offset, problem: group.problem })
    this.#place = group.end
    return group
  }

  async close(): Promise<void> {
    await this.#reader?.close()
    this.#reader = undefined
  }

  /** The reader of the segment that holds the next group. */
  async #seek(limit: ReadLimit): Promise<SegmentReader> {
    const current = this.#reader
    const mayHaveEnded = current === undefined || (this.#segmentEnd === Infinity && current.segment.number < limit.segment)
    if (!mayHaveEnded && this.#place.position < this.#segmentEnd) return current
    // A segment ends where the next one begins, and of several that begin at one place all but the last are empty.
    const segments = await listSegments(this.#files, this.#directory)
    const index = segments.findLastIndex(segment => segment.base <= this.#place.position && segment.number <= limit.segment)
    const segment = segments[index]
    if (segment === undefined)
      throw sluiceError('JOURNAL_DAMAGED', {
        file: this.#directory,
        position: this.#place.position,
        problem: 'a segment is missing',
      })
    this.#segmentEnd = segments[index + 1]?.base ?? Infinity
    if (current?.segment.number === segment.number) return current
    await this.close()
    this.#reader = await SegmentReader.open(this.#files, segment)
    if (this.#place.position <= this.#reader.firstPlace.position) this.#place = this.#reader.firstPlace
    return this.#reader
  }
}
