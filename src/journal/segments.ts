/**
 * The segment files of a journal: their names, their headers, and where the next file comes from.
 *
 *     JOURNAL/0000000000000007.segment     in use; the number is the segment's place
 *     JOURNAL/next.segment                 the file that the next segment will be made of, ready to be overwritten
 *
 * Files are recycled: one that nobody needs any more becomes `next.segment`, and is renamed once more when a segment begins.
 * Overwriting blocks that exist costs half of what a growing file costs to sync. Where there is none to recycle, the file is
 * filled with zeros ahead of time.
 */
import { join } from 'node:path'
import { isSystemError, sluiceError } from '../base/errors.ts'
import type { Files, OpenFile } from '../base/files.ts'
import {
  BLOCK_BYTES,
  decodeGroupHeader,
  decodeSegmentHeader,
  encodeSegmentHeader,
  firstGroupOffset,
  FORMAT_VERSION,
  type GroupHeader,
  type SegmentHeader,
} from './format.ts'

/** A segment as its header describes it. */
export interface Segment extends SegmentHeader {
  path: string
  /** True if the header could not be read, and this was made up from the groups (`headless.ts`). */
  isHeadless?: boolean
}

const NEXT_FILE = 'next.segment'
const FILL_BYTES = 1024 * 1024

export function segmentPath(directory: string, number: number): string {
  return join(directory, `${String(number).padStart(16, '0')}.segment`)
}

/**
 * The segments of a journal in order. Left out is a file whose header is that of an earlier life: the last one may have been named
 * and not begun when the power went. So is one whose header cannot be read, and its path is added to `unreadable`: it may be
 * on its way to be recycled while this reads, or damaged. Rejects with JOURNAL_FORMAT if one was written by a newer version. With
 * `passesOver` a header that the disk does not give is one that cannot be read; else that rejects with EIO, and may be tried again.
 */
export async function listSegments(
  files: Files,
  directory: string,
  unreadable: string[] = [],
  { passesOver = false } = {},
): Promise<Segment[]> {
  const segments: Segment[] = []
  for (const name of await files.list(directory)) {
    const number = segmentNumber(name)
    if (number === undefined) continue
    const path = join(directory, name)
    const header = await readSegmentHeader(files, path).catch((error: unknown) => {
      if (!passesOver || !isSystemError(error, 'EIO')) throw error
      return undefined
    })
    if (header === undefined) unreadable.push(path)
    if (header?.number !== number) continue
    segments.push({ ...header, path })
  }
  return segments
}

/** The number that a segment file has by its name; undefined if the name is not that of a segment. */
export function segmentNumber(name: string): number | undefined {
  const [, digits] = /^(\d{16})\.segment$/.exec(name) ?? []
  return digits === undefined ? undefined : Number(digits)
}

/**
 * What stands at the beginning of a segment file; undefined if that is no header, or there is no such file. Rejects with
 * JOURNAL_FORMAT if a newer version wrote it.
 */
export async function readSegmentHeader(files: Files, path: string): Promise<SegmentHeader | undefined> {
  const header = await readHeader(files, path)
  if (header !== undefined && header.formatVersion > FORMAT_VERSION)
    throw sluiceError('JOURNAL_FORMAT', { file: path, version: header.formatVersion, newest: FORMAT_VERSION })
  return header
}

async function readHeader(files: Files, path: string): Promise<SegmentHeader | undefined> {
  const file = await files.open(path, { readOnly: true }).catch((error: unknown) => {
    // It was recycled since its name was read.
    if (isSystemError(error, 'ENOENT')) return undefined
    throw error
  })
  if (file === undefined) return undefined
  try {
    const size = await file.size()
    let bytes = Buffer.alloc(Math.min(BLOCK_BYTES, size))
    await file.read(bytes, 0)
    let header = decodeSegmentHeader(bytes)
    if (header !== undefined && 'needs' in header) {
      if (header.needs > size) return undefined
      bytes = Buffer.alloc(header.needs)
      await file.read(bytes, 0)
      header = decodeSegmentHeader(bytes)
    }
    return header === undefined || 'needs' in header ? undefined : header
  } finally {
    await file.close()
  }
}

/**
 * The headers of the groups of this life of the segment that begin behind `offset` of the file, whatever lies between them. The
 * groups themselves may be damaged. With `passesOver`, so are blocks that the disk does not give; else that rejects with EIO.
 */
export async function* groupHeadersBehind(
  files: Files,
  segment: Segment,
  offset: number,
  { passesOver = false } = {},
): AsyncGenerator<GroupHeader, void> {
  const file = await files.open(segment.path, { readOnly: true })
  try {
    const window = Buffer.alloc(256 * BLOCK_BYTES)
    for (let start = offset - (offset % BLOCK_BYTES) + BLOCK_BYTES; ; start += window.length) {
      const length = await file.read(window, start).catch((error: unknown) => {
        if (!passesOver || !isSystemError(error, 'EIO')) throw error
        return readBlocks(file, window, start)
      })
      if (length === 0) return
      for (let at = 0; at < length; at += BLOCK_BYTES) {
        const header = decodeGroupHeader(window.subarray(at, length), segment.generation, segment.base + start + at)
        if (header !== undefined) yield header
      }
    }
  } finally {
    await file.close()
  }
}

/** Reads block by block what the disk gives of a window; the others are zeros. Resolves with how many bytes there are. */
export async function readBlocks(file: OpenFile, window: Buffer, start: number): Promise<number> {
  for (let at = 0; at < window.length; at += BLOCK_BYTES) {
    const block = window.subarray(at, at + BLOCK_BYTES).fill(0)
    const length = await file.read(block, start + at).catch((error: unknown) => {
      if (!isSystemError(error, 'EIO')) throw error
      return BLOCK_BYTES
    })
    if (length < BLOCK_BYTES) return at + length
  }
  return window.length
}

/** A segment that is being written. */
export interface OpenSegment {
  segment: Segment
  file: OpenFile
  /** Where in the file the next group goes. */
  offset: number
}

/** Makes, recycles and removes segment files. */
export class SegmentFiles {
  readonly #files: Files
  readonly #directory: string
  readonly #segmentBytes: number
  readonly #syncsWrites: boolean
  /** Settles when `next.segment` is there and ready; undefined from when it got a number until somebody asks for another. */
  #preparing: Promise<void> | undefined

  /** `syncsWrites`: each write to a segment is on disk when it resolves. */
  constructor(options: { files: Files; directory: string; segmentBytes: number; syncsWrites: boolean }) {
    this.#files = options.files
    this.#directory = options.directory
    this.#segmentBytes = options.segmentBytes
    this.#syncsWrites = options.syncsWrites
  }

  /** Begins a segment: when this resolves, its header and its name are on disk. */
  async begin(header: SegmentHeader): Promise<OpenSegment> {
    await this.prepareNext()
    const path = segmentPath(this.#directory, header.number)
    let file: OpenFile | undefined
    try {
      file = await this.#files.open(this.#nextPath, { durable: this.#syncsWrites })
      await file.write([encodeSegmentHeader(header)], 0)
      if (!this.#syncsWrites) await file.sync()
      await this.#files.rename(this.#nextPath, path)
    } catch (error) {
      // Whatever is wrong with the file, the next attempt gets another one.
      await Promise.allSettled([file?.close(), this.#files.remove(this.#nextPath)])
      throw error
    } finally {
      this.#preparing = undefined
    }
    try {
      await this.#files.syncDirectory(this.#directory)
    } catch (error) {
      await file.close()
      throw error
    }
    return { segment: { ...header, path }, file, offset: firstGroupOffset(header) }
  }

  /**
   * Makes sure that there is a file for the next segment, made of the file `recycled` if one is given. Where there is one
   * already, or one is being prepared, that one is it.
   */
  prepareNext(recycled?: string): Promise<void> {
    this.#preparing ??= this.#fillNext(recycled).catch((error: unknown) => {
      this.#preparing = undefined
      throw error
    })
    return this.#preparing
  }

  /** Whether there is a file for the next segment, or one is being prepared. */
  get hasNext(): boolean {
    return this.#preparing !== undefined
  }

  /** Takes a file out of use: it becomes the next segment's if there is none yet, else it is removed. May be tried again. */
  async recycle({ path }: Segment): Promise<void> {
    if (this.#preparing === undefined) return this.prepareNext(path)
    await this.#files.remove(path)
    await this.#files.syncDirectory(this.#directory)
  }

  get #nextPath(): string {
    return join(this.#directory, NEXT_FILE)
  }

  /** Brings `next.segment` to its size. What a recycled one holds stays in it; what is missing is filled with zeros. */
  async #fillNext(recycled: string | undefined): Promise<void> {
    if (recycled !== undefined) await this.#takeOver(recycled)
    const file = await this.#files.open(this.#nextPath, { create: true })
    try {
      const size = await file.size()
      if (size > this.#segmentBytes) await file.truncate(this.#segmentBytes)
      const zeros = Buffer.alloc(Math.min(FILL_BYTES, this.#segmentBytes))
      for (let end = size; end < this.#segmentBytes; end += zeros.length)
        await file.write([zeros.subarray(0, Math.min(zeros.length, this.#segmentBytes - end))], end)
      if (size !== this.#segmentBytes) await file.sync()
    } finally {
      await file.close()
    }
    await this.#files.syncDirectory(this.#directory)
  }

  /** Names a file `next.segment`. Its old name must be gone for good before anything is done to the file. */
  async #takeOver(recycled: string): Promise<void> {
    try {
      await this.#files.rename(recycled, this.#nextPath)
    } catch (error) {
      // An attempt before this one got as far.
      if (!isSystemError(error, 'ENOENT')) throw error
    }
    await this.#files.syncDirectory(this.#directory)
  }
}
