import assert from 'node:assert/strict'
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Producer } from 'kafkajs'
import type { Logstore } from '../../src/catalog/model.ts'
import type { ListedField } from '../../src/http/field-routes.ts'
import { openProducer } from '../support/producer.ts'
import { hasProc, Server } from '../support/server.ts'
import { until } from '../support/wait.ts'

describe('the fields of logs', () => {
  let server: Server
  let producer: Producer
  let password: string
  let sent = 0

  before(async () => {
    server = await Server.start()
    await server.createLogstore('demo/logs')
    password = await server.createKey('demo')
    producer = await openProducer(server, { project: 'demo', password })
  })

  after(async () => {
    await producer?.disconnect()
    await server?.remove()
  })

  /** Sends as many documents, each with fields of every type, and waits until they can be searched. */
  async function send(count: number, document: (number: number) => object): Promise<void> {
    const messages = Array.from({ length: count }, (_, number) => ({ value: JSON.stringify(document(number)), partition: 0 }))
    await producer.send({ topic: 'logs', messages })
    sent += count
    await until(`${sent} rows`, async () => (await server.countRows('demo/logs')) === sent)
  }

  const path = '/v1/projects/demo/logstores/logs'
  const listFields = async (): Promise<ListedField[]> =>
    (await server.control<{ fields: ListedField[] }>('GET', `${path}/fields`)).fields
  const columns = async (): Promise<Record<string, string>> => {
    const { fields } = await server.control<Logstore>('GET', path)
    return Object.fromEntries(fields.map(({ path, type }) => [path.join('.'), type]))
  }

  it('become columns by themselves, for the logs that are there as well', async () => {
    await send(500, number => ({
      level: number % 2 === 0 ? 'info' : 'warn',
      host: { name: `h${number % 4}` },
      trace: `trace ${number}`,
      bytes: number,
      seconds: number + 0.5,
      ok: number % 5 === 0,
      tags: ['a'],
      ...(number % 100 === 0 && { rare: 'x' }),
      "it's `odd`": 1,
    }))
    await until('the columns', async () => 'trace' in (await columns()))
    assert.deepEqual(await columns(), {
      ...{ level: 'keyword', status: 'integer', 'host.name': 'keyword', trace: 'text', bytes: 'integer', seconds: 'number' },
      ...{ ok: 'keyword', "it's `odd`": 'integer' },
    })
    const sql = `SELECT toUInt32(count()) AS logs, toUInt32(uniqExact(f_trace)) AS traces, toUInt32(sum(f_bytes)) AS bytes,
      toUInt32(countIf(f_ok = 'true')) AS ok FROM log WHERE f_host__name IN ('h0', 'h1') AND f_level != ''`
    assert.deepEqual(await server.query('demo/logs', sql), [{ logs: 250, traces: 250, bytes: 62_125, ok: 50 }])
  })

  it('are listed with what is known of them, columns or not', async () => {
    const listed = await until('all samples', async () => {
      const fields = await listFields()
      return fields.find(({ path }) => path[0] === 'trace')?.logs === 500 && fields
    })
    const find = (name: string): Partial<ListedField> => {
      const { type, column, share, logs, values } = listed.find(({ path }) => path.join('.') === name)!
      return { type, column, share, logs, values }
    }
    assert.deepEqual(find('host.name'), { type: 'keyword', column: 'f_host__name', share: 1, logs: 500, values: 4 })
    assert.deepEqual(find('bytes'), { type: 'integer', column: 'f_bytes', share: 1, logs: 500, values: null })
    assert.deepEqual(find('rare'), { type: 'keyword', column: null, share: 0.01, logs: 5, values: 1 })
    assert.deepEqual(find('tags'), { type: 'array', column: null, share: 1, logs: 500, values: null })
    assert.deepEqual(find('status'), { type: 'integer', column: 'f_status', share: 0, logs: 0, values: null })
    const table = await server.run('logstore', 'field', 'list', 'demo/logs')
    assert.match(table, /^path +type +column +share +logs +values +last seen\n/)
    assert.match(table, /\nhost\.name +keyword +f_host__name +100 % +500 +4 +\d{4}-\d\d-\d\dT[\d:]+Z\n/)
    assert.match(table, /\nrare +keyword +- +1\.0 % +5 +1 /)
    assert.match(table, /\n\["it's `odd`"\] +integer +f_it_s_odd____[0-9a-f]{16} /)
    const lines = (await server.run('logstore', 'field', 'list', 'demo/logs', '--json')).split('\n')
    assert.deepEqual(
      lines.map(line => JSON.parse(line) as ListedField),
      await listFields(),
    )
  })

  it('are made columns and removed by hand, and one that was removed stays away', async () => {
    const added = await server.run('logstore', 'field', 'add', 'demo/logs', 'rare', '--type', 'keyword')
    assert.equal(added, 'field rare of logstore "demo/logs" is the column f_rare, for the logs that are there as well')
    assert.deepEqual(await server.query('demo/logs', "SELECT toUInt32(countIf(f_rare = 'x')) AS logs FROM log"), [{ logs: 5 }])
    await server.run('logstore', 'field', 'add', 'demo/logs', '["a.b","c"]', '--type', 'text')
    const again = await server.cli('logstore', 'field', 'add', 'demo/logs', '["a.b","c"]', '--type', 'integer')
    assert.match(again.stderr, /^sluice: field \["a\.b","c"\] of logstore "logs" is a column already, of type text;/)
    const removed = await server.run('logstore', 'field', 'remove', 'demo/logs', 'trace')
    assert.equal(removed, 'field trace of logstore "demo/logs" is no column any more; its values stay in the logs')
    const sql = "SELECT toUInt32(uniqExact(JSONExtractString(_document, 'trace'))) AS traces FROM log"
    assert.deepEqual(await server.query('demo/logs', sql), [{ traces: 500 }])
    await assert.rejects(server.query('demo/logs', 'SELECT f_trace FROM log'), /f_trace/)
    const missing = await server.cli('logstore', 'field', 'remove', 'demo/logs', 'trace')
    assert.match(
      missing.stderr,
      /^sluice: field trace is no column of logstore "logs"; "sluice logstore field list" shows which are\n$/,
    )
    for (const wrong of [
      ['add', 'demo/logs', '[]', '--type', 'text'],
      ['add', 'demo/logs', 'x', '--type', 'date'],
      ['add', 'demo/logs', 'x'],
    ])
      assert.notEqual((await server.cli('logstore', 'field', ...wrong)).code, 0)
    await send(200, number => ({ trace: `trace ${number}`, level: 'info' }))
    await until('a report', async () => (await listFields()).some(({ path, logs }) => path[0] === 'trace' && logs === 700))
    assert(!('trace' in (await columns())))
    assert.equal((await listFields()).find(({ path }) => path[0] === 'trace')!.column, null)
  })

  it('lose and get their columns with the level of indexing, and find the same', async () => {
    const warnings = "SELECT toUInt32(countIf(JSONExtractString(_document, 'level') = 'warn')) AS logs FROM log"
    for (const index of ['none', 'light', 'fields', 'full']) {
      await server.run('logstore', 'update', 'demo/logs', '--index', index)
      assert.deepEqual(await server.query('demo/logs', warnings), [{ logs: 250 }])
      const hasColumn = (await listFields()).some(({ column }) => column === 'f_level')
      assert.equal(hasColumn, index !== 'none')
      const asked = server.query('demo/logs', "SELECT toUInt32(countIf(f_level = 'warn')) AS logs FROM log")
      if (index === 'none') await assert.rejects(asked, /f_level/)
      else assert.deepEqual(await asked, [{ logs: 250 }])
    }
  })

  it('are known after a restart, and a file that is broken costs no more than what it held', async () => {
    const before = await listFields()
    await server.kill('SIGTERM')
    await server.restart()
    assert.deepEqual(await listFields(), before)
    await server.kill('SIGTERM')
    const directory = join(server.data, 'fields')
    const [file] = await readdir(directory)
    await writeFile(join(directory, file!), '{"format":1')
    await server.restart()
    assert((await listFields()).every(({ logs }) => logs === 0))
    assert.equal((await columns())['host.name'], 'keyword')
    assert(server.log.some(({ msg }) => /cannot be read; they are counted anew/.test(String(msg))))
  })

  it('are listed and changed without a server too', async function () {
    if (!hasProc) this.skip()
    await producer.disconnect()
    await server.kill('SIGTERM')
    await server.run('logstore', 'field', 'add', 'demo/logs', 'alone', '--type', 'number')
    assert.match(await server.run('logstore', 'field', 'list', 'demo/logs'), /\nalone +number +f_alone +0\.0 % +0 +- +-/)
    await server.run('logstore', 'field', 'remove', 'demo/logs', 'alone')
  })

  it('are forgotten with the logstore', async () => {
    await server.restart()
    await server.run('logstore', 'delete', 'demo/logs', '--yes')
    await until('the end of the file', async () => (await readdir(join(server.data, 'fields'))).length === 0)
  })
})
