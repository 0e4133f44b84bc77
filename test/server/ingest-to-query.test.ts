import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { CompressionTypes, type Message, type Producer } from 'kafkajs'
import { openProducer } from '../support/producer.ts'
import { RawClient } from '../support/raw-client.ts'
import { Server } from '../support/server.ts'

const RECORDS = 10_000
const PER_SEND = 500

/** What a record has to be when it is asked for: bytes in hexadecimal. */
interface StoredRecord {
  key: string
  value: string
  headerNames: string[]
  headerValues: string[]
  time: number
  error: string
}

const recordsSql = `SELECT hex(_key) AS key, hex(content) AS value, mapKeys(_headers) AS headerNames,
  arrayMap(value -> hex(value), mapValues(_headers)) AS headerValues,
  toInt64(toUnixTimestamp64Milli(_time)) AS time, _error AS error FROM log`

const hex = (bytes: Buffer | null): string => (bytes ?? Buffer.alloc(0)).toString('hex').toUpperCase()

/** A record that no other is like, and what is to become of it. */
function makeRecord(number: number): { message: Message; stored: StoredRecord } {
  const values = [
    Buffer.from(JSON.stringify({ id: number, level: 'warn', status: 200 + (number % 300) })),
    Buffer.from(`Zeile ${number}: größer, 日本語, 🙂`),
    randomBytes(number % 200),
    null,
    Buffer.alloc(0),
  ]
  const keys = [null, Buffer.from(`key ${number}`), randomBytes(16)]
  const value = values[number % values.length]!
  const key = keys[number % keys.length]!
  const id = Buffer.alloc(4)
  id.writeUInt32BE(number)
  const time = Date.UTC(2024, 0, 1) + number
  return {
    message: { key, value, headers: { id, größe: 'ä\0ö', empty: '' }, timestamp: String(time) },
    stored: {
      key: hex(key),
      value: hex(value),
      headerNames: ['id', 'größe', 'empty'],
      headerValues: [hex(id), hex(Buffer.from('ä\0ö')), ''],
      time,
      error: '',
    },
  }
}

describe('a server, from the producer to the query', () => {
  let server: Server
  let password: string
  const producers: Producer[] = []

  before(async () => {
    server = await Server.start({ data: 'a data directory' })
    await server.createLogstore('demo/logs')
    password = await server.createKey('demo')
  })

  after(async () => {
    for (const producer of producers) await producer.disconnect()
    await server?.remove()
  })

  async function open(options: { idempotent?: boolean } = {}): Promise<Producer> {
    const producer = await openProducer(server, { project: 'demo', password, ...options })
    producers.push(producer)
    return producer
  }

  /** By shard: how many records, the lowest and the highest offset, and how many different ones. */
  function readOffsets(logstore: string) {
    return server.query<{ shard: number; records: number; first: number; last: number; different: number; bytes: number }>(
      logstore,
      `SELECT _shard AS shard, toInt32(count()) AS records, toInt32(min(_offset)) AS first, toInt32(max(_offset)) AS last,
        toInt32(uniqExact(_offset)) AS different, toInt32(sum(length(content))) AS bytes FROM log GROUP BY shard ORDER BY shard`,
    )
  }

  const ways = [
    { name: 'acks-all', acks: -1 },
    { name: 'acks-1', acks: 1 },
    { name: 'acks-0', acks: 0 },
    { name: 'acks-all-gzip', acks: -1, compression: CompressionTypes.GZIP },
    { name: 'idempotent', acks: -1, idempotent: true },
    { name: 'idempotent-gzip', acks: -1, idempotent: true, compression: CompressionTypes.GZIP },
  ]
  for (const { name, acks, idempotent, compression = CompressionTypes.None } of ways)
    it(`stores each of ${RECORDS} records once and unchanged (${name})`, async () => {
      const logstore = `demo/${name}`
      await server.createLogstore(logstore)
      const producer = await open({ idempotent: idempotent ?? false })
      const records = Array.from({ length: RECORDS }, (_, number) => makeRecord(number))
      for (let first = 0; first < RECORDS; first += PER_SEND) {
        const messages = records.slice(first, first + PER_SEND).map(({ message }) => message)
        await producer.send({ topic: name, messages, acks, compression })
      }
      await server.waitForRows(logstore, RECORDS)

      const rows = await server.query<StoredRecord>(
        logstore,
        `${recordsSql} ORDER BY _time SETTINGS output_format_json_quote_64bit_integers = 0`,
      )
      assert.equal(rows.length, RECORDS)
      rows.forEach((row, number) => assert.deepEqual(row, records[number]!.stored))
      for (const { records: count, first, last, different } of await readOffsets(logstore))
        assert.deepEqual({ first, last, different }, { first: 0, last: count - 1, different: count })
    })

  it('takes the topic LOGSTORE.json for the logstore', async () => {
    await server.createLogstore('demo/both')
    const producer = await open()
    await producer.send({ topic: 'both', messages: [{ value: 'text' }] })
    await producer.send({ topic: 'both.json', messages: [{ value: '{"level":"info"}' }] })
    await server.waitForRows('demo/both', 2)
    const rows = await server.query('demo/both', 'SELECT content FROM log ORDER BY _entry')
    assert.deepEqual(rows, [{ content: 'text' }, { content: '{"level":"info"}' }])
  })

  it('fills the typed columns from JSON, and leaves them empty for anything else', async () => {
    await server.createLogstore('demo/typed')
    const values = ['{"level":"error","status":503}', 'level=error', '{"level":7,"status":"x"}', '"text"', '']
    await (await open()).send({ topic: 'typed', messages: values.map(value => ({ value, partition: 0 })) })
    await server.waitForRows('demo/typed', values.length)
    assert.deepEqual(await server.query('demo/typed', 'SELECT f_level, f_status FROM log ORDER BY _offset'), [
      { f_level: 'error', f_status: 503 },
      { f_level: '', f_status: null },
      { f_level: '7', f_status: null },
      { f_level: '', f_status: null },
      { f_level: '', f_status: null },
    ])
  })

  it('spreads the bytes evenly over the shards even if all records name one partition', async () => {
    await server.createLogstore('demo/balanced', { shards: 4 })
    const producer = await open()
    for (let send = 0; send < 100; send++)
      await producer.send({ topic: 'balanced', messages: [{ value: randomBytes(2000).toString('hex'), partition: 0 }] })
    await server.waitForRows('demo/balanced', 100)
    const shards = await readOffsets('demo/balanced')
    assert.deepEqual(
      shards.map(({ shard, records }) => ({ shard, records })),
      [0, 1, 2, 3].map(shard => ({ shard, records: 25 })),
    )
  })

  it('keeps which client sent a record, and from where', async () => {
    await server.createLogstore('demo/origin')
    await (await open()).send({ topic: 'origin', messages: [{ value: 'x' }] })
    await server.waitForRows('demo/origin', 1)
    const [row] = await server.query<{ _source: string; _client: string }>('demo/origin', 'SELECT _source, _client FROM log')
    assert.equal(row?._client, 'test')
    assert.match(row._source, /^(127\.0\.0\.1|::1)$/)
  })

  it('answers with offsets that the rows have', async () => {
    await server.createLogstore('demo/offsets', { shards: 1 })
    const client = await RawClient.login(server, 'demo', password)
    for (const baseOffset of [0, 2, 4]) {
      const [answer] = await client.produce([{ topic: 'offsets', batch: { records: [{ value: 'a' }, { value: 'b' }] } }])
      assert.deepEqual({ errorCode: answer?.errorCode, baseOffset: answer?.baseOffset }, { errorCode: 0, baseOffset })
    }
    client.close()
    await server.waitForRows('demo/offsets', 6)
    const rows = await server.query('demo/offsets', 'SELECT toInt32(_offset) AS offset, content FROM log ORDER BY _offset')
    assert.deepEqual(
      rows,
      [0, 1, 2, 3, 4, 5].map(offset => ({ offset, content: offset % 2 === 0 ? 'a' : 'b' })),
    )
  })

  it('stores a batch that it has had before only once, and answers with its offset again', async () => {
    await server.createLogstore('demo/again', { shards: 2 })
    const client = await RawClient.login(server, 'demo', password)
    const batch = { records: [{ value: 'once' }], producerId: 4711, producerEpoch: 0, baseSequence: 0 }
    const answers = []
    for (let attempt = 0; attempt < 3; attempt++) answers.push(...(await client.produce([{ topic: 'again', batch }])))
    assert.deepEqual(
      answers.map(({ errorCode, baseOffset }) => ({ errorCode, baseOffset })),
      answers.map(() => ({ errorCode: 0, baseOffset: 0 })),
    )
    await client.produce([{ topic: 'again', batch: { ...batch, records: [{ value: 'next' }], baseSequence: 1 } }])
    client.close()
    await server.waitForRows('demo/again', 2)
    assert.deepEqual(await server.query('demo/again', 'SELECT content FROM log ORDER BY _entry'), [
      { content: 'once' },
      { content: 'next' },
    ])
  })

  it('keeps a batch that cannot be read as one row that says why', async () => {
    await server.createLogstore('demo/broken', { shards: 1 })
    const client = await RawClient.login(server, 'demo', password)
    // Codec 1 is gzip, and this is none.
    const [answer] = await client.produce([{ topic: 'broken', batch: { records: [{ value: 'not gzip' }], attributes: 1 } }])
    assert.equal(answer?.errorCode, 0)
    await client.produce([{ topic: 'broken', batch: { records: [{ value: 'next' }] } }])
    client.close()
    await server.waitForRows('demo/broken', 2)
    const rows = await server.query<{ content: string; _error: string }>(
      'demo/broken',
      'SELECT content, _error FROM log ORDER BY _offset',
    )
    assert.notEqual(rows[0]?._error, '')
    assert.deepEqual(rows[1], { content: 'next', _error: '' })
  })
})
