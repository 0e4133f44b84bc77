import assert from 'node:assert/strict'
import { decodeGroupHeader, encodeGroupHeader, encodeSegmentHeader } from '../../../src/journal/format.ts'
import { listSegments, segmentPath } from '../../../src/journal/segments.ts'
import type { MemoryFiles } from '../../support/memory-files.ts'
import {
  checkpointPaths,
  clientIds,
  DIRECTORY,
  faultOnce,
  indexAll,
  isGroupWrite,
  newFiles,
  openJournal,
  readAll,
  readGroups,
  segmentPaths,
  store,
  take,
  turns,
} from './fixtures.ts'

const FIRST = segmentPath(DIRECTORY, 1)
const damaged = { code: 'JOURNAL_DAMAGED' }

/** A killed journal of groups `w0`, `w1` …, with the checkpoint that was written when it was opened and none since. */
async function killedJournal(values: string[]): Promise<{ files: MemoryFiles; offsets: number[]; ends: number[] }> {
  const files = newFiles()
  const journal = await openJournal(files)
  files.intercept = ({ path }) => (path.includes('checkpoint') ? { fail: 'EIO' } : undefined)
  for (const [index, value] of values.entries()) await store(journal, { clientId: `w${index}`, values: [value] })
  const groups = await readGroups(files, journal.readLimit)
  const segments = await listSegments(files, DIRECTORY)
  const offsets = groups.map(({ begin }) => begin.position - segments.findLast(({ base }) => base <= begin.position)!.base)
  const ends = groups.map(
    ({ entries }, index) => offsets[index]! + 48 + 63 + 'w0key-110.0.0.1'.length + entries[0]!.records.length,
  )
  return { files: files.kill(), offsets, ends }
}

function flip(files: MemoryFiles, path: string, position: number, bit = 1): void {
  files.alter(path, content => {
    content[position]! ^= bit
    return content
  })
}

async function mustBeDamaged(files: MemoryFiles): Promise<void> {
  await assert.rejects(openJournal(files), damaged)
}

describe('a journal whose last group is torn', () => {
  it('opens without that group, with all before it, and goes on in a new segment', async () => {
    const { files, offsets } = await killedJournal(['a', 'b', 'c'])
    flip(files, FIRST, offsets[2]! + 60)
    const journal = await openJournal(files)
    assert.deepEqual(await clientIds(files, journal), ['w0', 'w1'])
    const before = files.peek(FIRST)
    assert.equal((await store(journal, { clientId: 'next' })).baseOffset, 2)
    assert.deepEqual(files.peek(FIRST), before)
    assert.deepEqual(segmentPaths(files), [FIRST, segmentPath(DIRECTORY, 2)])
    const after = files.cutPower()
    assert.deepEqual(await clientIds(after, await openJournal(after)), ['w0', 'w1', 'next'])
  })

  it('opens as often as it is started again', async () => {
    const killed = await killedJournal(['a', 'b'])
    let { files } = killed
    flip(files, FIRST, killed.offsets[1]! + 60)
    for (let start = 0; start < 5; start++) {
      const journal = await openJournal(files)
      assert.deepEqual(await clientIds(files, journal), ['w0'])
      files = files.cutPower()
    }
    const journal = await openJournal(files)
    await store(journal, { clientId: 'next' })
    assert.deepEqual(await clientIds(files, journal), ['w0', 'next'])
  })

  it('sees any byte of the last group that is wrong', async () => {
    const { files, offsets, ends } = await killedJournal(['a', 'b', 'c'])
    for (let position = offsets[2]!; position < ends[2]!; position++) {
      const copy = files.copy()
      flip(copy, FIRST, position, 1 << (position % 8))
      assert.equal((await openJournal(copy)).durableEntries, 2, `byte ${position - offsets[2]!}`)
    }
  })

  it('cuts a group that has reached the disk in part, whatever the parts are', async () => {
    for (let seed = 0; seed < 40; seed++) {
      const files = newFiles(seed)
      const journal = await openJournal(files)
      await store(journal, { clientId: 'w0' })
      faultOnce(files, isGroupWrite, { hang: true, reached: 'none' })
      take(journal, { clientId: 'torn', values: ['x'.repeat(20_000)] })
      await turns(3)
      const after = files.cutPower()
      const ids = await clientIds(after, await openJournal(after))
      assert.deepEqual(ids.slice(0, 1), ['w0'])
      assert(ids.length === 1 || ids[1] === 'torn')
    }
  })

  it('opens when the file ends in the group', async () => {
    const { files, ends } = await killedJournal(['a', 'b'])
    files.alter(FIRST, content => content.subarray(0, ends[1]! - 1))
    assert.equal((await openJournal(files)).durableEntries, 1)
  })

  it('opens when the last segment holds no group', async () => {
    const { files } = await killedJournal(['a'])
    const journal = await openJournal(files)
    const after = files.cutPower()
    assert.equal((await openJournal(after)).durableEntries, 1)
    assert.equal(journal.durableEntries, 1)
  })

  it('opens when the last file still has the header of an earlier life', async () => {
    const { files } = await killedJournal(['a'])
    files.alter(segmentPath(DIRECTORY, 2), () => files.peek(FIRST))
    const journal = await openJournal(files)
    await store(journal, { clientId: 'next' })
    assert.deepEqual(await clientIds(files, journal), ['w0', 'next'])
  })
})

describe('a journal with a bad byte before its end', () => {
  it('does not open, wherever in a group of the last segment the byte is', async () => {
    const { files, offsets, ends } = await killedJournal(['a', 'b', 'c'])
    for (let position = offsets[1]!; position < ends[1]!; position++) {
      const copy = files.copy()
      flip(copy, FIRST, position, 1 << (position % 8))
      await assert.rejects(openJournal(copy), damaged, `byte ${position - offsets[1]!}`)
    }
  })

  it('does not open when a later group is behind a stretch that cannot be read', async () => {
    const { files, offsets } = await killedJournal(['a', 'b', 'c', 'd', 'e'])
    files.alter(FIRST, content => content.fill(0, offsets[1]!, offsets[4]!))
    await mustBeDamaged(files)
  })

  it('does not open when the byte is in a segment before the last', async () => {
    const { files, offsets } = await killedJournal(['x'.repeat(20_000), 'x'.repeat(20_000), 'c'])
    assert(segmentPaths(files).length >= 2)
    flip(files, FIRST, offsets[0]! + 10_000)
    await mustBeDamaged(files)
  })

  it('says which file, where, and what', async () => {
    const { files, offsets } = await killedJournal(['a', 'b', 'c'])
    flip(files, FIRST, offsets[1]! + 48 + 40)
    await assert.rejects(openJournal(files), {
      ...damaged,
      details: { file: FIRST, position: offsets[1]! + 48, problem: 'entry 1 has a wrong checksum' },
    })
  })

  it('does not open when the checkpoint says that the journal was durable beyond it', async () => {
    const files = newFiles()
    const journal = await openJournal(files)
    for (let index = 0; index < 3; index++) await store(journal, { clientId: `w${index}` })
    const groups = await readGroups(files, journal.readLimit)
    await journal.checkpoint()
    const after = files.kill()
    // The newest checkpoint stands behind the last group. It says so to whoever reads from the one before.
    const older = checkpointPaths(after)[0]!
    const [newest] = checkpointPaths(after).slice(-1)
    flip(after, FIRST, groups[2]!.begin.position + 70)
    const twin = after.copy()
    twin.alter(newest!, () => after.peek(older))
    assert.equal((await openJournal(twin)).durableEntries, 2)
    const again = await openJournal(after)
    await assert.rejects(readAll(after, again), damaged)
  })

  it('does not let a reader pass', async () => {
    const files = newFiles()
    const journal = await openJournal(files)
    for (let index = 0; index < 3; index++) await store(journal, { clientId: `w${index}` })
    const groups = await readGroups(files, journal.readLimit)
    flip(files, FIRST, groups[1]!.begin.position + 70)
    await assert.rejects(readAll(files, journal), damaged)
    assert.equal((await readAll(files, journal, groups[2]!.begin)).length, 1)
  })
})

describe('a group', () => {
  it('is not taken for one that follows another place', async () => {
    const files = newFiles()
    const journal = await openJournal(files)
    for (let index = 0; index < 3; index++) await store(journal)
    const [, second] = await readGroups(files, journal.readLimit)
    const { begin } = second!
    assert.equal((await readAll(files, journal, begin)).length, 2)
    await assert.rejects(readAll(files, journal, { ...begin, chain: begin.chain ^ 1 }), damaged)
    await assert.rejects(readAll(files, journal, { ...begin, entry: begin.entry + 1 }), damaged)
  })

  it('is one only at its own position and in its own life of the file', () => {
    const group = { length: 200, count: 1, position: 8192, firstEntry: 5, durableUpTo: 8192, chain: 9 }
    const bytes = encodeGroupHeader(group, 77)
    assert.deepEqual(decodeGroupHeader(bytes, 77, 8192), group)
    assert.equal(decodeGroupHeader(bytes, 78, 8192), undefined)
    assert.equal(decodeGroupHeader(bytes, 77, 12288), undefined)
    assert.equal(decodeGroupHeader(bytes.subarray(0, 47), 77, 8192), undefined)
  })
})

describe('a journal with a segment that is not what it was', () => {
  const three = ['x'.repeat(20_000), 'x'.repeat(20_000), 'x'.repeat(20_000)]

  it('does not open when an earlier segment is truncated', async () => {
    const { files } = await killedJournal(three)
    files.alter(FIRST, content => content.subarray(0, 10_000))
    await mustBeDamaged(files)
  })

  for (const missing of [1, 2, 3])
    it(`does not open without segment ${missing} of 3`, async () => {
      const { files } = await killedJournal(three)
      await files.remove(segmentPath(DIRECTORY, missing))
      if (missing < 3) return mustBeDamaged(files)
      // Nothing on disk says that there was a third one, until a checkpoint does.
      const twin = newFiles()
      const journal = await openJournal(twin)
      for (const value of three) await store(journal, { values: [value] })
      await journal.close()
      await twin.remove(segmentPath(DIRECTORY, 3))
      await mustBeDamaged(twin)
    })

  it('does not open without a segment that is not indexed, although the checkpoint is beyond it', async () => {
    const files = newFiles()
    const journal = await openJournal(files)
    for (const value of [...three, 'd']) await store(journal, { values: [value] })
    await journal.close()
    await files.remove(segmentPath(DIRECTORY, 2))
    await mustBeDamaged(files)
  })

  it('does not open when all was indexed at the checkpoint and a segment behind it is missing', async () => {
    const files = newFiles()
    const journal = await openJournal(files)
    await store(journal)
    await indexAll(files, journal)
    await journal.checkpoint()
    files.intercept = ({ path }) => (path.includes('checkpoint') ? { fail: 'EIO' } : undefined)
    for (const value of three) await store(journal, { values: [value] })
    const after = files.kill()
    await after.remove(segmentPath(DIRECTORY, 1))
    await after.remove(segmentPath(DIRECTORY, 2))
    await mustBeDamaged(after)
  })

  it('does not open when the header of the last segment is bad, whichever byte it is', async () => {
    const { files } = await killedJournal(['a', 'b'])
    for (let position = 0; position < 72; position++) {
      const copy = files.copy()
      flip(copy, FIRST, position, 1 << (position % 8))
      await assert.rejects(openJournal(copy), damaged, `byte ${position}`)
    }
  })

  for (const number of [2, 3])
    it(`does not open when the header of segment ${number} of 3 is bad, of which no checkpoint knows`, async () => {
      const { files } = await killedJournal(three)
      assert.equal(segmentPaths(files).length, 3)
      flip(files, segmentPath(DIRECTORY, number), 50)
      await mustBeDamaged(files)
    })

  for (const withCheckpoint of [true, false])
    it(`does not open with a segment of another journal (${withCheckpoint ? 'with' : 'without'} a checkpoint)`, async () => {
      const { files } = await killedJournal(three)
      const { files: other } = await killedJournal(three)
      files.alter(segmentPath(DIRECTORY, 2), () => other.peek(segmentPath(DIRECTORY, 2)))
      if (!withCheckpoint) for (const path of checkpointPaths(files)) await files.remove(path)
      await assert.rejects(openJournal(files), { ...damaged, message: /belongs to another journal/ })
    })

  it('asks for the newer sluice when a segment has a newer format', async () => {
    const { files } = await killedJournal(['a'])
    const [header] = await listSegments(files, DIRECTORY)
    files.alter(FIRST, content => Buffer.concat([encodeSegmentHeader({ ...header!, formatVersion: 2 }), content.subarray(4096)]))
    await assert.rejects(openJournal(files), { code: 'JOURNAL_FORMAT', details: { file: FIRST, version: 2, newest: 1 } })
  })
})
