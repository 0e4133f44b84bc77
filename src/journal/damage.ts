/**
 * Tells the journal's tail from damage. One function says so to recovery, which cuts the tail and stops at damage, and to
 * whoever verifies or prints a journal.
 *
 * The tail is what was being written when the process or the power went: it was never acknowledged. Damage is a group that
 * cannot be read although it was synced; it was acknowledged, so it is never skipped. The two look alike where they lie, and
 * are told apart by what was written later: a segment that begins behind, the checkpoint, or a later group that says up to
 * where everything was durable when it was written.
 */
import type { Files } from '../base/files.ts'
import type { Checkpoint } from './checkpoint.ts'
import type { Place } from './format.ts'
import { groupHeadersBehind, type Segment } from './segments.ts'

/** What is damaged: the details of JOURNAL_DAMAGED. */
export interface Damage {
  file: string
  /** The place in the file, in bytes. */
  position: number
  problem: string
}

/** What is known of a journal beside the segment that is being read. */
export interface Known {
  /** Where the segment ends because another one begins; Infinity for the last. */
  segmentEnd: number
  /** The position up to which the checkpoint says that everything was synced; 0 if there is none. */
  durable: number
}

/** Whether the journal ends at a place of a segment where there is no whole group; if it does not, the group is damaged. */
export async function isTail(files: Files, segment: Segment, { position }: Place, known: Known): Promise<boolean> {
  if (known.segmentEnd !== Infinity || known.durable > position) return false
  for await (const { durableUpTo } of groupHeadersBehind(files, segment, position - segment.base))
    if (durableUpTo > position) return false
  return true
}

/** What is wrong with a set of segments: it is not all of this journal, or not all there from where it is not indexed yet. */
export function findMissingSegment(
  segments: readonly Segment[],
  unreadable: readonly string[],
  checkpoint: Checkpoint | undefined,
  directory: string,
): Damage | undefined {
  const journalId = checkpoint?.journalId ?? segments[0]?.journalId
  const stranger = segments.find(segment => segment.journalId !== journalId)
  if (stranger !== undefined) return { file: stranger.path, position: 0, problem: 'the file belongs to another journal' }

  // A header is on disk before its file is named, so one that cannot be read was once good. Before the last segment that is
  // seen by the gap it leaves.
  const headless = unreadable.at(-1)
  if (headless !== undefined && headless > (segments.at(-1)?.path ?? ''))
    return { file: headless, position: 0, problem: 'the header of a segment cannot be read' }

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
  if (isWhole || isNew) return undefined
  return { file: directory, position, problem: 'a segment that may not be indexed yet is missing' }
}
