import assert from 'node:assert/strict'
import type { Producer } from 'kafkajs'
import { Ledger } from '../support/ledger.ts'
import { openProducer } from '../support/producer.ts'
import { hasProc, Server, type Role } from '../support/server.ts'
import { waitUntilIndexed } from '../support/verifier.ts'

describe('a logstore that is deleted and made again under its name while logs come in', function () {
  this.timeout(120_000)

  let server: Server
  let producer: Producer
  let ledger: Ledger

  before(async function () {
    // The processes of a server are found through /proc.
    if (!hasProc) return this.skip()
    server = await Server.start()
  })

  after(() => server?.remove())

  afterEach(async () => {
    await ledger.stop()
    await producer.disconnect()
  })

  for (const killed of [['indexer'], ['engine'], ['indexer', 'engine']] as const satisfies Role[][])
    it(`has its own logs and no others, with a kill of ${killed.join(' and ')}`, async () => {
      const logstore = `web/${killed.join('-')}`
      await server.createLogstore(logstore)
      producer = await openProducer(server, { project: 'web', password: await server.createKey('web'), retries: 200 })
      ledger = new Ledger(producer, logstore.split('/')[1]!)
      await ledger.waitForMore(10)

      server.killNow(killed)
      const ofTheFirst = [...ledger.acknowledged]
      await server.run('logstore', 'delete', logstore, '--yes')
      await server.createLogstore(logstore)
      const sentBefore = ledger.sent.length
      await ledger.waitForMore(10)
      server.killNow(killed)
      await ledger.waitForMore(10)
      await ledger.stop()
      assert.equal(ledger.failures, 0)

      await waitUntilIndexed(server)
      const sql = 'SELECT content, count() AS rows, uniqExact(_shard, _offset, _index) AS places FROM log GROUP BY content'
      const rows = await server.query<{ content: string; rows: string; places: string }>(logstore, sql)
      const stored = new Set(rows.map(({ content }) => content))
      const ofTheSecond = ledger.sent.slice(sentBefore)
      assert.deepEqual(
        ofTheSecond.filter(content => !stored.has(content)),
        [],
      )
      assert.deepEqual(
        ofTheFirst.filter(content => stored.has(content)),
        [],
      )
      assert.deepEqual(
        rows.filter(({ rows, places }) => rows !== places),
        [],
      )
    })
})
