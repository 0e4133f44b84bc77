import assert from 'node:assert/strict'
import type { BatchInput } from '../../../protocol/records/build-batch.ts'
import { Outcome } from '../../../src/base/outcome.ts'
import { ProducerStates, sequencedBatches, type SequencedBatch, type Stream } from '../../../src/journal/producer-states.ts'
import { Chunks } from '../../../protocol/chunks.ts'
import type { BatchHeader } from '../../../protocol/records/batch.ts'
import { checkBatches } from '../../../protocol/records/check-batches.ts'
import {
  batchOf,
  checkpointPaths,
  faultOnce,
  isGroupWrite,
  MYSQL,
  newFiles,
  NGINX,
  openJournal,
  readAll,
  store,
  take,
  turns,
  writeOf,
} from './fixtures.ts'

const HOUR_MS = 60 * 60 * 1000
const LARGEST = 2 ** 31 - 1
const stream: Stream = { producerId: 1, logstoreId: NGINX, jsonTopic: false, partition: 0 }

function batch(firstSequence: number, count = 1, epoch = 0): SequencedBatch {
  return { epoch, firstSequence, count }
}

function sequence(
  baseSequence: number,
  producerEpoch = 0,
): Required<Pick<BatchInput, 'producerId' | 'producerEpoch' | 'baseSequence'>> {
  return { producerId: 1, producerEpoch, baseSequence }
}

/** States in which the entry of each batch is its first sequence. */
class Taker {
  readonly states: ProducerStates
  constructor(maxStreams = 1000) {
    this.states = new ProducerStates(maxStreams)
  }
  take(one: SequencedBatch, nowMs = 0, of = stream, entry = one.firstSequence): void {
    assert.equal(this.verdict(one, of), 'next')
    this.states.take(of, one, { shard: 0, baseOffset: one.firstSequence, entry, durable: Outcome.success }, nowMs)
  }
  verdict(one: SequencedBatch, of = stream): string {
    return this.states.judge(of, one).kind
  }
}

describe('the state of a producer', () => {
  it('takes the next sequence, knows a batch again, and refuses a gap', async () => {
    const journal = await openJournal(newFiles())
    assert.equal((await store(journal, { values: ['a', 'b', 'c'], producer: sequence(0) })).baseOffset, 0)
    assert.equal((await store(journal, { values: ['d'], producer: sequence(3) })).baseOffset, 3)
    const again = await store(journal, { values: ['a', 'b', 'c'], producer: sequence(0), shard: 5 })
    assert.deepEqual([again.isDuplicate, again.baseOffset, again.shard], [true, 0, 0])
    assert.equal(journal.append(writeOf({ producer: sequence(5) })), 'OUT_OF_ORDER_SEQUENCE')
    assert.equal(journal.append(writeOf({ values: ['a', 'b'], producer: sequence(0) })), 'OUT_OF_ORDER_SEQUENCE')
    assert.equal((await store(journal, { producer: sequence(4) })).baseOffset, 4)
    assert.equal(journal.nextOffset(NGINX, 0), 5)
  })

  it('knows the last five batches', async () => {
    const files = newFiles()
    const journal = await openJournal(files)
    for (let index = 0; index < 12; index++) await store(journal, { producer: sequence(index) })
    for (let index = 7; index < 12; index++) assert.equal(take(journal, { producer: sequence(index) }).baseOffset, index)
    assert.equal(journal.append(writeOf({ producer: sequence(5) })), 'OUT_OF_ORDER_SEQUENCE')
    assert.equal((await readAll(files, journal)).length, 12)
  })

  it('answers a resend with the outcome of the first while that is not on disk yet', async () => {
    for (const fails of [false, true]) {
      const files = newFiles()
      const journal = await openJournal(files)
      let release = (): void => {}
      faultOnce(files, isGroupWrite, { hang: true, until: new Promise<void>(resolve => (release = resolve)) })
      await turns(1)
      if (fails) faultOnce(files, isGroupWrite, { fail: 'EIO' })
      const first = take(journal, { producer: sequence(0) })
      const again = take(journal, { producer: sequence(0) })
      assert.deepEqual([again.isDuplicate, again.baseOffset], [true, first.baseOffset])
      assert.equal(again.durable, first.durable)
      if (fails) await assert.rejects(again.durable.promise, { code: 'STORAGE_FAILED' })
      else {
        release()
        await again.durable.promise
      }
      assert.equal((await readAll(files, journal)).length, fails ? 0 : 1)
    }
  })

  it('begins anywhere where nothing is known', async () => {
    const journal = await openJournal(newFiles())
    await store(journal, { producer: sequence(12345) })
    assert.equal(journal.append(writeOf({ producer: sequence(0) })), 'OUT_OF_ORDER_SEQUENCE')
    await store(journal, { producer: sequence(12346) })
  })

  it('lets a newer epoch begin at 0 only, and refuses an older one', async () => {
    const journal = await openJournal(newFiles())
    await store(journal, { producer: sequence(5, 3) })
    assert.equal(journal.append(writeOf({ producer: sequence(6, 2) })), 'OLD_PRODUCER_EPOCH')
    assert.equal(journal.append(writeOf({ producer: sequence(6, 4) })), 'OUT_OF_ORDER_SEQUENCE')
    await store(journal, { producer: sequence(6, 3) })
    await store(journal, { producer: sequence(0, 4) })
    assert.equal(journal.append(writeOf({ producer: sequence(7, 3) })), 'OLD_PRODUCER_EPOCH')
    await store(journal, { producer: sequence(1, 4) })
  })

  it('runs from the largest sequence on to 0', async () => {
    const files = newFiles()
    const journal = await openJournal(files)
    await store(journal, { values: ['a', 'b', 'c'], producer: sequence(LARGEST - 1) })
    await store(journal, { values: ['d', 'e'], producer: sequence(1) })
    assert.equal(take(journal, { values: ['a', 'b', 'c'], producer: sequence(LARGEST - 1) }).isDuplicate, true)
    await journal.close()
    const again = await openJournal(files)
    assert.equal(take(again, { values: ['a', 'b', 'c'], producer: sequence(LARGEST - 1) }).isDuplicate, true)
    assert.equal(again.append(writeOf({ producer: sequence(4) })), 'OUT_OF_ORDER_SEQUENCE')
    await store(again, { values: ['f'], producer: sequence(3) })
    const states = new Taker()
    states.take(batch(LARGEST), 0, stream, 0)
    assert.equal(states.verdict(batch(1)), 'gap')
    states.take(batch(0), 0, stream, 1)
  })

  it('is one for each producer, logstore, partition and spelling of the topic', async () => {
    const journal = await openJournal(newFiles())
    await store(journal, { producer: sequence(10) })
    for (const other of [
      { jsonTopic: true },
      { partition: 1 },
      { logstoreId: MYSQL },
      { producer: { producerId: 2, producerEpoch: 0, baseSequence: 0 } },
    ]) {
      const outcome = await store(journal, { producer: sequence(0), ...other })
      assert.equal(outcome.isDuplicate, false)
    }
    assert.equal(journal.append(writeOf({ producer: sequence(12) })), 'OUT_OF_ORDER_SEQUENCE')
    assert.equal((await store(journal, { producer: sequence(11), shard: 9 })).shard, 9)
  })

  it('counts several batches of one write, and refuses those that do not follow each other', async () => {
    const files = newFiles()
    const journal = await openJournal(files)
    const two = (second: number, epoch = 0): Buffer =>
      Buffer.concat([batchOf(['a', 'b'], sequence(0)), batchOf(['c'], sequence(second, epoch))])
    assert.equal(journal.append(writeOf({ bytes: two(3) })), 'OUT_OF_ORDER_SEQUENCE')
    assert.equal(journal.append(writeOf({ bytes: two(2, 1) })), 'OUT_OF_ORDER_SEQUENCE')
    const mixed = Buffer.concat([batchOf(['a']), batchOf(['c'], sequence(0))])
    assert.equal(journal.append(writeOf({ bytes: mixed })), 'OUT_OF_ORDER_SEQUENCE')
    await store(journal, { bytes: two(2) })
    assert.equal(take(journal, { bytes: two(2) }).isDuplicate, true)
    await store(journal, { producer: sequence(3) })
    const again = await openJournal(files.kill())
    assert.equal(take(again, { bytes: two(2) }).isDuplicate, true)
    await store(again, { producer: sequence(4) })
  })

  it('knows after a crash what an older epoch has stored, while a newer one has stored nothing', async () => {
    for (const becomes of ['lost', 'refused', 'open'] as const) {
      const files = newFiles()
      const journal = await openJournal(files)
      await store(journal, { producer: sequence(0, 3) })
      if (becomes === 'open') {
        faultOnce(files, isGroupWrite, { hang: true, reached: 'none' })
        take(journal, { producer: sequence(0, 4) })
        await turns(3)
        await journal.checkpoint()
      } else {
        faultOnce(files, isGroupWrite, { fail: 'EIO', reached: 'none' })
        if (becomes === 'refused') journal.refuse(stream, batch(0, 1, 4))
        // The header of the next segment is written after this, and says what is known.
        const lost = take(journal, { clientId: 'lost', producer: becomes === 'lost' ? sequence(0, 4) : {} })
        await assert.rejects(lost.durable.promise)
      }
      const next = await openJournal(files.cutPower())
      assert.equal(take(next, { producer: sequence(0, 3) }).isDuplicate, true, becomes)
      assert.equal(next.append(writeOf({ producer: sequence(1, 4) })), 'OUT_OF_ORDER_SEQUENCE')
      await store(next, { producer: sequence(0, 4) })
      assert.equal(next.append(writeOf({ producer: sequence(1, 3) })), 'OLD_PRODUCER_EPOCH')
    }
  })

  it('is not kept for batches without a producer id, whatever else they say', async () => {
    const journal = await openJournal(newFiles())
    for (let time = 0; time < 3; time++)
      assert.equal((await store(journal, { producer: { producerId: -1, producerEpoch: 3, baseSequence: 5 } })).baseOffset, time)
  })

  it('survives a restart through the checkpoint, through replay, and through the header of a segment', async () => {
    for (const way of ['checkpoint', 'replay', 'header']) {
      const files = newFiles()
      const journal = await openJournal(files)
      if (way === 'replay') files.intercept = ({ path }) => (path.includes('checkpoint') ? { fail: 'EIO' } : undefined)
      for (let index = 0; index < 8; index++) await store(journal, { producer: sequence(index), shard: index % 2 })
      if (way !== 'replay') await journal.checkpoint()
      let after = files.cutPower()
      if (way === 'header') {
        await (await openJournal(after)).close()
        for (const path of checkpointPaths(after)) await after.remove(path)
        after = after.copy()
      }
      const again = await openJournal(after)
      for (let index = 3; index < 8; index++) {
        const { isDuplicate, baseOffset, shard, durable } = take(again, { producer: sequence(index) })
        assert.deepEqual([isDuplicate, baseOffset, shard], [true, Math.floor(index / 2), index % 2], way)
        await durable.promise
      }
      assert.equal(again.append(writeOf({ producer: sequence(1) })), 'OUT_OF_ORDER_SEQUENCE')
      assert.equal(again.append(writeOf({ producer: sequence(9) })), 'OUT_OF_ORDER_SEQUENCE')
      await store(again, { producer: sequence(8) })
    }
  })

  it('is forgotten with its logstore', async () => {
    const journal = await openJournal(newFiles())
    await store(journal, { producer: sequence(5) })
    journal.forgetLogstore(NGINX)
    assert.equal((await store(journal, { producer: sequence(0) })).baseOffset, 0)
  })
})

describe('a refusal', () => {
  it('makes the refused batch the next one, also where nothing was known of the stream', () => {
    const taker = new Taker()
    taker.states.refuse(stream, batch(7), 0)
    assert.equal(taker.verdict(batch(8)), 'gap')
    assert.equal(taker.verdict(batch(0)), 'gap')
    taker.take(batch(7))
    taker.states.refuse(stream, batch(8, 3), 0)
    assert.equal(taker.verdict(batch(11)), 'gap')
    taker.take(batch(8, 2))
  })

  it('of a gap, a duplicate or an older epoch changes nothing', () => {
    const taker = new Taker()
    taker.take(batch(0, 2, 1))
    taker.states.refuse(stream, batch(5, 1, 1), 0)
    taker.states.refuse(stream, batch(0, 2, 1), 0)
    taker.states.refuse(stream, batch(2, 1, 0), 0)
    taker.states.refuse(stream, batch(9, 1, 2), 0)
    assert.equal(taker.verdict(batch(5, 1, 1)), 'gap')
    assert.equal(taker.verdict(batch(0, 2, 1)), 'duplicate')
    taker.take(batch(2, 1, 1))
  })

  it('of the first batch of a newer epoch lets nothing behind it pass', () => {
    const taker = new Taker()
    taker.take(batch(0))
    taker.states.refuse(stream, batch(0, 1, 1), 0)
    assert.equal(taker.verdict(batch(1, 1, 1)), 'gap')
    assert.equal(taker.verdict(batch(1)), 'fenced')
    taker.take(batch(0, 1, 1), 0, stream, 5)
  })
})

describe('the states of producers', () => {
  const streamOf = (producerId: number): Stream => ({ ...stream, producerId })

  it('go back to before the entries that were lost', () => {
    const taker = new Taker()
    for (let index = 0; index < 9; index++) taker.take(batch(index))
    taker.states.markDurable(4)
    taker.states.rollBack(4)
    assert.equal(taker.verdict(batch(5)), 'gap')
    assert.equal(taker.verdict(batch(3)), 'duplicate')
    taker.take(batch(4))
  })

  it('are kept for a day after the last batch', () => {
    const taker = new Taker()
    taker.take(batch(0), 0, streamOf(1))
    taker.take(batch(0), HOUR_MS, streamOf(2))
    taker.states.markDurable(1)
    assert.equal(taker.states.save(24 * HOUR_MS - 1).length, 2)
    assert.deepEqual(
      taker.states.save(24 * HOUR_MS).map(({ producerId }) => producerId),
      [2],
    )
    assert.equal(taker.states.size, 1)
    assert.equal(taker.verdict(batch(100), streamOf(1)), 'next')
    assert.equal(taker.verdict(batch(100), streamOf(2)), 'gap')
  })

  it('are bounded in number: the one that was not used for longest goes', () => {
    const taker = new Taker(3)
    taker.states.markDurable(1000)
    for (const producerId of [1, 2, 3]) taker.take(batch(0), 0, streamOf(producerId))
    // Within a second it counts as the same use.
    taker.take(batch(1), 999, streamOf(2))
    taker.take(batch(1), 1000, streamOf(1))
    taker.take(batch(0), 2000, streamOf(4))
    assert.equal(taker.states.size, 3)
    assert.deepEqual(
      taker.states.save(2000).map(({ producerId }) => producerId),
      [3, 1, 4],
    )
  })

  it('are known by their use also after the clock was set back', () => {
    const taker = new Taker(2)
    taker.states.markDurable(1000)
    for (const producerId of [1, 2]) taker.take(batch(0), HOUR_MS, streamOf(producerId))
    taker.take(batch(1), 0, streamOf(1))
    taker.take(batch(0), 1, streamOf(3))
    assert.deepEqual(
      taker.states.save(1).map(({ producerId }) => producerId),
      [1, 3],
    )
  })

  it('are kept against the bound while a batch is in flight or was refused a moment ago', () => {
    const taker = new Taker(3)
    taker.states.markDurable(10)
    taker.take(batch(20), 0, streamOf(1))
    taker.take(batch(0), 0, streamOf(2))
    taker.states.refuse(streamOf(2), batch(1), 0)
    for (const producerId of [3, 4, 5]) taker.take(batch(0), 0, streamOf(producerId))
    assert.equal(taker.verdict(batch(22), streamOf(1)), 'gap')
    assert.equal(taker.verdict(batch(2), streamOf(2)), 'gap')
    assert.equal(taker.verdict(batch(2), streamOf(4)), 'next')
    taker.states.markDurable(1000)
    for (const producerId of [6, 7]) taker.take(batch(0), HOUR_MS, streamOf(producerId))
    assert.deepEqual(
      taker.states.save(HOUR_MS).map(({ producerId }) => producerId),
      [5, 6, 7],
    )
  })

  it('never lose the batch that is being taken, however small the bound', () => {
    const taker = new Taker(1)
    taker.take(batch(0), 0, streamOf(1))
    taker.take(batch(0), 0, streamOf(2))
    assert.equal(taker.verdict(batch(0), streamOf(2)), 'duplicate')
    assert.equal(taker.verdict(batch(0), streamOf(1)), 'duplicate')
  })

  it('are bounded although any number of streams is refused', () => {
    const taker = new Taker(100)
    for (let producerId = 0; producerId < 10_000; producerId++) taker.states.refuse(streamOf(producerId), batch(5), producerId)
    assert(taker.states.size <= 200)
    assert.equal(taker.verdict(batch(6), streamOf(9_999)), 'gap')
  })

  it('are written down without what is not on disk yet, and come back the same', () => {
    const taker = new Taker()
    for (let index = 0; index < 6; index++) taker.take(batch(index))
    taker.take(batch(100), 0, streamOf(2))
    taker.states.markDurable(5)
    const saved = taker.states.save(0)
    const again = new Taker()
    again.states.restore(saved)
    assert.equal(again.verdict(batch(4)), 'duplicate')
    assert.equal(again.verdict(batch(6)), 'gap')
    assert.equal(again.verdict(batch(5)), 'next')
    assert.equal(again.verdict(batch(7), streamOf(2)), 'next')
    assert.deepEqual(again.states.save(0), saved)
  })

  it('read what several batches of one write are ordered by', () => {
    const headers = (...batches: Buffer[]): readonly BatchHeader[] => {
      const checked = checkBatches(Chunks.of(...batches))
      assert('batches' in checked)
      return checked.batches
    }
    const around = headers(batchOf(['a', 'b'], sequence(LARGEST - 1)), batchOf(['c'], sequence(0)))
    assert.deepEqual(sequencedBatches(stream, around)?.batch, batch(LARGEST - 1, 3))
    assert.equal(sequencedBatches(stream, headers(batchOf(['a']), batchOf(['b']))), undefined)
  })
})
