/**
 * A group: the entries that are written and synced together. Puts one together out of what waits; writes nothing.
 */
import { type BatchHeader } from '../../protocol/records/batch.ts'
import { BLOCK_BYTES, encodeGroupHeader, GROUP_HEADER_BYTES, paddingAfter, sealEntry, type Entry, type Place } from './format.ts'
import { type OpenSegment } from './segments.ts'
import { type ShardOffsets } from './state.ts'

/** An entry that waits for its group. */
export interface Pending {
  entry: Entry
  envelope: Buffer
  batches: readonly BatchHeader[]
  offsets: ShardOffsets
  /** The offset behind the entry's last record. */
  nextOffset: number
  resolve: () => void
  reject: (error: Error) => void
}

export interface GatheredGroup {
  entries: Pending[]
  /** With its header, without padding. */
  length: number
}

/** A group ends at this many bytes even if more is waiting: the first in it would wait for the last. */
const GROUP_BYTES = 8 * 1024 * 1024
const ZEROS = Buffer.alloc(BLOCK_BYTES)

/** The entries of the next group, out of all that wait. */
export function gatherGroup(pending: readonly Pending[]): GatheredGroup {
  let length = GROUP_HEADER_BYTES
  let count = 0
  for (const { envelope, entry } of pending) {
    const longer = length + envelope.length + entry.records.length
    if (longer > GROUP_BYTES && count > 0) break
    length = longer
    count++
  }
  return { entries: pending.slice(0, count), length }
}

/**
 * Closes a group that follows `previous`: headers and pieces in the order in which they are written, none of them copied, and the
 * place where the group ends. `durableUpTo` is the position up to which everything is known to be on disk.
 */
export function sealGroup(
  { entries, length }: GatheredGroup,
  { segment, offset }: OpenSegment,
  { previous, durableUpTo }: { previous: Place; durableUpTo: number },
): { pieces: Buffer[]; end: Place } {
  const position = segment.base + offset
  const firstEntry = previous.entry
  // The first group of a segment is chained to the segment's own beginning.
  const chain = previous.position < position ? segment.generation : previous.chain
  const count = entries.length
  const pieces = [encodeGroupHeader({ length, count, position, firstEntry, durableUpTo, chain }, segment.generation)]
  let last = chain
  for (const { envelope, entry, batches } of entries) {
    last = sealEntry(envelope, entry.records, batches, last)
    pieces.push(envelope, ...entry.records.pieces)
  }
  const padding = paddingAfter(length)
  pieces.push(ZEROS.subarray(0, padding))
  return { pieces, end: { position: position + length + padding, entry: firstEntry + count, chain: last } }
}
