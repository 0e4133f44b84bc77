import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import type { Store } from '../../../src/store/store.ts'
import { ask, insertRows, makeLogstore, openStore, until, type StoreFixture } from './fixture.ts'

describe('Store.query', () => {
  const logstore = makeLogstore({ id: 'nginx' })
  const endless = "SELECT number, repeat('x', 1000) FROM numbers(1000000000000)"
  let fixture: StoreFixture
  let store: Store

  const now = Date.now()

  before(async () => {
    fixture = await openStore()
    store = fixture.store
    await insertRows(
      store,
      logstore,
      Array.from({ length: 150 }, (_, offset) => ({ offset, receivedMs: now })),
    )
  })

  after(() => fixture.close())

  it('answers with the newest 100 logs when nothing is asked', async () => {
    const rows = await ask<Record<string, string>>(store, logstore)
    assert.equal(rows.length, 100)
    assert.equal(rows[0]!.content, 'log 149')
    assert.equal(rows[99]!.content, 'log 50')
    assert.deepEqual(Object.keys(rows[0]!), ['_time', 'content', '_key', '_source', '_client', '_error'])
  })

  it('answers with nothing for a logstore that has got no log yet', async () => {
    assert.deepEqual(await ask(store, makeLogstore({ id: 'empty' })), [])
  })

  it('runs SQL on the view log, and on that of this logstore', async () => {
    const other = makeLogstore({ id: 'other', project: 'other-project' })
    await insertRows(store, other, [{}])
    const sql = "SELECT count() AS logs FROM log WHERE content ILIKE 'log%' -- all of them\n;"
    assert.deepEqual(await ask(store, logstore, sql), [{ logs: 150 }])
    assert.deepEqual(await ask(store, other, sql), [{ logs: 1 }])
    await store.dropLogstore(other)
  })

  it('writes the format that is asked for, unless the SQL asks for another', async () => {
    const answer = (sql: string, format: string) => store.query({ logstore, sql, format }).then(text)
    assert.equal(await answer('SELECT 1 AS a', 'JSONEachRow'), '{"a":1}\n')
    assert.equal(await answer('SELECT 1 AS a', 'CSVWithNames'), '"a"\n1\n')
    assert.equal(await answer('SELECT 1 AS a FORMAT TSV', 'JSONEachRow'), '1\n')
    assert.match(await answer('SELECT 1 AS a', 'PrettyCompactMonoBlock'), /│ 1 │/)
  })

  it('passes on what is larger than one chunk', async () => {
    const answer = await text(await store.query({ logstore, sql: 'SELECT number FROM numbers(1000000)', format: 'TSV' }))
    assert.equal(answer.split('\n').length, 1_000_001)
  })

  describe('refuses', () => {
    const refused: Record<string, string> = {
      'a mistake': 'SELEC 1',
      'an unknown column': 'SELECT nothing FROM log',
      'two statements': 'SELECT 1; SELECT 2',
      'no statement': '',
      'a comment': '-- nothing',
      'an insert': 'INSERT INTO log SELECT * FROM log',
      'an insert into the table': "INSERT INTO `p_web-shop_1`.nginx (content) VALUES ('x')",
      'a new table': 'CREATE TABLE x (a UInt8) ENGINE = MergeTree ORDER BY a',
      'a new temporary table': 'CREATE TEMPORARY TABLE x (a UInt8)',
      'a new user': "CREATE USER x IDENTIFIED BY 'x'",
      'a grant': 'GRANT ALL ON *.* TO sluice_query',
      'a new function': 'CREATE FUNCTION f AS x -> x',
      'dropping the view': 'DROP VIEW log',
      'dropping the table': 'DROP TABLE `p_web-shop_1`.nginx',
      'truncating the table': 'TRUNCATE TABLE `p_web-shop_1`.nginx',
      'changing the table': 'ALTER TABLE `p_web-shop_1`.nginx DELETE WHERE 1',
      'killing queries': "KILL QUERY WHERE user = 'sluice'",
      'stopping the server': 'SYSTEM SHUTDOWN',
      'closing the port': 'SYSTEM STOP LISTEN HTTP',
      'the users': 'SELECT * FROM system.users',
      'the queries of others': 'SELECT * FROM system.processes',
      'the settings of the server': 'SELECT * FROM system.server_settings',
      'the rights of others': 'SELECT * FROM system.grants',
      'the log of the engine': 'SELECT * FROM system.text_log',
      'what was asked before': 'SELECT * FROM system.query_log',
      'the disks of the machine': 'SELECT * FROM system.disks',
      'the clusters of the server': 'SELECT * FROM system.clusters',
      'the macros of the server': 'SELECT * FROM system.macros',
      'the keeper': "SELECT * FROM system.zookeeper WHERE path = '/'",
      'the stacks of the server': 'SELECT * FROM system.stack_trace',
      'a file as a table': "SELECT * FROM file('/etc/passwd', 'LineAsString')",
      'a file as a value': "SELECT file('/etc/passwd')",
      'a file by a quoted name': "SELECT `file`('/etc/passwd'), \"file\"('/etc/passwd')",
      'a file behind a comment': "SELECT file/* */\n('/etc/passwd')",
      'a file deep inside': "WITH (SELECT arrayMap(x -> file(x), ['/etc/passwd'])) AS a SELECT a FROM log",
      'a file applied to columns': "SELECT * APPLY(file) FROM values('a String', '/etc/passwd')",
      'a file applied to columns, without brackets': "SELECT * APPLY `file` FROM values('a String', '/etc/passwd')",
      'a file in what is explained': "EXPLAIN SYNTAX SELECT file('/etc/passwd')",
      'a file behind a string that looks like its end': "SELECT '\\'', file('/etc/passwd'), ''''",
      'a directory': "SELECT * FROM filesystem('/etc')",
      'a SQLite file': "SELECT * FROM sqlite('/etc/passwd', 'x')",
      'a local data lake': "SELECT * FROM icebergLocal('/etc')",
      'a file as the target of the answer': "SELECT 1 INTO OUTFILE '/tmp/sluice-must-not-be'",
      'another server': "SELECT * FROM remote('127.0.0.1', 'system', 'one')",
      'another server over TLS': "SELECT * FROM remoteSecure('127.0.0.1', 'system', 'one')",
      'a cluster': "SELECT * FROM clusterAllReplicas('default', 'system', 'one')",
      'a program': "SELECT * FROM executable('true', 'TSV', 'a String')",
      MySQL: "SELECT * FROM mysql('127.0.0.1:3306', 'd', 't', 'u', 'p')",
      PostgreSQL: "SELECT * FROM postgresql('127.0.0.1:5432', 'd', 't', 'u', 'p')",
      S3: "SELECT * FROM s3('http://127.0.0.1:1/a', 'LineAsString')",
      'more rights': 'SELECT 1 SETTINGS readonly = 0',
      'more rights for later': 'SET readonly = 0',
      'more memory': 'SELECT 1 SETTINGS max_memory_usage = 0',
      'more threads': 'SELECT 1 SETTINGS max_threads = 64',
      'more time': 'SELECT 1 SETTINGS max_execution_time = 0',
      'more time than there is': 'SELECT 1 SETTINGS max_execution_time = 601',
      'the headers of the request': "SELECT getClientHTTPHeader('Authorization') SETTINGS allow_get_client_http_header = 1",
      'a table function that runs SQL': "SELECT * FROM eval('SELECT 1') SETTINGS allow_experimental_eval_table_function = 1",
    }
    for (const [what, sql] of Object.entries(refused))
      it(what, async () => {
        const run = async () => text(await store.query({ logstore, sql }))
        await assert.rejects(run, (error: Error & { code: string }) => {
          assert.equal(error.code, 'STORE_REFUSED', error.message)
          assert(!error.message.includes('\n'))
          assert(!/root:|DB::Exception|version \d/.test(error.message), error.message)
          return true
        })
        assert.equal(await store.count(logstore), 150)
      })

    for (const setting of ['format_template_resultset', 'format_template_row', 'format_schema'])
      it(`a file in the setting ${setting}`, async () => {
        const sql = `SELECT 1 FORMAT Template SETTINGS ${setting} = '/etc/passwd'`
        await assert.rejects(store.query({ logstore, sql }), { code: 'STORE_REFUSED', message: /in readonly mode/ })
      })

    it('an address', async () => {
      let requests = 0
      const server = createServer((_, answer) => {
        requests += 1
        answer.end('secret')
      })
      await once(server.listen(0, '127.0.0.1'), 'listening')
      const sql = `SELECT * FROM url('http://127.0.0.1:${(server.address() as AddressInfo).port}/', 'LineAsString')`
      await assert.rejects(store.query({ logstore, sql }), { code: 'STORE_REFUSED' })
      assert.equal(requests, 0)
      server.close()
    })
  })

  describe("another project's logs", () => {
    const other = makeLogstore({ id: 'secrets', project: 'web-shop_12' })

    before(async () => {
      await insertRows(store, other, [{ content: Buffer.from('a secret') }])
      assert.equal((await ask(store, other)).length, 1)
    })

    after(() => store.dropLogstore(other))

    const sources = {
      'the view': '`q_web-shop_12/secrets`.log',
      'the table': '`p_web-shop_12`.secrets',
      'all views': "merge(REGEXP('q_.*'), 'log')",
      'all tables': "merge(REGEXP('p_.*'), '.*')",
      'the parts of the table': "mergeTreeIndex('p_web-shop_12', 'secrets')",
      'the words of the table': "mergeTreeTextIndex('p_web-shop_12', 'secrets', 'content_text')",
      'the view, in a subquery': '(SELECT * FROM `q_web-shop_12/secrets`.log)',
      'the view, beside the own one': '(SELECT * FROM log UNION ALL SELECT * FROM `q_web-shop_12/secrets`.log)',
    }
    for (const [what, source] of Object.entries(sources))
      for (const sql of [`SELECT * FROM ${source}`, `SELECT count() FROM ${source}`, `EXPLAIN PLAN SELECT * FROM ${source}`])
        it(`cannot be read: ${what}: ${sql.slice(0, 12)}`, async () => {
          const run = async () => text(await store.query({ logstore, sql }))
          await assert.rejects(run, { code: 'STORE_REFUSED', message: /own project only|Not enough privileges/ })
        })

    it('cannot be found out by asking questions about them', async () => {
      for (const sql of [
        "SELECT 1 IN (SELECT throwIf(content = 'a secret') FROM `q_web-shop_12/secrets`.log)",
        "SELECT count() FROM log AS a JOIN `q_web-shop_12/secrets`.log AS b ON throwIf(b.content = 'a secret') = 0",
        'SELECT (SELECT any(content) FROM `q_web-shop_12/secrets`.log)',
        'SELECT content IN `q_web-shop_12/secrets`.log FROM log',
      ]) {
        const run = async () => text(await store.query({ logstore, sql }))
        await assert.rejects(run, { code: 'STORE_REFUSED', message: /own project only/ })
      }
    })

    it('may be read with those of the same project', async () => {
      const sibling = makeLogstore({ id: 'sibling', project: other.project })
      await insertRows(store, sibling, [{ content: Buffer.from('a public log') }])
      const both = 'SELECT content FROM log UNION ALL SELECT content FROM `q_web-shop_12/secrets`.log'
      const sql = `SELECT content FROM (${both}) ORDER BY content`
      assert.deepEqual(await ask(store, sibling, sql), [{ content: 'a public log' }, { content: 'a secret' }])
      await store.dropLogstore(sibling)
    })
  })

  it('allows what only looks like the function file()', async () => {
    const sql = "SELECT 'file(1)' AS a, 1 AS file, `file` + 1 AS profile, length('it''s file(') AS `file(`, count(file) AS n"
    assert.deepEqual(await ask(store, logstore, sql), [{ a: 'file(1)', file: 1, profile: 2, 'file(': 10, n: 1 }])
  })

  it('lets a person lower the limits', async () => {
    assert.deepEqual(await ask(store, logstore, 'SELECT 1 AS a SETTINGS max_threads = 1, max_execution_time = 5'), [{ a: 1 }])
  })

  it('says what is wrong in one line', async () => {
    await assert.rejects(store.query({ logstore, sql: 'SELECT nothing FROM log' }), {
      code: 'STORE_REFUSED',
      message:
        'ClickHouse refused the statement: Unknown expression identifier `nothing` in scope SELECT nothing FROM log. (UNKNOWN_IDENTIFIER)',
    })
    await assert.rejects(store.query({ logstore, sql: 'SELECT (1' }), {
      code: 'STORE_REFUSED',
      message: /^ClickHouse refused the statement: Syntax error: failed at position 8 [^\n]*Unmatched parentheses[^\n]*$/,
    })
  })

  it('fails the stream where a query fails, after its first rows', async () => {
    const sql = 'SELECT number, throwIf(number = 3000000) FROM numbers(4000000)'
    const answer = await store.query({ logstore, sql, format: 'TSV' })
    let rows = ''
    const read = async () => {
      for await (const chunk of answer) rows += chunk
    }
    await assert.rejects(read, { code: 'STORE_REFUSED', message: /throwIf/ })
    assert(rows.startsWith('0\t0\n1\t0\n'))
    assert(!rows.includes('\r') && rows.endsWith('\n'))
  })

  it('fails the stream where the engine is lost', async () => {
    const answer = await store.query({ logstore, sql: endless })
    process.kill(fixture.engine.pid!, 'SIGKILL')
    await assert.rejects(text(answer), { code: 'STORE_UNAVAILABLE' })
    await until(() => fixture.engine.state.name === 'down')
    await until(() => fixture.engine.state.name === 'ready')
  })

  it('ends a query that takes longer than it may', async () => {
    const sql = 'SELECT count() FROM numbers(1000000000000) WHERE NOT ignore(sipHash64(number))'
    const run = async () => text(await store.query({ logstore, sql, maxSeconds: 0.2 }))
    await assert.rejects(run, { code: 'STORE_REFUSED', message: /TIMEOUT_EXCEEDED/ })
  })

  it('ends the query in ClickHouse when the signal aborts', async () => {
    const controller = new AbortController()
    const answer = await store.query({ logstore, sql: endless, signal: controller.signal })
    await until(isQuerying)
    controller.abort()
    await assert.rejects(text(answer), { name: 'AbortError' })
    await until(async () => !(await isQuerying()))
  })

  it('ends the query in ClickHouse when the signal aborts before the first bytes', async () => {
    const controller = new AbortController()
    const sql = 'SELECT count() FROM numbers(1000000000000) WHERE NOT ignore(sipHash64(number))'
    const answer = store.query({ logstore, sql, signal: controller.signal })
    const rejection = assert.rejects(answer, { name: 'AbortError' })
    await until(isQuerying)
    controller.abort()
    await rejection
    await until(async () => !(await isQuerying()))
  })

  it('ends the query in ClickHouse when the stream is destroyed', async () => {
    const answer = await store.query({ logstore, sql: endless })
    await until(isQuerying)
    answer.destroy()
    await until(async () => !(await isQuerying()))
  })

  async function isQuerying(): Promise<boolean> {
    const { url, username, password } = fixture.engine.connection!
    const headers = { 'X-ClickHouse-User': username, 'X-ClickHouse-Key': password, connection: 'close' }
    const body = "SELECT count() FROM system.processes WHERE user = 'sluice_query'"
    const answer = await fetch(url, { method: 'POST', headers, body })
    return (await answer.text()).trim() !== '0'
  }
})
