import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Producer } from 'kafkajs'
import { ClusterServers, clusterName } from '../src/store/cluster-fixture.ts'
import { openProducer } from '../support/producer.ts'
import { hasProc, Server } from '../support/server.ts'
import { until } from '../support/wait.ts'

const KILLS = 4
const PER_SEND = 200

describe('a server whose store is a cluster of two shards', () => {
  let clickHouse: ClusterServers
  let server: Server
  let producer: Producer
  let sent = 0

  before(async function () {
    if (process.platform !== 'linux') this.skip()
    clickHouse = await ClusterServers.start(2)
    const { password, queryPassword } = clickHouse.connection()
    server = await Server.start({
      settings: {
        store: {
          url: clickHouse.url(0),
          passwordFile: 'data/password',
          queryPasswordFile: 'data/query-password',
          cluster: clusterName,
        },
      },
      prepare: async data => {
        await writeFile(join(data, 'password'), `${password}\n`)
        await writeFile(join(data, 'query-password'), queryPassword)
      },
    })
    await server.createLogstore('demo/logs', { shards: 4 })
    producer = await openProducer(server, { project: 'demo', password: await server.createKey('demo'), idempotent: true })
  })

  after(async () => {
    await producer?.disconnect()
    await server?.remove()
    await clickHouse?.close()
  })

  async function send(): Promise<void> {
    const messages = Array.from({ length: PER_SEND }, () => ({ value: `log ${sent++}` }))
    await producer.send({ topic: 'logs', messages })
  }

  const figuresSql = `SELECT count() AS logs, uniqExact(content) AS different, uniqExact(_shard, _offset) AS places,
    sum(_offset = 0) AS firsts FROM log`

  async function assertAllOnce(): Promise<void> {
    await server.waitForRows('demo/logs', sent)
    const [found] = await server.query('demo/logs', figuresSql)
    assert.deepEqual(found, { logs: sent, different: sent, places: sent, firsts: 4 })
  }

  it('is ready without an engine of its own', async () => {
    await server.whenReady()
    assert.equal(server.findPid('engine'), undefined)
  })

  it('brings logs to both shards, and finds them by way of one', async () => {
    for (let block = 0; block < 8; block++) {
      await send()
      // A block has all that came before.
      await server.waitForRows('demo/logs', sent)
    }
    await assertAllOnce()
    for (const index of [0, 1]) assert(Number(await clickHouse.ask(index, 'SELECT count() FROM p_demo.logs')) > 0)
    const answer = JSON.parse(await server.run('query', 'demo/logs', 'SELECT count() AS logs FROM log', '--json')) as unknown
    assert.deepEqual(answer, { logs: sent })
  })

  it('stores every log once, whichever server is killed while it does', async () => {
    for (let kill = 0; kill < KILLS; kill++) {
      const index = kill % 2
      let isEnough = false
      const sending = (async () => {
        while (!isEnough) await send()
      })()
      const before = sent
      await until('logs under way', () => sent > before + randomInt(5 * PER_SEND))
      await clickHouse.kill(index)
      await until('logs that wait', () => sent > before + 10 * PER_SEND)
      await clickHouse.startOne(index)
      isEnough = true
      await sending
    }
    await assertAllOnce()
  })

  it('goes on where the cluster is after its indexer was killed', async function () {
    if (!hasProc) this.skip()
    await send()
    await server.kill('SIGKILL', 'indexer')
    await send()
    await assertAllOnce()
  })

  it('says which server is away', async () => {
    await server.whenReady()
    await clickHouse.kill(1)
    const { text } = await until('a server that is not ready', async () => {
      const answer = await server.get('/readyz')
      return answer.status === 503 && answer
    })
    assert.match(text, /^ClickHouse does not answer: 127\.0\.0\.3: /)
    const { stdout } = await server.cli('doctor', '--config', server.configFile)
    assert.match(stdout, /^problem +clickhouse +ClickHouse does not answer: 127\.0\.0\.3: .*cluster both\)$/m)
    await clickHouse.startOne(1)
    await server.whenReady()
  })

  it('answers a command without a running server, and says so if ClickHouse is away', async () => {
    await server.kill('SIGTERM')
    const query = ['query', 'demo/logs', 'SELECT count() AS logs FROM log', '--json', '--config', server.configFile]
    assert.deepEqual(JSON.parse(await server.run(...query)), { logs: sent })
    await clickHouse.kill(0)
    const { code, stderr } = await server.cli(...query)
    assert.equal(code, 1)
    assert.match(stderr, /ClickHouse does not answer: .*127\.0\.0\.2/)
    await clickHouse.startOne(0)
    await server.restart()
  })

  it('keeps passwords out of what it logs', () => {
    const { password, queryPassword } = clickHouse.connection()
    const log = JSON.stringify(server.log)
    assert(log.includes('away'))
    assert(!log.includes(password) && !log.includes(queryPassword))
  })

  it('drops the tables of a deleted logstore on every server', async () => {
    await server.control('DELETE', '/v1/projects/demo/logstores/logs')
    for (const index of [0, 1])
      await until('a table that is gone', async () => {
        return (await clickHouse.ask(index, "SELECT count() FROM system.tables WHERE database = 'p_demo'")) === '0'
      })
  })
})
