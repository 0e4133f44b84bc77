import assert from 'node:assert/strict'
import { text } from 'node:stream/consumers'
import type { ExportFormat, ExportRange } from '../../../src/store/export.ts'
import type { Row } from '../../../src/store/row-block.ts'
import type { Store } from '../../../src/store/store.ts'
import { insertRows, makeLogstore, openStore, type StoreFixture } from './fixture.ts'

const MINUTE_MS = 60_000
const START_MS = Date.UTC(2026, 0, 31, 23, 58)
const ALL: ExportRange = { sinceMs: null, untilMs: null }

describe('an export', () => {
  let fixture: StoreFixture
  let store: Store
  const many = makeLogstore({ id: 'many', retentionDays: 3650 })
  const few = makeLogstore({ id: 'few', retentionDays: 3650 })

  before(async () => {
    fixture = await openStore()
    store = fixture.store
    // Over two days and two shards; what arrived last is inserted first, and times run against the order of arrival.
    for (const minute of [3, 2, 1, 0]) {
      const rows = Array.from({ length: 90_000 }, (_, index): Partial<Row> => {
        const entry = minute * 100_000 + index
        const receivedMs = START_MS + minute * MINUTE_MS
        return { shard: index % 2, offset: entry, entry, receivedMs, timeMs: START_MS - entry, content: Buffer.from(`${entry}`) }
      })
      await insertRows(store, many, rows)
    }
    await insertRows(store, few, [
      { offset: 0, entry: 0, timeMs: START_MS, receivedMs: START_MS, content: Buffer.from('first, "quoted"\nline') },
      {
        offset: 1,
        entry: 1,
        timeMs: START_MS + 1000,
        receivedMs: START_MS,
        content: Buffer.from([0x61, 0xff, 0x62]),
        error: 'odd',
      },
      { offset: 2, entry: 2, timeMs: START_MS + 2000, receivedMs: START_MS + MINUTE_MS, key: Buffer.from('a key') },
    ])
  })

  after(() => fixture.close())

  async function read(logstore: typeof many, range: ExportRange, format: ExportFormat = 'ndjson'): Promise<string[]> {
    const texts: string[] = []
    for (const [index, piece] of (await store.planExport(logstore, range)).entries())
      texts.push(await text(await store.openExport(logstore, { range, format, piece, hasHeader: index === 0 })))
    return texts
  }

  it('has every log once, in the order of arrival, in pieces that can be sorted', async () => {
    const pieces = await store.planExport(many, ALL)
    assert.deepEqual(
      pieces.map(({ rows }) => rows),
      [180_000, 180_000],
    )
    const logs = (await read(many, ALL)).join('').trimEnd().split('\n')
    const contents = logs.map(line => (JSON.parse(line) as { content: string }).content)
    assert.equal(contents.length, 360_000)
    let previous = -1
    for (const content of contents) {
      assert(Number(content) > previous, `${content} comes behind ${previous}`)
      previous = Number(content)
    }
  })

  it('is of the logs whose time is in the range, from its beginning to before its end', async () => {
    const range = { sinceMs: START_MS - 300_005, untilMs: START_MS - 200_000 }
    const logs = (await read(many, range)).join('').trimEnd().split('\n')
    assert.equal(logs.length, 90_005)
    assert.deepEqual((await read(few, { sinceMs: START_MS + 1000, untilMs: START_MS + 2000 })).join('').match(/"_entry":\d+/g), [
      '"_entry":1',
    ])
    assert.deepEqual(await read(few, { sinceMs: START_MS + 3000, untilMs: null }), [])
  })

  it('has all columns, times that anybody can read, and is JSON whatever the log', async () => {
    const [log, odd] = (await read(few, ALL)).join('').split('\n')
    const { _time, _shard, _offset, content, f_level: _, ...others } = JSON.parse(log!) as Record<string, unknown>
    assert.deepEqual(
      { _time, _shard, _offset, content },
      { _time: '2026-01-31T23:58:00.000Z', _shard: 0, _offset: 0, content: 'first, "quoted"\nline' },
    )
    assert.deepEqual(Object.keys(others).sort(), [
      '_client', '_entry', '_error', '_fields', '_headers', '_index', '_key', '_received', '_source', '_tags',
    ]) // prettier-ignore
    assert.match(odd!, /"content":"a\ufffdb".*"_error":"odd"/)
  })

  it('is CSV with one header', async () => {
    const [first, ...others] = await read(few, ALL, 'csv')
    assert.match(first!, /^"_shard","_offset",.*\n0,0,0,0,"2026-01-31T23:58:00.000Z".*"first, ""quoted""\nline"/)
    assert(others.every(text => !text.includes('_shard')))
  })

  it('is Parquet in one piece', async () => {
    const answer = await store.openExport(many, { range: ALL, format: 'parquet' })
    const chunks: Buffer[] = []
    for await (const chunk of answer as AsyncIterable<Buffer>) chunks.push(chunk)
    const file = Buffer.concat(chunks)
    assert.equal(file.toString('latin1', 0, 4), 'PAR1')
    assert.equal(file.toString('latin1', file.length - 4), 'PAR1')
  })

  it('ends its query when it is not wanted any more', async () => {
    const aborted = new AbortController()
    const answer = await store.openExport(many, { range: ALL, format: 'ndjson', signal: aborted.signal })
    answer.once('error', () => {})
    aborted.abort()
    const { url, username, password } = fixture.engine.connection!
    const headers = { 'X-ClickHouse-User': username, 'X-ClickHouse-Key': password, connection: 'close' }
    const body = "SELECT count() FROM system.processes WHERE startsWith(query_id, 'sluice-query:web-shop_1/')"
    for (let running = ''; running !== '0\n';) running = await (await fetch(url, { method: 'POST', headers, body })).text()
  })
})
