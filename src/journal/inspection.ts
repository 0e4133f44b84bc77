/**
 * Reads a journal for people: what its directory holds, and the groups of a segment, damaged stretches passed over.
 *
 * It takes no lock, writes nothing, and may run beside a server, which writes, recycles and removes files in the meantime. That a
 * segment is taken away while it is read is told as that, and is no damage. A file is open only while it is read, and one group
 * is in memory at a time.
 */
import { basename, join } from 'node:path'
import { isSystemError } from '../base/errors.ts'
import type { Files } from '../base/files.ts'
import { checkpointNumber, readCheckpoints, type CheckpointFile } from './checkpoint.ts'
import { isTail, type Known } from './damage.ts'
import type { Place } from './format.ts'
import { SegmentReader, type BadGroup, type Group } from './reader.ts'
import { groupHeadersBehind, listSegments, readSegmentHeader, segmentNumber, type Segment } from './segments.ts'

/** What a journal's directory holds. */
export interface JournalFiles {
  directory: string
  /** In order. */
  segments: Segment[]
  /** Files that are named as segments and whose header cannot be read. */
  unreadable: string[]
  /** Files that are named as segments and have the header of an earlier life: they were not begun. */
  notBegun: string[]
  /** Oldest first. */
  checkpoints: CheckpointFile[]
}

/** Lists segments and checkpoints that belong together, whatever a server does meanwhile. Rejects with JOURNAL_FORMAT. */
export async function listJournal(files: Files, directory: string): Promise<JournalFiles> {
  for (;;) {
    const before = await files.list(directory)
    const checkpoints = await readCheckpoints(files, directory)
    const unreadable: string[] = []
    const segments = await listSegments(files, directory, unreadable, { passesOver: true })
    const after = await files.list(directory)
    // As long as no checkpoint was written and no segment was given up, what was read belongs together. Else it is read again: that
    // takes milliseconds, and checkpoints come seconds apart.
    const newest = (names: string[]): string | undefined => names.findLast(name => checkpointNumber(name) !== undefined)
    const isSteady = before.every(name => segmentNumber(name) === undefined || after.includes(name))
    if (!isSteady || newest(before) !== newest(after)) continue
    const known = new Set([...segments.map(({ path }) => path), ...unreadable])
    return {
      directory,
      segments,
      unreadable,
      notBegun: before
        .filter(name => segmentNumber(name) !== undefined)
        .map(name => join(directory, name))
        .filter(path => !known.has(path)),
      checkpoints: checkpoints.filter(({ path }) => after.includes(basename(path))),
    }
  }
}

/** The newest checkpoint that can be read. */
export function newestCheckpoint({ checkpoints }: JournalFiles): CheckpointFile['checkpoint'] {
  return checkpoints.findLast(({ checkpoint }) => checkpoint !== undefined)?.checkpoint
}

/** What is known of the segment at an index of a journal by the rest of it. */
export function knownOf(journal: JournalFiles, index: number): Known {
  return {
    segmentEnd: journal.segments[index + 1]?.base ?? Infinity,
    durable: newestCheckpoint(journal)?.durable.position ?? 0,
  }
}

/** What is come across in a segment, one after the other. */
export type Found =
  | { kind: 'group'; group: Group }
  /** A stretch that begins at `place` and was durable cannot be read; `resumesAt` is where the next group of the segment is. */
  | { kind: 'damage'; place: Place; bad: BadGroup; resumesAt: Place | undefined }
  /** The journal ends at `place`, and `bad` is what stands there. */
  | { kind: 'end'; place: Place; bad: BadGroup }
  /** The file is not that of the segment any more: it was not needed. */
  | { kind: 'recycled' }

/** Reads a segment from `from` on, or from its first group, to where the next one begins or the journal ends. */
export async function* readSegment(files: Files, segment: Segment, known: Known, from?: Place): AsyncGenerator<Found, void> {
  let reader: SegmentReader | undefined
  try {
    reader = await SegmentReader.open(files, segment)
    let place = from ?? reader.firstPlace
    let isSecondLook = false
    while (place.position < known.segmentEnd) {
      const group = await readGroup(reader, place, known)
      if (group === undefined) {
        const bad = { problem: 'the disk cannot read (EIO)', offset: place.position - segment.base }
        const resumesAt = await findNextGroup(files, segment, place, known)
        yield { kind: 'damage', place, bad, resumesAt }
        if (resumesAt === undefined) return
        place = resumesAt
        continue
      }
      if (!('problem' in group)) {
        yield { kind: 'group', group }
        place = group.end
        isSecondLook = false
        continue
      }
      if (!(await isSameLife(files, segment))) return yield { kind: 'recycled' }
      if (await isTail(files, segment, place, known)) return yield { kind: 'end', place, bad: group }
      if (!isSecondLook) {
        // Beside a server the group may have been written after it was read, and the one behind it before that was looked at.
        isSecondLook = true
        await reader.close()
        reader = undefined
        reader = await SegmentReader.open(files, segment)
        continue
      }
      const resumesAt = await findNextGroup(files, segment, place, known)
      yield { kind: 'damage', place, bad: group, resumesAt }
      if (resumesAt === undefined) return
      place = resumesAt
      isSecondLook = false
    }
  } catch (error) {
    if (!isSystemError(error, 'ENOENT')) throw error
    yield { kind: 'recycled' }
  } finally {
    await reader?.close()
  }
}

/** The group at a place; undefined if the disk does not give its bytes. */
async function readGroup(reader: SegmentReader, place: Place, { segmentEnd }: Known): Promise<Group | BadGroup | undefined> {
  try {
    return await reader.read(place, segmentEnd)
  } catch (error) {
    if (isSystemError(error, 'EIO')) return undefined
    throw error
  }
}

/** Whether a file is still that of the segment: it may be overwritten by another one as soon as its name is gone. */
async function isSameLife(files: Files, { path, number, generation, isHeadless = false }: Segment): Promise<boolean> {
  if (isHeadless) return true
  const header = await readSegmentHeader(files, path)
  return header?.number === number && header.generation === generation
}

async function findNextGroup(files: Files, segment: Segment, place: Place, { segmentEnd }: Known): Promise<Place | undefined> {
  const offset = place.position - segment.base
  for await (const { position, firstEntry, chain } of groupHeadersBehind(files, segment, offset, { passesOver: true }))
    return position < segmentEnd ? { position, entry: firstEntry, chain } : undefined
  return undefined
}
