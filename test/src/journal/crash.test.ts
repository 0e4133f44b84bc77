/**
 * Lives of a journal that all end in a crash, each at another call to the file system, by seeds.
 *
 * Producers write, retry what was refused and send again what a crash left open, as real ones do; an indexer reads and gives up
 * segments; now and then a call fails. Whatever happens: acknowledged ⊆ recovered ⊆ sent, order is kept, offsets are dense, and
 * what an idempotent producer sends is there once.
 */
import assert from 'node:assert/strict'
import { Journal, type Appended } from '../../../src/journal/journal.ts'
import type { DecodedEntry } from '../../../src/journal/format.ts'
import { JournalReader } from '../../../src/journal/reader.ts'
import { Random } from '../../protocol/random.ts'
import type { Fault, MemoryFiles } from '../../support/memory-files.ts'
import {
  batchOf,
  clientIds,
  DIRECTORY,
  forSeeds,
  isGroupWrite,
  MYSQL,
  newFiles,
  NGINX,
  openJournal,
  turns,
  verify,
  writeOf,
} from './fixtures.ts'

interface Sent {
  /** In the order of sending; the entry carries it as its client id. */
  id: string
  logstoreId: string
  shard: number
  bytes: Buffer
  recordCount: number
}

/** An idempotent producer with at most three batches open, which sends again what was refused, in order. */
class Producer {
  readonly id: number
  readonly logstoreId: string
  readonly jsonTopic: boolean
  nextSequence = 0
  /** Sent and not acknowledged, in order. */
  open: Sent[] = []
  /** Which of `open` an answer is awaited of. */
  awaited = new Set<Sent>()

  constructor(id: number) {
    this.id = id
    this.logstoreId = id % 2 === 0 ? NGINX : MYSQL
    this.jsonTopic = id % 3 === 0
  }
}

/** What the outside world knows, through all lives of one journal. */
class World {
  readonly random: Random
  readonly sent = new Map<string, Sent>()
  readonly acknowledged = new Map<string, { shard: number; baseOffset: number }>()
  /** By entry number: what an indexer has read, and so has in the store for good. */
  readonly indexed = new Map<number, DecodedEntry>()
  readonly producers = [1, 2, 3].map(id => new Producer(id))
  /** Whether the journal of this life has been opened: a start whose calls fail is another test. */
  isOpen = false
  #sends = 0

  constructor(seed: number) {
    this.random = new Random(seed)
  }

  /** One life: opens the journal and works until `isOver` says so or `steps` are done. */
  async live(files: MemoryFiles, steps: number, isOver: () => boolean): Promise<void> {
    for (const producer of this.producers) producer.awaited.clear()
    this.isOpen = false
    await assertUndamaged(files.copy())
    const journal = await openJournal(files)
    if (isOver()) return
    this.isOpen = true
    await assertUndamaged(files.copy())
    await this.check(files.copy(), journal)
    for (let step = 0; step < steps && !isOver(); step++) {
      const { random } = this
      const choice = random.below(10)
      if (choice < 4) this.#sendPlain(journal, isOver)
      else if (choice < 8) this.#produce(journal, random.pick(this.producers), isOver)
      else if (choice === 8) journal.checkpoint().catch(() => {})
      else await this.#index(files, journal, isOver)
      await turns(random.below(4))
    }
  }

  #make(bytesOf: (values: string[]) => Buffer, logstoreId: string): Sent {
    const { random } = this
    const id = `w${String(this.#sends++).padStart(5, '0')}`
    const size = random.pick([0, 10, 1000, 5000, 5000, 30_000])
    const values = Array.from({ length: 1 + random.below(3) }, (_, index) => `${id}.${index} ${'x'.repeat(size)}`)
    const sent = { id, logstoreId, shard: random.below(2), bytes: bytesOf(values), recordCount: values.length }
    this.sent.set(id, sent)
    return sent
  }

  #sendPlain(journal: Journal, isOver: () => boolean): void {
    const sent = this.#make(values => batchOf(values), this.random.pick([NGINX, MYSQL]))
    const outcome = journal.append(writeOf({ ...sent, clientId: sent.id }))
    assert(typeof outcome !== 'string')
    this.#await(outcome, sent, isOver)
  }

  #produce(journal: Journal, producer: Producer, isOver: () => boolean): void {
    const { open, awaited, logstoreId, jsonTopic } = producer
    const send = (sent: Sent): void => {
      const outcome = journal.append(writeOf({ ...sent, clientId: sent.id, jsonTopic }))
      if (typeof outcome === 'string') {
        // One before it has just failed, and the answer is on its way.
        assert(outcome === 'OUT_OF_ORDER_SEQUENCE' && awaited.size > 0, `${sent.id} is taken, not refused as ${outcome}`)
        return
      }
      awaited.add(sent)
      this.#await(outcome, sent, isOver, isStored => {
        awaited.delete(sent)
        if (!isStored) return
        // On success of one a client takes all before it for stored.
        assert.equal(producer.open[0], sent)
        producer.open.shift()
      })
    }
    if (awaited.size === 0 && open.length > 0) return open.slice().forEach(send)
    if (open.length > awaited.size || open.length >= 3) return
    const sent = this.#make(values => {
      const bytes = batchOf(values, { producerId: producer.id, producerEpoch: 0, baseSequence: producer.nextSequence })
      producer.nextSequence += values.length
      return bytes
    }, logstoreId)
    open.push(sent)
    send(sent)
  }

  #await(
    { shard, baseOffset, durable }: Appended,
    { id }: Sent,
    isOver: () => boolean,
    settled = (_: boolean): void => {},
  ): void {
    durable.promise.then(
      () => {
        const known = this.acknowledged.get(id)
        if (known !== undefined) assert.deepEqual({ shard, baseOffset }, known)
        this.acknowledged.set(id, { shard, baseOffset })
        if (!isOver()) settled(true)
      },
      () => {
        if (!isOver()) settled(false)
      },
    )
  }

  async #index(files: MemoryFiles, journal: Journal, isOver: () => boolean): Promise<void> {
    const reader = new JournalReader({ files, directory: DIRECTORY, from: journal.indexed.place })
    try {
      for (let count = this.random.below(10); count > 0; count--) {
        const group = await reader.next(journal.readLimit)
        if (group === undefined || isOver()) break
        for (const entry of group.entries) this.#see(this.indexed, entry)
      }
      if (!isOver()) journal.setIndexed({ place: reader.place, stored: {} })
      await reader.close()
    } catch (error) {
      if (!isSystemError(error)) throw error
    }
  }

  #see(entries: Map<number, DecodedEntry>, entry: DecodedEntry): void {
    const known = entries.get(entry.number)
    if (known !== undefined) assert.equal(entry.clientId, known.clientId, `entry ${entry.number} is another one than before`)
    entries.set(entry.number, entry)
  }

  /** Holds what was recovered against what was sent and acknowledged. */
  async check(files: MemoryFiles, journal: Journal): Promise<void> {
    const entries = new Map(this.indexed)
    const reader = new JournalReader({ files, directory: DIRECTORY, from: journal.indexed.place })
    for (let group; (group = await reader.next(journal.readLimit)) !== undefined;)
      for (const entry of group.entries) this.#see(entries, entry)
    await reader.close()

    const nextOffsets = new Map<string, number>()
    const lastIds = new Map<string, string>()
    const seen = new Set<string>()
    const numbers = [...entries.keys()].sort((a, b) => a - b)
    assert.deepEqual(
      numbers,
      numbers.map((_, index) => index),
    )
    assert.equal(numbers.length, journal.durableEntries)
    for (const number of numbers) {
      const entry = entries.get(number)!
      const sent = this.sent.get(entry.clientId)
      assert(sent !== undefined, `${entry.clientId} was sent`)
      assert(!seen.has(sent.id), `${sent.id} is there once`)
      seen.add(sent.id)
      assert.deepEqual(entry.records.slice(8).toBuffer(), sent.bytes.subarray(8))
      assert.deepEqual([entry.logstoreId, entry.recordCount], [sent.logstoreId, sent.recordCount])
      const shard = `${entry.logstoreId}/${entry.shard}`
      assert.equal(entry.baseOffset, nextOffsets.get(shard) ?? 0, `${sent.id} begins where the log before it ends`)
      nextOffsets.set(shard, entry.baseOffset + entry.recordCount)
      const acknowledged = this.acknowledged.get(sent.id)
      if (acknowledged !== undefined)
        assert.deepEqual(
          { shard: entry.shard, baseOffset: entry.baseOffset },
          acknowledged,
          `${sent.id} is where it was said to be`,
        )
      const [batch] = entry.batches
      // A producer that sends again does so out of the order of ids, but its own batches stay in order.
      const line = batch!.producerId >= 0 ? `producer ${batch!.producerId}` : shard
      assert((lastIds.get(line) ?? '') < sent.id, `${sent.id} is behind ${lastIds.get(line)} in ${line}`)
      lastIds.set(line, sent.id)
    }
    for (const [shard, next] of nextOffsets) {
      const [logstoreId = '', number] = shard.split('/')
      assert.equal(journal.nextOffset(logstoreId, Number(number)), next)
    }
    for (const id of this.acknowledged.keys()) assert(seen.has(id), `${id} was acknowledged and is there`)
  }
}

/** A crash leaves a tail at most, which nobody who verifies the journal takes for damage. */
async function assertUndamaged(files: MemoryFiles): Promise<void> {
  if (!files.paths.some(path => path.startsWith(DIRECTORY))) return
  const { damages, lostLogs, recycled } = await verify(files)
  assert.deepEqual({ damages, lostLogs, recycled }, { damages: [], lostLogs: [], recycled: [] })
}

function isSystemError(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error
}

/** Runs a life that ends at the call `crashAt`; resolves with what is left, or undefined if the life ended before. */
async function crashAt(
  world: World,
  files: MemoryFiles,
  call: number,
  steps: number,
  faultEvery = 0,
): Promise<MemoryFiles | undefined> {
  let isOver = false
  let hasCrashed = (): void => {}
  const crashed = new Promise<void>(resolve => (hasCrashed = resolve))
  const reached = world.random.pick(['none', 'some', 'all'] as const)
  files.intercept = ({ number }): Fault | undefined => {
    if (number < call) {
      if (faultEvery > 0 && world.isOpen && world.random.below(faultEvery) === 0)
        return { fail: world.random.pick(['EIO', 'ENOSPC']) }
      return undefined
    }
    hasCrashed()
    return { hang: true, reached }
  }
  let failure: unknown
  await Promise.race([
    crashed,
    world
      .live(files, steps, () => isOver)
      .catch((error: unknown) => {
        failure = error
      }),
  ])
  await turns(world.random.below(3))
  isOver = true
  if (failure !== undefined) throw failure
  if (files.operations < call) {
    await turns(30)
    files.intercept = () => undefined
  }
  return world.random.below(3) === 0 ? files.kill() : files.cutPower()
}

describe('a journal that crashes', () => {
  it('at any call of a life holds its promise in the next', async () => {
    await forSeeds(4, async seed => {
      for (let call = 1; ; call++) {
        const world = new World(seed)
        const files = newFiles(seed + call)
        const after = await crashAt(world, files, call, 25)
        assert(after !== undefined)
        const journal = await openJournal(after)
        await world.check(after, journal)
        await journal.close()
        if (files.operations < call) break
      }
    })
  })

  it('at any call of a start holds its promise in the next', async () => {
    await forSeeds(2, async seed => {
      const world = new World(seed)
      const first = newFiles(seed)
      await crashAt(world, first, 1e9, 30)
      for (let call = 1; call < 100; call++) {
        const files = first.copy().cutPower()
        let hasCrashed = (): void => {}
        const crashed = new Promise<void>(resolve => (hasCrashed = resolve))
        files.intercept = ({ number }) => (number === call ? (hasCrashed(), { hang: true }) : undefined)
        const opened = await Promise.race([crashed, openJournal(files)])
        const after = files.cutPower()
        await world.check(after, await openJournal(after))
        if (opened instanceof Journal && files.operations < call) break
      }
    })
  })

  for (const [name, faultEvery] of [
    ['on a sound disk', 0],
    ['on a disk that fails now and then', 60],
  ] as const)
    it(`again and again ${name} holds its promise in every life`, async () => {
      await forSeeds(40, async seed => {
        const world = new World(seed)
        let files = newFiles(seed)
        for (let life = 0; life < 6; life++) {
          const after = await crashAt(world, files, 10 + world.random.below(250), 60, faultEvery)
          assert(after !== undefined)
          files = after
        }
        await world.live(files, 30, () => false)
        await turns(100)
        const last = files.cutPower()
        await world.check(last, await openJournal(last))
      })
    })

  it('by being killed after a write that failed does not take what is in memory only for stored', async () => {
    for (let seed = 0; seed < 20; seed++) {
      const files = newFiles(seed)
      const journal = await openJournal(files)
      await turns(50)
      let hasFailed = false
      files.intercept = operation => {
        if (hasFailed) return { hang: true }
        if (!isGroupWrite(operation)) return undefined
        hasFailed = true
        return { fail: 'EIO', reached: 'some' }
      }
      const write = {
        clientId: 'open',
        bytes: batchOf(['x'.repeat(10_000)], { producerId: 5, producerEpoch: 0, baseSequence: 0 }),
      }
      journal.append(writeOf(write))
      while (!hasFailed) await turns(1)
      await turns(3)
      const killed = files.kill()
      const next = await openJournal(killed)
      const outcome = next.append(writeOf(write))
      assert(typeof outcome !== 'string')
      await outcome.durable.promise
      const after = killed.cutPower()
      assert.deepEqual(await clientIds(after, await openJournal(after)), ['open'])
    }
  })

  it('by being killed in a write answers a resend only once the write is on disk', async () => {
    const files = newFiles()
    const journal = await openJournal(files)
    let isWriting = false
    files.intercept = operation => {
      if (!isGroupWrite(operation)) return undefined
      isWriting = true
      return { hang: true, reached: 'none' }
    }
    const producer = { producerId: 5, producerEpoch: 0, baseSequence: 0 }
    journal.append(writeOf({ clientId: 'open', producer }))
    while (!isWriting) await turns(1)
    const killed = files.kill()
    const next = await openJournal(killed)
    const outcome = next.append(writeOf({ clientId: 'open', producer }))
    assert(typeof outcome !== 'string')
    await outcome.durable.promise
    for (let seed = 0; seed < 10; seed++) {
      const after = killed.copy().cutPower()
      assert.deepEqual(await clientIds(after, await openJournal(after)), ['open'])
    }
  })
})
