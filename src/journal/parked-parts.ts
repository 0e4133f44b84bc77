/**
 * The parts of a logstore's parked entries as earlier lives have left them: which there are, and how far each is believed.
 */
import { join } from 'node:path'
import { isSystemError, sluiceError } from '../base/errors.ts'
import type { Files, OpenFile } from '../base/files.ts'
import type { Log } from '../base/log.ts'
import { BLOCK_BYTES, paddingAfter, type JournalEntry } from './format.ts'
import {
  decodePartHeader,
  findRecord,
  PARKED_HEADER_BYTES,
  PARKED_VERSION,
  partName,
  RECORD_HEAD_BYTES,
  readPartName,
  type ParkedEnd,
  type PartHeader,
} from './parked-file.ts'

/** Where the parts of a logstore are, and what is known of them. */
export interface ParkedPlace {
  files: Files
  /** Made when the first part is. */
  directory: string
  journalId: string
  logstoreId: string
  /**
   * What the checkpoint says: where the logstore's parked entries end, null if nothing was parked. Undefined if it says nothing of
   * parked entries at all; then every part is believed as far as it can be read.
   */
  reported: ParkedEnd | null | undefined
  /** And that the journal holds every entry from this number on; those before are in the tables or parked. */
  journalEntry: number
  /** Whether the entries that are appended are what a repair has salvaged. */
  isSalvaged?: boolean
  log: Log
}

/** A part as far as it is believed. */
export interface Part {
  path: string
  firstEntry: number
  /** Up to here it is on disk. */
  bytes: number
  /** The number of its last entry; Infinity if that cannot be known: such a part is never removed. */
  lastEntry: number
  isSalvaged: boolean
  /** What keeps it from being read, if that is known. */
  problem?: string
}

/** A file, before it is known how far it is believed. */
export interface FoundPart {
  path: string
  firstEntry: number
  /** Undefined if it cannot be read, or says that the file is another journal's or logstore's. */
  header: PartHeader | undefined
  isForeign: boolean
  size: number
}

const READ_BYTES = 1024 * 1024

/** The logstores that have parts in a directory; none if there is no such directory. */
export async function listParkedLogstores(files: Files, directory: string): Promise<Set<string>> {
  return new Set((await listParts(files, directory)).map(({ logstoreId }) => logstoreId))
}

/** Removes all parts of a logstore that was deleted. */
export async function removeParked(files: Files, directory: string, logstoreId: string): Promise<void> {
  const parts = await listParts(files, directory, logstoreId)
  for (const { path } of parts) await files.remove(path)
  if (parts.length > 0) await files.syncDirectory(directory)
}

/**
 * Finds the parts of a logstore and where they end; undefined if there are none. When this resolves, everything up to the end is on
 * disk. A part that cannot be read has a `problem`; it does not keep others from being found. Rejects with JOURNAL_FORMAT if a newer
 * version wrote one.
 */
export async function recoverParts(place: ParkedPlace): Promise<{ parts: Part[]; end: ParkedEnd } | undefined> {
  const { files, directory, reported } = place
  const found = await findParts(place)
  for (let last; (last = found.at(-1)) !== undefined; found.pop()) {
    const end = await recoverEnd(place, last)
    if (end !== undefined) return { parts: found.map((part, index) => believe(part, found[index + 1], end)), end }
    // Its first write was under way, and nothing of it was reported.
    await files.remove(last.path)
    await files.syncDirectory(directory)
  }
  return reported == null ? undefined : { parts: [], end: reported }
}

/** The parts of a logstore in order, also one that is missing. Rejects with JOURNAL_FORMAT if a newer version wrote one. */
export async function findParts(place: ParkedPlace): Promise<FoundPart[]> {
  const found: FoundPart[] = []
  for (const { path, firstEntry } of await listParts(place.files, place.directory, place.logstoreId))
    found.push({ path, firstEntry, ...(await readHead(place, path, firstEntry)) })
  addMissing(place, found)
  return found
}

/** The parts in a directory in order. */
async function listParts(files: Files, directory: string, logstoreId?: string) {
  const names = await files.list(directory).catch((error: unknown) => {
    if (isSystemError(error, 'ENOENT')) return []
    throw error
  })
  return names.flatMap(name => {
    const part = readPartName(name)
    if (part === undefined || (logstoreId !== undefined && part.logstoreId !== logstoreId)) return []
    return [{ ...part, path: join(directory, name) }]
  })
}

async function readHead({ files, journalId, logstoreId }: ParkedPlace, path: string, firstEntry: number) {
  const file = await files.open(path, { readOnly: true })
  try {
    const bytes = Buffer.alloc(PARKED_HEADER_BYTES)
    const header = decodePartHeader(bytes.subarray(0, await file.read(bytes, 0)))
    if (header !== undefined && header.formatVersion > PARKED_VERSION)
      throw sluiceError('JOURNAL_FORMAT', { file: path, version: header.formatVersion, newest: PARKED_VERSION })
    const isOurs = header?.journalId === journalId && header.logstoreId === logstoreId && header.firstEntry === firstEntry
    return { header: isOurs ? header : undefined, isForeign: header !== undefined && !isOurs, size: await file.size() }
  } finally {
    await file.close()
  }
}

/** Parts are removed in their order: if the one that was reported last is not there, although some before it are, it was lost. */
function addMissing({ directory, logstoreId, reported }: ParkedPlace, found: FoundPart[]): void {
  if (reported == null || found[0] === undefined || found[0].firstEntry > reported.part) return
  if (found.some(({ firstEntry }) => firstEntry === reported.part)) return
  const path = join(directory, partName(logstoreId, reported.part))
  found.push({ path, firstEntry: reported.part, header: undefined, isForeign: false, size: 0 })
  found.sort((a, b) => a.firstEntry - b.firstEntry)
}

/** Where the last part ends, and with it all; undefined if there is nothing in it that counts. */
async function recoverEnd(place: ParkedPlace, found: FoundPart): Promise<ParkedEnd | undefined> {
  const { path, firstEntry, header, isForeign, size } = found
  const { files, directory, reported, journalEntry, log } = place
  const isReported = reported === undefined ? firstEntry < journalEntry : firstEntry <= (reported?.part ?? -1)
  /** So long that whoever reads it will miss an entry. */
  const lost = { part: firstEntry, bytes: Math.max(size, PARKED_HEADER_BYTES + BLOCK_BYTES), entry: firstEntry }
  if (header === undefined) {
    if (!isReported && !isForeign) return undefined
    return reported?.part === firstEntry ? reported : lost
  }
  // The repair that wrote it came to no end. What it passed over may be readable by now, and would never be read behind this.
  if (header.isSalvaged && !isReported) return undefined
  const known = reported?.part === firstEntry ? reported : { part: firstEntry, bytes: PARKED_HEADER_BYTES, entry: -1 }
  // Where nothing was reported of it, a file that is shorter than its header has no entry.
  if (size < known.bytes && known.entry !== -1) return known
  const file = await files.open(path, { durable: true })
  try {
    const { end, lastEnd } = await findEnd(file, place, known, found)
    if (end.entry === -1) return isReported ? lost : undefined
    if (size > end.bytes) log.warn({ file: path, position: end.bytes }, 'what lies behind is the end of a write that was cut')
    // The name may be in memory only, too.
    if (end.bytes > known.bytes) await rewrite(file, known.entry === -1 ? 0 : known.bytes, lastEnd)
    await files.syncDirectory(directory)
    return end
  } finally {
    await file.close()
  }
}

/** Reads on from `known` to the last entry that is whole, which ends at `lastEnd`. */
async function findEnd(
  file: OpenFile,
  place: ParkedPlace,
  known: ParkedEnd,
  { size, header }: FoundPart,
): Promise<{ end: ParkedEnd; lastEnd: number }> {
  const isSalvaged = header?.isSalvaged === true
  let end = known
  let lastEnd = known.bytes
  for (let offset = known.bytes; ;) {
    const read = await readRecords(file, { offset, entry: end.entry }, { bytes: size, isSalvaged }, place.logstoreId)
    const last = read.entries.at(-1)
    if (last !== undefined) {
      lastEnd = read.lastEnd
      end = { ...end, bytes: lastEnd + paddingAfter(lastEnd), entry: last.number }
    }
    if (read.problem !== undefined || read.offset >= size) return { end, lastEnd }
    offset = read.offset
  }
}

/**
 * Writes what can be read once more, up to `end`, and padding behind it. It may be in memory only: its writer was killed before it was
 * on disk, or its write failed; and a sync would not do, since what a failed write leaves in memory is taken for written. The
 * bytes are the same, so a crash in between takes nothing away.
 */
async function rewrite(file: OpenFile, start: number, end: number): Promise<void> {
  for (let offset = start; offset < end; offset += READ_BYTES) {
    const length = Math.min(READ_BYTES, end - offset)
    const bytes = Buffer.alloc(length + paddingAfter(length))
    await file.read(bytes, offset, length)
    await file.write([bytes], offset)
  }
}

/** How far a part is believed: up to where the next one says that it ends. */
function believe({ path, firstEntry, header, isForeign }: FoundPart, next: FoundPart | undefined, end: ParkedEnd): Part {
  const part = { path, firstEntry, bytes: 0, lastEntry: Infinity, isSalvaged: header?.isSalvaged === true }
  if (isForeign) return { ...part, problem: 'the file belongs to another journal or logstore' }
  if (header === undefined) return { ...part, problem: 'the file is missing or its header cannot be read' }
  if (next === undefined) return { ...part, bytes: end.bytes, lastEntry: end.entry }
  if (next.header?.before.part !== firstEntry) return { ...part, problem: 'the file behind it is missing or cannot be read' }
  return { ...part, bytes: next.header.before.bytes, lastEntry: next.header.before.entry }
}

/** What lies in a part from an offset on: about a mebibyte of entries, or one that is larger. */
export interface ReadRecords {
  entries: JournalEntry[]
  /** Where the last entry ends. */
  lastEnd: number
  /** Where to read on. */
  offset: number
  /** What is wrong at the offset. */
  problem?: string
}

/** Reads entries behind the one with the number `from.entry`, from `from.offset` on, in a part of so many bytes. */
export async function readRecords(
  file: OpenFile,
  from: { offset: number; entry: number },
  { bytes: end, isSalvaged }: Pick<Part, 'bytes' | 'isSalvaged'>,
  logstoreId: string,
): Promise<ReadRecords> {
  const read: ReadRecords = { entries: [], lastEnd: from.offset, offset: from.offset }
  let window = await readWindow(file, from.offset, Math.min(READ_BYTES, end - from.offset))
  let before = from.entry
  while (read.offset < end) {
    const found = findRecord(window.subarray(read.offset - from.offset), read.offset, end, isSalvaged)
    if ('problem' in found) return { ...read, problem: found.problem }
    if ('needs' in found) {
      if (read.entries.length > 0) return read
      const needs = read.offset - from.offset + found.needs
      const isWhole = window.length < Math.min(READ_BYTES, end - from.offset) || window.length >= needs
      if (isWhole) return { ...read, problem: 'the file ends early' }
      window = await readWindow(file, from.offset, Math.max(needs, window.length))
      if (window.length < needs) return { ...read, problem: 'the file ends early' }
      continue
    }
    read.offset = found.next
    if (found.entry === undefined) continue
    if (found.entry.logstoreId !== logstoreId || found.entry.number <= before)
      return { ...read, offset: read.lastEnd, problem: `entry ${found.entry.number} does not belong there` }
    before = found.entry.number
    read.entries.push(found.entry)
    read.lastEnd = found.next
  }
  return read
}

async function readWindow(file: OpenFile, offset: number, length: number): Promise<Buffer> {
  const window = Buffer.allocUnsafe(Math.max(length, RECORD_HEAD_BYTES))
  return window.subarray(0, await file.read(window, offset, length))
}
