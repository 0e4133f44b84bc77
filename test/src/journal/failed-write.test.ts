import assert from 'node:assert/strict'
import { listSegments, segmentPath } from '../../../src/journal/segments.ts'
import { JournalReader } from '../../../src/journal/reader.ts'
import type { Fault, Operation } from '../../support/memory-files.ts'
import {
  BEGINNING,
  clientIds,
  DIRECTORY,
  faultOnce,
  isGroupWrite,
  MYSQL,
  newFiles,
  NGINX,
  openJournal,
  segmentPaths,
  store,
  take,
  turns,
  writeOf,
} from './fixtures.ts'

const failed = { code: 'STORAGE_FAILED' }
const stream = { producerId: 7, logstoreId: NGINX, jsonTopic: false, partition: 0 }
const sequence = (baseSequence: number): { producerId: number; producerEpoch: number; baseSequence: number } => ({
  producerId: 7,
  producerEpoch: 0,
  baseSequence,
})

describe('a write that fails', () => {
  for (const [name, fault] of Object.entries<Fault>({
    'with EIO and nothing on disk': { fail: 'EIO', reached: 'none' },
    'with EIO and everything on disk': { fail: 'EIO', reached: 'all' },
    'with EIO and some blocks on disk': { fail: 'EIO', reached: 'some' },
    'for want of room': { fail: 'ENOSPC', reached: 'none' },
    'short of its end': { short: 5000 },
  }))
    it(`${name} is refused, its offsets are given again, and it never comes back`, async () => {
      const files = newFiles()
      const journal = await openJournal(files)
      await store(journal, { clientId: 'before', values: ['a', 'b'] })
      faultOnce(files, isGroupWrite, fault)
      const lost = take(journal, { clientId: 'lost', values: ['x'.repeat(9000), 'd'] })
      const other = take(journal, { clientId: 'lost too', logstoreId: MYSQL })
      assert.equal(lost.baseOffset, 2)
      await assert.rejects(lost.durable.promise, failed)
      await assert.rejects(other.durable.promise, failed)
      assert.match(journal.problem ?? '', /could not be written/)
      assert.equal(journal.nextOffset(NGINX, 0), 2)
      const refused = files.copy().cutPower()
      assert.deepEqual(await clientIds(refused, await openJournal(refused)), ['before'])

      assert.equal((await store(journal, { clientId: 'behind' })).baseOffset, 2)
      assert.equal((await store(journal, { clientId: 'behind', logstoreId: MYSQL })).baseOffset, 0)
      assert.equal(journal.problem, undefined)
      assert.deepEqual(await clientIds(files, journal), ['before', 'behind', 'behind'])
      const after = files.cutPower()
      assert.deepEqual(await clientIds(after, await openJournal(after)), ['before', 'behind', 'behind'])
    })

  it('takes down every group behind it', async () => {
    const files = newFiles()
    const journal = await openJournal(files)
    let release = (): void => {}
    faultOnce(files, isGroupWrite, { hang: true, until: new Promise<void>(resolve => (release = resolve)) })
    const first = take(journal, { clientId: 'first' })
    await turns(3)
    const second = take(journal, { clientId: 'second' })
    faultOnce(files, isGroupWrite, { fail: 'EIO' })
    release()
    await first.durable.promise
    const third = take(journal, { clientId: 'third' })
    await assert.rejects(second.durable.promise, failed)
    await assert.rejects(third.durable.promise, failed)
    assert.deepEqual([first.baseOffset, second.baseOffset, third.baseOffset], [0, 1, 2])
    assert.equal((await store(journal, { clientId: 'fourth' })).baseOffset, 1)
    assert.deepEqual(await clientIds(files, journal), ['first', 'fourth'])
  })

  it('is the end of its segment: the next one begins where the last good group ends', async () => {
    const files = newFiles()
    const journal = await openJournal(files)
    await store(journal)
    const { position } = journal.readLimit
    const before = files.peek(segmentPath(DIRECTORY, 1))
    faultOnce(files, isGroupWrite, { fail: 'EIO', reached: 'none' })
    await assert.rejects(take(journal, { clientId: 'lost' }).durable.promise, failed)
    const failedFile = files.peek(segmentPath(DIRECTORY, 1))
    for (let index = 0; index < 3; index++) await store(journal)
    const segments = await listSegments(files, DIRECTORY)
    assert.deepEqual(
      segments.map(({ number, base, firstEntry }) => [number, base, firstEntry]),
      [
        [1, 0, 0],
        [2, position, 1],
      ],
    )
    assert.deepEqual(files.peek(segmentPath(DIRECTORY, 1)), failedFile)
    assert.notDeepEqual(failedFile, before)
    await journal.close()
    assert.equal(files.openFiles, 0)
  })

  it('sends sequences back, and a batch that was refused is taken when it comes again', async () => {
    const files = newFiles()
    const journal = await openJournal(files)
    await store(journal, { clientId: 'r0', producer: sequence(0) })
    faultOnce(files, isGroupWrite, { fail: 'EIO', reached: 'all' })
    const r1 = take(journal, { clientId: 'r1', producer: sequence(1) })
    const r2 = take(journal, { clientId: 'r2', producer: sequence(2) })
    const again = take(journal, { clientId: 'r1', producer: sequence(1) })
    assert.equal(again.isDuplicate, true)
    await assert.rejects(r1.durable.promise, failed)
    await assert.rejects(r2.durable.promise, failed)
    await assert.rejects(again.durable.promise, failed)
    assert.equal(journal.append(writeOf({ producer: sequence(2) })), 'OUT_OF_ORDER_SEQUENCE')
    const retried = await store(journal, { clientId: 'r1', producer: sequence(1) })
    assert.deepEqual([retried.baseOffset, retried.isDuplicate], [1, false])
    await store(journal, { clientId: 'r2', producer: sequence(2) })
    assert.equal(take(journal, { producer: sequence(0) }).isDuplicate, true)
    const after = files.cutPower()
    const reopened = await openJournal(after)
    assert.deepEqual(await clientIds(after, reopened), ['r0', 'r1', 'r2'])
    assert.deepEqual(take(reopened, { producer: sequence(2) }).baseOffset, 2)
  })

  it('leaves nothing taken behind it in a stream of which nothing else is known', async () => {
    const files = newFiles()
    const journal = await openJournal(files)
    faultOnce(files, isGroupWrite, { fail: 'EIO' })
    await assert.rejects(take(journal, { producer: sequence(40) }).durable.promise, failed)
    assert.equal(journal.append(writeOf({ producer: sequence(41) })), 'OUT_OF_ORDER_SEQUENCE')
    journal.refuse(stream, { epoch: 0, firstSequence: 41, count: 1 })
    assert.equal((await store(journal, { producer: sequence(40) })).isDuplicate, false)
  })

  it('is refused again while no segment can be begun, and the journal goes on when the disk is back', async () => {
    const failing: [string, (operation: Operation) => boolean][] = [
      ['every write fails', ({ kind }) => kind === 'write'],
      ['nothing can be opened', ({ kind }) => kind === 'open'],
      ['nothing can be renamed', ({ kind }) => kind === 'rename'],
      ['no directory can be synced', ({ kind }) => kind === 'syncDirectory'],
      ['nothing can be synced', ({ kind }) => kind === 'sync' || kind === 'syncDirectory'],
      ['everything fails', () => true],
    ]
    for (const [name, isMeant] of failing) {
      const files = newFiles()
      const journal = await openJournal(files)
      await store(journal, { clientId: 'before' })
      let isFirst = true
      files.intercept = operation => {
        const isFirstGroup = isFirst && isGroupWrite(operation)
        if (isFirstGroup) isFirst = false
        if (!isMeant(operation) && !isFirstGroup) return undefined
        return { fail: 'EIO', reached: 'all' }
      }
      for (let attempt = 0; attempt < 4; attempt++) {
        const { durable, baseOffset } = take(journal, { clientId: `lost${attempt}`, producer: sequence(5) })
        assert.equal(baseOffset, 1)
        await assert.rejects(durable.promise, failed, name)
        await turns(20)
      }
      files.intercept = () => undefined
      assert.equal((await store(journal, { clientId: 'behind', producer: sequence(5) })).baseOffset, 1)
      assert.deepEqual(await clientIds(files, journal), ['before', 'behind'], name)
      for (const after of [files.copy().cutPower(), files.copy().kill()])
        assert.deepEqual(await clientIds(after, await openJournal(after)), ['before', 'behind'], name)
      await journal.close()
      assert.equal(files.openFiles, 0, name)
    }
  })

  it('does not keep the journal from rolling over when a segment could not be begun once', async () => {
    const calls = ['open', 'write', 'rename', 'syncDirectory', 'size', 'truncate', 'sync'] as const
    for (const kind of calls)
      for (let nth = 0; nth < 6; nth++) {
        const files = newFiles()
        const journal = await openJournal(files)
        let seen = 0
        files.intercept = operation => (operation.kind === kind && seen++ === nth ? { fail: 'EIO' } : undefined)
        const stored: string[] = []
        for (let index = 0; index < 12; index++)
          await store(journal, { clientId: `w${index}`, values: ['x'.repeat(9000)] }).then(
            () => stored.push(`w${index}`),
            () => {},
          )
        files.intercept = () => undefined
        assert(stored.length >= 11, `${kind} ${nth}: ${stored.length} are stored`)
        assert.deepEqual(await clientIds(files, journal), stored)
        const after = files.cutPower()
        assert.deepEqual(await clientIds(after, await openJournal(after)), stored, `${kind} ${nth}`)
      }
  })

  it('is never seen by a reader that was in its segment', async () => {
    const files = newFiles()
    const journal = await openJournal(files)
    const reader = new JournalReader({ files, directory: DIRECTORY, from: BEGINNING })
    const read: string[] = []
    const expected: string[] = []
    for (let index = 0; index < 30; index++) {
      if (index % 4 === 3) faultOnce(files, isGroupWrite, { fail: 'EIO', reached: 'all' })
      await store(journal, { clientId: `w${index}`, values: ['x'.repeat(2000)] }).then(
        () => expected.push(`w${index}`),
        () => {},
      )
      for (let group; (group = await reader.next(journal.readLimit)) !== undefined;)
        read.push(...group.entries.map(({ clientId }) => clientId))
    }
    await reader.close()
    assert.equal(expected.length, 23)
    assert.deepEqual(read, expected)
    assert(segmentPaths(files).length >= 8)
  })

  it('keeps its refusal and its successors apart when appends go on while the next segment begins', async () => {
    const files = newFiles()
    const journal = await openJournal(files)
    faultOnce(files, isGroupWrite, { fail: 'EIO', reached: 'all' })
    const outcomes = Array.from({ length: 40 }, () => undefined as boolean | undefined)
    for (let index = 0; index < 40; index++) {
      const { durable } = take(journal, { clientId: `w${index}` })
      durable.promise.then(
        () => (outcomes[index] = true),
        () => (outcomes[index] = false),
      )
      await turns(1)
    }
    await turns(30)
    const stored = outcomes.flatMap((isStored, index) => (isStored === true ? [`w${index}`] : []))
    assert(outcomes.includes(false) && stored.length > 20)
    assert.deepEqual(await clientIds(files, journal), stored)
    assert.equal(journal.nextOffset(NGINX, 0), stored.length)
  })
})
