import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type TLSSocket } from 'node:tls'
import { ErrorCode } from '../../protocol/error-codes.ts'
import { RawClient, type RawClientOptions } from '../support/raw-client.ts'
import { Server } from '../support/server.ts'

describe('the metadata of a server', () => {
  let server: Server
  let password: string
  let clients: RawClient[] = []

  before(async () => {
    server = await Server.start({
      hosts: ['logs.example.test', '*.local.example.test'],
      settings: {
        listeners: {
          internet: { advertised: { host: 'outside.example.test', port: 9093 } },
          intranet: { advertised: { host: 'inside.example.test' } },
        },
      },
    })
    for (const name of ['first', 'second', 'third']) await server.createLogstore(`demo/${name}`, { shards: 3 })
    password = await server.createKey('demo')
  })

  after(() => server?.remove())

  afterEach(() => {
    for (const client of clients) client.close()
    clients = []
  })

  async function login(options: RawClientOptions = {}, secret = password): Promise<RawClient> {
    const client = await RawClient.login(server, 'demo', secret, options)
    clients.push(client)
    return client
  }

  /** Where a client is told to go that came by this name. */
  async function addressFor(options: RawClientOptions): Promise<string> {
    const { brokers } = await (await login(options)).describe([])
    assert.equal(brokers.length, 1)
    return `${brokers[0]!.host}:${brokers[0]!.port}`
  }

  it('sends a client back to the name it came by, if the certificate has that name', async () => {
    for (const serverName of ['logs.example.test', 'demo.local.example.test', 'localhost'])
      assert.equal(await addressFor({ serverName }), `${serverName}:9093`)
  })

  it('knows the name of a client that wants to resume its TLS session', async () => {
    const options = {
      host: '127.0.0.1',
      port: server.port(),
      ca: server.ca,
      servername: 'logs.example.test',
      maxVersion: 'TLSv1.2' as const,
    }
    const first = connect(options)
    await once(first, 'secureConnect')
    const session = first.getSession()!
    first.destroy()
    const client = await RawClient.over(connect({ ...options, session }))
    clients.push(client)
    assert.equal((client.socket as TLSSocket).isSessionReused(), false)
    await client.authenticate('demo', password)
    assert.equal((await client.describe([])).brokers[0]?.host, 'logs.example.test')
  })

  it('sends a client to the advertised host if it came by another name, or by none', async () => {
    for (const serverName of ['elsewhere.example.test', 'a.demo.local.example.test', null])
      assert.equal(await addressFor({ serverName }), 'outside.example.test:9093')
  })

  it('knows the listener that a client came by, and its port if none is advertised', async () => {
    const port = server.port('intranet')
    assert.equal(await addressFor({ serverName: null, listener: 'intranet' }), `inside.example.test:${port}`)
    assert.equal(await addressFor({ serverName: 'logs.example.test', listener: 'intranet' }), `logs.example.test:${port}`)
  })

  it('lists the logstores that the key may write to, and no others, when all are asked for', async () => {
    const limited = await server.createKey('demo', { logstores: ['third', 'first', 'missing'] })
    for (const [secret, expected] of [
      [password, ['first', 'second', 'third']],
      [limited, ['first', 'third']],
      ['wrong#wrong', []],
    ] as const) {
      const client = await login({}, secret)
      for (const { topics } of [await client.describe(null), await client.describe([], 0)])
        assert.deepEqual(
          topics.map(({ name }) => name),
          expected,
        )
    }
  })

  it('describes no topics if an empty list is asked for', async () => {
    assert.deepEqual((await (await login()).describe([], 1)).topics, [])
  })

  it('answers topics in the order in which they are asked for, each once, illegal and unknown names among them', async () => {
    const { NONE, INVALID_TOPIC_EXCEPTION, UNKNOWN_TOPIC_OR_PARTITION } = ErrorCode
    const expected: [string, number][] = [
      ['second', NONE],
      ['a topic', INVALID_TOPIC_EXCEPTION],
      ['missing', UNKNOWN_TOPIC_OR_PARTITION],
      ['first.json', NONE],
      ['', INVALID_TOPIC_EXCEPTION],
      ['x'.repeat(250), INVALID_TOPIC_EXCEPTION],
      ['first', NONE],
    ]
    for (const version of [0, 4, 9, 12]) {
      const { topics } = await (await login()).describe([...expected.map(([name]) => name), 'second', 'missing'], version)
      assert.deepEqual(
        topics.map(({ name, errorCode }) => [name, errorCode]),
        expected,
      )
    }
  })

  it('gives each logstore its partitions, all led by the one broker, and its id to one of its two names', async () => {
    const { brokers, controllerId, topics } = await (await login()).describe(['first', 'first.json'], 12)
    const logstores = await server.control<{ name: string; id: string }[]>('GET', '/v1/projects/demo/logstores')
    const id = logstores.find(({ name }) => name === 'first')!.id.replaceAll('-', '')
    assert.equal(controllerId, brokers[0]?.nodeId)
    assert.deepEqual(
      topics.map(({ topicId }) => topicId),
      [id, '0'.repeat(32)],
    )
    for (const { partitions } of topics) {
      assert.deepEqual(
        partitions.map(({ partitionIndex, leaderId, isrNodes }) => ({ partitionIndex, leaderId, isrNodes })),
        [0, 1, 2].map(partitionIndex => ({ partitionIndex, leaderId: controllerId, isrNodes: [controllerId] })),
      )
    }
  })
})

describe('the metadata of a server that is not told what it is called', () => {
  let server: Server

  before(async () => {
    server = await Server.start()
    await server.createLogstore('demo/logs')
  })

  after(() => server?.remove())

  it('names the address that the client reached', async () => {
    const password = await server.createKey('demo')
    for (const listener of ['internet', 'intranet'] as const) {
      const client = await RawClient.login(server, 'demo', password, { serverName: 'unknown.example.test', listener })
      const { brokers } = await client.describe(null)
      assert.deepEqual([brokers[0]?.host, brokers[0]?.port], ['127.0.0.1', server.port(listener)])
      client.close()
    }
  })
})
