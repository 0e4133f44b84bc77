/**
 * A group: the entries that are written and synced together. Writes nothing.
 */
import type { BatchHeader } from '../../protocol/records/batch.ts'
import { Outcome } from '../base/outcome.ts'
import { BLOCK_BYTES, encodeGroupHeader, GROUP_HEADER_BYTES, paddingAfter, sealEntry, type Entry, type Place } from './format.ts'
import type { OpenSegment } from './segments.ts'
import type { ShardOffsets } from './state.ts'

/** An entry in its group. */
export interface Pending {
  entry: Entry
  envelope: Buffer
  batches: readonly BatchHeader[]
  offsets: ShardOffsets
  /** The offset behind the entry's last record. */
  nextOffset: number
}

/**
 * A group ends at this many bytes even if more is waiting: the first in it would wait for the last. Larger ones cost no less, and
 * their bytes live long enough to cost the garbage collector more.
 */
const GROUP_BYTES = 2 * 1024 * 1024
const ZEROS = Buffer.alloc(BLOCK_BYTES)

/** Gathers entries until it is written. They share one outcome. */
export class Group {
  readonly entries: Pending[] = []
  /** Settled when the group is on disk or lost. */
  readonly durable = new Outcome()
  /** With its header, without padding. */
  #length = GROUP_HEADER_BYTES

  constructor(first: Pending) {
    this.add(first)
  }

  get length(): number {
    return this.#length
  }

  /** Takes an entry; returns whether it did. The first is taken however long it is. */
  add(pending: Pending): boolean {
    const length = this.#length + pending.envelope.length + pending.entry.records.length
    if (length > GROUP_BYTES && this.entries.length > 0) return false
    this.entries.push(pending)
    this.#length = length
    return true
  }
}

/**
 * Closes a group that follows `previous`: headers and pieces in the order in which they are written, none of them copied, and the
 * place where the group ends. `durableUpTo` is the position up to which everything is known to be on disk.
 */
export function sealGroup(
  { entries, length }: Group,
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
