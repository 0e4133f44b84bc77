/**
 * Producers that send more than can be taken: they are slowed down, then refused so that they send again, and never lied to.
 */
import assert from 'node:assert/strict'
import { ErrorCode } from '../../protocol/error-codes.ts'
import { openProducer } from '../support/producer.ts'
import { RawClient } from '../support/raw-client.ts'
import { hasProc, Server } from '../support/server.ts'
import { until } from '../support/wait.ts'

const { NONE, NOT_ENOUGH_REPLICAS } = ErrorCode
const KiB = 1024

describe('back-pressure', () => {
  let server: Server
  let password: string

  async function start(settings: Record<string, unknown>): Promise<void> {
    server = await Server.start({ settings })
    await server.createLogstore('demo/logs', { shards: 1 })
    await server.createLogstore('other/logs')
    password = await server.createKey('demo')
  }

  afterEach(() => server?.remove())

  const login = (): Promise<RawClient> => RawClient.login(server, 'demo', password)
  const batchOf = (bytes: number) => [{ topic: 'logs', batch: { records: [{ value: 'x'.repeat(bytes) }] } }]

  async function send(
    client: RawClient,
    bytes: number,
  ): Promise<{ code: number; message: string | null; throttleTimeMs: number }> {
    client.write(client.encodeProduce(batchOf(bytes)))
    const { partitions, value } = await client.receiveProduced()
    return { code: partitions[0]!.errorCode, message: partitions[0]!.errorMessage, throttleTimeMs: value.throttleTimeMs }
  }

  describe('of a quota', () => {
    beforeEach(() => start({ quotas: { projects: [{ project: 'demo', bytesPerSecond: '100 KiB' }] } }))

    it('answers what it stores at once, says how long to wait, and reads no more until then', async () => {
      const client = await login()
      const { code, throttleTimeMs } = await send(client, 150 * KiB)
      assert.equal(code, NONE)
      assert(throttleTimeMs > 0 && throttleTimeMs <= 1000, `${throttleTimeMs}`)
      const startMs = performance.now()
      await client.describe(null)
      // The wait is counted from the request, whose answer has come meanwhile.
      assert(performance.now() - startMs > throttleTimeMs / 2, 'it was read again too early')
    })

    it('refuses what would have to wait longer, and what was sent behind it, so that it is sent again', async () => {
      const client = await login()
      await send(client, 500 * KiB)
      const { code, message } = await send(client, 10)
      assert.equal(code, NOT_ENOUGH_REPLICAS)
      assert.match(message ?? '', /project "demo" sends more than its quota/)
      client.write(Buffer.concat([1, 2, 3].map(() => client.encodeProduce(batchOf(10)))))
      const codes: number[] = []
      for (let answer = 0; answer < 3; answer++) codes.push((await client.receiveProduced()).partitions[0]!.errorCode)
      assert.deepEqual(codes, [NOT_ENOUGH_REPLICAS, NOT_ENOUGH_REPLICAS, NOT_ENOUGH_REPLICAS])
      await until('it is taken again', async () => (await send(client, 10)).code === NONE)
      await server.waitForRows('demo/logs', 2)
      assert.equal(await server.countRows('demo/logs'), 2)
    })

    it('is of one project: others notice nothing', async () => {
      await send(await login(), 500 * KiB)
      const other = await RawClient.login(server, 'other', await server.createKey('other'))
      assert.deepEqual(await send(other, 500 * KiB), { code: NONE, message: null, throttleTimeMs: 0 })
    })

    it('slows down who wants no answer, and does not end its connection', async () => {
      const client = await login()
      for (let sent = 0; sent < 4; sent++) client.write(client.encodeProduce(batchOf(200 * KiB), { acks: 0 }))
      await server.waitForRows('demo/logs', 4)
      await client.describe(null)
    })

    it('lets a real client through in time', async () => {
      const producer = await openProducer(server, { project: 'demo', password, idempotent: true, retries: 50 })
      for (let sent = 0; sent < 6; sent++)
        await producer.send({ topic: 'logs', acks: -1, messages: [{ value: 'x'.repeat(100 * KiB), partition: 0 }] })
      await producer.disconnect()
      await server.waitForRows('demo/logs', 6)
      assert.equal(await server.countRows('demo/logs'), 6)
    })
  })

  it('counts requests, where a quota says so', async () => {
    await start({ quotas: { requestsPerSecond: 1 } })
    const client = await login()
    client.write(Buffer.concat([client.encodeProduce(batchOf(10)), client.encodeProduce(batchOf(10))]))
    assert.equal((await client.receiveProduced()).value.throttleTimeMs, 0)
    const { partitions, value } = await client.receiveProduced()
    assert.equal(partitions[0]?.errorCode, NONE)
    assert(value.throttleTimeMs > 0)
  })

  it('keeps a reserve of the disk for the store, and goes on by itself when there is more', async () => {
    await start({ journal: { reserveBytes: '900000 GiB' } })
    const client = await login()
    const { code, message } = await send(client, 10)
    assert.equal(code, NOT_ENOUGH_REPLICAS)
    assert.match(message ?? '', /journal\.reserveBytes/)
    await until('the server to be said not ready', async () => /journal\.reserveBytes/.test((await server.get('/readyz')).text))

    // A real producer tries again and again, and has its logs stored as soon as there is room.
    const producer = await openProducer(server, { project: 'demo', password, idempotent: true, retries: 200 })
    const sent = producer.send({ topic: 'logs', acks: -1, messages: [{ value: 'kept', partition: 0 }] })
    await server.restart({})
    await sent
    await producer.disconnect()
    await server.waitForRows('demo/logs', 1)
  })

  it('bounds the journal while nothing is indexed, loses nothing, and goes on when it is', async function () {
    if (!hasProc) this.skip()
    await start({ journal: { segmentBytes: '1 MiB', maxBytes: '4 MiB' } })
    await server.whenReady()
    const indexer = await until('the indexer', () => server.findPid('indexer'))
    process.kill(indexer, 'SIGSTOP')
    const client = await login()
    let stored = 0
    let slowed = 0
    for (;;) {
      const { code, message, throttleTimeMs } = await send(client, 300 * KiB)
      if (code === NOT_ENOUGH_REPLICAS) {
        assert.match(message ?? '', /journal\.maxBytes \(4 MiB\)/)
        break
      }
      assert.equal(code, NONE)
      stored++
      if (throttleTimeMs > 0) slowed++
      assert(stored < 30, 'the journal has a bound')
    }
    assert(slowed > 0, 'it was slowed down before it was refused')
    process.kill(indexer, 'SIGCONT')
    await until('room again', async () => (await send(client, 300 * KiB)).code === NONE)
    stored++
    await server.waitForRows('demo/logs', stored)
    assert.equal(await server.countRows('demo/logs'), stored)
  })
})
