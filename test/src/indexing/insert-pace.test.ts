import assert from 'node:assert/strict'
import { install, type Clock } from '@sinonjs/fake-timers'
import { InsertPace } from '../../../src/indexing/insert-pace.ts'

describe('the pace of inserts', () => {
  let clock: Clock
  let pace: InsertPace
  let begun: string[]
  let ends: Map<string, () => void>

  beforeEach(() => {
    clock = install({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
    pace = new InsertPace({ minAgeMs: 300 })
    begun = []
    ends = new Map()
  })

  afterEach(() => clock.uninstall())

  function insert(name: string): Promise<void> {
    return pace.run(() => {
      begun.push(name)
      return new Promise<void>(resolve => ends.set(name, resolve))
    })
  }

  /** Inserts that take a while each, one after the other. */
  async function insertFor(ms: number, count = 100): Promise<void> {
    for (let number = 0; number < count; number++) {
      const inserted = insert('some')
      clock.tick(ms)
      ends.get('some')!()
      await inserted
    }
  }

  it('lets three run at once, and the others in the order in which they came', async () => {
    const inserted = ['a', 'b', 'c', 'd', 'e'].map(insert)
    assert.deepEqual(begun, ['a', 'b', 'c'])
    ends.get('b')!()
    await inserted[1]
    await Promise.resolve()
    assert.deepEqual(begun, ['a', 'b', 'c', 'd'])
    // The table of one that has just ended stands behind those that wait.
    void insert('b')
    ends.get('c')!()
    await inserted[2]
    await Promise.resolve()
    assert.deepEqual(begun, ['a', 'b', 'c', 'd', 'e'])
  })

  it('does not count for ever what hangs, nor twice', async () => {
    for (const name of ['a', 'b', 'c', 'd']) void insert(name)
    await clock.tickAsync(10_000)
    assert.deepEqual(begun, ['a', 'b', 'c', 'd'])
    for (const name of ['e', 'f', 'g', 'h']) void insert(name)
    assert.deepEqual(begun, ['a', 'b', 'c', 'd', 'e', 'f'])
    for (const name of ['a', 'b', 'c']) ends.get(name)!()
    await clock.tickAsync(1)
    assert.deepEqual(begun, ['a', 'b', 'c', 'd', 'e', 'f'])
  })

  it('goes on after one that fails', async () => {
    for (let number = 0; number < 10; number++)
      await assert.rejects(
        pace.run(() => Promise.reject(new Error('refused'))),
        /refused/,
      )
    void insert('a')
    assert.deepEqual(begun, ['a'])
  })

  it('lets rows wait as short as may be while inserts are few and short', async () => {
    assert.equal(pace.ageMs(1000), 300)
    await insertFor(30)
    assert.equal(pace.ageMs(1), 300)
    assert.equal(pace.ageMs(20), 300)
  })

  it('lets rows wait longer with the tables and with what inserts take, and no longer than 5 s', async () => {
    await insertFor(30)
    assert.equal(Math.round(pace.ageMs(100)), 1500)
    assert.equal(Math.round(pace.ageMs(200)), 3000)
    assert.equal(pace.ageMs(1000), 5000)
    await insertFor(200)
    assert.equal(Math.round(pace.ageMs(10)), 1000)
    // It is the mean of the last inserts.
    await insertFor(10)
    assert.equal(pace.ageMs(10), 300)
  })

  it('keeps to what is configured if that is longer', async () => {
    pace = new InsertPace({ minAgeMs: 8000 })
    await insertFor(200)
    assert.equal(pace.ageMs(1000), 8000)
  })
})
