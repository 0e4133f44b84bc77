/**
 * Reads a damaged journal for everything that is still there: each entry that is whole, which entries and logs are missing between
 * them, and the state to go on with.
 *
 * What is missing is told by the entry numbers alone, whatever became of the bytes. Each segment's header, and each checkpoint, say
 * what everything before them added up to, also what cannot be read: only what was lost behind the last of them is not known. Then the
 * state is *in doubt*: offsets and numbers leap over whatever may have been given out, and producers go on at any sequence.
 */
import { isSystemError } from '../base/errors.ts'
import type { Files } from '../base/files.ts'
import type { Checkpoint } from './checkpoint.ts'
import { BLOCK_BYTES, decodeEntry, GROUP_HEADER_BYTES, MIN_ENTRY_BYTES, type JournalEntry, type Place } from './format.ts'
import { knownOf, newestCheckpoint, readSegment, type JournalFiles } from './inspection.ts'
import { addUp } from './recovery.ts'
import type { Segment } from './segments.ts'
import { JournalState, type SavedState } from './state.ts'
import { findLostLogs, type LostLogs } from './state-comparison.ts'

/** Entries that cannot be read, up to before `next`; null if it is not known how many there were. */
export interface LostEntries {
  first: number
  next: number | null
}

export interface Survey {
  /** A place behind everything that was ever given out. */
  end: Place
  /** The state there. */
  state: SavedState
  lost: LostEntries[]
  /** With the number of an entry that lies behind them. */
  lostLogs: (LostLogs & { beforeEntry: number })[]
  /** Whether the state had to leap over what may have been given out. */
  isInDoubt: boolean
}

/** More bytes, entries, logs of a shard and ids of producers than can have been lost: a million times what a segment holds. */
export const LEAP = 2 ** 40
/** Length and checksum of an entry. */
const ENTRY_HEAD_BYTES = 8

/**
 * Reads a journal whose segments are all of one journal, and calls `onEntry` with every entry that is whole, in order, each once.
 * `shards` says how many shards each logstore has: in doubt, also those leap of which nothing is known.
 */
export async function surveyJournal(options: {
  files: Files
  journal: JournalFiles
  shards: ReadonlyMap<string, number>
  /** Where to begin in segments whose headers are not known. */
  firstPlaces?: ReadonlyMap<Segment, Place>
  onEntry: (entry: JournalEntry) => Promise<void> | void
  onProgress?: (readBytes: number, ofBytes: number) => void
}): Promise<Survey> {
  const { files, journal, shards, onEntry, onProgress } = options
  const { segments, checkpoints } = journal
  const surveyor = new Surveyor(journal, onEntry)
  const first = segments[0]?.base ?? 0
  const ofBytes = (await endOf(files, journal)) - first
  let hasEnd = false
  for (const [index, segment] of segments.entries()) {
    const known = knownOf(journal, index)
    surveyor.beginSegment(segment)
    for await (const found of readSegment(files, segment, known, options.firstPlaces?.get(segment))) {
      if (found.kind === 'group') {
        surveyor.reach(found.group.begin.position)
        for (const entry of found.group.entries) await surveyor.take(entry)
        onProgress?.(found.group.end.position - first, ofBytes)
      } else if (found.kind === 'damage') {
        const { place, resumesAt } = found
        surveyor.reach(place.position)
        const end = resumesAt?.position ?? known.segmentEnd
        for await (const entry of readWholeEntries(files, segment, place, end)) await surveyor.take(entry)
      } else if (found.kind === 'end') hasEnd = index === segments.length - 1
    }
  }
  surveyor.reach(Infinity)
  // Whether the last segment that is there was the last there was, only the newest checkpoint knows.
  const isNewestKnown = checkpoints.at(-1)?.checkpoint !== undefined
  const isLast = (segments.at(-1)?.number ?? 0) >= (newestCheckpoint(journal)?.segment ?? 0)
  const hasMore = (journal.unreadable.at(-1) ?? '') > (segments.at(-1)?.path ?? '')
  const isEndKnown = hasEnd && isLast && !hasMore
  return surveyor.finish({ isEndKnown, isNewestKnown, position: await endOf(files, journal), shards })
}

/** The position behind which no readable file of the journal reaches. */
async function endOf(files: Files, journal: JournalFiles): Promise<number> {
  const durable = newestCheckpoint(journal)?.durable.position ?? 0
  const last = journal.segments.at(-1)
  if (last === undefined) return durable
  const file = await files.open(last.path, { readOnly: true })
  try {
    return Math.max(durable, last.base + (await file.size()))
  } finally {
    await file.close()
  }
}

class Surveyor {
  readonly #onEntry: (entry: JournalEntry) => Promise<void> | void
  /** The checkpoints whose durable place has not been reached, nearest first. */
  readonly #ahead: Checkpoint[]
  /** What the entries add up to, beginning with what a header or a checkpoint says. */
  #state = new JournalState(Infinity)
  /** Whether there was one by now. */
  #isKnown = false
  /** Whether entries are missing in the state. */
  #isBroken = false
  /** The number of the next entry. */
  #next: number
  /** Up to this entry a header or the checkpoint says what everything added up to. */
  #sealed = 0
  /** By logstore id and shard: no offset from this one on is said to be given out anywhere. */
  readonly #nextOffsets: SavedState['nextOffsets'] = {}
  readonly #lost: LostEntries[] = []
  readonly #lostLogs: Survey['lostLogs'] = []

  constructor(journal: JournalFiles, onEntry: (entry: JournalEntry) => Promise<void> | void) {
    this.#onEntry = onEntry
    this.#ahead = journal.checkpoints
      .flatMap(({ checkpoint }) => checkpoint ?? [])
      .sort((a, b) => a.durable.position - b.durable.position)
    const notIndexed = newestCheckpoint(journal)?.indexed.place.entry ?? Infinity
    this.#next = Math.min(notIndexed, journal.segments[0]?.firstEntry ?? Infinity)
  }

  beginSegment({ base, firstEntry, state, isHeadless = false }: Segment): void {
    this.reach(base)
    if (!isHeadless) this.#anchor(JSON.parse(state.toString('utf8')) as SavedState, firstEntry)
  }

  /** Everything that can be read before a position has been taken. */
  reach(position: number): void {
    while (this.#ahead[0] !== undefined && this.#ahead[0].durable.position <= position) {
      const { durable, state } = this.#ahead.shift()!
      this.#anchor(state, durable.entry)
    }
  }

  async take(entry: JournalEntry): Promise<void> {
    if (entry.number < this.#next) return
    this.#skipTo(entry.number)
    const { logstoreId, shard, baseOffset } = entry
    const first = this.#state.nextOffset(logstoreId, shard)
    // Where nothing is missing it is a shard whose offsets were moved on.
    if (this.#isKnown && this.#isBroken && baseOffset > first)
      this.#lostLogs.push({ logstoreId, shard, first, next: baseOffset, beforeEntry: entry.number })
    addUp(this.#state, entry)
    this.#next = entry.number + 1
    await this.#onEntry(entry)
  }

  finish(found: { isEndKnown: boolean; isNewestKnown: boolean; position: number; shards: ReadonlyMap<string, number> }): Survey {
    const { isEndKnown, isNewestKnown, position, shards } = found
    if (!isEndKnown) this.#lost.push({ first: this.#next, next: null })
    const isInDoubt = !isNewestKnown || this.#lost.some(({ next }) => next === null || next > this.#sealed)
    const { producers, receivedMs, nextOffsets } = this.#state.save(0)
    this.#raise({ nextOffsets })
    if (isInDoubt) this.#leap(shards)
    const leap = isInDoubt ? LEAP : 0
    return {
      end: { position: Math.ceil(position / BLOCK_BYTES) * BLOCK_BYTES + leap, entry: this.#next + leap, chain: 0 },
      state: {
        nextOffsets: this.#nextOffsets,
        producers: isInDoubt ? producers.map(stream => ({ ...stream, isInDoubt })) : producers,
        receivedMs,
      },
      lost: this.#lost,
      lostLogs: this.#lostLogs,
      isInDoubt,
    }
  }

  /** Comes to where `saved` says what everything before `entry` adds up to: more than what was read, if anything is missing. */
  #anchor(saved: SavedState, entry: number): void {
    this.#raise(saved)
    // Before anything that is still there.
    if (entry < this.#next) return
    this.#skipTo(entry)
    this.#sealed = Math.max(this.#sealed, entry)
    if (this.#isKnown && !this.#isBroken) return
    if (this.#isKnown) for (const lost of findLostLogs(this.#state, saved)) this.#lostLogs.push({ ...lost, beforeEntry: entry })
    this.#raise(this.#state.save(0))
    this.#state = new JournalState(Infinity)
    this.#state.restore(saved)
    this.#isKnown = true
    this.#isBroken = false
  }

  #skipTo(entry: number): void {
    if (entry <= this.#next) return
    this.#lost.push({ first: this.#next, next: entry })
    this.#next = entry
    this.#isBroken = true
  }

  #raise({ nextOffsets }: Pick<SavedState, 'nextOffsets'>): void {
    for (const [logstoreId, shards] of Object.entries(nextOffsets)) {
      const known = (this.#nextOffsets[logstoreId] ??= {})
      for (const [shard, next] of Object.entries(shards)) known[shard] = Math.max(known[shard] ?? 0, next)
    }
  }

  #leap(shards: ReadonlyMap<string, number>): void {
    for (const [logstoreId, count] of shards)
      this.#raise({ nextOffsets: { [logstoreId]: Object.fromEntries(Array.from({ length: count }, (_, shard) => [shard, 0])) } })
    for (const known of Object.values(this.#nextOffsets)) for (const shard of Object.keys(known)) known[shard]! += LEAP
  }
}

/**
 * The entries that are whole in the group that begins at `place`, which as a whole cannot be read. An entry says how long it is, and what
 * the checksum of the next one is seeded with, so that those behind a bad one can be read too. Nothing from position `end` on is read.
 */
async function* readWholeEntries(
  files: Files,
  { path, base }: Segment,
  place: Place,
  end: number,
): AsyncGenerator<JournalEntry, void> {
  const file = await files.open(path, { readOnly: true })
  const read = async (length: number, offset: number): Promise<Buffer> => {
    const bytes = Buffer.alloc(length)
    const count = await file.read(bytes, offset).catch((error: unknown) => {
      if (isSystemError(error, 'EIO')) return 0
      throw error
    })
    return bytes.subarray(0, count)
  }
  try {
    const endOffset = Math.min(end - base, await file.size())
    let seed = place.chain
    let offset = place.position - base + GROUP_HEADER_BYTES
    for (let number = place.entry; ; number++) {
      const head = await read(ENTRY_HEAD_BYTES, offset)
      const length = head.length < ENTRY_HEAD_BYTES ? 0 : head.readUInt32BE(0)
      if (length < MIN_ENTRY_BYTES || offset + length > endOffset) return
      const bytes = await read(length, offset)
      const decoded = bytes.length < length ? 'cannot be read' : decodeEntry(bytes, seed)
      if (typeof decoded !== 'string' && decoded.entry.number === number) yield decoded.entry
      seed = head.readUInt32BE(4)
      offset += length
    }
  } finally {
    await file.close()
  }
}
