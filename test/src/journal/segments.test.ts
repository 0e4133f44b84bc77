import assert from 'node:assert/strict'
import { basename } from 'node:path'
import { SPARE_SEGMENTS } from '../../../src/journal/journal.ts'
import { listSegments, segmentPath } from '../../../src/journal/segments.ts'
import { JournalReader } from '../../../src/journal/reader.ts'
import type { MemoryFiles } from '../../support/memory-files.ts'
import {
  clientIds,
  DIRECTORY,
  faultOnce,
  indexAll,
  isGroupWrite,
  newFiles,
  openJournal,
  readAll,
  SEGMENT_BYTES,
  segmentPaths,
  store,
  turns,
} from './fixtures.ts'

const NEXT = `${DIRECTORY}/next.segment`

function numbers(files: MemoryFiles): number[] {
  return segmentPaths(files).map(path => Number(basename(path, '.segment')))
}

describe('the segments of a journal', () => {
  it('follow each other without a gap', async () => {
    const files = newFiles()
    const journal = await openJournal(files)
    for (let index = 0; index < 60; index++) await store(journal, { clientId: `w${index}`, values: ['x'.repeat(3000)] })
    await journal.close()
    const segments = await listSegments(files, DIRECTORY)
    assert(segments.length >= 8)
    assert.deepEqual(
      segments.map(({ number }) => number),
      segments.map((_, index) => index + 1),
    )
    assert.equal(new Set(segments.map(({ generation }) => generation)).size, segments.length)
    const again = await openJournal(files)
    assert.deepEqual(
      await clientIds(files, again),
      Array.from({ length: 60 }, (_, index) => `w${index}`),
    )
  })

  it('are all kept while nothing is indexed, whatever checkpoints are written', async () => {
    const files = newFiles()
    const journal = await openJournal(files)
    for (let index = 0; index < 30; index++) {
      await store(journal, { values: ['x'.repeat(3000)] })
      await journal.checkpoint()
    }
    assert.equal(numbers(files)[0], 1)
    assert.equal((await readAll(files, journal)).length, 30)
  })

  it('are given up when they lie before the place that the older of two checkpoints has, and no earlier', async () => {
    const files = newFiles()
    const journal = await openJournal(files)
    for (let index = 0; index < 30; index++) await store(journal, { values: ['x'.repeat(3000)] })
    await indexAll(files, journal)
    await journal.checkpoint()
    const all = numbers(files)
    assert.equal(all[0], 1)
    await store(journal)
    await journal.checkpoint()
    assert.deepEqual(numbers(files), all.slice(-1 - SPARE_SEGMENTS))
    assert.equal(files.paths.includes(NEXT), true)
  })

  it('are made of spare ones, so that no file has to be filled', async () => {
    const files = newFiles()
    const journal = await openJournal(files)
    const write = async (): Promise<number[]> => {
      for (let index = 0; index < 30; index++) await store(journal, { values: ['x'.repeat(3000)] })
      await indexAll(files, journal)
      for (const _ of [1, 2]) await Promise.all([store(journal), journal.checkpoint()])
      return numbers(files)
    }
    const before = await write()
    let filled = 0
    files.intercept = ({ kind, path, length }) => {
      if (kind === 'write' && path === NEXT && length > SEGMENT_BYTES / 2) filled++
      return undefined
    }
    for (let segment = 0; segment < 3; segment++) {
      while (numbers(files).at(-1) === before.at(-1)! + segment) await store(journal, { values: ['x'.repeat(3000)] })
      await journal.checkpoint()
    }
    assert.equal(filled, 0)
  })

  it('are all kept while somebody holds them, also twice, and count as room that is taken', async () => {
    const files = newFiles()
    const journal = await openJournal(files)
    const write = async (): Promise<void> => {
      for (let index = 0; index < 30; index++) await store(journal, { values: ['x'.repeat(3000)] })
      await indexAll(files, journal)
      for (const _ of [1, 2]) await Promise.all([store(journal), journal.checkpoint()])
    }
    const releases = [journal.hold(), journal.hold()]
    await write()
    const held = numbers(files)
    assert.equal(held[0], 1)
    assert(journal.heldBytes > 30 * 3000)
    releases[0]!()
    releases[0]!()
    await write()
    assert.deepEqual(numbers(files).slice(0, held.length), held)
    releases[1]!()
    await journal.checkpoint()
    assert(numbers(files).filter(number => number <= held.at(-1)!).length <= SPARE_SEGMENTS)
    assert(numbers(files)[0]! > 1)
  })

  it('hold what is needed to go on from the older checkpoint after any power cut', async () => {
    for (let seed = 0; seed < 20; seed++) {
      const files = newFiles(seed)
      const journal = await openJournal(files)
      for (let index = 0; index < 12; index++) {
        await store(journal, { clientId: `w${index}`, values: ['x'.repeat(3000)] })
        if (index % 4 === 2) await indexAll(files, journal)
        await journal.checkpoint()
      }
      const after = files.cutPower()
      const newest = after.paths.filter(path => path.endsWith('.json')).at(-1)!
      after.alter(newest, content => content.subarray(1))
      const again = await openJournal(after)
      assert.equal(again.durableEntries, 12)
      const rest = await readAll(after, again, again.indexed.place)
      assert.equal(rest.at(-1)?.clientId, 'w11')
      assert.equal(rest.length, 12 - (rest[0]?.number ?? 0))
    }
  })

  it('take up a bounded part of the disk, however much passes through them', async () => {
    const files = newFiles()
    const journal = await openJournal(files)
    let most = 0
    for (let index = 0; index < 200; index++) {
      await store(journal, { values: ['x'.repeat(3000)] })
      await indexAll(files, journal)
      await journal.checkpoint()
      most = Math.max(most, files.bytes)
    }
    assert(numbers(files).at(-1)! > 20)
    assert(most <= 5 * SEGMENT_BYTES + 64 * 1024, `${most} bytes at most`)
  })

  it('take up a bounded part of the disk after a restart and after calls that failed', async () => {
    const files = newFiles()
    let journal = await openJournal(files)
    for (let index = 0; index < 120; index++) {
      if (index % 30 === 29) {
        files.intercept = () => undefined
        await journal.close()
        journal = await openJournal(files)
      }
      if (index % 5 === 0) faultOnce(files, ({ kind }) => kind === 'remove', { fail: 'EIO' })
      if (index % 5 === 1) faultOnce(files, ({ kind, path }) => kind === 'open' && path === NEXT, { fail: 'EIO' })
      if (index % 5 === 2) faultOnce(files, ({ kind }) => kind === 'rename', { fail: 'EIO' })
      await store(journal, { values: ['x'.repeat(3000)] }).catch(() => {})
      await indexAll(files, journal)
      await journal.checkpoint().catch(() => {})
      await turns(5)
    }
    files.intercept = () => undefined
    for (let index = 0; index < 3; index++) {
      await store(journal)
      await indexAll(files, journal)
      await journal.checkpoint()
    }
    assert(segmentPaths(files).length <= 3, `${segmentPaths(files).length} segments are left`)
  })

  it('are made of files that were segments before, and of a longer one too', async () => {
    const files = newFiles()
    const journal = await openJournal(files)
    await store(journal, { values: ['x'.repeat(3 * SEGMENT_BYTES)] })
    for (let index = 0; index < 8; index++) {
      await store(journal, { values: ['x'.repeat(9000)] })
      await indexAll(files, journal)
      await journal.checkpoint()
    }
    let fills = 0
    files.intercept = ({ kind, path, length }) => {
      if (kind === 'write' && path === NEXT && length === SEGMENT_BYTES) fills++
      return undefined
    }
    for (let index = 0; index < 40; index++) {
      await store(journal, { clientId: `w${index}`, values: ['x'.repeat(9000)] })
      await indexAll(files, journal)
      await journal.checkpoint()
    }
    assert(fills <= 1, `${fills} files were filled with zeros`)
    assert(segmentPaths(files).every(path => files.peek(path).length === SEGMENT_BYTES))
  })

  it('are whole under their old name until that is gone for good', async () => {
    const files = newFiles()
    const journal = await openJournal(files)
    await store(journal, { values: ['x'.repeat(3 * SEGMENT_BYTES)] })
    await store(journal)
    await indexAll(files, journal)
    await journal.checkpoint()
    const [first] = segmentPaths(files)
    const { length } = files.peek(first!)
    assert(length > SEGMENT_BYTES)
    for (let index = 0; index < 2; index++) await store(journal, { values: ['x'.repeat(SEGMENT_BYTES - 9000)] })
    const states: MemoryFiles[] = []
    files.intercept = () => {
      states.push(files.copy())
      return undefined
    }
    await journal.checkpoint()
    await journal.close()
    assert(!files.paths.includes(first!))
    for (const state of states)
      for (let time = 0; time < 5; time++) {
        const after = state.copy().cutPower()
        if (after.paths.includes(first!)) assert.equal(after.peek(first!).length, length)
      }
  })

  it('begin in a file that an earlier life has prepared', async () => {
    const files = newFiles()
    await (await openJournal(files)).close()
    assert.equal(files.peek(NEXT).length, SEGMENT_BYTES)
    files.alter(NEXT, () => Buffer.alloc(SEGMENT_BYTES, 0xa5))
    const journal = await openJournal(files)
    assert.equal(files.peek(segmentPath(DIRECTORY, 2)).at(-1), 0xa5)
    await store(journal, { clientId: 'w0' })
    assert.deepEqual(await clientIds(files, journal), ['w0'])
  })

  it('never take a group of an earlier life of their file, where a new one would lie neither', async () => {
    const files = newFiles()
    const journal = await openJournal(files)
    for (let index = 0; index < 4; index++) await store(journal, { clientId: `old${index}` })
    const stale = files.peek(segmentPath(DIRECTORY, 1))
    // The next life begins in a file whose groups lie exactly where its own would, at the same positions and numbers even.
    const twin = newFiles()
    await twin.makeDirectory(DIRECTORY)
    twin.alter(NEXT, () => stale)
    const young = await openJournal(twin)
    assert.deepEqual(await clientIds(twin, await openJournal(twin.copy())), [])
    await store(young, { clientId: 'new0' })
    const after = twin.cutPower()
    const again = await openJournal(after)
    assert.deepEqual(await clientIds(after, again), ['new0'])
    assert.equal(again.durableEntries, 1)
  })

  it('do not end the journal with a stale group when the last group is torn', async () => {
    for (let seed = 0; seed < 20; seed++) {
      const files = newFiles(seed)
      const journal = await openJournal(files)
      for (let index = 0; index < 60; index++) {
        await store(journal, { clientId: `w${index}`, values: ['x'.repeat(3000)] })
        if (index % 3 === 0) await indexAll(files, journal)
        await journal.checkpoint()
      }
      faultOnce(files, isGroupWrite, { hang: true, reached: 'some' })
      void store(journal, { clientId: 'torn', values: ['x'.repeat(12000)] })
      await turns(5)
      const after = files.cutPower()
      const again = await openJournal(after)
      const ids = (await readAll(after, again, again.indexed.place)).map(({ clientId }) => clientId)
      if (ids.at(-1) === 'torn') ids.pop()
      assert.equal(ids.at(-1), 'w59')
    }
  })

  it('may be recycled while another process lists them', async () => {
    const files = newFiles()
    const journal = await openJournal(files)
    for (let index = 0; index < 20; index++) await store(journal, { values: ['x'.repeat(3000)] })
    const { place } = journal.indexed
    const oldest = segmentPaths(files)[0]!
    await indexAll(files, journal)
    const reader = new JournalReader({ files, directory: DIRECTORY, from: journal.indexed.place })
    await store(journal, { clientId: 'last' })
    faultOnce(files, ({ kind, path }) => kind === 'open' && path === oldest, { fail: 'ENOENT' })
    const group = await reader.next(journal.readLimit)
    assert.equal(group?.entries[0]?.clientId, 'last')
    assert.equal(place.position, 0)
  })
})
