import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import type { Producer } from 'kafkajs'
import { initProducerIdRequest, initProducerIdResponse } from '../../protocol/messages/init-producer-id.ts'
import { ErrorCode } from '../../protocol/error-codes.ts'
import { errorTypeOf, openProducer, type ProducerOptions } from '../support/producer.ts'
import { RawClient } from '../support/raw-client.ts'
import { hasProc, Server } from '../support/server.ts'
import { until } from '../support/wait.ts'

const batch = { records: [{ value: 'x' }] }
const messages = [{ value: 'x' }]

describe('the refusals of a server', () => {
  let server: Server
  let password: string
  const producers: Producer[] = []

  before(async () => {
    server = await Server.start({ hosts: ['demo.local.example.test', 'demo.elsewhere.example.test'] })
    await server.createLogstore('demo/logs')
    await server.createLogstore('abroad/logs', { region: 'elsewhere' })
    password = await server.createKey('demo')
  })

  after(async () => {
    for (const producer of producers) await producer.disconnect()
    await server?.remove()
  })

  async function open(options: Partial<ProducerOptions> = {}): Promise<Producer> {
    const producer = await openProducer(server, { project: 'demo', password, retries: 1, ...options })
    producers.push(producer)
    return producer
  }

  interface Attempt {
    project: string
    password: string
    topic: string
    serverName?: string
  }

  const attempts: { name: string; code: keyof typeof ErrorCode; says: RegExp; attempt: () => Attempt | Promise<Attempt> }[] = [
    {
      name: 'a wrong secret',
      code: 'TOPIC_AUTHORIZATION_FAILED',
      says: /the access key is not one of project "demo"/,
      attempt: () => ({ project: 'demo', password: `${password}x`, topic: 'logs' }),
    },
    {
      name: 'an unknown key id',
      code: 'TOPIC_AUTHORIZATION_FAILED',
      says: /the access key is not one of project "demo"/,
      attempt: () => ({ project: 'demo', password: `unknown#${password.split('#')[1]}`, topic: 'logs' }),
    },
    {
      name: 'the key of another project',
      code: 'TOPIC_AUTHORIZATION_FAILED',
      says: /the access key is not one of project "demo"/,
      attempt: async () => ({ project: 'demo', password: await server.createKey('abroad'), topic: 'logs' }),
    },
    {
      name: 'a key without the right to the logstore',
      code: 'TOPIC_AUTHORIZATION_FAILED',
      says: /this access key may not write to logstore "logs" of project "demo"/,
      attempt: async () => ({
        project: 'demo',
        password: await server.createKey('demo', { logstores: ['other'] }),
        topic: 'logs',
      }),
    },
    {
      name: 'an unknown project',
      code: 'UNKNOWN_TOPIC_OR_PARTITION',
      says: /project "nobody" does not exist/,
      attempt: () => ({ project: 'nobody', password, topic: 'logs' }),
    },
    {
      name: 'an unknown logstore',
      code: 'UNKNOWN_TOPIC_OR_PARTITION',
      says: /logstore "nothing" does not exist in project "demo"/,
      attempt: () => ({ project: 'demo', password, topic: 'nothing' }),
    },
    {
      name: 'a project of another region',
      code: 'UNKNOWN_TOPIC_OR_PARTITION',
      says: /project "abroad" is in region "elsewhere", not in "local"/,
      attempt: async () => ({ project: 'abroad', password: await server.createKey('abroad'), topic: 'logs' }),
    },
  ]
  for (const { name, code, says, attempt } of attempts) {
    it(`answer ${name} with ${code}, as kafkajs shows it`, async () => {
      const { topic, ...credentials } = await attempt()
      const producer = await open(credentials)
      assert.equal(await errorTypeOf(producer.send({ topic, messages })), code)
    })

    it(`answer ${name} with ${code} in Metadata and in Produce alike, and say why`, async () => {
      const { project, password: secret, topic } = await attempt()
      const client = await RawClient.login(server, project, secret)
      const { topics } = await client.describe([topic])
      assert.deepEqual(
        topics.map(described => [described.name, described.errorCode, described.partitions.length]),
        [[topic, ErrorCode[code], 0]],
      )
      const [answer] = await client.produce([{ topic, batch }])
      assert.equal(answer?.errorCode, ErrorCode[code])
      assert.match(answer.errorMessage ?? '', says)
      client.close()
    })
  }

  it('answer a host name of another region with UNKNOWN_TOPIC_OR_PARTITION, one of its own with success', async () => {
    const answers = []
    for (const serverName of ['demo.elsewhere.example.test', 'demo.local.example.test']) {
      const client = await RawClient.login(server, 'demo', password, { serverName })
      answers.push(
        (await client.describe(['logs'])).topics[0]?.errorCode,
        (await client.produce([{ topic: 'logs', batch }]))[0]?.errorCode,
      )
      client.close()
    }
    const { NONE, UNKNOWN_TOPIC_OR_PARTITION } = ErrorCode
    assert.deepEqual(answers, [UNKNOWN_TOPIC_OR_PARTITION, UNKNOWN_TOPIC_OR_PARTITION, NONE, NONE])
  })

  it('give a producer id to who will be refused, so that the refusal is seen on the topic', async () => {
    const producer = await open({ password: 'wrong#wrong', idempotent: true })
    assert.equal(await errorTypeOf(producer.send({ topic: 'logs', messages })), 'TOPIC_AUTHORIZATION_FAILED')
  })

  it('leave the other topics of the request alone', async () => {
    const client = await RawClient.login(server, 'demo', password)
    const answers = await client.produce([
      { topic: 'nothing', batch },
      { topic: 'logs', batch },
      { topic: 'logs', partition: 99, batch },
    ])
    const { NONE, UNKNOWN_TOPIC_OR_PARTITION } = ErrorCode
    assert.deepEqual(
      answers.map(({ errorCode }) => errorCode),
      [UNKNOWN_TOPIC_OR_PARTITION, NONE, UNKNOWN_TOPIC_OR_PARTITION],
    )
    client.close()
  })

  it('refuse transactions', async () => {
    const client = await RawClient.login(server, 'demo', password)
    const request = { transactionalId: 'mine', transactionTimeoutMs: 1000 }
    const { errorCode } = await client.call(initProducerIdRequest, initProducerIdResponse, 1, request)
    assert.equal(errorCode, ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
    client.close()
  })

  it('begin for a connected producer when its key is deleted', async () => {
    const key = await server.createKey('demo', { id: 'short-lived' })
    const producer = await open({ password: key, retries: 0 })
    await producer.send({ topic: 'logs', messages })
    await server.control('DELETE', '/v1/projects/demo/keys/short-lived')
    assert.equal(await errorTypeOf(producer.send({ topic: 'logs', messages })), 'TOPIC_AUTHORIZATION_FAILED')
    // Made again with the same id and secret it is another key, of another connection.
    const again = await server.createKey('demo', { id: 'short-lived', secret: key.split('#')[1]! })
    assert.equal(again, key)
    await (await open({ password: key })).send({ topic: 'logs', messages })
  })

  it('end the connection when its key is deleted, so that the client comes again with a key that was made again', async () => {
    const key = await server.createKey('demo', { id: 'revoked' })
    const client = await RawClient.login(server, 'demo', key)
    const topics = [{ topic: 'logs', batch: { records: [{ value: 'a log' }] } }]
    assert.equal((await client.produce(topics))[0]!.errorCode, ErrorCode.NONE)
    await server.control('DELETE', '/v1/projects/demo/keys/revoked')
    assert.equal((await client.produce(topics))[0]!.errorCode, ErrorCode.TOPIC_AUTHORIZATION_FAILED)
    await assert.rejects(client.receiveFrame(), /the connection ended/)
  })

  it('end for a connected producer when the logstore is created', async () => {
    const producer = await open({ retries: 0 })
    assert.equal(await errorTypeOf(producer.send({ topic: 'late', messages })), 'UNKNOWN_TOPIC_OR_PARTITION')
    await server.createLogstore('demo/late')
    await producer.send({ topic: 'late', messages })
    await server.waitForRows('demo/late', 1)
  })

  it('take no later batch of an idempotent producer before the refused one', async () => {
    const client = await RawClient.login(server, 'demo', password)
    const sequenced = (baseSequence: number) => ({
      topic: 'pipelined',
      batch: { records: [{ value: `batch ${baseSequence}` }], producerId: 815, producerEpoch: 0, baseSequence },
    })
    const codes = async (baseSequence: number) => (await client.produce([sequenced(baseSequence)]))[0]?.errorCode
    assert.equal(await codes(0), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    await server.createLogstore('demo/pipelined', { shards: 1 })
    assert.equal(await codes(1), ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER)
    assert.deepEqual([await codes(0), await codes(1)], [ErrorCode.NONE, ErrorCode.NONE])
    client.close()
    await server.waitForRows('demo/pipelined', 2)
    assert.deepEqual(await server.query('demo/pipelined', 'SELECT content FROM log ORDER BY _offset'), [
      { content: 'batch 0' },
      { content: 'batch 1' },
    ])
  })

  describe('when the disk takes nothing more', () => {
    /** Writes beyond the first bytes of any file fail from now on, or no more. */
    function limitFiles(bytes: number | 'unlimited'): void {
      execFileSync('prlimit', ['--pid', String(server.pid), `--fsize=${bytes}:`])
    }

    before(function () {
      if (!hasProc) this.skip()
      try {
        execFileSync('prlimit', ['--version'])
      } catch {
        // prlimit of util-linux sets the limit of a process that runs.
        this.skip()
      }
    })

    after(() => limitFiles('unlimited'))

    it('are KAFKA_STORAGE_ERROR, nothing refused is stored, and logs are taken again once it does', async () => {
      await server.createLogstore('demo/disk', { shards: 1 })
      const producer = await open({ retries: 1 })
      const client = await RawClient.login(server, 'demo', password)
      await producer.send({ topic: 'disk', messages: [{ value: 'before' }] })

      limitFiles(100)
      const refused = [{ value: 'refused' }]
      assert.equal(await errorTypeOf(producer.send({ topic: 'disk', messages: refused })), 'KAFKA_STORAGE_ERROR')
      const sequenced = { records: refused, producerId: 42, producerEpoch: 0, baseSequence: 0 }
      const [answer] = await client.produce([{ topic: 'disk', batch: sequenced }])
      assert.equal(answer?.errorCode, ErrorCode.KAFKA_STORAGE_ERROR)
      const { status, text } = await server.get('/readyz')
      assert.equal(status, 503)
      assert.match(text, /the journal could not be written/)
      const metadata = await client.describe(['disk'])
      assert.equal(metadata.topics[0]?.errorCode, ErrorCode.NONE)

      limitFiles('unlimited')
      const [taken] = await client.produce([{ topic: 'disk', batch: { ...sequenced, records: [{ value: 'after' }] } }])
      assert.deepEqual([taken?.errorCode, taken?.baseOffset], [ErrorCode.NONE, 1])
      client.close()
      await server.whenReady()
      await server.waitForRows('demo/disk', 2)
      await server.restart()
      await server.whenReady()
      assert.deepEqual(await server.query('demo/disk', 'SELECT content FROM log ORDER BY _offset'), [
        { content: 'before' },
        { content: 'after' },
      ])
    })

    it('are sentences of a command that would change the catalog, which stays as it was', async () => {
      const before = await server.control('GET', '/v1/projects')
      limitFiles(100)
      await assert.rejects(
        server.control('POST', '/v1/projects', { name: 'unsaved' }),
        /STORAGE_FAILED.+the disk failed while writing/,
      )
      limitFiles('unlimited')
      assert.deepEqual(await server.control('GET', '/v1/projects'), before)
      await server.control('POST', '/v1/projects', { name: 'saved' })
    })
  })
})

describe('a server that refuses access keys in SASL', () => {
  let server: Server
  let password: string

  before(async () => {
    server = await Server.start({ settings: { auth: { reject: 'sasl' } } })
    await server.createLogstore('demo/logs')
    password = await server.createKey('demo')
  })

  after(() => server?.remove())

  it('answers a wrong secret with SASL_AUTHENTICATION_FAILED, and with a sentence', async () => {
    const client = await RawClient.connect(server)
    const { errorCode, errorMessage } = await client.authenticate('demo', `${password}x`)
    assert.equal(errorCode, ErrorCode.SASL_AUTHENTICATION_FAILED)
    assert.match(errorMessage ?? '', /^access denied: .+accessKeyId#accessKeySecret/)
    await client.waitForEnd()
    const line = await until('a line in the log', () => server.log.find(({ msg }) => msg === 'a client is refused'))
    assert.deepEqual([line['project'], line['clientId'], line['source']], ['demo', 'raw', '127.0.0.1'])
  })

  it('shows kafkajs that sentence', async () => {
    await assert.rejects(openProducer(server, { project: 'nobody', password, retries: 0 }), /access denied/)
  })

  it('takes logs from who has a right key', async () => {
    const producer = await openProducer(server, { project: 'demo', password })
    await producer.send({ topic: 'logs', messages })
    await producer.disconnect()
    await server.waitForRows('demo/logs', 1)
  })
})
