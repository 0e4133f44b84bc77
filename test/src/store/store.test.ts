import assert from 'node:assert/strict'
import type { Logstore } from '../../../src/catalog/model.ts'
import { fieldColumn } from '../../../src/store/fields.ts'
import { insertQueryPrefix, Store } from '../../../src/store/store.ts'
import { ask, insertRows, makeBlock, makeLogstore, makeRow, openStore, until, type StoreFixture } from './fixture.ts'

describe('Store', () => {
  let fixture: StoreFixture
  let store: Store

  before(async () => {
    fixture = await openStore()
    store = fixture.store
  })

  after(() => fixture.close())

  /** What the service user sees, in a statement that no method of the store makes. */
  async function asService(query: string): Promise<string> {
    const { url, username, password } = fixture.engine.connection!
    const headers = { 'X-ClickHouse-User': username, 'X-ClickHouse-Key': password, connection: 'close' }
    const answer = await fetch(url, { method: 'POST', headers, body: query })
    const text = await answer.text()
    assert.equal(answer.status, 200, text)
    return text.trim()
  }

  describe('without a connection', () => {
    it('rejects everything with STORE_UNAVAILABLE', async () => {
      const alone = new Store()
      const logstore = makeLogstore({ id: 'alone' })
      const unavailable = { code: 'STORE_UNAVAILABLE' }
      await assert.rejects(alone.ping(), unavailable)
      await assert.rejects(alone.ensureTable(logstore), unavailable)
      await assert.rejects(alone.highestOffsets(logstore), unavailable)
      await assert.rejects(alone.query({ logstore }), unavailable)
      alone.connect({ url: 'http://127.0.0.1:1', username: 'a', password: 'b', queryUsername: 'c', queryPassword: 'd' })
      await assert.rejects(alone.ping(), unavailable)
      await assert.rejects(alone.insert(logstore, makeBlock([{}]), { queryId: 'x', token: 'x' }), unavailable)
      await alone.close()
    })

    it('takes a wrong password for a store that is not available', async () => {
      const wrong = new Store({ connection: { ...fixture.engine.connection!, password: 'wrong' } })
      await assert.rejects(wrong.ping(), { code: 'STORE_UNAVAILABLE', message: /Authentication failed/ })
      await wrong.close()
    })
  })

  describe('insert', () => {
    it('stores each value as it is', async () => {
      const logstore = makeLogstore({ id: 'values', retentionDays: 3650 })
      const allBytes = Uint8Array.from({ length: 256 }, (_, byte) => byte)
      await insertRows(store, logstore, [
        {
          shard: 65_535,
          offset: 2 ** 53 - 1,
          index: 2 ** 32 - 1,
          entry: 2 ** 53 - 1,
          timeMs: Date.UTC(2026, 0, 2, 3, 4, 5, 678),
          receivedMs: Date.UTC(2026, 0, 2, 23, 59, 59, 999),
          source: '::1',
          client: 'clíent 😀',
          key: allBytes,
          headers: [
            { key: 'kéy', value: allBytes },
            { key: 'none', value: null },
          ],
          content: allBytes,
          error: "it's bad",
        },
      ])
      const hex = Buffer.from(allBytes).toString('hex').toUpperCase()
      const [row] = await ask<Record<string, unknown>>(
        store,
        logstore,
        `SELECT toString(_shard) AS shard, toString(_offset) AS offset, toString(_index) AS index, toString(_entry) AS entry,
           _time, _received, _source, _client, hex(_key) AS key, hex(_headers['kéy']) AS header, _headers['none'] AS none,
           length(_headers) AS headers, hex(content) AS content, _error FROM log`,
      )
      assert.deepEqual(row, {
        shard: '65535',
        offset: '9007199254740991',
        index: '4294967295',
        entry: '9007199254740991',
        _time: '2026-01-02 03:04:05.678',
        _received: '2026-01-02 23:59:59.999',
        _source: '::1',
        _client: 'clíent 😀',
        key: hex,
        header: hex,
        none: '',
        headers: 2,
        content: hex,
        _error: "it's bad",
      })
    })

    it('moves times that the column cannot hold to the nearest that it can', async () => {
      const logstore = makeLogstore({ id: 'times' })
      const times = [-(2 ** 53) + 1, -1, 2 ** 53 - 1]
      await insertRows(
        store,
        logstore,
        times.map(timeMs => ({ timeMs })),
      )
      const rows = await ask<{ _time: string }>(store, logstore, 'SELECT _time FROM log ORDER BY _offset')
      assert.deepEqual(
        rows.map(({ _time }) => _time),
        ['1900-01-01 00:00:00.000', '1969-12-31 23:59:59.999', '2299-12-31 23:59:59.999'],
      )
    })

    it('stores a large block as one part', async () => {
      const logstore = makeLogstore({ id: 'large' })
      const receivedMs = Date.now()
      const rows = Array.from({ length: 100_000 }, () => ({ receivedMs, content: Buffer.alloc(100, 'x') }))
      await insertRows(store, logstore, rows)
      assert.equal(await store.count(logstore), 100_000)
      assert.equal(await asService('SELECT uniqExact(_part) FROM `p_web-shop_1`.large'), '1')
    })

    it('stores nothing twice under one token', async () => {
      const logstore = makeLogstore({ id: 'tokens' })
      await store.ensureTable(logstore)
      const block = makeBlock([{}, {}])
      await store.insert(logstore, block, { queryId: 'token-1', token: 'same' })
      await store.insert(logstore, block, { queryId: 'token-2', token: 'same' })
      assert.equal(await store.count(logstore), 2)
      await store.insert(logstore, block, { queryId: 'token-3', token: 'other' })
      assert.equal(await store.count(logstore), 4)
    })

    it('can be tried again after somebody dropped the table', async () => {
      const logstore = makeLogstore({ id: 'vanished' })
      await store.ensureTable(logstore)
      await asService('DROP TABLE `p_web-shop_1`.vanished SYNC')
      const options = { queryId: 'vanished-1', token: 'vanished' }
      await assert.rejects(store.insert(logstore, makeBlock([{}]), options), { code: 'STORE_UNAVAILABLE' })
      await insertRows(store, logstore, [{}])
      assert.equal(await store.count(logstore), 1)
    })

    it('stores nothing of a block that is cut off', async () => {
      const logstore = makeLogstore({ id: 'cut' })
      await store.ensureTable(logstore)
      const block = makeBlock([{}, {}])
      const cut = Object.create(block, { encoded: { value: block.encoded.subarray(0, block.bytes - 1) } }) as typeof block
      await assert.rejects(store.insert(logstore, cut, { queryId: 'cut-1', token: 'cut' }), { code: 'STORE_REFUSED' })
      assert.equal(await store.count(logstore), 0)
    })
  })

  describe('highestOffsets', () => {
    it('tells the highest offset of each shard', async () => {
      const logstore = makeLogstore({ id: 'offsets' })
      await insertRows(store, logstore, [
        { shard: 0, offset: 3 },
        { shard: 2, offset: 0 },
        { shard: 0, offset: 4 },
      ])
      await insertRows(store, logstore, [{ shard: 0, offset: 5 }])
      assert.deepEqual([...(await store.highestOffsets(logstore))].toSorted(), [
        [0, 5],
        [2, 0],
      ])
    })

    it('tells nothing of a table that is empty or missing', async () => {
      const logstore = makeLogstore({ id: 'nothing' })
      assert.equal((await store.highestOffsets(logstore)).size, 0)
      assert.equal(await store.count(logstore), 0)
      await store.ensureTable(logstore)
      assert.equal((await store.highestOffsets(logstore)).size, 0)
      assert.equal(await store.count(logstore), 0)
    })
  })

  describe('resolveInserts', () => {
    it("ends this node's inserts into this logstore and no others", async () => {
      const logstore = makeLogstore({ id: 'resolve' })
      await store.ensureTable(logstore)
      const own = insertQueryPrefix(logstore, 'node-1')
      const running = [
        `${own}1`,
        `${own}2`,
        insertQueryPrefix(logstore, 'node-2'),
        `${insertQueryPrefix(logstore, 'node-1').slice(0, -1)}2:1`,
      ]
      const sleepers = running.map(queryId => startSleeper(queryId))
      const isRunning = async (queryId: string) =>
        (await asService(`SELECT count() FROM system.processes WHERE query_id = '${queryId}'`)) === '1'
      for (const queryId of running) await until(() => isRunning(queryId))
      await store.resolveInserts(logstore, 'node-1')
      assert.deepEqual(await Promise.all(running.map(isRunning)), [false, false, true, true])
      await asService("KILL QUERY WHERE startsWith(query_id, 'sluice-insert:') SYNC")
      await Promise.all(sleepers)
    })

    async function startSleeper(queryId: string): Promise<void> {
      const { url, username, password } = fixture.engine.connection!
      const body = 'SELECT sleepEachRow(1) FROM numbers(1000) SETTINGS max_block_size = 1 FORMAT Null'
      const headers = { 'X-ClickHouse-User': username, 'X-ClickHouse-Key': password, connection: 'close' }
      await (await fetch(`${url}/?query_id=${encodeURIComponent(queryId)}`, { method: 'POST', headers, body })).text()
    }
  })

  describe('ensureTable', () => {
    it('makes the table once and leaves what it holds', async () => {
      const logstore = makeLogstore({ id: 'once' })
      await insertRows(store, logstore, [{}])
      await store.ensureTable(logstore)
      const second = new Store({ connection: fixture.engine.connection })
      await second.ensureTable(logstore)
      assert.equal(await second.count(logstore), 1)
      await second.close()
    })

    it('may be called by several processes at once', async () => {
      const logstore = makeLogstore({ id: 'at-once', fields: [{ path: ['level'], type: 'keyword' }] })
      const stores = Array.from({ length: 4 }, () => new Store({ connection: fixture.engine.connection }))
      await Promise.all(stores.map(other => other.ensureTable(logstore)))
      await Promise.all(stores.map(other => other.close()))
      assert.equal(await store.count(logstore), 0)
    })

    it('leaves a table alone that another made', async () => {
      const logstore = makeLogstore({ id: 'foreign' })
      await asService('CREATE DATABASE IF NOT EXISTS `p_web-shop_1`')
      await asService("CREATE TABLE `p_web-shop_1`.foreign (x UInt8) ENGINE = MergeTree ORDER BY x COMMENT 'of the shop'")
      const notOurs = { code: 'TABLE_NOT_OURS', message: /p_web-shop_1\.foreign .*of the shop/ }
      await assert.rejects(store.ensureTable(logstore), notOurs)
      await assert.rejects(store.ensureTable(logstore, new Set(['foreign', ''])), notOurs)
      await store.dropLogstore(logstore)
      assert.equal(await asService('SELECT count() FROM `p_web-shop_1`.foreign'), '0')
    })

    it('takes the table of a deleted logstore away, and of no other', async () => {
      const old = makeLogstore({ id: 'old-id', name: 'again' })
      const renewed = makeLogstore({ id: 'new-id', name: 'again' })
      await insertRows(store, old, [{}])
      await assert.rejects(store.ensureTable(renewed), { code: 'TABLE_NOT_OURS', message: /old-id/ })
      await assert.rejects(store.ensureTable(renewed, new Set(['new-id', 'other-id'])), { code: 'TABLE_NOT_OURS' })
      await store.dropLogstore(renewed)
      assert.equal(await store.count(old), 1)
      await store.ensureTable(renewed, new Set(['old-id']))
      assert.equal(await store.count(renewed), 0)
      await store.dropLogstore(old)
      await insertRows(store, renewed, [{}])
      assert.equal((await ask(store, renewed)).length, 1)
    })

    it('works for the longest names', async () => {
      const project = `p${'-'.repeat(61)}p`
      const logstore = makeLogstore({ id: 'longest', project, name: `l${'-_'.repeat(30)}-l` })
      await insertRows(store, logstore, [{}])
      assert.equal((await ask(store, logstore)).length, 1)
      await store.dropLogstore(logstore)
      assert.equal(await store.count(logstore), 0)
    })

    it('changes the retention', async () => {
      const logstore = makeLogstore({ id: 'retention', retentionDays: 30 })
      const dayMs = 86_400_000
      await insertRows(store, logstore, [{ receivedMs: Date.now() }])
      await insertRows(store, logstore, [{ receivedMs: Date.now() - 10 * dayMs }])
      assert.equal(await store.count(logstore), 2)
      await store.ensureTable({ ...logstore, retentionDays: 3 })
      await until(async () => (await store.count(logstore)) === 1)
    })

    it('keeps logs for as long as anybody may say', async () => {
      for (const retentionDays of [3650, 36_500, 1_000_000]) {
        const logstore = makeLogstore({ id: `days-${retentionDays}`, retentionDays })
        await insertRows(store, logstore, [{}])
        await asService(`ALTER TABLE \`p_web-shop_1\`.\`${logstore.name}\` MATERIALIZE TTL SETTINGS mutations_sync = 2`)
        assert.equal(await store.count(logstore), 1)
      }
    })

    it('drops table and view with the logstore, and can make them again', async () => {
      const logstore = makeLogstore({ id: 'dropped' })
      await insertRows(store, logstore, [{}])
      await store.dropLogstore(logstore)
      assert.equal(await asService("SELECT count() FROM system.databases WHERE name = 'q_web-shop_1/dropped'"), '0')
      assert.equal(await asService("SELECT count() FROM system.tables WHERE name = 'dropped'"), '0')
      await store.dropLogstore(logstore)
      await insertRows(store, logstore, [{}, {}])
      assert.equal(await store.count(logstore), 2)
    })
  })

  describe('fields', () => {
    const oddKeys = [
      "it's",
      'back`tick',
      'back\\slash',
      'trailing\\',
      'dot.ted',
      'new\nline',
      'tab\tzero\0',
      '😀',
      '',
      ' ',
      'null',
      'NULL',
      '1',
      '"quoted"',
      "'); DROP TABLE log; --",
      '{id:Identifier}',
      'Tuple(',
      '\\n',
      '$1 $& $`',
    ]

    it('fills the columns from JSON, whatever the names', async () => {
      const fields: Logstore['fields'] = oddKeys.flatMap(key => [
        { path: [key], type: 'text' },
        { path: ['deep', key, key], type: 'integer' },
      ])
      const document = Object.fromEntries(oddKeys.map(key => [key, `value of ${key}`]))
      const deep = Object.fromEntries(oddKeys.map((key, index) => [key, { [key]: index }]))
      const logstore = makeLogstore({ id: 'odd', fields })
      await insertRows(store, logstore, [{ content: Buffer.from(JSON.stringify({ ...document, deep })) }])
      const [row] = await ask<Record<string, unknown>>(store, logstore, 'SELECT * FROM log')
      for (const [index, key] of oddKeys.entries()) {
        assert.equal(row![fieldColumn([key])], `value of ${key}`)
        assert.equal(row![fieldColumn(['deep', key, key])], index)
      }
    })

    const fields: Logstore['fields'] = [
      { path: ['level'], type: 'keyword' },
      { path: ['message'], type: 'text' },
      { path: ['http', 'status'], type: 'integer' },
      { path: ['http', 'seconds'], type: 'number' },
    ]

    async function fieldsOf(id: string, content: string): Promise<unknown[]> {
      const logstore = makeLogstore({ id, fields })
      await insertRows(store, logstore, [{ content: Buffer.from(content) }])
      const [row] = await ask<Record<string, unknown>>(store, logstore, 'SELECT * FROM log')
      assert.equal(row!.content, content)
      return fields.map(({ path }) => row![fieldColumn(path)])
    }

    it('has each type', async () => {
      const document = { level: 'info', message: 'hi', http: { status: -(2 ** 40), seconds: 0.25 } }
      assert.deepEqual(await fieldsOf('types', JSON.stringify(document)), ['info', 'hi', -(2 ** 40), 0.25])
    })

    it('leaves the columns of other documents empty', async () => {
      for (const [index, content] of [
        'plain text',
        '',
        '{"level":',
        '"string"',
        '{"http":5}',
        '{"level":null}',
        '["a","b",{"status":1}]',
        '[{"level":"info"}]',
      ].entries())
        assert.deepEqual(await fieldsOf(`other-${index}`, content), ['', '', null, null], content)
    })

    it('fills the columns of a document behind white space', async () => {
      assert.deepEqual(await fieldsOf('indented', '\n  {"level":"info"}'), ['info', '', null, null])
    })

    it('leaves only the column empty whose value has another type', async () => {
      const document = { level: 'info', message: { a: 1 }, http: { status: 'x', seconds: 1 } }
      assert.deepEqual(await fieldsOf('mismatch', JSON.stringify(document)), ['info', '{"a":1}', null, 1])
    })

    it('keeps a field beside the fields below it', async () => {
      const both: Logstore['fields'] = [
        { path: ['a', 'b'], type: 'integer' },
        { path: ['a'], type: 'text' },
        { path: ['a', 'b', 'c'], type: 'integer' },
      ]
      const logstore = makeLogstore({ id: 'beside', fields: both })
      await insertRows(store, logstore, [
        { content: Buffer.from('{"a":{"b":1}}') },
        { content: Buffer.from('{"a":{"b":{"c":2}}}') },
        { content: Buffer.from('{"a":"x"}') },
      ])
      const rows = await ask<Record<string, unknown>>(store, logstore, 'SELECT * FROM log ORDER BY _offset')
      assert.deepEqual(
        rows.map(row => both.map(({ path }) => row[fieldColumn(path)])),
        [
          [1, '{"b":1}', null],
          [null, '{"b":{"c":2}}', 2],
          [null, 'x', null],
        ],
      )
    })

    it('gives a field that is added later to old logs and new ones, in the view too', async () => {
      const logstore = makeLogstore({ id: 'later', fields: [{ path: ['a'], type: 'integer' }] })
      await insertRows(store, logstore, [{ offset: 0, content: Buffer.from('{"a":1,"b":"old"}') }])
      const grown = { ...logstore, fields: [...logstore.fields, { path: ['b'], type: 'text' as const }] }
      await insertRows(store, grown, [{ offset: 1, content: Buffer.from('{"a":2,"b":"new"}') }])
      assert.deepEqual(await ask(store, grown, 'SELECT f_a, f_b FROM log ORDER BY _offset'), [
        { f_a: 1, f_b: 'old' },
        { f_a: 2, f_b: 'new' },
      ])
    })
  })

  it('goes on at the new address after the engine was killed', async () => {
    const logstore = makeLogstore({ id: 'killed' })
    await insertRows(store, logstore, [{ offset: 0 }])
    process.kill(fixture.engine.pid!, 'SIGKILL')
    await until(() => fixture.engine.state.name === 'down')
    await assert.rejects(store.insert(logstore, makeBlock([makeRow(1)]), { queryId: 'killed-1', token: 'killed' }), {
      code: 'STORE_UNAVAILABLE',
    })
    await until(() => fixture.engine.state.name === 'ready')
    await store.resolveInserts(logstore, 'node')
    assert.deepEqual(await store.highestOffsets(logstore), new Map([[0, 0]]))
    await insertRows(store, logstore, [{ offset: 1 }])
    assert.equal(await store.count(logstore), 2)
  })
})
