/**
 * What people and machines do to a table while logs come for it, with a real ClickHouse: every log is stored once all the same.
 */
import assert from 'node:assert/strict'
import { silentLog } from '../../../src/base/log.ts'
import type { Logstore } from '../../../src/catalog/model.ts'
import { InsertPace } from '../../../src/indexing/insert-pace.ts'
import { TableWriter } from '../../../src/indexing/table-writer.ts'
import type { JournalEntry } from '../../../src/journal/format.ts'
import { SpareBuffers } from '../../../src/store/row-block.ts'
import { Store } from '../../../src/store/store.ts'
import { newFiles, openJournal, readAll, take } from '../journal/fixtures.ts'
import { ask, makeLogstore, openStore, until, type StoreFixture } from '../store/fixture.ts'

interface Log {
  content: string
  error: string
}

/** A log that was received at some time, in milliseconds since 1970. */
interface Arrival {
  receivedMs?: number
  values: string[]
}

describe('a table that is written while', function () {
  this.timeout(120_000)

  let fixture: StoreFixture
  let writer: TableWriter | undefined
  let problems: string[]
  let blocks: number

  before(async () => {
    // Days are those of UTC wherever the machine stands.
    const zone = process.env['TZ']
    process.env['TZ'] = 'Asia/Shanghai'
    fixture = await openStore()
    if (zone === undefined) delete process.env['TZ']
    else process.env['TZ'] = zone
  })

  after(() => fixture.close())

  beforeEach(() => {
    problems = []
    blocks = 0
  })

  afterEach(() => writer?.stop())

  async function asService(statement: string): Promise<string> {
    const { url, username, password } = fixture.engine.connection!
    const headers = { 'X-ClickHouse-User': username, 'X-ClickHouse-Key': password, connection: 'close' }
    const answer = await fetch(url, { method: 'POST', headers, body: statement })
    const text = await answer.text()
    assert.equal(answer.status, 200, text)
    return text.trim()
  }

  const tableOf = ({ name }: Logstore): string => `\`p_web-shop_1\`.\`${name}\``

  /** The entries of a journal that holds this. */
  async function entriesOf(...arrivals: Arrival[]): Promise<JournalEntry[]> {
    let nowMs = Date.now()
    const files = newFiles()
    const journal = await openJournal(files, { now: () => nowMs })
    for (const { receivedMs, values } of arrivals) {
      nowMs = receivedMs ?? nowMs
      await take(journal, { values }).durable.promise
    }
    const entries = await readAll(files, journal)
    await journal.close()
    return entries
  }

  function write(logstore: Logstore, store = fixture.store): TableWriter {
    writer = new TableWriter({
      store,
      logstore,
      nodeId: 'node',
      bootId: `boot of ${logstore.id}`,
      storedEntry: -1,
      deletedIds: () => new Set(),
      storedBlocks: () => 0,
      pace: new InsertPace({ minAgeMs: 100 }),
      busyTables: () => 1,
      log: silentLog,
      spares: new SpareBuffers(),
      onRow: () => {},
      onStored: () => blocks++,
      onProblem: problem => problems.push(problem ?? ''),
      onBroken: () => {},
    })
    return writer
  }

  async function store(...entries: JournalEntry[]): Promise<void> {
    for (const entry of entries) await writer!.add(entry)
    await writer!.drain()
  }

  async function logsOf(logstore: Logstore): Promise<Log[]> {
    return ask<Log>(fixture.store, logstore, 'SELECT content, _error AS error FROM log ORDER BY _entry, _offset, _index')
  }

  async function contentsOf(logstore: Logstore): Promise<string[]> {
    return (await logsOf(logstore)).map(({ content, error }) => (assert.equal(error, ''), content))
  }

  /** Stores one entry, breaks the table, lets another one come, mends it when the problem is told, and waits for the log. */
  async function survive(logstore: Logstore, broken: string, problem: RegExp, mended?: string): Promise<void> {
    const [first, second] = await entriesOf({ values: ['first'] }, { values: ['second'] })
    write(logstore)
    await store(first!)
    await asService(broken)
    const stored = store(second!)
    await until(() => problems.length > 0)
    if (mended !== undefined) await asService(mended)
    await stored
    assert.match(problems[0]!, problem)
    assert.equal(problems.at(-1), '')
  }

  it('somebody drops it has what comes later', async () => {
    const logstore = makeLogstore({ id: 'dropped' })
    await survive(logstore, `DROP TABLE ${tableOf(logstore)} SYNC`, /the table is gone/)
    assert.deepEqual(await contentsOf(logstore), ['second'])
  })

  it('somebody drops a column gets it back', async () => {
    const logstore = makeLogstore({ id: 'column-dropped' })
    await survive(logstore, `ALTER TABLE ${tableOf(logstore)} DROP COLUMN _key`, /a column of the table is gone/)
    assert.deepEqual(await contentsOf(logstore), ['first', 'second'])
    assert.deepEqual(await ask(fixture.store, logstore, 'SELECT _key FROM log WHERE content = \'second\''), [{ _key: '' }]) // prettier-ignore
  })

  it('somebody changes a column takes nothing for something else, and says which', async () => {
    const logstore = makeLogstore({ id: 'column-changed' })
    const change = (precision: number): string =>
      `ALTER TABLE ${tableOf(logstore)} MODIFY COLUMN _time DateTime64(${precision}, 'UTC')`
    await survive(logstore, change(6), /Type of '_time' must be .*change it back/, change(3))
    assert.deepEqual(await contentsOf(logstore), ['first', 'second'])
    const [{ years }] = (await ask(fixture.store, logstore, 'SELECT uniqExact(toYear(_time)) AS years FROM log')) as [{ years: number }] // prettier-ignore
    assert.equal(Number(years), 1)
  })

  it('it has too many parts waits for its merges', async () => {
    const logstore = makeLogstore({ id: 'parts' })
    const limit = (parts: number): string =>
      `ALTER TABLE ${tableOf(logstore)} MODIFY SETTING parts_to_throw_insert = ${parts}, parts_to_delay_insert = ${parts}`
    await survive(logstore, limit(1), /TOO_MANY_PARTS.*merges are behind/, limit(3000))
    assert.deepEqual(await contentsOf(logstore), ['first', 'second'])
  })

  it('it is read-only waits until it is not', async () => {
    const logstore = makeLogstore({ id: 'read-only' })
    const setting = (value: number): string => `ALTER TABLE ${tableOf(logstore)} MODIFY SETTING table_readonly = ${value}`
    await survive(logstore, setting(1), /READ_ONLY.*make the table writable again/, setting(0))
    assert.deepEqual(await contentsOf(logstore), ['first', 'second'])
  })

  it('it refuses some logs has them with the reason, in their places, and reading them again changes nothing', async () => {
    const logstore = makeLogstore({ id: 'poison' })
    const values = Array.from({ length: 40 }, (_, log) => (log % 13 === 5 ? `poison ${log}` : `log ${log}`))
    const entries = await entriesOf({ values: values.slice(0, 17) }, { values: values.slice(17) })
    await fixture.store.ensureTable(logstore)
    await asService(`ALTER TABLE ${tableOf(logstore)} ADD CONSTRAINT sane CHECK content NOT LIKE 'poison%' OR _error != ''`)
    write(logstore)
    await store(...entries)
    const logs = await logsOf(logstore)
    assert.deepEqual(logs.map(({ content }) => content), values) // prettier-ignore
    for (const { content, error } of logs) assert.match(error, content.startsWith('poison') ? /VIOLATED_CONSTRAINT/ : /^$/)
    assert.equal(blocks, 1)
    write(logstore)
    await store(...entries)
    assert.deepEqual(await logsOf(logstore), logs)
    assert.deepEqual(problems, [])
  })

  it('memory is short has every log, in smaller blocks', async () => {
    const logstore = makeLogstore({ id: 'memory' })
    const values = Array.from({ length: 20_000 }, (_, log) => `log ${log} ${'x'.repeat(500)}`)
    const entries = await entriesOf({ values })
    await fixture.store.ensureTable(logstore)
    const { url, ...connection } = fixture.engine.connection!
    const poor = new Store({ connection: { ...connection, url: `${url}?ch_max_memory_usage=24000000` } })
    write(logstore, poor)
    await store(...entries)
    await poor.close()
    assert.deepEqual(await contentsOf(logstore), values)
    const parts = await asService(`SELECT uniqExact(_part) FROM ${tableOf(logstore)}`)
    assert(Number(parts) > 1)
  })

  it('days end begins another block where the day of UTC does, and nowhere else', async () => {
    const logstore = makeLogstore({ id: 'days', retentionDays: 36_500 })
    const midnight = Date.UTC(2026, 0, 2)
    const hour = 3_600_000
    const entries = await entriesOf(
      { receivedMs: midnight - 8 * hour - 1, values: ['before midnight in Shanghai'] },
      { receivedMs: midnight - 8 * hour, values: ['behind it'] },
      { receivedMs: midnight - 1, values: ['before midnight'] },
      { receivedMs: midnight, values: ['behind midnight'] },
      { receivedMs: midnight - hour, values: ['the clock was set back'] },
    )
    write(logstore)
    await store(...entries)
    assert.equal(blocks, 2)
    assert.equal(await asService('SELECT timezone()'), 'Asia/Shanghai')
    const parts = await asService(
      `SELECT concat(_part, ' ', arrayStringConcat(arraySort(groupArray(toString(_received))), ' ')) FROM ${tableOf(logstore)} GROUP BY _part ORDER BY _part`,
    )
    assert.deepEqual(parts.split('\n'), [
      '20260101_1_1_0 2026-01-01 15:59:59.999 2026-01-01 16:00:00.000 2026-01-01 23:59:59.999',
      '20260102_2_2_0 2026-01-02 00:00:00.000 2026-01-02 00:00:00.000',
    ])
  })

  it('the logstore is changed has the new fields from the next insert on', async () => {
    const logstore = makeLogstore({ id: 'changed' })
    const [first, second] = await entriesOf({ values: ['{"a":1}'] }, { values: ['{"a":2}'] })
    write(logstore)
    await store(first!)
    writer!.setLogstore({ ...logstore, fields: [{ path: ['a'], type: 'integer' }], retentionDays: 7 })
    await store(second!)
    // Both are seen without anybody else having made the table.
    const rows = await ask(new Store({ connection: fixture.engine.connection }), logstore, 'SELECT f_a FROM log ORDER BY _entry')
    assert.deepEqual(rows, [{ f_a: 1 }, { f_a: 2 }])
  })
})
