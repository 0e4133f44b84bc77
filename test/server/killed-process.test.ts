import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import type { Producer } from 'kafkajs'
import { Ledger } from '../support/ledger.ts'
import { openProducer } from '../support/producer.ts'
import { RawClient } from '../support/raw-client.ts'
import { hasProc, Server } from '../support/server.ts'
import { until } from '../support/wait.ts'

describe('a server whose processes are killed while producers send', function () {
  let server: Server
  let password: string
  let producers: Producer[] = []
  let logstores = 0

  before(async function () {
    // The processes of a server are found through /proc.
    if (!hasProc) this.skip()
    server = await Server.start()
    await server.createLogstore('demo/first')
    password = await server.createKey('demo')
    await server.whenReady()
  })

  after(() => server?.remove())

  afterEach(async () => {
    for (const producer of producers) await producer.disconnect()
    producers = []
  })

  /** Begins to send to a new logstore. */
  async function beginToSend(options: { idempotent: boolean; retries?: number }) {
    const name = `sent-${++logstores}`
    await server.createLogstore(`demo/${name}`)
    const producer = await openProducer(server, { project: 'demo', password, retries: 200, ...options })
    producers.push(producer)
    const ledger = new Ledger(producer, name)
    await ledger.waitForMore()
    return { ledger, logstore: `demo/${name}` }
  }

  async function readContents(logstore: string): Promise<string[]> {
    const rows = await server.query<{ content: string }>(logstore, 'SELECT content FROM log')
    return rows.map(({ content }) => content).sort()
  }

  /** Everything that was acknowledged is there; `once` where nothing else may be, and nothing twice. */
  async function assertStored({ ledger, logstore }: { ledger: Ledger; logstore: string }, { once }: { once: boolean }) {
    await until('everything that was acknowledged', async () => {
      const stored = new Set(await readContents(logstore).catch(() => []))
      return ledger.acknowledged.every(content => stored.has(content))
    })
    const stored = await readContents(logstore)
    const sent = new Set(ledger.sent)
    if (once) assert.deepEqual(stored, [...ledger.acknowledged].sort())
    else
      assert.deepEqual(
        stored.filter(content => !sent.has(content)),
        [],
      )
    const [repeated] = await server.query<{ rows: string }>(
      logstore,
      'SELECT toString(count() - uniqExact(_shard, _offset, _index)) AS rows FROM log',
    )
    assert.equal(repeated?.rows, '0', 'no two rows have one offset')
  }

  it('has every acknowledged record after SIGKILL of serve, and of an idempotent producer none twice', async () => {
    const exact = await beginToSend({ idempotent: true })
    const plain = await beginToSend({ idempotent: false })
    for (let kill = 0; kill < 3; kill++) {
      await server.kill('SIGKILL')
      await server.restart()
      await Promise.all([exact.ledger.waitForMore(), plain.ledger.waitForMore()])
    }
    await Promise.all([exact.ledger.stop(), plain.ledger.stop()])
    assert.equal(exact.ledger.failures, 0)
    await assertStored(exact, { once: true })
    await assertStored(plain, { once: false })
  })

  for (const role of ['indexer', 'engine'] as const)
    it(`goes on acknowledging when the ${role} is killed, and has every record once`, async () => {
      const sending = await beginToSend({ idempotent: false, retries: 0 })
      for (let kill = 0; kill < 2; kill++) {
        const killed = await until(`a running ${role}`, () => server.findPid(role))
        await server.kill('SIGKILL', role)
        await sending.ledger.waitForMore()
        await until(`another ${role}`, () => (server.findPid(role) ?? killed) !== killed)
        await sending.ledger.waitForMore()
      }
      await sending.ledger.stop()
      assert.equal(sending.ledger.failures, 0)
      await server.whenReady()
      await assertStored(sending, { once: true })
    })

  it('has every record once when the engine and the indexer are killed before anything is indexed', async () => {
    const client = await RawClient.login(server, 'demo', password)
    const [indexer, engine] = await Promise.all([
      until('an indexer', () => server.findPid('indexer')),
      until('an engine', () => server.findPid('engine')),
    ])
    process.kill(engine, 'SIGKILL')
    process.kill(indexer, 'SIGKILL')
    await server.createLogstore('demo/unindexed')
    const answers = await client.produce([{ topic: 'unindexed', batch: { records: [{ value: 'a' }, { value: 'b' }] } }])
    assert.deepEqual(
      answers.map(({ errorCode }) => errorCode),
      [0],
    )
    client.close()
    await server.waitForRows('demo/unindexed', 2)
    assert.deepEqual(await readContents('demo/unindexed'), ['a', 'b'])
  })

  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    it(`ends in order on ${signal}: what was taken is answered and stored, and nothing is left`, async () => {
      const sending = await beginToSend({ idempotent: false, retries: 0 })
      const name = `pipelined-${signal.toLowerCase()}`
      await server.createLogstore(`demo/${name}`)
      const client = await RawClient.login(server, 'demo', password)
      let requests = 0
      let answered = 0
      const pipelining = setInterval(() => {
        for (let index = 0; index < 20 && client.socket.writable; index++)
          client.write(client.encodeProduce([{ topic: name, batch: { records: [{ value: String(requests++) }] } }]))
      }, 1)
      const reading = (async () => {
        for (;;) {
          const { partitions } = await client.receiveProduced()
          if (partitions[0]?.errorCode === 0) answered++
        }
      })().catch(() => {})
      await until('an answer', () => answered > 0)

      const code = await server.kill(signal)
      await reading
      clearInterval(pipelining)
      client.close()
      await sending.ledger.stop().catch(() => {})
      assert.equal(code, 0)
      assert(!existsSync(server.infoFile))
      assert.deepEqual(server.processes, [])

      await server.restart()
      await assertStored(sending, { once: true })
      await server.waitForRows(`demo/${name}`, answered)
      assert.equal(await server.countRows(`demo/${name}`), answered, 'exactly what was answered is stored')
    })
  }

  it('ends in order if the signal comes twice at once, as npm and others pass it on', async () => {
    const isStopping = () => server.log.filter(({ msg }) => msg === 'sluice is stopping').length
    const before = isStopping()
    process.kill(server.pid, 'SIGTERM')
    // Sent any sooner, the system would make one signal of the two.
    await until('the first signal', () => isStopping() > before)
    assert.equal(await server.kill('SIGTERM'), 0)
    assert(!existsSync(server.infoFile))
    await server.restart()
  })

  it('keeps a second server off its data, and says who has it', async () => {
    const { code, stderr } = await server.cli('serve', '--config', server.configFile)
    assert.equal(code, 1)
    assert.match(stderr, new RegExp(`^sluice: the data directory .+ is in use by sluice serve, process ${server.pid} on .+\\n$`))
    assert.equal((await server.get('/healthz')).status, 200)
  })
})
