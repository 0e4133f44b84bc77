/**
 * The bytes of parked entries, drawn once: entries of one logstore that were taken out of the journal because their table cannot be
 * written, so that the journal's segments can be given up. Numbers and checksums are as in the journal (`format.ts`).
 *
 *     JOURNAL/parked/LOGSTOREID-0000000000001234.parked      a part; the number is that of its first entry
 *
 *     part     | header | records | padding | records | padding | …
 *                the header and each run of records that was synced at once end with zeros up to a block boundary, so that no
 *                block that was synced is written again
 *
 *     header     0  8  magic "SLUICE-P"
 *                8  4  checksum of the bytes from 12 to 80
 *               12  2  format version
 *               14  2  flags: 1 = salvaged by a repair: entries between its own may be lost, so it counts only if the checkpoint says so;
 *                      zeros may stand where others would be
 *               16 16  journal id
 *               32 16  logstore id
 *               48  8  number of the first entry
 *               56  8  the part before: the number of its first entry
 *               64  8  … its length in bytes: what lies behind in that file is not believed, its write may have failed
 *               72  8  … the number of its last entry; all three are 0 in the first part
 *
 *     record     0  4  what the entry's checksum is seeded with: the checksum of the entry before it in the journal
 *                4  …  the entry, byte for byte as in the journal; it begins with its own length and checksum
 *                   …  zeros up to a multiple of 8
 *
 * Where the last part ends is said by the checkpoint (`ParkedEnd`). Up to there every byte was synced, and one that cannot be read is
 * damage. Behind it may lie what was being written when the process or the power went; the journal has it still.
 */
import { crc32c } from '../../protocol/records/crc32c.ts'
import {
  BLOCK_BYTES,
  decodeEntry,
  MIN_ENTRY_BYTES,
  paddingAfter,
  readUInt64,
  readUuid,
  writeUInt64,
  writeUuid,
  type JournalEntry,
} from './format.ts'

export const PARKED_VERSION = 1
/** What the header takes, with its padding: the first record lies behind it. */
export const PARKED_HEADER_BYTES = BLOCK_BYTES
const HEADER_END = 80
const MAGIC = Buffer.from('SLUICE-P', 'latin1')
const SALVAGED = 1
const SEED_BYTES = 4
/** Seed and length: as much of a record as tells how long it is. */
export const RECORD_HEAD_BYTES = 8
const ZEROS = Buffer.alloc(BLOCK_BYTES)

/** Where the parked entries of a logstore end. */
export interface ParkedEnd {
  /** The part that holds the last of them, by the number of its first entry. */
  part: number
  /** The length of that part in bytes. */
  bytes: number
  /** The number of the last entry. */
  entry: number
}

export interface PartHeader {
  formatVersion: number
  journalId: string
  logstoreId: string
  firstEntry: number
  /** Written by a repair of the journal, which passes over entries that cannot be read. */
  isSalvaged: boolean
  /** Where the entries before those of this part end. */
  before: ParkedEnd
}

export function partName(logstoreId: string, firstEntry: number): string {
  return `${logstoreId}-${String(firstEntry).padStart(16, '0')}.parked`
}

/** The logstore and the first entry of a part by its file's name; undefined if the name is not a part's. */
export function readPartName(name: string): { logstoreId: string; firstEntry: number } | undefined {
  const [, logstoreId, number] = /^([0-9a-f-]{36})-(\d{16})\.parked$/.exec(name) ?? []
  return logstoreId === undefined ? undefined : { logstoreId, firstEntry: Number(number) }
}

export function encodePartHeader(header: PartHeader): Buffer {
  const bytes = Buffer.alloc(PARKED_HEADER_BYTES)
  MAGIC.copy(bytes)
  bytes.writeUInt16BE(header.formatVersion, 12)
  bytes.writeUInt16BE(header.isSalvaged ? SALVAGED : 0, 14)
  writeUuid(bytes, header.journalId, 16)
  writeUuid(bytes, header.logstoreId, 32)
  writeUInt64(bytes, header.firstEntry, 48)
  writeUInt64(bytes, header.before.part, 56)
  writeUInt64(bytes, header.before.bytes, 64)
  writeUInt64(bytes, header.before.entry, 72)
  bytes.writeUInt32BE(crc32c(bytes.subarray(12, HEADER_END)), 8)
  return bytes
}

/** The header of a part, or undefined if the bytes are none. */
export function decodePartHeader(bytes: Buffer): PartHeader | undefined {
  if (bytes.length < HEADER_END || bytes.compare(MAGIC, 0, 8, 0, 8) !== 0) return undefined
  if (crc32c(bytes.subarray(12, HEADER_END)) !== bytes.readUInt32BE(8)) return undefined
  return {
    formatVersion: bytes.readUInt16BE(12),
    isSalvaged: (bytes.readUInt16BE(14) & SALVAGED) !== 0,
    journalId: readUuid(bytes, 16),
    logstoreId: readUuid(bytes, 32),
    firstEntry: readUInt64(bytes, 48),
    before: { part: readUInt64(bytes, 56), bytes: readUInt64(bytes, 64), entry: readUInt64(bytes, 72) },
  }
}

/** What is kept of an entry. */
export type ParkedRecord = Pick<JournalEntry, 'number' | 'seed' | 'bytes'>

/** The records of entries that are written at once, with the padding behind them; no entry is copied. */
export function encodeRecords(entries: readonly ParkedRecord[]): { pieces: Buffer[]; length: number } {
  const pieces: Buffer[] = []
  let length = 0
  for (const { seed, bytes } of entries) {
    const head = Buffer.alloc(SEED_BYTES)
    head.writeUInt32BE(seed, 0)
    const padding = recordBytes(bytes.length) - SEED_BYTES - bytes.length
    pieces.push(head, bytes, ZEROS.subarray(0, padding))
    length += recordBytes(bytes.length)
  }
  pieces.push(ZEROS.subarray(0, paddingAfter(length)))
  return { pieces, length: length + paddingAfter(length) }
}

/** What there is at an offset of a part. */
export type FoundRecord =
  /** A record, and where the next one may begin. */
  | { entry: JournalEntry; next: number }
  /** Padding: the next record begins here. */
  | { entry: undefined; next: number }
  /** The bytes do not reach far enough: this many are needed from the offset on. */
  | { needs: number }
  | { problem: string }

/**
 * Looks at `bytes`, which lie at `offset` of a part whose content ends at `end`; one that was salvaged may hold zeros in place of what was
 * lost. Never throws, whatever the bytes.
 */
export function findRecord(bytes: Buffer, offset: number, end: number, isSalvaged: boolean): FoundRecord {
  if (end - offset < RECORD_HEAD_BYTES) return { problem: 'an entry is cut' }
  if (bytes.length < RECORD_HEAD_BYTES) return { needs: RECORD_HEAD_BYTES }
  const length = bytes.readUInt32BE(SEED_BYTES)
  // Padding never begins a block.
  if (length === 0 && offset % BLOCK_BYTES !== 0) return { entry: undefined, next: offset + paddingAfter(offset) }
  if (length === 0 && isSalvaged) return { entry: undefined, next: offset + BLOCK_BYTES }
  if (length < MIN_ENTRY_BYTES) return { problem: 'there is no entry' }
  const needs = recordBytes(length)
  if (needs > end - offset) return { problem: 'an entry is cut' }
  if (bytes.length < needs) return { needs }
  const decoded = decodeEntry(bytes.subarray(SEED_BYTES, SEED_BYTES + length), bytes.readUInt32BE(0))
  if (typeof decoded === 'string') return { problem: `an entry ${decoded}` }
  return { entry: decoded.entry, next: offset + needs }
}

/** The length of the record of an entry: records begin at multiples of their head's length, so no head crosses a block's end. */
function recordBytes(entryBytes: number): number {
  return Math.ceil((SEED_BYTES + entryBytes) / RECORD_HEAD_BYTES) * RECORD_HEAD_BYTES
}
