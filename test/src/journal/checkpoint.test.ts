import assert from 'node:assert/strict'
import { crc32c } from '../../../protocol/records/crc32c.ts'
import type { Checkpoint } from '../../../src/journal/checkpoint.ts'
import { Journal } from '../../../src/journal/journal.ts'
import type { MemoryFiles } from '../../support/memory-files.ts'
import {
  BEGINNING,
  checkpointPaths,
  clientIds,
  faultOnce,
  indexAll,
  MYSQL,
  newFiles,
  NGINX,
  openJournal,
  readAll,
  store,
  take,
  turns,
} from './fixtures.ts'

const producer = (baseSequence: number): { producerId: number; producerEpoch: number; baseSequence: number } => ({
  producerId: 9,
  producerEpoch: 2,
  baseSequence,
})

function readCheckpoint(files: MemoryFiles, path: string): Checkpoint {
  return JSON.parse(files.peek(path).toString('utf8').split('\n')[0]!) as Checkpoint
}

/** A journal with two checkpoints: one at 2 entries, one at 4, and 5 entries. */
async function journalWithTwo(): Promise<{ files: MemoryFiles; older: string; newer: string }> {
  const files = newFiles()
  const journal = await openJournal(files)
  for (let index = 0; index < 5; index++) {
    await store(journal, { clientId: `w${index}`, producer: producer(index) })
    if (index % 2 === 1) await journal.checkpoint()
  }
  const after = files.cutPower()
  const [older, newer, ...others] = checkpointPaths(after)
  assert.deepEqual(others, [])
  return { files: after, older: older!, newer: newer! }
}

/** What must be so whatever the journal was opened from. */
async function assertWhole(files: MemoryFiles): Promise<void> {
  const journal = await openJournal(files)
  assert.deepEqual(await clientIds(files, journal), ['w0', 'w1', 'w2', 'w3', 'w4'])
  assert.equal(journal.nextOffset(NGINX, 0), 5)
  const { isDuplicate, baseOffset } = take(journal, { producer: producer(1) })
  assert.deepEqual([isDuplicate, baseOffset], [true, 1])
  assert.equal((await store(journal, { producer: producer(5) })).baseOffset, 5)
}

describe('the checkpoints of a journal', () => {
  it('are two, of which the newest serves', async () => {
    const { files, older, newer } = await journalWithTwo()
    assert.deepEqual([readCheckpoint(files, older).durable.entry, readCheckpoint(files, newer).durable.entry], [2, 4])
    await assertWhole(files)
  })

  it('are written only when there is something new to say', async () => {
    const files = newFiles()
    const journal = await openJournal(files)
    await store(journal)
    await journal.checkpoint()
    const paths = checkpointPaths(files)
    for (let time = 0; time < 5; time++) await journal.checkpoint()
    assert.deepEqual(checkpointPaths(files), paths)
    await indexAll(files, journal)
    await journal.checkpoint()
    assert.notDeepEqual(checkpointPaths(files), paths)
  })

  it('serve from the older one when the newest cannot be read, whichever byte of it is bad', async () => {
    const { files, newer } = await journalWithTwo()
    for (let position = 0; position < files.peek(newer).length - 1; position += 7) {
      const copy = files.copy()
      copy.alter(newer, content => {
        content[position]! ^= 1
        return content
      })
      await assertWhole(copy)
    }
  })

  it('serve from the older one when the disk does not give the newest', async () => {
    const { files, newer } = await journalWithTwo()
    faultOnce(files, ({ kind, path }) => kind === 'readFile' && path === newer, { fail: 'EIO' })
    await assertWhole(files)
  })

  it('keep the one that can be read when the newest could not', async () => {
    const { files, older, newer } = await journalWithTwo()
    files.alter(newer, content => content.subarray(5))
    await openJournal(files)
    const paths = checkpointPaths(files)
    assert.equal(paths.length, 2)
    assert.equal(paths[0], older)
    assert.notEqual(paths[1], newer)
    files.alter(paths[1]!, content => content.subarray(5))
    await assertWhole(files)
  })

  it('are two again after a crash has brought a removed one back', async () => {
    const { files, older } = await journalWithTwo()
    files.alter(older.replace(/\d{16}/, '0000000000000000'), () => files.peek(older))
    const journal = await openJournal(files)
    await store(journal)
    await journal.checkpoint()
    assert.equal(checkpointPaths(files).length, 2)
  })

  it('are made again from the header of the last segment when both are gone', async () => {
    const { files, older, newer } = await journalWithTwo()
    files.alter(older, () => Buffer.from('{}\n'))
    await files.remove(newer)
    await assertWhole(files)
    const journal = await openJournal(files)
    assert.deepEqual((await readAll(files, journal, journal.indexed.place)).length, 6)
    assert.equal(checkpointPaths(files).length, 2)
  })

  it('are not needed for what earlier segments hold', async () => {
    const files = newFiles()
    const journal = await openJournal(files)
    for (let index = 0; index < 20; index++)
      await store(journal, { clientId: `w${index}`, values: ['x'.repeat(5000)], producer: producer(index) })
    await store(journal, { logstoreId: MYSQL, shard: 3 })
    await journal.close()
    for (const path of checkpointPaths(files)) await files.remove(path)
    const again = await openJournal(files)
    assert.equal(again.id, journal.id)
    assert.deepEqual([again.nextOffset(NGINX, 0), again.nextOffset(MYSQL, 3)], [20, 1])
    assert.equal(take(again, { producer: producer(17) }).baseOffset, 17)
    assert.equal((await readAll(files, again)).length, 21)
    assert.equal(again.indexed.place.position, 0)
  })

  it('ask for the newer sluice that wrote them', async () => {
    const { files, newer } = await journalWithTwo()
    files.alter(newer, content => {
      const body = JSON.stringify({ ...(JSON.parse(content.toString().split('\n')[0]!) as Checkpoint), version: 2 })
      return Buffer.from(`${body}\n${crc32c(Buffer.from(body)).toString(16)}\n`)
    })
    await assert.rejects(openJournal(files), { code: 'JOURNAL_FORMAT' })
  })

  it('say how far the journal is indexed', async () => {
    const files = newFiles()
    const journal = await openJournal(files)
    for (let index = 0; index < 4; index++) await store(journal, { clientId: `w${index}` })
    await indexAll(files, journal)
    const { place } = journal.indexed
    journal.setIndexed({ place, stored: { [NGINX]: 3 } })
    await store(journal, { clientId: 'w4' })
    await journal.close()
    const again = await openJournal(files)
    assert.deepEqual(again.indexed, { place, stored: { [NGINX]: 3 } })
    assert.deepEqual(
      (await readAll(files, again, again.indexed.place)).map(({ clientId }) => clientId),
      ['w4'],
    )
    assert(again.unindexedBytes > 0)
  })

  it('fit together with the entries behind them when they are written while appends go on', async () => {
    for (let seed = 0; seed < 10; seed++) {
      const files = newFiles(seed)
      const journal = await openJournal(files)
      const durable: Promise<void>[] = []
      const checkpoints: Promise<void>[] = []
      for (let index = 0; index < 60; index++) {
        durable.push(take(journal, { values: ['x'.repeat(1500)], producer: producer(index) }).durable.promise)
        if (index % 7 === seed % 7) checkpoints.push(journal.checkpoint())
        await turns((index + seed) % 4)
      }
      await Promise.all([...durable, ...checkpoints])
      const after = files.cutPower()
      const again = await openJournal(after)
      assert.equal(again.nextOffset(NGINX, 0), 60)
      const entries = await readAll(after, again)
      assert.deepEqual(
        entries.map(({ number, baseOffset }) => [number, baseOffset]),
        entries.map((_, index) => [index, index]),
      )
      assert.equal(take(again, { producer: producer(57) }).isDuplicate, true)
      assert.equal(take(again, { producer: producer(60) }).baseOffset, 60)
    }
  })

  it('are tried again when one could not be written, and keep no segment from being given up later', async () => {
    const files = newFiles()
    const journal = await openJournal(files)
    for (const kind of ['open', 'write', 'sync', 'rename', 'syncDirectory', 'remove'] as const) {
      await store(journal, { values: ['x'.repeat(20_000)] })
      await indexAll(files, journal)
      faultOnce(
        files,
        operation => operation.kind === kind && (kind === 'syncDirectory' || operation.path.includes('checkpoint')),
        {
          fail: 'EIO',
        },
      )
      await assert.rejects(journal.checkpoint(), { code: 'EIO' }, kind)
      await journal.checkpoint()
      assert(checkpointPaths(files).length <= 2)
      const after = files.copy().cutPower()
      assert.equal((await openJournal(after)).durableEntries, journal.durableEntries)
    }
    await journal.close()
  })

  it('do not keep a journal from opening or closing when they cannot be written', async () => {
    const files = newFiles()
    files.intercept = ({ path }) => (path.includes('checkpoint') ? { fail: 'ENOSPC' } : undefined)
    const journal = await openJournal(files)
    await store(journal, { clientId: 'w0' })
    await journal.close()
    assert.equal(files.openFiles, 0)
    files.intercept = () => undefined
    assert.deepEqual(await clientIds(files, await openJournal(files)), ['w0'])
  })

  it('are not written by a journal that could not be opened', async () => {
    const files = newFiles()
    await (await openJournal(files)).close()
    faultOnce(files, ({ kind, path }) => kind === 'write' && path.endsWith('next.segment'), { fail: 'EIO' })
    await assert.rejects(openJournal(files, { checkpointIntervalMs: 1 }), { code: 'EIO' })
    const { operations } = files
    await new Promise(resolve => setTimeout(resolve, 20))
    assert.equal(files.operations, operations)
    assert.equal(files.openFiles, 0)
  })

  it('are written on time', async () => {
    const files = newFiles()
    const journal = await openJournal(files, { checkpointIntervalMs: 1 })
    const before = checkpointPaths(files)
    await store(journal)
    while (checkpointPaths(files).at(-1) === before.at(-1)) await turns(1)
    await journal.close()
    assert.notDeepEqual(journal.readLimit.position, BEGINNING.position)
    assert(journal instanceof Journal)
  })
})
