/**
 * The bytes of the journal, drawn once. Everything is big-endian; a length is in bytes; a checksum is CRC-32C.
 *
 * The journal is one run of bytes, cut into segment files. A *position* counts from the beginning of the journal, through all
 * segments: a segment's header says the position of the file's first byte, which is where the segment before it ends. Segment
 * files are recycled, so behind the last group of a file lie groups of an earlier life; nothing there is ever believed,
 * because everything is checked against the segment's generation, its own position, and the entry before it.
 *
 *     segment  | header | group | padding | group | padding | … | earlier life or zeros |
 *                each group and the end of the header lie on a BLOCK_BYTES boundary, so that no block that was synced is
 *                written again
 *
 *     header     0  8  magic "SLUICE-J"
 *                8  4  checksum of the bytes from 12 to the end of the state
 *               12  2  format version
 *               14  2  zero
 *               16 16  journal id
 *               32  8  number: the segment's place; grows by one from segment to segment
 *               40  4  generation: drawn anew each time a file is begun; seeds the chain of checksums
 *               44  4  length of the state
 *               48  8  base: the position of this file's first byte, and the end of the segment before
 *               56  8  number of the first entry
 *               64  8  time it was begun, ms since 1970
 *               72  …  state: next offsets and producer states as they were at the base (`state.ts`)
 *
 *     group      0  4  magic "SLGR"
 *                4  4  checksum of the bytes 8 to 48, seeded with the generation: it tells the group by itself
 *                8  4  length of the group with this header, without the padding
 *               12  4  count of entries
 *               16  8  position of the group
 *               24  8  number of the first entry
 *               32  8  durableUpTo: the position up to which everything was known to be synced when this was written
 *               40  4  chain: the checksum of the entry before, or the generation
 *               44  4  zero
 *               48  …  entries, one behind the other
 *
 *     entry      0  4  length of the entry: envelope and batches
 *                4  4  checksum, seeded with that of the entry before: of the envelope from 8 on, and of the first
 *                      SEALED_BATCH_BYTES of each batch. These hold the batch's own CRC, which covers the rest of it; so no
 *                      payload is checksummed twice.
 *                8  8  entry number: counts up by one through the whole journal
 *               16 16  logstore id
 *               32  2  shard
 *               34  2  flags: 1 = the topic was written as LOGSTORE.json
 *               36  4  partition that the producer named
 *               40  8  base offset of the first record
 *               48  8  time it was received, ms since 1970; never runs backwards
 *               56  4  count of records
 *               60  1  length of the source address, and the address
 *                   1  length of the client id, and the client id, cut at 255 bytes
 *                   1  length of the access key id, and the access key id
 *                   …  batches of format 2, as the producer sent them but for the base offset
 */
import { Chunks } from '../../protocol/chunks.ts'
import { BATCH_HEADER_BYTES, readBatchHeader, type BatchHeader } from '../../protocol/records/batch.ts'
import { crc32c } from '../../protocol/records/crc32c.ts'
import { memoize } from '../base/memoize.ts'

export const FORMAT_VERSION = 1

/** The size of the blocks that groups begin on: no smaller than a sector of any disk, the page size of most machines. */
export const BLOCK_BYTES = 4096

/** What is fixed of a segment's header; the state follows. */
export const SEGMENT_HEADER_BYTES = 72
export const GROUP_HEADER_BYTES = 48
const ENVELOPE_FIXED_BYTES = 60
/** An envelope without texts. */
export const MIN_ENTRY_BYTES = ENVELOPE_FIXED_BYTES + 3
const JSON_TOPIC = 1

/** Base offset, length, leader epoch, magic and CRC of a batch: what the batch's CRC does not cover, and the CRC itself. */
const SEALED_BATCH_BYTES = 21

const SEGMENT_MAGIC = Buffer.from('SLUICE-J', 'latin1')
const GROUP_MAGIC = 0x534c4752

export interface SegmentHeader {
  formatVersion: number
  journalId: string
  number: number
  generation: number
  base: number
  firstEntry: number
  begunMs: number
  state: Buffer
}

/** A place between two groups: where a group ends and the next one begins. */
export interface Place {
  position: number
  /** The number of the next entry. */
  entry: number
  /** The checksum of the entry before, which seeds that of the next; the segment's generation where there is none before. */
  chain: number
}

export interface GroupHeader {
  length: number
  count: number
  position: number
  firstEntry: number
  durableUpTo: number
  chain: number
}

/** A write as it stands in the journal: the batches of one partition of one request, and where they came from. */
export interface Entry {
  number: number
  logstoreId: string
  shard: number
  /** True if the producer wrote the topic as `LOGSTORE.json`: another topic to the producer, the same logstore. */
  jsonTopic: boolean
  partition: number
  baseOffset: number
  recordCount: number
  receivedMs: number
  source: string
  clientId: string
  accessKeyId: string
  records: Chunks
}

/** The bytes from `length` to the next block boundary. */
export function paddingAfter(length: number): number {
  return (BLOCK_BYTES - (length % BLOCK_BYTES)) % BLOCK_BYTES
}

/** The header of a segment, padded to a block boundary. */
export function encodeSegmentHeader(header: SegmentHeader): Buffer {
  const length = SEGMENT_HEADER_BYTES + header.state.length
  const bytes = Buffer.alloc(length + paddingAfter(length))
  SEGMENT_MAGIC.copy(bytes)
  bytes.writeUInt16BE(header.formatVersion, 12)
  writeUuid(bytes, header.journalId, 16)
  writeUInt64(bytes, header.number, 32)
  bytes.writeUInt32BE(header.generation, 40)
  bytes.writeUInt32BE(header.state.length, 44)
  writeUInt64(bytes, header.base, 48)
  writeUInt64(bytes, header.firstEntry, 56)
  writeUInt64(bytes, header.begunMs, 64)
  header.state.copy(bytes, SEGMENT_HEADER_BYTES)
  bytes.writeUInt32BE(crc32c(bytes, 0, 12, length), 8)
  return bytes
}

/**
 * Reads the header of a segment from the file's first bytes: the header, the length that is needed to read it, or undefined
 * if this is no header (a file that was never begun).
 */
export function decodeSegmentHeader(bytes: Buffer): SegmentHeader | { needs: number } | undefined {
  if (bytes.length < SEGMENT_HEADER_BYTES || bytes.compare(SEGMENT_MAGIC, 0, 8, 0, 8) !== 0) return undefined
  const stateEnd = SEGMENT_HEADER_BYTES + bytes.readUInt32BE(44)
  if (stateEnd > bytes.length) return { needs: stateEnd }
  if (crc32c(bytes, 0, 12, stateEnd) !== bytes.readUInt32BE(8)) return undefined
  return {
    formatVersion: bytes.readUInt16BE(12),
    journalId: readUuid(bytes, 16),
    number: readUInt64(bytes, 32),
    generation: bytes.readUInt32BE(40),
    base: readUInt64(bytes, 48),
    firstEntry: readUInt64(bytes, 56),
    begunMs: readUInt64(bytes, 64),
    state: bytes.subarray(SEGMENT_HEADER_BYTES, stateEnd),
  }
}

/** Where the first group of a segment lies in its file. */
export function firstGroupOffset(header: SegmentHeader): number {
  const length = SEGMENT_HEADER_BYTES + header.state.length
  return length + paddingAfter(length)
}

export function encodeGroupHeader(group: GroupHeader, generation: number): Buffer {
  const bytes = Buffer.alloc(GROUP_HEADER_BYTES)
  bytes.writeUInt32BE(GROUP_MAGIC, 0)
  bytes.writeUInt32BE(group.length, 8)
  bytes.writeUInt32BE(group.count, 12)
  writeUInt64(bytes, group.position, 16)
  writeUInt64(bytes, group.firstEntry, 24)
  writeUInt64(bytes, group.durableUpTo, 32)
  bytes.writeUInt32BE(group.chain, 40)
  bytes.writeUInt32BE(crc32c(bytes, generation, 8), 4)
  return bytes
}

/** Of a segment's header that is at least `SEGMENT_HEADER_BYTES` long and may be damaged: its generation, if those bytes are whole. */
export function readGeneration(header: Buffer): number {
  return header.readUInt32BE(40)
}

/** The position that a group's header says, before anything of it is believed; NaN if the bytes are too few. */
export function readPosition(group: Buffer): number {
  return group.length < GROUP_HEADER_BYTES ? NaN : readUInt64(group, 16)
}

/** The header of the group at `position`, or undefined if the bytes are not a group of this life of the segment. */
export function decodeGroupHeader(bytes: Buffer, generation: number, position: number): GroupHeader | undefined {
  if (bytes.length < GROUP_HEADER_BYTES || bytes.readUInt32BE(0) !== GROUP_MAGIC) return undefined
  if (crc32c(bytes, generation, 8, GROUP_HEADER_BYTES) !== bytes.readUInt32BE(4)) return undefined
  const header: GroupHeader = {
    length: bytes.readUInt32BE(8),
    count: bytes.readUInt32BE(12),
    position: readUInt64(bytes, 16),
    firstEntry: readUInt64(bytes, 24),
    durableUpTo: readUInt64(bytes, 32),
    chain: bytes.readUInt32BE(40),
  }
  return header.position === position && header.length >= GROUP_HEADER_BYTES ? header : undefined
}

/** The envelope of an entry, its checksum still open: `sealEntry` closes it when the entry's group is put together. */
export function encodeEnvelope(entry: Entry): Buffer {
  const source = encodeText(entry.source)
  const clientId = encodeText(entry.clientId)
  const accessKeyId = encodeText(entry.accessKeyId)
  const bytes = Buffer.allocUnsafe(ENVELOPE_FIXED_BYTES + source.length + clientId.length + accessKeyId.length)
  bytes.writeUInt32BE(bytes.length + entry.records.length, 0)
  writeUInt64(bytes, entry.number, 8)
  bytes.set(encodeUuid(entry.logstoreId), 16)
  bytes.writeUInt16BE(entry.shard, 32)
  bytes.writeUInt16BE(entry.jsonTopic ? JSON_TOPIC : 0, 34)
  bytes.writeInt32BE(entry.partition, 36)
  writeUInt64(bytes, entry.baseOffset, 40)
  writeUInt64(bytes, entry.receivedMs, 48)
  bytes.writeUInt32BE(entry.recordCount, 56)
  bytes.set(source, ENVELOPE_FIXED_BYTES)
  bytes.set(clientId, ENVELOPE_FIXED_BYTES + source.length)
  bytes.set(accessKeyId, bytes.length - accessKeyId.length)
  return bytes
}

/** Closes an entry's checksum, seeded with `chain`, that of the entry before; returns it, the chain of the next. */
export function sealEntry(envelope: Buffer, records: Chunks, batches: readonly BatchHeader[], chain: number): number {
  let checksum = crc32c(envelope, chain, 8)
  for (const { position } of batches) checksum = records.crc32c(position, position + SEALED_BATCH_BYTES, checksum)
  envelope.writeUInt32BE(checksum, 4)
  return checksum
}

/** The entries of a whole group; `chain` is the checksum of the last one. */
export interface GroupContent {
  entries: JournalEntry[]
  chain: number
}

export interface DecodedEntry extends Entry {
  batches: BatchHeader[]
}

/** An entry with its bytes as they stand in the journal, and what its checksum is seeded with: all it takes to keep it elsewhere. */
export interface JournalEntry extends DecodedEntry {
  bytes: Buffer
  seed: number
}

/**
 * Reads the entries of a group, every checksum verified, those of the batches too. Returns what is wrong, and where in the
 * group, if the group is not whole. Never throws, whatever the bytes.
 */
export function decodeEntries(group: Buffer, header: GroupHeader): GroupContent | { problem: string; at: number } {
  const entries: JournalEntry[] = []
  let chain = header.chain
  let at = GROUP_HEADER_BYTES
  while (entries.length < header.count) {
    const number = header.firstEntry + entries.length
    const length = at + MIN_ENTRY_BYTES <= group.length ? group.readUInt32BE(at) : 0
    if (length < MIN_ENTRY_BYTES || at + length > group.length) return { problem: `entry ${number} is cut`, at }
    const decoded = decodeEntry(group.subarray(at, at + length), chain)
    if (typeof decoded === 'string') return { problem: `entry ${number} ${decoded}`, at }
    if (decoded.entry.number !== number) return { problem: `entry ${decoded.entry.number} is where ${number} belongs`, at }
    entries.push(decoded.entry)
    chain = decoded.chain
    at += length
  }
  if (at !== header.length) return { problem: 'bytes follow the last entry of a group', at }
  return { entries, chain }
}

/**
 * Reads an entry from its bytes, every checksum verified; also returns its own checksum, the chain of the next. Returns what is
 * wrong, to follow "entry N", if it is not whole. Never throws if the bytes are at least `MIN_ENTRY_BYTES`.
 */
export function decodeEntry(bytes: Buffer, seed: number): { entry: JournalEntry; chain: number } | string {
  let end = ENVELOPE_FIXED_BYTES
  const texts: string[] = []
  while (texts.length < 3) {
    const next = end + 1 + (bytes[end] ?? 0)
    if (next > bytes.length) return 'has an envelope that is cut'
    texts.push(bytes.toString('utf8', end + 1, next))
    end = next
  }
  const [source = '', clientId = '', accessKeyId = ''] = texts
  const records = Chunks.of(bytes.subarray(end))
  const batches: BatchHeader[] = []
  let checksum = crc32c(bytes, seed, 8, end)
  for (let position = 0; position < records.length;) {
    if (records.length - position < BATCH_HEADER_BYTES) return 'has a batch that is cut'
    const batch = readBatchHeader(records, position)
    if (batch.sizeInBytes < BATCH_HEADER_BYTES || batch.sizeInBytes > records.length - position) return 'has a batch that is cut'
    checksum = records.crc32c(position, position + SEALED_BATCH_BYTES, checksum)
    if (records.crc32c(position + SEALED_BATCH_BYTES, position + batch.sizeInBytes) !== batch.crc)
      return 'has a batch whose checksum is wrong'
    batches.push(batch)
    position += batch.sizeInBytes
  }
  if (checksum !== bytes.readUInt32BE(4)) return 'has a wrong checksum'
  const entry: JournalEntry = {
    number: readUInt64(bytes, 8),
    logstoreId: readUuid(bytes, 16),
    shard: bytes.readUInt16BE(32),
    jsonTopic: (bytes.readUInt16BE(34) & JSON_TOPIC) !== 0,
    partition: bytes.readInt32BE(36),
    baseOffset: readUInt64(bytes, 40),
    receivedMs: readUInt64(bytes, 48),
    recordCount: bytes.readUInt32BE(56),
    source,
    clientId,
    accessKeyId,
    records,
    batches,
    bytes,
    seed,
  }
  return { entry, chain: checksum }
}

/** The length, and the text in UTF-8, cut before the character that would pass 255 bytes. */
const encodeText = memoize((text: string): Buffer => {
  const bytes = Buffer.from(text, 'utf8')
  let end = bytes.length
  if (end > 255) for (end = 255; ((bytes[end] ?? 0) & 0xc0) === 0x80;) end--
  return Buffer.concat([Buffer.of(end), bytes.subarray(0, end)])
})

const encodeUuid = memoize((uuid: string): Buffer => Buffer.from(uuid.replaceAll('-', ''), 'hex'))

export function writeUuid(bytes: Buffer, uuid: string, position: number): void {
  bytes.set(encodeUuid(uuid), position)
}

export function readUuid(bytes: Buffer, position: number): string {
  const hex = bytes.toString('hex', position, position + 16)
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

/** Whole numbers up to 2^53; the two halves are written apart because that is faster than a bigint. */
export function writeUInt64(bytes: Buffer, value: number, position: number): void {
  bytes.writeUInt32BE(Math.floor(value / 0x100000000), position)
  bytes.writeUInt32BE(value % 0x100000000, position + 4)
}

export function readUInt64(bytes: Buffer, position: number): number {
  return bytes.readUInt32BE(position) * 0x100000000 + bytes.readUInt32BE(position + 4)
}
