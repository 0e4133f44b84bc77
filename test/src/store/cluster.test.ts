import assert from 'node:assert/strict'
import { readFile, rm } from 'node:fs/promises'
import { createServer as createTlsServer } from 'node:tls'
import { once } from 'node:events'
import { connect, type AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { makeCertificates } from '../../../certs/development.ts'
import type { Logstore } from '../../../src/catalog/model.ts'
import { Store, insertQueryPrefix } from '../../../src/store/store.ts'
import { ClusterServers, clusterName } from './cluster-fixture.ts'
import { ask, insertRows, makeBlock, makeDirectory, makeLogstore, until } from './fixture.ts'

describe('Servers that are not embedded', () => {
  let servers: ClusterServers

  before(async function () {
    // Elsewhere there is one loopback address, and here each server has its own.
    if (process.platform !== 'linux') this.skip()
    servers = await ClusterServers.start(2)
  })

  after(() => servers?.close())

  describe('docs/store.md', () => {
    it('has only statements that ClickHouse understands', async () => {
      const document = await readFile(new URL('../../../../docs/store.md', import.meta.url), 'utf8')
      const statements = [...document.matchAll(/```sql\n(.*?)```/gs)].flatMap(([, sql]) => sql!.split(';\n').filter(Boolean))
      assert(statements.length > 10)
      for (const statement of statements)
        await servers.ask(0, `SELECT formatQuery('${statement.trim().replace(/[\\']/g, '\\$&')}')`, 'operator')
    })
  })

  for (const [what, cluster] of [
    ['one server', undefined],
    ['a cluster of two shards', clusterName],
  ] as const)
    describe(`Store on ${what}`, () => {
      let store: Store
      /** Where its tables are. */
      const indexes = cluster === undefined ? [0] : [0, 1]
      const logstoreOf = (id: string, properties: Partial<Logstore> = {}) =>
        makeLogstore({ id, project: cluster === undefined ? 'alone' : 'spread', ...properties })
      const table = (name: string) => `\`p_${cluster === undefined ? 'alone' : 'spread'}\`.\`${name}\``
      const onAll = (query: string) => Promise.all(indexes.map(index => servers.ask(index, query)))

      before(() => {
        store = new Store({ connection: { ...servers.connection(), cluster } })
      })

      after(() => store.close())

      it('answers', () => store.ping())

      it('has the fields and the index of the logstore on every server, and the documents of all formats', async () => {
        const logstore = logstoreOf('documents', { fields: [{ path: ['a', 'b'], type: 'integer' }] })
        for (let block = 0; block < 8; block++)
          await insertRows(store, logstore, [
            { offset: 2 * block, content: Buffer.from('{"a":{"b":1},"c":"x"}') },
            { offset: 2 * block + 1, content: Buffer.from('a=2'), fields: '{"a":{"b":2},"c":"y"}' },
          ])
        const documents = `SELECT toUInt32(sum(JSONExtractInt(_document, 'a', 'b'))) AS sum FROM log`
        const columns = "SELECT toUInt32(sum(f_a__b)) AS sum, toUInt32(countIf(f_c = 'y')) AS y FROM log"
        for (const index of ['light', 'none', 'fields', 'full'] as const) {
          const changed = { ...logstore, index, fields: [...logstore.fields, { path: ['c'], type: 'keyword' as const }] }
          assert.deepEqual(await ask(store, changed, documents), [{ sum: 24 }])
          if (index === 'none') await assert.rejects(ask(store, changed, columns), { code: 'STORE_REFUSED' })
          else assert.deepEqual(await ask(store, changed, columns), [{ sum: 24, y: 8 }])
          const [row] = await ask<object>(store, changed, 'SELECT * FROM log LIMIT 1')
          assert.equal('_document' in row!, false)
          for (const definition of await onAll(`SHOW CREATE TABLE ${table('documents')} FORMAT TSVRaw`)) {
            assert.equal(definition.includes('INDEX content_text'), index === 'full')
            assert.equal(definition.includes('INDEX content_bloom'), index === 'light')
            assert.equal(definition.includes('f_c'), index !== 'none')
          }
        }
      })

      it('stores each block as one part, on every server its share, and reads all of them', async () => {
        const logstore = logstoreOf('blocks')
        for (let block = 0; block < 16; block++)
          await insertRows(store, logstore, [
            { shard: 0, offset: 2 * block },
            { shard: 1, offset: block },
            { shard: 0, offset: 2 * block + 1 },
          ])
        assert.equal(await store.count(logstore), 48)
        const rows = (await onAll(`SELECT count() FROM ${table('blocks')}`)).map(Number)
        assert.equal(
          rows.reduce((sum, count) => sum + count),
          48,
        )
        for (const count of rows) assert(count > 0 && count % 3 === 0, `${rows.join(' + ')}`)
        assert.deepEqual(
          await onAll(`SELECT count() FROM (SELECT _offset FROM ${table('blocks')} WHERE _shard = 1)`),
          rows.map(count => String(count / 3)),
        )
        assert.deepEqual(
          await store.highestOffsets(logstore),
          new Map([
            [0, 31],
            [1, 15],
          ]),
        )
        assert.deepEqual([...(await store.newestReceived(logstore)).keys()].toSorted(), [0, 1])
        const sql = 'SELECT count() AS logs, uniqExact(_shard, _offset) AS different, max(_offset) AS last FROM log'
        assert.deepEqual(await ask(store, logstore, sql), [{ logs: 48, different: 48, last: 31 }])
        assert.equal((await ask(store, logstore)).length, 48)
        await store.dropLogstore(logstore)
      })

      it('stores a large block as one part', async () => {
        const logstore = logstoreOf('large')
        const receivedMs = Date.now()
        await insertRows(
          store,
          logstore,
          Array.from({ length: 50_000 }, () => ({ receivedMs, content: Buffer.alloc(200, 'x') })),
        )
        const parts = await onAll(`SELECT uniqExact(_part) FROM ${table('large')}`)
        assert.deepEqual(parts.map(Number).filter(Boolean), [1])
        await store.dropLogstore(logstore)
      })

      it('stores nothing twice under one token', async () => {
        const logstore = logstoreOf('tokens')
        await store.ensureTable(logstore)
        for (const token of ['a', 'b', 'c', 'd', 'e', 'f', 'a', 'b', 'c', 'd', 'e', 'f'])
          await store.insert(logstore, makeBlock([{}]), { queryId: `token-${Math.random()}`, token })
        assert.equal(await store.count(logstore), 6)
        await store.dropLogstore(logstore)
      })

      it('ends its inserts wherever they run', async () => {
        const logstore = logstoreOf('resolve')
        await store.ensureTable(logstore)
        const sleepers = indexes.map(index => startSleeper(index, `${insertQueryPrefix(logstore, 'node')}${index}`))
        const running = () => onAll("SELECT count() FROM system.processes WHERE startsWith(query_id, 'sluice-insert:node:')")
        await until(async () => (await running()).every(count => count === '1'))
        await store.resolveInserts(logstore, 'node')
        assert.deepEqual(
          await running(),
          indexes.map(() => '0'),
        )
        await Promise.all(sleepers)
      })

      it('changes retention and fields on every server', async () => {
        const logstore = logstoreOf('changing', { fields: [{ path: ['a'], type: 'integer' }] })
        const old = { receivedMs: Date.now() - 10 * 86_400_000 }
        for (let offset = 0; offset < 12; offset++)
          await insertRows(store, logstore, [{ ...(offset < 6 && old), offset, content: Buffer.from(`{"a":${offset},"b":"x"}`) }])
        const grown: Logstore = { ...logstore, retentionDays: 3, fields: [...logstore.fields, { path: ['b'], type: 'text' }] }
        await store.ensureTable(grown)
        await until(async () => (await store.count(grown)) === 6)
        const sql = 'SELECT f_b, sum(f_a) AS sum FROM log GROUP BY f_b'
        assert.deepEqual(await ask(store, grown, sql), [{ f_b: 'x', sum: 6 + 7 + 8 + 9 + 10 + 11 }])
        await store.dropLogstore(grown)
      })

      it('exports all of a logstore in order, and drops its oldest day on every server', async () => {
        const logstore = logstoreOf('large', { maxBytes: 1 })
        const today = Date.now()
        for (let offset = 0; offset < 12; offset++)
          await insertRows(store, logstore, [{ offset, entry: offset, receivedMs: today - (offset < 6 ? 86_400_000 : 0) }])
        const range = { sinceMs: null, untilMs: null }
        let lines = ''
        for (const piece of await store.planExport(logstore, range))
          lines += await text(await store.openExport(logstore, { range, format: 'ndjson', piece }))
        const offsets = lines.trimEnd().split('\n').map(line => (JSON.parse(line) as { _offset: number })._offset) // prettier-ignore
        assert.deepEqual(
          offsets,
          Array.from({ length: 12 }, (_, offset) => offset),
        )
        const { days, isTooLarge } = await store.trim(logstore)
        assert.deepEqual({ days: days.length, isTooLarge }, { days: 1, isTooLarge: true })
        assert.equal(await store.count(logstore), 6)
        await store.dropLogstore(logstore)
      })

      it('drops tables and views everywhere, and can make them again', async () => {
        const logstore = logstoreOf('dropped')
        await insertRows(store, logstore, [{}])
        await store.dropLogstore(logstore)
        const left =
          "SELECT count() FROM system.tables WHERE name = 'dropped' OR database = " +
          `'q_${logstore.project}/dropped' UNION ALL SELECT count() FROM system.databases WHERE name = 'q_${logstore.project}/dropped'`
        for (const counts of await onAll(left)) assert.equal(counts, '0\n0')
        await store.dropLogstore(logstore)
        await insertRows(store, logstore, [{}])
        assert.equal(await store.count(logstore), 1)
        await store.dropLogstore(logstore)
      })

      it('leaves a table alone that another made, on whichever server', async () => {
        const last = indexes.at(-1)!
        const logstore = logstoreOf('foreign')
        await servers.ask(last, `CREATE DATABASE IF NOT EXISTS \`p_${logstore.project}\``, 'operator')
        await servers.ask(
          last,
          `CREATE TABLE ${table('foreign')} (x UInt8) ENGINE = MergeTree ORDER BY x COMMENT 'of the shop'`,
          'operator',
        )
        await assert.rejects(store.ensureTable(logstore), { code: 'TABLE_NOT_OURS', message: /of the shop/ })
        await store.dropLogstore(logstore)
        assert.equal(await servers.ask(last, `SELECT count() FROM ${table('foreign')}`), '0')
        await servers.ask(last, `DROP TABLE ${table('foreign')}`, 'operator')
      })

      it('takes the table of a deleted logstore away on every server', async () => {
        const old = logstoreOf('old-id', { name: 'again' })
        const renewed = logstoreOf('new-id', { name: 'again' })
        for (let offset = 0; offset < 6; offset++) await insertRows(store, old, [{ offset }])
        await assert.rejects(store.ensureTable(renewed), { code: 'TABLE_NOT_OURS' })
        await store.ensureTable(renewed, new Set(['old-id']))
        assert.equal(await store.count(renewed), 0)
        await store.dropLogstore(renewed)
      })

      it('reads the logs of one project only, whatever is asked', async () => {
        const own = logstoreOf('own')
        const other = makeLogstore({ id: 'secrets', project: `${own.project}-2` })
        for (let offset = 0; offset < 6; offset++) {
          await insertRows(store, own, [{ offset, content: Buffer.from('own') }])
          await insertRows(store, other, [{ offset, content: Buffer.from('secret') }])
        }
        const views = cluster === undefined ? ['log'] : ['log', 'shard']
        for (const view of views) {
          const sql = `SELECT content FROM \`q_${other.project}/secrets\`.${view}`
          await assert.rejects(ask(store, own, sql), { code: 'STORE_REFUSED', message: /own project only/ })
          await assert.rejects(ask(store, own, `SELECT content FROM log WHERE content IN (${sql})`), { code: 'STORE_REFUSED' })
        }
        for (const sql of [
          `SELECT * FROM \`p_${other.project}\`.secrets`,
          `SELECT * FROM clusterAllReplicas('${clusterName}', \`q_${other.project}/secrets\`.${views.at(-1)})`,
          `SELECT * FROM cluster('${clusterName}', \`p_${other.project}\`.secrets)`,
          'SELECT * FROM system.processes',
          "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
          "SELECT * FROM file('/etc/passwd', 'LineAsString')",
          "SELECT file('/etc/passwd') FROM log",
          'SELECT 1 SETTINGS max_threads = 64',
          'SELECT 1 SETTINGS max_execution_time = 601',
        ])
          await assert.rejects(ask(store, own, sql), { code: 'STORE_REFUSED' }, sql)
        assert.deepEqual(await ask(store, other, 'SELECT DISTINCT content FROM log'), [{ content: 'secret' }])
        await store.dropLogstore(own)
        await store.dropLogstore(other)
      })

      it('ends a query when nobody waits for it any more', async () => {
        const logstore = logstoreOf('aborted')
        await insertRows(store, logstore, [{}])
        const controller = new AbortController()
        const sql = 'SELECT count() FROM numbers(1000000000000) WHERE NOT ignore(sipHash64(number))'
        const rejection = assert.rejects(store.query({ logstore, sql, signal: controller.signal }), { name: 'AbortError' })
        const running = async () =>
          (await onAll("SELECT count() FROM system.processes WHERE startsWith(initial_query_id, 'sluice-query:')")).map(Number)
        await until(async () => (await running())[0]! > 0)
        controller.abort()
        await rejection
        await until(async () => (await running()).every(count => count === 0))
        await store.dropLogstore(logstore)
      })

      it('may be asked to make a table by several processes at once', async () => {
        const logstore = logstoreOf('at-once')
        const stores = Array.from({ length: 4 }, () => new Store({ connection: { ...servers.connection(), cluster } }))
        await Promise.all(stores.map(other => other.ensureTable(logstore)))
        await Promise.all(stores.map(other => other.close()))
        await insertRows(store, logstore, [{}])
        assert.equal((await ask(store, logstore)).length, 1)
        await store.dropLogstore(logstore)
      })
    })

  it('is reached over TLS, if its certificate is from the authority that is named', async () => {
    const directory = await makeDirectory()
    const files = await makeCertificates({ directory, hosts: ['localhost'] })
    const [cert, key, ca] = await Promise.all([files.certFile, files.keyFile, files.caFile].map(file => readFile(file, 'utf8')))
    const upstream = new URL(servers.url(0))
    const proxy = createTlsServer({ cert: cert!, key: key! }, socket => {
      const server = connect(Number(upstream.port), upstream.hostname)
      socket.on('error', () => server.destroy()).pipe(server)
      server.on('error', () => socket.destroy()).pipe(socket)
    })
    await once(proxy.listen(0, '127.0.0.1'), 'listening')
    const url = `https://localhost:${(proxy.address() as AddressInfo).port}`
    const connection = { ...servers.connection(), url, cluster: undefined }
    const trusting = new Store({ connection: { ...connection, ca } })
    await trusting.ping()
    await trusting.close()
    const strange = new Store({ connection })
    await assert.rejects(strange.ping(), { code: 'STORE_UNAVAILABLE', message: /certificate/ })
    await strange.close()
    proxy.close()
    await rm(directory, { recursive: true })
  })

  describe('a cluster', () => {
    const open = (cluster: string, index = 0) => new Store({ connection: { ...servers.connection(index), cluster } })

    async function refusal(cluster: string, pattern: RegExp): Promise<void> {
      const store = open(cluster)
      await assert.rejects(store.ensureTable(makeLogstore({ id: 'refused', project: cluster })), {
        code: 'STORE_UNAVAILABLE',
        message: pattern,
      })
      await store.close()
    }

    it('must be one that the server knows', () => refusal('nowhere', /knows no cluster "nowhere"/))

    it('must not have two servers of one name', () => refusal('twice', /have the same host name/))

    it('must have the macros that replication needs, if it has replicas', () =>
      refusal('replicas', /127\.0\.0\.2: .*lacks the macros/))

    it('answers from any of its servers', async () => {
      const logstore = makeLogstore({ id: 'anywhere', project: 'anywhere' })
      const [first, second] = [open(clusterName), open(clusterName, 1)]
      for (let offset = 0; offset < 8; offset++) await insertRows(first, logstore, [{ offset }])
      const answers = await Promise.all([first, second].map(store => ask(store, logstore, 'SELECT count() AS logs FROM log')))
      assert.deepEqual(answers, [[{ logs: 8 }], [{ logs: 8 }]])
      await second.dropLogstore(logstore)
      await Promise.all([first.close(), second.close()])
    })

    it('without a secret between its servers is read by the user that they have for each other', async () => {
      const [own, other] = ['own', 'other'].map(id => makeLogstore({ id, project: `no-secret-${id}` }))
      const store = open('named')
      for (let offset = 0; offset < 8; offset++) {
        await insertRows(store, own!, [{ offset }])
        await insertRows(store, other!, [{ offset }])
      }
      assert.deepEqual(await ask(store, own!, 'SELECT count() AS logs FROM log'), [{ logs: 8 }])
      await assert.rejects(ask(store, own!, 'SELECT * FROM `q_no-secret-other/other`.log'), { message: /own project only/ })
      await store.dropLogstore(own!)
      await store.dropLogstore(other!)
      await store.close()
    })

    it('takes over what one of its servers had when it stood alone', async () => {
      const logstore = makeLogstore({ id: 'joined', project: 'joined' })
      const alone = new Store({ connection: { ...servers.connection(), cluster: undefined } })
      const joined = open(clusterName)
      await insertRows(alone, logstore, [{ offset: 0 }])
      for (let offset = 1; offset < 8; offset++) await insertRows(joined, logstore, [{ offset }])
      assert.deepEqual(await ask(joined, logstore, 'SELECT count() AS logs FROM log'), [{ logs: 8 }])
      await joined.dropLogstore(logstore)
      await Promise.all([alone.close(), joined.close()])
    })

    it('says nothing of what it holds while a server is away, and which one that is', async () => {
      const logstore = makeLogstore({ id: 'away', project: 'away' })
      const store = open(clusterName)
      for (let offset = 0; offset < 8; offset++) await insertRows(store, logstore, [{ offset }])
      await servers.kill(1)
      const unavailable = { code: 'STORE_UNAVAILABLE', message: /127\.0\.0\.3/ }
      await assert.rejects(store.ping(), unavailable)
      await assert.rejects(store.highestOffsets(logstore), unavailable)
      await assert.rejects(store.newestReceived(logstore), unavailable)
      await assert.rejects(store.resolveInserts(logstore, 'node'), unavailable)
      await assert.rejects(ask(store, logstore, 'SELECT content FROM log'), unavailable)
      await servers.startOne(1)
      assert.deepEqual(await store.highestOffsets(logstore), new Map([[0, 7]]))
      assert.equal((await ask(store, logstore)).length, 8)
      await store.dropLogstore(logstore)
      await store.close()
    })
  })

  describe('a server with macros', () => {
    let replicated: ClusterServers

    before(async () => {
      replicated = await ClusterServers.start(1, { shard: 'shard-1', replica: 'replica-1' })
    })

    after(() => replicated.close())

    it('takes the statement for a replicated table, up to where it looks for a keeper', async () => {
      const store = new Store({ connection: replicated.connection() })
      const logstore = makeLogstore({ id: 'replicated', fields: [{ path: ["it's"], type: 'keyword' }] })
      await assert.rejects(store.ensureTable(logstore), { code: 'STORE_UNAVAILABLE', message: /ZooKeeper/ })
      await store.close()
    })
  })

  async function startSleeper(index: number, queryId: string): Promise<void> {
    const { url, username, password } = servers.connection(index)
    const body = 'SELECT sleepEachRow(1) FROM numbers(1000) SETTINGS max_block_size = 1 FORMAT Null'
    const headers = { 'X-ClickHouse-User': username, 'X-ClickHouse-Key': password, connection: 'close' }
    await text((await fetch(`${url}/?query_id=${encodeURIComponent(queryId)}`, { method: 'POST', headers, body })).body!)
  }
})
