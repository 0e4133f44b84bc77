/**
 * Lives of an indexer that parks and drains, which end at any call to the file system: in a power cut, or killed. Whatever
 * happens, what was acknowledged is in its table afterwards, once and in order.
 */
import assert from 'node:assert/strict'
import { Random } from '../../protocol/random.ts'
import type { Fault, MemoryFiles, Operation } from '../../support/memory-files.ts'
import { forSeeds, MYSQL, newFiles, NGINX, openJournal, take } from '../journal/fixtures.ts'
import { MemoryTables, PARKED, pass, startIndexer, useClock } from './fixtures.ts'

/** What the outside knows, through all lives of one journal. */
class World {
  readonly random: Random
  readonly tables = new MemoryTables()
  readonly sent: { logstoreId: string; value: string; isAcknowledged: boolean }[] = []

  constructor(seed: number) {
    this.random = new Random(seed)
    this.tables.losesAnswer = () => this.random.below(10) === 0
  }

  /**
   * One life: logs come for both logstores, the table of one breaks and is repaired. Ends when `isOver`, or when `isLast` and all is
   * stored.
   */
  async live(files: MemoryFiles, isOver: () => boolean, isLast = false): Promise<void> {
    const { random, tables } = this
    const over = { isDead: isOver }
    const whileAlive = <Result>(promise: Promise<Result>): Promise<Result | undefined> => {
      let result: Result | undefined
      let isSettled = false
      const settled = promise.then(value => {
        result = value
        isSettled = true
      })
      return pass(600_000, () => isSettled || isOver()).then(async () => (isOver() ? undefined : (await settled, result)))
    }
    const journal = await whileAlive(openJournal(files))
    if (journal === undefined) return
    const running = startIndexer(files, journal, tables.connect(isOver), over)
    const steps = isLast ? 3 : 14
    for (let step = 0; step < steps && !isOver(); step++) {
      if (!isLast && step === 1) tables.broken.set(NGINX, random.pick(['not ours', 'refuses']))
      if (isLast || step === 9) tables.broken.delete(NGINX)
      for (const logstoreId of [NGINX, MYSQL, NGINX]) this.#send(journal, logstoreId)
      await pass(200, isOver)
      running.indexer.advance(journal.readLimit)
      await pass(random.pick([500, 2000, 5000]), isOver)
      if (step % 3 === 2) await whileAlive(journal.checkpoint().catch(() => {}))
    }
    if (isLast) {
      await pass(600_000, () => this.#missing().length === 0 && !files.paths.some(path => path.startsWith(PARKED)))
      running.indexer.advance(journal.readLimit)
      await Promise.all([running.indexer.stop(1000), pass(3000)])
      await Promise.all([journal.close(), pass(1000)])
      assert.equal(running.failure, undefined)
      assert.equal(files.openFiles, 0)
    } else if (!isOver()) assert.equal(running.failure, undefined)
  }

  check(files: MemoryFiles): void {
    assert.deepEqual(this.#missing(), [], 'what was acknowledged is stored')
    for (const logstoreId of [NGINX, MYSQL]) {
      const rows = this.tables.rows(logstoreId)
      const places = new Set(rows.map(({ shard, offset }) => `${shard}/${offset}`))
      assert.equal(places.size, rows.length, 'nothing is stored twice')
      assert.deepEqual(new Set(rows.map(({ content }) => content.toString())).size, rows.length)
      assert.deepEqual(
        rows,
        rows.toSorted((a, b) => a.entry - b.entry || a.offset - b.offset),
      )
    }
    assert.deepEqual(
      files.paths.filter(path => path.startsWith(PARKED)),
      [],
    )
  }

  #send(journal: Awaited<ReturnType<typeof openJournal>>, logstoreId: string): void {
    const value = `log ${this.sent.length} ${'x'.repeat(this.random.pick([10, 1000, 5000]))}`
    const sent = { logstoreId, value, isAcknowledged: false }
    this.sent.push(sent)
    take(journal, { logstoreId, values: [value], shard: this.random.below(2) }).durable.promise.then(
      () => (sent.isAcknowledged = true),
      () => {},
    )
  }

  #missing(): string[] {
    const stored = new Set([NGINX, MYSQL].flatMap(id => this.tables.contents(id)))
    return this.sent
      .filter(({ value, isAcknowledged }) => isAcknowledged && !stored.has(value))
      .map(({ value }) => value.slice(0, 10))
  }
}

/** Whether a call belongs to what these tests are about; the journal's own calls have their own tests. */
function isParking({ path }: Operation): boolean {
  return path.startsWith(PARKED)
}

/** Lives until a call is met that `isMeant`, which never ends; then goes on with what a crash has left. */
async function crash(
  world: World,
  files: MemoryFiles,
  isMeant: (operation: Operation) => boolean,
  isPowerCut: boolean,
): Promise<{ files: MemoryFiles; hasCrashed: boolean }> {
  let hasCrashed = false
  const before = files.intercept
  files.intercept = (operation): Fault | undefined => {
    if (hasCrashed || !isMeant(operation)) return before(operation)
    hasCrashed = true
    return { hang: true }
  }
  let isOver = false
  await world.live(files, () => hasCrashed || isOver)
  // What was not met by the call that was meant ends all the same.
  isOver = true
  return { files: isPowerCut ? files.cutPower() : files.kill(), hasCrashed }
}

function assertHolds(check: () => void, when: string): void {
  try {
    check()
  } catch (error) {
    throw new Error(`${when}: ${(error as Error).message}`, { cause: error })
  }
}

describe('an indexer that parks', function () {
  this.timeout(180_000)
  useClock()

  for (const isPowerCut of [true, false])
    it(`has every log once after ${isPowerCut ? 'a power cut' : 'a kill'} at each call for the parked files`, async () => {
      let crashes = 0
      for (const seed of [1, 2, 3])
        for (let call = 1, isThere = true; isThere; call++) {
          const world = new World(seed)
          let calls = 0
          const left = await crash(world, newFiles(seed), found => isParking(found) && ++calls === call, isPowerCut)
          isThere = left.hasCrashed
          if (isThere) crashes++
          await world.live(left.files, () => false, true)
          assertHolds(() => world.check(left.files), `seed ${seed}, call ${call}`)
        }
      assert(crashes > 60, `there are many calls, not ${crashes}`)
    })

  it('has every log once after several crashes anywhere and calls that fail', () =>
    forSeeds(20, async seed => {
      const world = new World(seed)
      const { random } = world
      let files = newFiles(seed)
      for (let life = 0; life < 4; life++) {
        let calls = 0
        const last = 20 + random.below(600)
        files.intercept = operation =>
          isParking(operation) && operation.kind !== 'list' && random.below(30) === 0 ? { fail: 'EIO' } : undefined
        ;({ files } = await crash(world, files, () => ++calls === last, random.below(2) === 1))
      }
      await world.live(files, () => false, true)
      world.check(files)
    }))
})
