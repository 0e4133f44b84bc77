import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { appendFile, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { silentLog } from '../../src/base/log.ts'
import { Engine } from '../../src/store/engine.ts'
import { Ledger } from '../support/ledger.ts'
import { openProducer } from '../support/producer.ts'
import { runSluice, Server } from '../support/server.ts'
import { until } from '../support/wait.ts'
import { waitUntilIndexed } from '../support/verifier.ts'

interface Row {
  shard: number
  offset: string
  content: string
}

const SETTINGS = { journal: { segmentBytes: 1024 * 1024, maxBytes: 16 * 1024 * 1024 } }
const PADDING = 'x'.repeat(20_000)

describe('a backup', function () {
  this.timeout(180_000)

  let server: Server
  let password: string
  const restored: Server[] = []

  before(async () => {
    server = await Server.start({ settings: SETTINGS })
    await server.createLogstore('demo/logs', { shards: 3 })
    await server.run('logstore', 'create', 'demo/bulk', '--mode', 'keyed', '--shards', '2')
    password = await server.createKey('demo')
  })

  after(async () => {
    await server?.remove()
    for (const other of restored) await other.remove()
  })

  const path = (name: string): string => join(server.directory, name)

  async function restore(backup: string): Promise<Server> {
    const other = await Server.start({
      settings: SETTINGS,
      prepare: async data => {
        const { code, stderr } = await runSluice(['restore', path(backup), '--data', data], { directory: join(data, '..') })
        assert.equal(code, 0, stderr)
      },
    })
    restored.push(other)
    await waitUntilIndexed(other)
    return other
  }

  function rowsOf(of: Server, logstore: string): Promise<Row[]> {
    return of.query<Row>(logstore, 'SELECT _shard AS shard, _offset AS offset, substring(content, 1, 40) AS content FROM log')
  }

  /** That each of `acknowledged` is there once, and nothing twice or that was not `sent`. */
  function assertWhole(rows: readonly Row[], acknowledged: readonly string[], sent: readonly string[]): void {
    const contents = rows.map(({ content }) => content)
    const present = new Set(contents)
    assert.equal(present.size, contents.length, 'a log is there twice')
    assert.deepEqual(acknowledged.filter(value => !present.has(value)).slice(0, 3), [], 'an acknowledged log is missing')
    const known = new Set(sent)
    assert.deepEqual([...present].filter(value => !known.has(value)).slice(0, 3), [], 'a log is there that nobody sent')
    assert.equal(new Set(rows.map(({ shard, offset }) => `${shard}:${offset}`)).size, rows.length, 'an offset was given twice')
  }

  it('of a server under load has everything that was acknowledged before, once, and a restored server goes on', async () => {
    const ledger = new Ledger(await openProducer(server, { project: 'demo', password, idempotent: true }), 'logs')
    const bulk = await openProducer(server, { project: 'demo', password, idempotent: true, retries: 50 })
    const bulkSent: string[] = []
    const bulkAcknowledged: string[] = []
    let isSending = true
    const sending = (async () => {
      while (isSending) {
        const values = Array.from({ length: 10 }, (_, index) => `bulk ${bulkSent.length + index} `)
        bulkSent.push(...values)
        await bulk.send({ topic: 'bulk', messages: values.map(value => ({ value: value + PADDING, partition: 1 })) })
        bulkAcknowledged.push(...values)
      }
    })()
    const backups: { name: string; acknowledged: string[]; sent: string[]; bulkAcknowledged: string[]; bulkSent: string[] }[] = []
    for (const name of ['first', 'second']) {
      await ledger.waitForMore(20)
      // More than the journal keeps in the tables, so that segments are given up meanwhile.
      const enough = bulkAcknowledged.length + 300
      await until('more logs', () => bulkAcknowledged.length > enough)
      const acknowledged = [...ledger.acknowledged]
      const bulkBefore = [...bulkAcknowledged]
      const summary = JSON.parse(await server.run('backup', path(name), '--json')) as { tables: number; bytes: number }
      assert.equal(summary.tables, 2)
      backups.push({ name, acknowledged, sent: [...ledger.sent], bulkAcknowledged: bulkBefore, bulkSent: [...bulkSent] })
    }
    await ledger.waitForMore(5)
    isSending = false
    await Promise.all([ledger.stop(), sending])
    await bulk.disconnect()
    assert(!existsSync(join(server.data, 'clickhouse', 'data', 'shadow', 'sluice_backup')))

    for (const { name, acknowledged, sent, ...ofBulk } of backups) {
      const other = await restore(name)
      assertWhole(await rowsOf(other, 'demo/logs'), acknowledged, sent)
      const rows = (await rowsOf(other, 'demo/bulk')).map(row => ({ ...row, content: row.content.replace(/x+$/, '') }))
      assertWhole(rows, ofBulk.bulkAcknowledged, ofBulk.bulkSent)
      // The key and the CA are those of before.
      const producer = await openProducer(other, { project: 'demo', password, idempotent: true })
      const before = (await rowsOf(other, 'demo/logs')).length
      const values = Array.from({ length: 100 }, (_, index) => `after ${index}`)
      for (const value of values) await producer.send({ topic: 'logs', messages: [{ value, partition: 0 }] })
      await producer.disconnect()
      await other.waitForRows('demo/logs', before + values.length)
      assertWhole(await rowsOf(other, 'demo/logs'), [...acknowledged, ...values], [...sent, ...values])
    }
  })

  it('has the logs that wait for a table which cannot be written', async () => {
    await server.createLogstore('demo/waiting')
    await server.kill('SIGTERM')
    const engine = new Engine({ directory: join(server.data, 'clickhouse'), log: silentLog })
    const { url, username, password: key } = await engine.start()
    const headers = { 'X-ClickHouse-User': username, 'X-ClickHouse-Key': key, connection: 'close' }
    const create = 'CREATE TABLE p_demo.waiting (a String) ENGINE = MergeTree ORDER BY a'
    for (const body of ['DROP TABLE IF EXISTS p_demo.waiting SYNC', create])
      assert((await fetch(url, { method: 'POST', headers, body })).ok, body)
    await engine.stop()
    await server.restart()
    const producer = await openProducer(server, { project: 'demo', password })
    const values = Array.from({ length: 50 }, (_, index) => `waiting ${index}`)
    for (const value of values) await producer.send({ topic: 'waiting', messages: [{ value, partition: 0 }] })
    await producer.disconnect()
    const parked = join(server.data, 'journal', 'parked')
    await until('parked logs', async () => existsSync(parked) && (await readdir(parked)).length > 0)
    await server.run('backup', path('parked'))
    await server.run('logstore', 'delete', 'demo/waiting', '--yes')
    const other = await restore('parked')
    // There nobody has put another table in its place.
    await other.waitForRows('demo/waiting', values.length)
    assertWhole(await rowsOf(other, 'demo/waiting'), values, values)
  })

  it('of a stopped server has what is there', async () => {
    await waitUntilIndexed(server)
    const rows = await rowsOf(server, 'demo/logs')
    await server.kill('SIGTERM')
    await server.run('backup', path('stopped'))
    await server.restart()
    const other = await restore('stopped')
    const byContent = (one: Row, another: Row): number => (one.content < another.content ? -1 : 1)
    assert.deepEqual((await rowsOf(other, 'demo/logs')).sort(byContent), rows.sort(byContent))
    const [logstore] = await other.control<{ mode: string }[]>('GET', '/v1/projects/demo/logstores')
    assert.equal(logstore!.mode, 'balanced')
  })

  it('of a server that never took a log can be restored', async () => {
    const empty = await runSluice(['project', 'create', 'demo', '--data', path('empty-data')], { directory: server.directory })
    assert.equal(empty.code, 0, empty.stderr)
    const made = await runSluice(['backup', path('empty'), '--data', path('empty-data')], { directory: server.directory })
    assert.equal(made.code, 0, made.stderr)
    const other = await restore('empty')
    assert.equal((await other.control<unknown[]>('GET', '/v1/projects')).length, 1)
  })

  it('goes into an empty directory only, and comes back into one only', async () => {
    await mkdir(path('full'))
    await writeFile(path('full/file'), '')
    const { stderr } = await server.cli('backup', path('full'))
    assert.match(stderr, /full is not empty/)
    const again = await server.cli('restore', path('stopped'))
    assert.match(again.stderr, /data is not empty/)
    assert.deepEqual([again.code, await readdir(path('full'))], [1, ['file']])
  })

  it('is refused if it was not completed, or was changed', async () => {
    const backup = path('stopped')
    const target = ['--data', path('refused')]
    async function refusal(): Promise<string> {
      const { code, stderr } = await runSluice(['restore', backup, ...target], { directory: server.directory })
      assert.equal(code, 1)
      return stderr
    }
    const manifest = await readFile(join(backup, 'backup.json'), 'utf8')
    await rm(join(backup, 'backup.json'))
    assert.match(await refusal(), /it has no backup.json, so it is no backup, or one that was not completed/)
    await writeFile(join(backup, 'backup.json'), manifest.replace('"path": "catalog.json"', '"path": "../catalog.json"'))
    assert.match(await refusal(), /backup.json: files.*no path of a backup/)
    await writeFile(join(backup, 'backup.json'), manifest)
    const catalog = await readFile(join(backup, 'catalog.json'), 'utf8')
    await writeFile(join(backup, 'catalog.json'), catalog.replace('"demo"', '"dem0"'))
    assert.match(await refusal(), /catalog.json is not as it was written/)
    await writeFile(join(backup, 'catalog.json'), catalog)
    // What was begun is not taken for the whole, by nobody.
    for (const command of [['project', 'list'], ['serve']]) {
      const { code, stderr } = await runSluice([...command, ...target], { directory: server.directory })
      assert.deepEqual([code, /a restore into .* was not completed/.test(stderr)], [1, true], stderr)
    }
    await appendFile(join(backup, 'note.txt'), 'a file that no manifest names')
    await rm(path('refused'), { recursive: true })
    assert.equal((await runSluice(['restore', backup, ...target], { directory: server.directory })).code, 0)
    assert(!existsSync(join(path('refused'), 'note.txt')))
  })

  it('is the only one at a time', async () => {
    const outcomes = await Promise.all(['one', 'two', 'three'].map(name => server.cli('backup', path(name))))
    const failed = outcomes.filter(({ code }) => code !== 0)
    for (const { stderr } of failed) assert.match(stderr, /a backup is being made already/)
    assert(failed.length < 3)
    // Released, also by those that were refused.
    await server.run('backup', path('four'))
  })
})
