/**
 * Opens what an earlier life has left: verifies the journal from the checkpoint on, cuts the tail and stops at damage
 * (`damage.ts` tells the two apart), and adds up the state.
 */
import { randomUUID } from 'node:crypto'
import { sluiceError } from '../base/errors.ts'
import type { Files } from '../base/files.ts'
import type { Log } from '../base/log.ts'
import { Outcome } from '../base/outcome.ts'
import type { Checkpoint, Checkpoints, Indexed } from './checkpoint.ts'
import { findMissingSegment, isTail, type Known } from './damage.ts'
import type { DecodedEntry, Place } from './format.ts'
import { sequencedBatches } from './producer-states.ts'
import { SegmentReader, type Group } from './reader.ts'
import { listSegments, type Segment } from './segments.ts'
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

const PROGRESS_MS = 3000

const BEGINNING: Place = { position: 0, entry: 0, chain: 0 }

export async function recoverJournal(options: {
  files: Files
  directory: string
  checkpoints: Checkpoints
  maxStreams: number
  log: Log
  /** How often the log is told how far reading has come. */
  progressMs?: number
}): Promise<Recovered> {
  const { files, directory, checkpoints, log, progressMs = PROGRESS_MS } = options
  const checkpoint = await checkpoints.load()
  const unreadable: string[] = []
  const segments = await listSegments(files, directory, unreadable)
  const missing = findMissingSegment(segments, unreadable, checkpoint, directory)
  if (missing !== undefined) throw sluiceError('JOURNAL_DAMAGED', missing)
  const last = segments.at(-1)
  const state = new JournalState(options.maxStreams)
  const start = findStart(checkpoint, last)
  if (start.state !== undefined) state.restore(start.state)
  if (checkpoint === undefined && last !== undefined)
    log.warn('no checkpoint can be read: the journal is read from its last segment on, and the store is asked what it holds')

  const tellProgress = await progressIn(log, progressMs, { files, from: start.place.position, last })
  let end = start.place
  let entries = 0
  for (const [index, segment] of segments.entries()) {
    const segmentEnd = segments[index + 1]?.base ?? Infinity
    if (segmentEnd <= end.position) continue
    const read = await readSegment(files, segment, end, { segmentEnd, durable: checkpoint?.durable.position ?? 0 }, group => {
      for (const entry of group.entries) addUp(state, entry)
      tellProgress(group.end.position)
    })
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
    indexed: checkpoint?.indexed ?? beginningOf(segments),
  }
}

/** Tells the log now and then up to which position the journal has been read, while a start has much to read. */
async function progressIn(
  log: Log,
  intervalMs: number,
  { files, from, last }: { files: Files; from: number; last: Segment | undefined },
): Promise<(position: number) => void> {
  // Where in the last file the journal ends is found out by reading it.
  const upToBytes = last === undefined ? 0 : last.base + (await sizeOf(files, last.path)) - from
  let toldMs = performance.now()
  return position => {
    if (performance.now() - toldMs < intervalMs) return
    toldMs = performance.now()
    log.info({ readBytes: position - from, upToBytes }, 'the journal is being read')
  }
}

async function sizeOf(files: Files, path: string): Promise<number> {
  const file = await files.open(path, { readOnly: true })
  try {
    return await file.size()
  } finally {
    await file.close()
  }
}

/** How far a journal without a checkpoint counts as indexed. What is parked is not known, unless the journal is new. */
export function beginningOf([first]: readonly Segment[]): Indexed {
  return first === undefined ? { place: BEGINNING, stored: {}, parked: {} } : { place: placeOf(first), stored: {} }
}

/** Where to begin reading, and the state there: at the checkpoint, or for want of one at the last segment's own header. */
function findStart(checkpoint: Checkpoint | undefined, last: Segment | undefined): { place: Place; state?: SavedState } {
  if (checkpoint !== undefined) return { place: checkpoint.durable, state: checkpoint.state }
  if (last === undefined) return { place: BEGINNING }
  return { place: placeOf(last), state: JSON.parse(last.state.toString('utf8')) as SavedState }
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
  known: Known,
  take: (group: Group) => void,
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
        if (!(await isTail(files, segment, place, known)))
          throw sluiceError('JOURNAL_DAMAGED', { file: segment.path, position: group.offset, problem: group.problem })
        // A segment without a group adds nothing: the journal ends where it did before.
        return { end: place === first ? from : place, entries, unsynced }
      }
      take(group)
      entries += group.entries.length
      place = group.end
      unsynced = [...unsynced.filter(({ begin }) => begin.position >= group.durableUpTo), group]
    }
    return { end: place, entries, unsynced }
  } finally {
    await reader.close()
  }
}

/** Adds an entry to the state that those before it make up. */
export function addUp(state: JournalState, entry: DecodedEntry): void {
  const offsets = state.shard(entry.logstoreId, entry.shard)
  offsets.taken = offsets.durable = entry.baseOffset + entry.recordCount
  state.receive(entry.receivedMs)
  const sequenced = sequencedBatches(entry, entry.batches)
  if (sequenced === undefined) return
  const taken = { shard: entry.shard, baseOffset: entry.baseOffset, entry: -1, durable: Outcome.success }
  state.producers.take(sequenced.stream, sequenced.batch, taken, entry.receivedMs)
}
