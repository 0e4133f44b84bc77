import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { pino } from 'pino'
import type { Logstore } from '../../../src/catalog/model.ts'
import { Janitor } from '../../../src/store/janitor.ts'
import type { Store } from '../../../src/store/store.ts'
import { ask, insertRows, makeLogstore, openStore, until, type StoreFixture } from './fixture.ts'

const DAY_MS = 86_400_000

describe('what a logstore may keep', () => {
  let fixture: StoreFixture
  let store: Store
  let janitor: Janitor | undefined
  /** What a day's logs take on disk, about. */
  let dayBytes: number

  before(async () => {
    fixture = await openStore()
    store = fixture.store
    const measured = makeLogstore({ id: 'measured', retentionDays: 3650 })
    await insertDay(measured, 0)
    dayBytes = (await store.trim(measured)).bytes
  })

  afterEach(() => janitor?.close())

  after(() => fixture.close())

  /** Stores a log that was received so many days ago, and cannot be compressed. */
  async function insertDay(logstore: Logstore, daysAgo: number): Promise<void> {
    const receivedMs = Date.UTC(2026, 0, 31) - daysAgo * DAY_MS
    const content = randomBytes(50_000).toString('hex')
    await insertRows(store, logstore, [{ offset: 100 - daysAgo, receivedMs, content: Buffer.from(content) }])
  }

  async function daysOf(logstore: Logstore): Promise<string[]> {
    const rows = await ask<{ day: string }>(store, logstore, 'SELECT DISTINCT toDate(_received) AS day FROM log ORDER BY day')
    return rows.map(({ day }) => day)
  }

  function openJanitor(logstores: () => readonly Logstore[]): { said: { level: number; msg: string; logstore?: string }[] } {
    const said: { level: number; msg: string }[] = []
    const log = pino({}, { write: line => void said.push(JSON.parse(line) as { level: number; msg: string }) })
    janitor = new Janitor({ store, logstores, deletedIds: () => new Set(), log })
    return { said }
  }

  it('is everything that fits: of what is larger the oldest days go, and no more than have to', async () => {
    const logstore = makeLogstore({ id: 'sized', retentionDays: 3650, maxBytes: 2.5 * dayBytes })
    for (const daysAgo of [3, 2, 1, 0]) await insertDay(logstore, daysAgo)
    const { days, bytes, isTooLarge } = await store.trim(logstore)
    assert.deepEqual({ days, isTooLarge }, { days: ['2026-01-28', '2026-01-29'], isTooLarge: false })
    assert(bytes > dayBytes && bytes <= logstore.maxBytes!)
    assert.deepEqual(await daysOf(logstore), ['2026-01-30', '2026-01-31'])
    assert.deepEqual((await store.trim(logstore)).days, [])
  })

  it('is the newest day at least, however large', async () => {
    const logstore = makeLogstore({ id: 'one-day', retentionDays: 3650, maxBytes: dayBytes / 2 })
    for (const daysAgo of [1, 0]) await insertDay(logstore, daysAgo)
    const { days, isTooLarge } = await store.trim(logstore)
    assert.deepEqual({ days, isTooLarge }, { days: ['2026-01-30'], isTooLarge: true })
    assert.deepEqual(await daysOf(logstore), ['2026-01-31'])
  })

  it('is everything where nothing is stored, or no limit is set', async () => {
    const limited = makeLogstore({ id: 'empty', maxBytes: 1 })
    await store.ensureTable(limited)
    assert.deepEqual(await store.trim(limited), { days: [], bytes: 0, isTooLarge: false })
    const unlimited = makeLogstore({ id: 'unlimited', retentionDays: 3650 })
    for (const daysAgo of [1, 0]) await insertDay(unlimited, daysAgo)
    assert.deepEqual((await store.trim(unlimited)).days, [])
  })

  it('is not taken from a table that is not the logstore’s', async () => {
    const theirs = makeLogstore({ id: 'theirs', name: 'shared-name', retentionDays: 3650 })
    for (const daysAgo of [1, 0]) await insertDay(theirs, daysAgo)
    await assert.rejects(store.trim({ ...theirs, id: 'other', maxBytes: 1 }), { code: 'TABLE_NOT_OURS' })
    assert.equal(await store.count(theirs), 2)
  })

  it('is changed at once where nothing is received', async () => {
    const recent = Date.now() - 10 * DAY_MS
    let logstore = makeLogstore({ id: 'quiet', retentionDays: 30 })
    await insertRows(store, logstore, [{ receivedMs: recent }, { receivedMs: recent, offset: 1 }])
    openJanitor(() => [logstore])
    logstore = { ...logstore, retentionDays: 3 }
    janitor!.wake()
    await until(async () => (await store.count(logstore)) === 0)
  })

  it('is nothing once the logstore is deleted, also while its table is looked after', async () => {
    const deleted = makeLogstore({ id: 'deleted' })
    const behind = makeLogstore({ id: 'behind', retentionDays: 30 })
    await insertRows(store, behind, [{ receivedMs: Date.now() - 10 * DAY_MS }])
    const changed = { ...behind, retentionDays: 3 }
    let isFirst = true
    openJanitor(() => {
      const logstores = isFirst ? [deleted, changed] : [changed]
      isFirst = false
      return logstores
    })
    janitor!.wake()
    await until(async () => (await store.count(behind)) === 0)
    await insertRows(store, makeLogstore({ id: 'next', name: deleted.name }), [{}])
  })

  it('is looked after for each logstore, and what is wrong with one is said once and holds up no other', async () => {
    const large = makeLogstore({ id: 'large', retentionDays: 3650, maxBytes: dayBytes / 2 })
    const foreign = makeLogstore({ id: 'foreign' })
    await store.ensureTable(makeLogstore({ id: 'owner', name: foreign.name }))
    const small = makeLogstore({ id: 'small', retentionDays: 3650, maxBytes: 1.5 * dayBytes })
    for (const logstore of [large, small]) for (const daysAgo of [1, 0]) await insertDay(logstore, daysAgo)
    const { said } = openJanitor(() => [large, foreign, small])
    for (const _ of [1, 2]) {
      const before = said.length
      janitor!.wake()
      if (before === 0) await until(async () => (await store.count(small)) === 1)
    }
    await insertDay(small, 2)
    janitor!.wake()
    await until(async () => (await store.count(small)) === 1)
    const warnings = said.filter(({ level }) => level === 40).map(({ logstore, msg }) => `${logstore}: ${msg}`)
    assert.equal(warnings.length, 2, warnings.join('\n'))
    assert.match(warnings[0]!, /^large: the newest day of a logstore alone is larger than the logstore may be; it is kept$/)
    assert.match(warnings[1]!, /^foreign: a table cannot be looked after/)
  })
})
