import assert from 'node:assert/strict'
import type { Producer } from 'kafkajs'
import { openProducer } from '../support/producer.ts'
import { Server } from '../support/server.ts'

describe('the shards of a running server', () => {
  let server: Server
  let password: string
  let producers: Producer[] = []

  before(async () => {
    server = await Server.start()
    await server.createLogstore('demo/logs', { shards: 2 })
    password = await server.createKey('demo')
  })

  after(() => server?.remove())

  afterEach(async () => {
    for (const producer of producers) await producer.disconnect()
    producers = []
  })

  async function open(): Promise<Producer> {
    const producer = await openProducer(server, { project: 'demo', password, idempotent: true })
    producers.push(producer)
    return producer
  }

  /** Sends batches one after the other, each with one log. */
  async function sendAll(producer: Producer, topic: string, values: string[], partition: number): Promise<void> {
    for (const value of values) await producer.send({ topic, messages: [{ value, partition }] })
  }

  function shardsOf(contentPrefix: string): Promise<{ shard: number; logs: number }[]> {
    const sql = `SELECT _shard AS shard, toUInt32(count()) AS logs FROM log WHERE startsWith(content, '${contentPrefix}') GROUP BY shard ORDER BY shard`
    return server.query('demo/logs', sql)
  }

  it('take logs while they are split and merged; what was retired keeps its logs and gets no more', async () => {
    const producer = await open()
    const values = (prefix: string): string[] => Array.from({ length: 12 }, (_, index) => `${prefix} ${index}`)
    await sendAll(producer, 'logs', values('before'), 0)
    assert.match(await server.run('logstore', 'shard', 'split', 'demo/logs', '0'), /has 3 shards that take logs, 1 are retired/)
    await sendAll(producer, 'logs', values('split'), 0)
    await server.run('logstore', 'shard', 'merge', 'demo/logs', '2', '1')
    await sendAll(producer, 'logs', values('merged'), 1)
    await server.run('logstore', 'shard', 'add', 'demo/logs', '2')
    // The producer that is connected has not heard of the partition, another one has.
    await sendAll(await open(), 'logs', values('added'), 3)
    await server.waitForRows('demo/logs', 48)
    const shards = async (prefix: string): Promise<number[]> => (await shardsOf(prefix)).map(({ shard }) => shard)
    assert.deepEqual(await shards('before'), [0, 1])
    // New shards get more at first, until they have received as much.
    const afterSplit = await shards('split')
    assert(!afterSplit.includes(0) && afterSplit.includes(2) && afterSplit.includes(3), String(afterSplit))
    assert.deepEqual(await shards('merged'), [3, 4])
    const afterAdd = await shards('added')
    assert(afterAdd.every(shard => shard >= 3) && afterAdd.includes(5) && afterAdd.includes(6), String(afterAdd))
    assert.equal(
      await server.run('logstore', 'shard', 'list', 'demo/logs'),
      'shard  state\n0      retired\n1      retired\n2      retired\n3      writable\n4      writable\n5      writable\n6      writable',
    )
    await server.restart()
    await sendAll(await open(), 'logs', ['restarted'], 0)
    await server.waitForRows('demo/logs', 49)
    assert((await shards('restarted'))[0]! >= 3)
  })

  it('of a keyed logstore are the partitions that keys are dealt to, each in the order that it was sent in', async () => {
    await server.run('logstore', 'create', 'demo/keyed', '--mode', 'keyed', '--shards', '3')
    const producer = await open()
    const partitionOf = new Map<string, number>()
    for (let round = 0; round < 20; round++) {
      const messages = ['a', 'b', 'c', 'd', 'e', 'f'].map(key => ({ key, value: `${key} ${round}` }))
      await producer.send({ topic: 'keyed', messages })
    }
    for (const partition of [0, 1, 2]) {
      const answers = await producer.send({ topic: 'keyed', messages: [{ key: `to ${partition}`, value: '', partition }] })
      partitionOf.set(`to ${partition}`, answers[0]!.partition)
    }
    await server.waitForRows('demo/keyed', 123)
    const rows = await server.query<{ key: string; shard: number; offset: string; content: string }>(
      'demo/keyed',
      'SELECT _key AS key, _shard AS shard, _offset AS offset, content FROM log ORDER BY _shard, _offset',
    )
    for (const { key, shard } of rows) {
      if (!partitionOf.has(key)) partitionOf.set(key, shard)
      assert.equal(shard, partitionOf.get(key), `the shard of ${key}`)
    }
    // More than one was used, or this proves nothing.
    assert(new Set(['a', 'b', 'c', 'd', 'e', 'f'].map(key => partitionOf.get(key))).size > 1)
    for (const key of ['a', 'b', 'c', 'd', 'e', 'f'])
      assert.deepEqual(
        rows.filter(row => row.key === key).map(row => row.content),
        Array.from({ length: 20 }, (_, round) => `${key} ${round}`),
      )
    for (const shard of [0, 1, 2]) {
      const offsets = rows.filter(row => row.shard === shard).map(row => Number(row.offset))
      assert.deepEqual(
        offsets,
        offsets.map((_, index) => index),
      )
    }
  })

  it('of a keyed logstore can be added, not split or merged', async () => {
    await server.run('logstore', 'create', 'demo/growing', '--mode', 'keyed', '--shards', '1')
    const refused = await server.cli('logstore', 'shard', 'split', 'demo/growing', '0')
    assert.match(refused.stderr, /is keyed, so its shards cannot be split: producers would go on sending/)
    assert.equal(refused.code, 1)
    await server.run('logstore', 'shard', 'add', 'demo/growing', '1')
    await sendAll(await open(), 'growing', ['one'], 1)
    await server.waitForRows('demo/growing', 1)
    assert.deepEqual(await server.query('demo/growing', 'SELECT _shard AS shard FROM log'), [{ shard: 1 }])
  })
})
