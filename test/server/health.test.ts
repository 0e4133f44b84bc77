import assert from 'node:assert/strict'
import { openProducer } from '../support/producer.ts'
import { RawClient } from '../support/raw-client.ts'
import { hasProc, Server } from '../support/server.ts'
import { until } from '../support/wait.ts'

describe('the health of a server', () => {
  let server: Server

  before(async () => {
    server = await Server.start()
    await server.createLogstore('demo/logs')
  })

  after(() => server?.remove())

  /** The value of a metric without labels. */
  async function readMetric(name: string): Promise<number> {
    const { status, text } = await server.get('/metrics')
    assert.equal(status, 200)
    const value = new RegExp(`^sluice_${name} (\\S+)$`, 'm').exec(text)?.[1]
    assert.notEqual(value, undefined, `${name} is missing in ${text}`)
    return Number(value)
  }

  it('is good once the engine has started', async () => {
    await server.whenReady()
    assert.deepEqual(await server.get('/readyz'), { status: 200, text: 'ready\n' })
    assert.deepEqual(await server.get('/healthz'), { status: 200, text: 'ok\n' })
  })

  it('says what is wrong while the engine is down, and recovers', async function () {
    if (!hasProc) this.skip()
    await server.kill('SIGKILL', 'engine')
    const { text } = await until('a server that is not ready', async () => {
      const answer = await server.get('/readyz')
      return answer.status === 503 && answer
    })
    assert.match(text, /^ClickHouse is (down|starting)\n/)
    assert.equal((await server.get('/healthz')).status, 200)
    await server.whenReady()
  })

  it('counts connections, what is in the journal, and what is indexed', async () => {
    const before = { entries: await readMetric('journal_entries_total'), bytes: await readMetric('journal_bytes_total') }
    assert.equal(await readMetric('connections'), 0)
    const producer = await openProducer(server, { project: 'demo', password: await server.createKey('demo') })
    assert((await readMetric('connections')) > 0)
    for (let send = 0; send < 5; send++)
      await producer.send({ topic: 'logs', messages: ['x'.repeat(1000), 'y'].map(value => ({ value, partition: 0 })) })
    await producer.disconnect()
    assert.equal(await readMetric('journal_entries_total'), before.entries + 5)
    assert((await readMetric('journal_bytes_total')) >= before.bytes + 5000)
    // With its sync, each group of writes.
    const groups = await readMetric('journal_write_seconds_count')
    assert(groups > 0 && groups <= before.entries + 5)
    await until('all rows', async () => (await readMetric('indexed_rows_total')) === 10)
    await until('nothing that is not indexed', async () => (await readMetric('journal_unindexed_bytes')) === 0)
    await until('no connection', async () => (await readMetric('connections')) === 0)
  })

  it('counts what is refused, by the error that producers are told', async () => {
    const client = await RawClient.login(server, 'demo', await server.createKey('demo'))
    const batch = { records: [{ value: 'x' }] }
    await client.produce([
      { topic: 'logs', partition: 9999, batch },
      { topic: 'missing', batch },
    ])
    client.close()
    const { text } = await server.get('/metrics')
    assert.match(text, /^sluice_refused_total\{error="UNKNOWN_TOPIC_OR_PARTITION"\} 2$/m)
  })

  it('explains each metric', async () => {
    const { text } = await server.get('/metrics')
    for (const [, name] of text.matchAll(/^(sluice_\w+?)(?:_sum|_count)? /gm))
      assert.match(text, new RegExp(`^# HELP ${name} .+\\.$`, 'm'))
  })

  it('knows no other pages', async () => {
    assert.equal((await server.get('/v1/projects')).status, 404)
  })
})
