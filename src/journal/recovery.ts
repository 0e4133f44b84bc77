/**
 * Opens what an earlier life has left: verifies the journal from the checkpoint on, tells the tail from damage, and adds up
 * the state.
 *
 * The tail is what was being written when the process or the power went: it was never acknowledged and is cut. Damage is a
 * group that cannot be read although it was synced; it was acknowledged, so it is never skipped. The two look alike where they
 * lie, and are told apart by what was written later: a segment that begins behind, the checkpoint, or a later group that says
 * up to where everything was durable when it was written.
 */
import { randomUUID } from 'node:crypto'
import { sluiceError } from '../base/errors.ts'
import { type Files } from '../base/files.ts'
import { type Log } from '../base/log.ts'
import { type Checkpoint, type Checkpoints, type Indexed } from './checkpoint.ts'
import { type DecodedEntry, type Place } from './format.ts'
import { sequencedBatches } from './producer-states.ts'
import { SegmentReader, type Group } from './reader.ts'
import { durableUpToBehind, listSegments, type Segment } from './segments.ts'
import { JournalState, type SavedState } from './state.ts'

export interface Recovered {
  journalId: string
  /** Where the journal ends; whatever the files hold behind it counts for nothing. */
  end: Place
  /** The number of the last segment there is; 0 if there is none. */
  lastSegment: number
  segments: Segment[]
  state: JournalState
  indexed: Indexed
}

const BEGINNING: Place = { position: 0, entry: 0, chain: 0 }

export async function recoverJournal(options: {
  files: Files
  directory: string
  checkpoints: Checkpoints
  maxStreams: number
  log: Log
}): Promise<Recovered> {
  const { files, directory, checkpoints, log } = options
  const checkpoint = await checkpoints.load()
  const unreadable: string[] = []
  const segments = await listSegments(files, directory, unreadable)
  checkSegments(segments, unreadable, checkpoint, directory)
  const last = segments.at(-1)
  const state = new JournalState(options.maxStreams)
  const start = findStart(checkpoint, last)
  if (start.state !== undefined) state.restore(start.state)
  if (checkpoint === undefined && last !== undefined)
    log.warn('no checkpoint can be read: the journal is read from its last segment on, and the store is asked what it holds')

  let end = start.place
  let entries = 0
  for (const [index, segment] of segments.entries()) {
    const segmentEnd = segments[index + 1]?.base ?? Infinity
    if (segmentEnd <= end.position) continue
    const read = await readSegment(files, segment, end, { segmentEnd, durable: checkpoint?.durable.position ?? 0 }, entry =>
      addUp(state, entry),
    )
    end = read.end
    entries += read.entries
    if (segment === last) await rewriteGroups(files, segment, read.unsynced)
  }
  state.producers.markDurable(end.entry)
  if (entries > 0) log.info({ entries }, 'the journal was read from its last checkpoint on')
  return {
    journalId: checkpoint?.journalId ?? segments[0]?.journalId ?? randomUUID(),
    end,
    lastSegment: last?.number ?? 0,
    segments,
    state,
    indexed: checkpoint?.indexed ?? { place: segments[0] === undefined ? BEGINNING : placeOf(segments[0]), stored: {} },
  }
}

/** Where to begin reading, and the state there: at the checkpoint, or for want of one at the last segment's own header. */
function findStart(checkpoint: Checkpoint | undefined, last: Segment | undefined): { place: Place; state?: SavedState } {
  if (checkpoint !== undefined) return { place: checkpoint.durable, state: checkpoint.state }
  if (last === undefined) return { place: BEGINNING }
  return { place: placeOf(last), state: JSON.parse(last.state.toString('utf8')) as SavedState }
}

/** Rejects a set of segments that is not all there from where the journal is not indexed yet, or not all of this journal. */
function checkSegments(
  segments: readonly Segment[],
  unreadable: readonly string[],
  checkpoint: Checkpoint | undefined,
  directory: string,
): void {
  const damaged = (file: string, position: number, problem: string): Error =>
    sluiceError('JOURNAL_DAMAGED', { file, position, problem })
  const journalId = checkpoint?.journalId ?? segments[0]?.journalId
  const stranger = segments.find(segment => segment.journalId !== journalId)
  if (stranger !== undefined) throw damaged(stranger.path, 0, 'the file belongs to another journal')

  // A header is on disk before its file is named, so one that cannot be read was once good. Before the last segment that is
  // seen by the gap it leaves.
  const headless = unreadable.at(-1)
  if (headless !== undefined && headless > (segments.at(-1)?.path ?? ''))
    throw damaged(headless, 0, 'the header of a segment cannot be read')

  const position = checkpoint?.indexed.place.position ?? segments[0]?.base ?? 0
  const needed = segments.slice(
    Math.max(
      0,
      segments.findLastIndex(({ base }) => base <= position),
    ),
  )
  const isWhole =
    (needed[0]?.base ?? Infinity) <= position &&
    needed.every(({ number }, index) => number === needed[0]!.number + index) &&
    needed.at(-1)!.number >= (checkpoint?.segment ?? 0)
  const isNew = checkpoint === undefined && segments.length === 0
  if (!isWhole && !isNew) throw damaged(directory, position, 'a segment that may not be indexed yet is missing')
}

/**
 * Writes the groups at the end once more of which nobody said that they are on disk. They can be read, but they may be in memory only:
 * their writer was killed before they were on disk, or a write failed. They must not count as durable, nor answer a resend, before they
 * are; and a sync would not do, since what a failed write leaves in memory is taken for written. Their bytes are the same, so a
 * crash in between takes nothing away.
 */
async function rewriteGroups(files: Files, { path, base }: Segment, groups: readonly Group[]): Promise<void> {
  if (groups.length === 0) return
  const file = await files.open(path, { durable: true })
  try {
    for (const { begin, bytes } of groups) await file.write([bytes], begin.position - base)
  } finally {
    await file.close()
  }
}

function placeOf(segment: Segment): Place {
  return { position: segment.base, entry: segment.firstEntry, chain: segment.generation }
}

/** Reads a segment from `from` to where it ends. Rejects with JOURNAL_DAMAGED if something is missing before that. */
async function readSegment(
  files: Files,
  segment: Segment,
  from: Place,
  known: { segmentEnd: number; durable: number },
  take: (entry: DecodedEntry) => void,
): Promise<{ end: Place; entries: number; unsynced: Group[] }> {
  const reader = await SegmentReader.open(files, segment)
  try {
    const first = reader.firstPlace
    let place = from.position <= first.position ? first : from
    let entries = 0
    /** The groups of which no later one says that they are on disk: the last one, with `sync: interval` a few. */
    let unsynced: Group[] = []
    while (place.position < known.segmentEnd) {
      const group = await reader.read(place, known.segmentEnd)
      if ('problem' in group) {
        const durable = Math.max(known.durable, await durableUpToBehind(files, segment, place.position - segment.base))
        const isTail = known.segmentEnd === Infinity && durable <= place.position
        if (!isTail) throw sluiceError('JOURNAL_DAMAGED', { file: segment.path, position: group.offset, problem: group.problem })
        // A segment without a group adds nothing: the journal ends where it did before.
        return { end: place === first ? from : place, entries, unsynced }
      }
      for (const entry of group.entries) take(entry)
      entries += group.entries.length
      place = group.end
      unsynced = [...unsynced.filter(({ begin }) => begin.position >= group.durableUpTo), group]
    }
    return { end: place, entries, unsynced }
  } finally {
    await reader.close()
  }
}

function addUp(state: JournalState, entry: DecodedEntry): void {
  const offsets = state.shard(entry.logstoreId, entry.shard)
  offsets.taken = offsets.durable = entry.baseOffset + entry.recordCount
  state.receive(entry.receivedMs)
  const sequenced = sequencedBatches(entry, entry.batches)
  if (sequenced?.batch === undefined) return
  const taken = { shard: entry.shard, baseOffset: entry.baseOffset, entry: -1, durable: Promise.resolve() }
  state.producers.take(sequenced.stream, sequenced.batch, taken, entry.receivedMs)
}
