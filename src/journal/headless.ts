/**
 * Finds the groups of a segment whose header is damaged. All that is needed of the header is the generation; that it is the right one, and
 * where the segment lies in the journal, is told by the groups, whose headers are sealed with it.
 */
import type { Files } from '../base/files.ts'
import { BLOCK_BYTES, decodeGroupHeader, FORMAT_VERSION, readGeneration, readPosition, type Place } from './format.ts'
import { readBlocks, type Segment } from './segments.ts'

/** A segment of which the header is not known: it has no state, and its first groups may be missing. */
export interface HeadlessSegment {
  segment: Segment
  /** Where the first group begins that was found. */
  firstPlace: Place
}

/** Undefined if there is no group that the file's own generation has sealed. */
export async function findHeadless(
  files: Files,
  { path, number, journalId }: Pick<Segment, 'path' | 'number' | 'journalId'>,
): Promise<HeadlessSegment | undefined> {
  const file = await files.open(path, { readOnly: true })
  try {
    const block = Buffer.alloc(BLOCK_BYTES)
    if ((await readBlocks(file, block, 0)) < BLOCK_BYTES) return undefined
    const generation = readGeneration(block)
    for (let offset = BLOCK_BYTES; ; offset += BLOCK_BYTES) {
      const length = await readBlocks(file, block, offset)
      if (length === 0) return undefined
      const bytes = block.subarray(0, length)
      const group = decodeGroupHeader(bytes, generation, readPosition(bytes))
      if (group === undefined) continue
      const { position, firstEntry, chain } = group
      const header = {
        formatVersion: FORMAT_VERSION,
        journalId,
        number,
        generation,
        base: position - offset,
        firstEntry,
        begunMs: 0,
      }
      return {
        segment: { ...header, path, state: Buffer.alloc(0), isHeadless: true },
        firstPlace: { position, entry: firstEntry, chain },
      }
    }
  } finally {
    await file.close()
  }
}
