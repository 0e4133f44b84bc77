import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { setBaseOffset } from '../../../protocol/records/batch.ts'
import { JournalReader, type ReadLimit } from '../../../src/journal/reader.ts'
import type { Operation } from '../../support/memory-files.ts'
import {
  batchOf,
  BEGINNING,
  clientIds,
  DIRECTORY,
  faultOnce,
  isGroupWrite,
  MYSQL,
  newFiles,
  NGINX,
  openJournal,
  readAll,
  readGroups,
  SEGMENT_BYTES,
  segmentPaths,
  store,
  take,
  turns,
  writeOf,
} from './fixtures.ts'

describe('a journal', () => {
  it('numbers the logs of each shard from 0 on without a gap, also after it was closed and opened', async () => {
    const files = newFiles()
    const journal = await openJournal(files)
    assert.equal(take(journal, { values: ['a', 'b'] }).baseOffset, 0)
    assert.equal(take(journal, { values: ['c'] }).baseOffset, 2)
    assert.equal(take(journal, { values: ['d'], shard: 1 }).baseOffset, 0)
    assert.equal(take(journal, { values: ['e', 'f', 'g'], logstoreId: MYSQL }).baseOffset, 0)
    await journal.close()
    const again = await openJournal(files)
    assert.equal(again.id, journal.id)
    assert.deepEqual([again.nextOffset(NGINX, 0), again.nextOffset(NGINX, 1), again.nextOffset(MYSQL, 0)], [3, 1, 3])
    assert.equal(again.nextOffset(NGINX, 7), 0)
    assert.equal(take(again, {}).baseOffset, 3)
    assert.equal(take(again, { shard: 1 }).baseOffset, 1)
    assert.equal(take(again, { logstoreId: MYSQL }).baseOffset, 3)
  })

  it('gives back every field of an entry, and the batch as it came but for its base offset', async () => {
    const files = newFiles()
    let clock = 1_700_000_000_000
    const journal = await openJournal(files, { now: () => clock })
    const origin = {
      logstoreId: MYSQL,
      shard: 65535,
      partition: 2 ** 31 - 1,
      jsonTopic: true,
      source: '2001:db8::1',
      clientId: 'Zürich-日志-🪵',
      accessKeyId: 'LTAI-ключ',
    }
    const bytes = batchOf(['α', 'β'], { producerId: 7, producerEpoch: 1, baseSequence: 40 })
    await store(journal, { shard: 65535, logstoreId: MYSQL })
    clock += 5
    await store(journal, { ...origin, bytes })
    const [, entry] = await readAll(files, journal)
    assert(entry !== undefined)
    const { records, batches, bytes: _bytes, seed: _seed, ...envelope } = entry
    assert.deepEqual(envelope, { ...origin, number: 1, baseOffset: 1, recordCount: 2, receivedMs: clock })
    assert.equal(batches[0]?.baseOffset, 1)
    setBaseOffset(records, batches[0]!, 0)
    assert.deepEqual(records.toBuffer(), bytes)
  })

  it('cuts a text that is too long for the envelope between two characters', async () => {
    const files = newFiles()
    const journal = await openJournal(files)
    await store(journal, { clientId: 'é'.repeat(200), source: 'x'.repeat(255), accessKeyId: '' })
    const [entry] = await readAll(files, journal)
    assert.equal(entry?.clientId, 'é'.repeat(127))
    assert.equal(entry?.source, 'x'.repeat(255))
    assert.equal(entry?.accessKeyId, '')
  })

  it('takes several batches as one entry, each numbered behind the one before', async () => {
    const files = newFiles()
    const journal = await openJournal(files)
    await store(journal, { values: ['first'] })
    const bytes = Buffer.concat([batchOf(['a', 'b']), batchOf(['c']), batchOf(['d', 'e', 'f'])])
    assert.equal((await store(journal, { bytes })).baseOffset, 1)
    const [, entry] = await readAll(files, journal)
    assert.deepEqual(
      entry?.batches.map(({ baseOffset, recordCount }) => [baseOffset, recordCount]),
      [
        [1, 2],
        [3, 1],
        [4, 3],
      ],
    )
    assert.equal(entry?.recordCount, 6)
    assert.equal(journal.nextOffset(NGINX, 0), 7)
  })

  for (const pieceBytes of [1, 7, 22, 4096])
    it(`takes a batch in pieces of ${pieceBytes} bytes`, async () => {
      const files = newFiles()
      const journal = await openJournal(files)
      const bytes = batchOf(['x'.repeat(6000), 'y'])
      await store(journal, {})
      await store(journal, { bytes, pieceBytes })
      const [, entry] = await readAll(files, journal)
      assert.deepEqual(entry?.records.slice(8).toBuffer(), bytes.subarray(8))
      assert.equal(entry?.batches[0]?.baseOffset, 1)
    })

  it('writes what arrives at one time as one group, and what arrives meanwhile as the next', async () => {
    const files = newFiles()
    const journal = await openJournal(files)
    const writes: Operation[] = []
    let release = (): void => {}
    const until = new Promise<void>(resolve => (release = resolve))
    files.intercept = operation => {
      if (!isGroupWrite(operation)) return undefined
      writes.push(operation)
      return writes.length === 1 ? { hang: true, until } : undefined
    }
    const appended = Array.from({ length: 100 }, (_, index) => take(journal, { clientId: `a${index}` }))
    await turns(3)
    appended.push(...Array.from({ length: 100 }, (_, index) => take(journal, { clientId: `b${index}` })))
    release()
    await Promise.all(appended.map(({ durable }) => durable.promise))
    assert.equal(writes.length, 2)
    assert.deepEqual(
      appended.map(({ baseOffset }) => baseOffset),
      Array.from({ length: 200 }, (_, index) => index),
    )
    const ids = await clientIds(files, journal)
    assert.deepEqual([ids[0], ids[99], ids[100], ids[199]], ['a0', 'a99', 'b0', 'b99'])
  })

  it('acknowledges nothing before its write is on disk', async () => {
    const files = newFiles()
    const journal = await openJournal(files)
    faultOnce(files, isGroupWrite, { hang: true })
    let isSettled = false
    const settle = (): void => void (isSettled = true)
    take(journal).durable.promise.then(settle, settle)
    await turns(20)
    assert.equal(isSettled, false)
    assert.equal(journal.nextOffset(NGINX, 0), 0)
    assert.equal(journal.durableEntries, 0)
    assert.deepEqual(await readAll(files, journal), [])
  })

  it('tells how far it may be read after each group, and a reader follows it through all segments', async () => {
    const files = newFiles()
    const limits: ReadLimit[] = []
    const journal = await openJournal(files, { onDurable: limit => limits.push(limit) })
    const reader = new JournalReader({ files, directory: DIRECTORY, from: BEGINNING })
    const read: string[] = []
    for (let index = 0; index < 40; index++) {
      await store(journal, { clientId: `w${index}`, values: ['x'.repeat(3000)] })
      if (index % 3 !== 0) continue
      for (let group; (group = await reader.next(limits.at(-1)!)) !== undefined;)
        read.push(...group.entries.map(({ clientId }) => clientId))
      assert.equal(read.length, index + 1)
    }
    assert.equal(limits.length, 40)
    assert(segmentPaths(files).length > 4)
    assert.deepEqual(
      read,
      Array.from({ length: 40 }, (_, index) => `w${index}`),
    )
    await reader.close()
  })

  it('lets a reader begin at any group', async () => {
    const files = newFiles()
    const journal = await openJournal(files)
    for (let index = 0; index < 25; index++) await store(journal, { clientId: `w${index}`, values: ['x'.repeat(2000)] })
    const groups = await readGroups(files, journal.readLimit)
    assert.equal(groups.length, 25)
    for (const [index, { begin }] of groups.entries()) {
      const [first] = await readAll(files, journal, begin)
      assert.equal(first?.clientId, `w${index}`)
    }
  })

  it('takes an entry that is larger than a segment, and one after it', async () => {
    const files = newFiles()
    const journal = await openJournal(files)
    const bytes = batchOf([randomBytes(5 * SEGMENT_BYTES).toString('latin1')])
    await store(journal, { clientId: 'before' })
    await store(journal, { clientId: 'large', bytes, pieceBytes: 16 * 1024 })
    await store(journal, { clientId: 'behind' })
    const after = files.cutPower()
    const again = await openJournal(after)
    const entries = await readAll(after, again)
    assert.deepEqual(
      entries.map(({ clientId }) => clientId),
      ['before', 'large', 'behind'],
    )
    assert.deepEqual(entries[1]?.records.slice(8).toBuffer(), bytes.subarray(8))
  })

  it('ends a group at some size although more is waiting', async () => {
    const files = newFiles()
    const journal = await openJournal(files, { segmentBytes: 2 ** 26 })
    const bytes = batchOf(['x'.repeat(3 * 2 ** 18)])
    const appended = Array.from({ length: 5 }, () => take(journal, { bytes }))
    await Promise.all(appended.map(({ durable }) => durable.promise))
    const groups = await readGroups(files, journal.readLimit)
    assert.deepEqual(
      groups.map(({ entries }) => entries.length),
      [2, 2, 1],
    )
  })

  it('never lets the time of arrival run backwards, through a restart neither', async () => {
    const files = newFiles()
    const journal = await openJournal(files, { now: () => 5000 })
    await store(journal)
    await journal.close()
    const again = await openJournal(files, { now: () => 4000 })
    await store(again)
    assert.deepEqual(
      (await readAll(files, again)).map(({ receivedMs }) => receivedMs),
      [5000, 5000],
    )
  })

  it('stores what was appended before it is closed, and refuses what is appended after', async () => {
    const files = newFiles()
    const journal = await openJournal(files)
    const before = take(journal, { clientId: 'before' })
    const closed = journal.close()
    const behind = take(journal, { clientId: 'behind', producer: { producerId: 1, producerEpoch: 0, baseSequence: 0 } })
    await before.durable.promise
    await assert.rejects(behind.durable.promise, { code: 'STORAGE_FAILED' })
    await closed
    await assert.rejects(take(journal).durable.promise, { code: 'STORAGE_FAILED' })
    assert.equal(files.openFiles, 0)
    const { operations } = files
    await turns(20)
    assert.equal(files.operations, operations)
    assert.deepEqual(await clientIds(files, await openJournal(files)), ['before'])
  })

  it('needs nobody to wait for an outcome', async () => {
    const files = newFiles()
    const journal = await openJournal(files)
    faultOnce(files, isGroupWrite, { fail: 'EIO' })
    take(journal)
    await turns(20)
    await journal.close()
    take(journal)
    await turns(20)
  })

  it('forgets the offsets of a logstore that was deleted', async () => {
    const files = newFiles()
    const journal = await openJournal(files)
    await store(journal)
    await store(journal, { logstoreId: MYSQL })
    journal.setIndexed({ place: BEGINNING, stored: { [NGINX]: 0, [MYSQL]: 1 } })
    journal.forgetLogstore(NGINX)
    await journal.close()
    const again = await openJournal(files)
    assert.equal(again.nextOffset(NGINX, 0), 0)
    assert.equal(again.nextOffset(MYSQL, 0), 1)
    assert.deepEqual(again.indexed.stored, { [MYSQL]: 1 })
  })

  it('stamps the offset into the bytes that were given, so they are not copied', async () => {
    const journal = await openJournal(newFiles())
    await store(journal, { values: ['a', 'b'] })
    const write = writeOf({ values: ['c'] })
    journal.append(write)
    assert.equal(write.records.toBuffer().readBigInt64BE(0), 2n)
  })
})
