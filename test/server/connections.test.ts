import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { text } from 'node:stream/consumers'
import type { Producer } from 'kafkajs'
import { ApiKey } from '../../protocol/api-keys.ts'
import { ErrorCode } from '../../protocol/error-codes.ts'
import { decodeRequestHeader } from '../../protocol/headers.ts'
import { apiVersionsRequest, apiVersionsResponse } from '../../protocol/messages/api-versions.ts'
import { metadataRequest, metadataResponse } from '../../protocol/messages/metadata.ts'
import { saslAuthenticateRequest, saslAuthenticateResponse } from '../../protocol/messages/sasl-authenticate.ts'
import { saslHandshakeRequest, saslHandshakeResponse } from '../../protocol/messages/sasl-handshake.ts'
import { Reader } from '../../protocol/reader.ts'
import { buildBatch } from '../../protocol/records/build-batch.ts'
import { openProducer } from '../support/producer.ts'
import { plainToken, RawClient } from '../support/raw-client.ts'
import { Server, type LogLine } from '../support/server.ts'
import { until } from '../support/wait.ts'

const REQUEST_BYTES = 200_000
const UNAUTHENTICATED_BYTES = 5000

describe('a connection', () => {
  let server: Server
  let password: string
  let healthy: Producer
  let disconnects = 0
  let clients: { destroy(): void }[] = []

  before(async () => {
    const limits = {
      handshakeMs: 500,
      unauthenticatedMs: 1500,
      unauthenticatedRequests: 10,
      requestBytes: REQUEST_BYTES,
      unauthenticatedRequestBytes: UNAUTHENTICATED_BYTES,
    }
    server = await Server.start({ settings: { limits } })
    await server.createLogstore('demo/logs', { shards: 1 })
    await server.createLogstore('demo/healthy')
    password = await server.createKey('demo')
    healthy = await openProducer(server, { project: 'demo', password, retries: 0 })
    healthy.on('producer.disconnect', () => disconnects++)
  })

  after(async () => {
    await healthy?.disconnect()
    await server?.remove()
  })

  afterEach('does not concern another client', async () => {
    for (const client of clients) client.destroy()
    clients = []
    await healthy.send({ topic: 'healthy', messages: [{ value: 'x' }] })
    assert.equal(disconnects, 0)
  })

  async function open(): Promise<RawClient> {
    const client = await RawClient.connect(server)
    clients.push(client.socket)
    return client
  }

  async function login(): Promise<RawClient> {
    const client = await open()
    await client.authenticate('demo', password)
    return client
  }

  async function openSocket(): Promise<Socket> {
    const socket = connect({ host: '127.0.0.1', port: server.port() })
    clients.push(socket)
    await once(socket, 'connect')
    return socket
  }

  /** The log line of the connection with this port on the client's side; there has to be one and no more. */
  async function waitForLine(port: number, of = server): Promise<LogLine> {
    const find = () => of.log.filter(line => typeof line['peer'] === 'string' && line['peer'].endsWith(`:${port}`))
    await until('a line in the log', () => find().length > 0)
    // A second line would be there as soon as whatever is logged next.
    await of.get('/healthz')
    const lines = find()
    assert.equal(lines.length, 1, JSON.stringify(lines))
    return lines[0]!
  }

  async function assertClosed(client: RawClient, reason: RegExp): Promise<void> {
    const port = client.localPort
    await client.waitForEnd()
    assert.match((await waitForLine(port)).reason ?? '', reason)
  }

  describe('that is closed says why in one line', () => {
    const frame = (length: number) => {
      const prefix = Buffer.alloc(4)
      prefix.writeInt32BE(length)
      return prefix
    }

    it('after a frame above the limit', async () => {
      const client = await login()
      client.write(frame(REQUEST_BYTES + 1))
      await assertClosed(client, /a frame of 200001 bytes, the limit is 200000/)
    })

    it('after a frame above the limit for clients that have not logged in', async () => {
      const client = await open()
      client.write(frame(UNAUTHENTICATED_BYTES + 1))
      await assertClosed(client, /a frame of 5001 bytes, the limit is 5000/)
    })

    it('after a frame of negative length', async () => {
      const client = await open()
      client.write(frame(-1))
      await assertClosed(client, /a frame of -1 bytes/)
    })

    for (const sent of [2, 4, 20])
      it(`after FIN behind ${sent} bytes of a frame`, async () => {
        const client = await login()
        client.socket.end(client.encodeProduce([{ topic: 'logs', batch: { records: [{ value: 'cut' }] } }]).subarray(0, sent))
        await assertClosed(client, /it ended in the middle of a request/)
      })

    it('after bytes that are no request', async () => {
      const client = await open()
      client.write(Buffer.concat([frame(20), Buffer.alloc(20, 0xff)]))
      await assertClosed(client, /api -1|does not speak the protocol/)
    })

    it('after a request with bytes too many', async () => {
      const client = await login()
      const request = Buffer.concat([client.encode(metadataRequest, 1, { topics: null }), Buffer.alloc(3)])
      request.writeInt32BE(request.length - 4)
      client.write(request)
      await assertClosed(client, /does not speak the protocol: MetadataRequest/)
    })

    it('after an HTTP request within TLS', async () => {
      const client = await open()
      client.write(Buffer.from('GET / HTTP/1.1\r\nHost: logs\r\n\r\n'))
      await assertClosed(client, /this looks like an HTTP request, which belongs on the HTTP port/)
    })

    it('after an HTTP request without TLS', async () => {
      const socket = await openSocket()
      const port = socket.localPort!
      socket.write('GET / HTTP/1.1\r\nHost: logs\r\n\r\n')
      await text(socket).catch(() => '')
      const line = await waitForLine(port)
      assert.equal(line.msg, 'TLS handshake failed')
      assert.match(line.reason ?? '', /http request/)
    })

    it('after half a TLS handshake', async () => {
      const socket = await openSocket()
      const port = socket.localPort!
      // The beginning of a record of a handshake, and then nothing.
      socket.write(Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01]))
      await text(socket).catch(() => '')
      const line = await waitForLine(port)
      assert.equal(line.msg, 'TLS handshake failed')
      assert.match(line.reason ?? '', /timeout/)
    })

    it('after FIN in half a TLS handshake, without waiting for its end', async () => {
      const socket = await openSocket()
      const port = socket.localPort!
      socket.end(Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01]))
      await text(socket).catch(() => '')
      const line = await waitForLine(port)
      assert.equal(line.msg, 'TLS handshake failed')
      assert.doesNotMatch(line.reason ?? '', /timeout/)
    })

    it('after a client that hangs up in the middle of the TLS handshake', async () => {
      const socket = connectTls({ host: '127.0.0.1', port: server.port(), ca: server.ca, servername: 'localhost' })
      // Keys are made when the server has answered and is answered next.
      await once(socket, 'keylog')
      const port = socket.localPort!
      socket.destroy()
      assert.equal((await waitForLine(port)).msg, 'TLS handshake failed')
    })

    it('when nobody logs in', async () => {
      await assertClosed(await open(), /it did not authenticate in time/)
    })

    it('when the access key is wrong, after the refusals', async () => {
      const client = await open()
      assert.equal((await client.authenticate('demo', 'wrong#wrong')).errorCode, ErrorCode.NONE)
      const { topics } = await client.describe(['logs'])
      assert.equal(topics[0]?.errorCode, ErrorCode.TOPIC_AUTHORIZATION_FAILED)
      const port = client.localPort
      await client.waitForEnd()
      assert.equal((await waitForLine(port)).reason, 'its access key was not accepted')
    })

    it('after too many requests without a right key', async () => {
      const client = await open()
      for (let request = 0; request < 11; request++) client.write(client.encode(apiVersionsRequest, 0, {}))
      await assertClosed(client, /too many requests without a right access key/)
    })

    for (const [name, send] of Object.entries({
      'Metadata before the login': client => client.encode(metadataRequest, 1, { topics: null }),
      'Produce before the login': client => client.encodeProduce([{ topic: 'logs', batch: { records: [{ value: 'x' }] } }]),
      'SaslAuthenticate before the handshake': client =>
        client.encode(saslAuthenticateRequest, 1, { authBytes: plainToken('demo', password) }),
    } satisfies Record<string, (client: RawClient) => Buffer>))
      it(`after ${name}`, async () => {
        const client = await open()
        client.write(send(client))
        await assertClosed(client, /it sent (Metadata|Produce|SaslAuthenticate) where SASL does not allow it \(start\)/)
      })

    it('after Metadata between the two halves of the login', async () => {
      const client = await open()
      await client.call(saslHandshakeRequest, saslHandshakeResponse, 1, { mechanism: 'PLAIN' })
      client.write(client.encode(metadataRequest, 1, { topics: null }))
      await assertClosed(client, /it sent Metadata where SASL does not allow it \(token\)/)
    })

    it('after a second login', async () => {
      const client = await login()
      client.write(client.encode(saslHandshakeRequest, 1, { mechanism: 'PLAIN' }))
      await assertClosed(client, /it sent SaslHandshake where SASL does not allow it \(authenticated\)/)
    })

    it('after a token that is not PLAIN', async () => {
      const client = await open()
      await client.call(saslHandshakeRequest, saslHandshakeResponse, 1, { mechanism: 'PLAIN' })
      const answer = await client.call(saslAuthenticateRequest, saslAuthenticateResponse, 1, { authBytes: Buffer.from('demo') })
      assert.equal(answer.errorCode, ErrorCode.SASL_AUTHENTICATION_FAILED)
      await assertClosed(client, /the SASL token is not a PLAIN token/)
    })

    it('after a request that is not supported', async () => {
      const client = await login()
      const request = client.encode(metadataRequest, 1, { topics: null })
      request.writeInt16BE(ApiKey.CreateTopics, 4)
      client.write(request)
      await assertClosed(client, /it sent CreateTopics, which is not supported/)
    })

    it('after a version that is not supported', async () => {
      const client = await login()
      const request = client.encode(metadataRequest, 1, { topics: null })
      request.writeInt16BE(99, 6)
      client.write(request)
      await assertClosed(client, /it sent Metadata version 99, supported are 0 to 12/)
    })

    it('after a refused batch whose producer wants no answer', async () => {
      const client = await login()
      client.write(client.encodeProduce([{ topic: 'nothing', batch: { records: [{ value: 'x' }] } }], { acks: 0 }))
      await assertClosed(client, /it asked for no answer \(acks = 0\), and a batch was refused: topic "nothing"/)
    })

    it('and answers SASL mechanisms other than PLAIN before', async () => {
      const client = await open()
      const answer = await client.call(saslHandshakeRequest, saslHandshakeResponse, 1, { mechanism: 'SCRAM-SHA-256' })
      assert.deepEqual(answer, { errorCode: ErrorCode.UNSUPPORTED_SASL_MECHANISM, mechanisms: ['PLAIN'] })
      await assertClosed(client, /a SASL mechanism other than PLAIN/)
    })
  })

  it('ends at a TLS record that cannot be decrypted', async () => {
    const socket = await openSocket()
    const client = await RawClient.over(connectTls({ socket, ca: server.ca, servername: 'localhost' }))
    await client.authenticate('demo', password)
    client.socket.on('error', () => {})
    // Application data, 100 bytes of it, that no key belongs to.
    socket.write(Buffer.concat([Buffer.from([0x17, 0x03, 0x03, 0x00, 100]), Buffer.alloc(100, 'x')]))
    // This side stays open: only the server can end the connection.
    await until('the end on the other side', async () => /^sluice_connections 1$/m.test((await server.get('/metrics')).text))
  })

  it('ends without an answer, and at once, where nothing can be said of its access key', async () => {
    // It is patient: whoever is not ended at once would be here longer than this test.
    const patient = await Server.start()
    try {
      await patient.createLogstore('demo/logs')
      const id = (await patient.createKey('demo')).split('#')[0]!
      const guesses = await Promise.all(Array.from({ length: 80 }, () => RawClient.connect(patient)))
      clients.push(...guesses.map(({ socket }) => socket))
      const outcomes = guesses.map(async (client, guess) => {
        const port = client.localPort
        const answer = await client.authenticate('demo', `${id}#${guess}`).catch(() => undefined)
        return answer === undefined ? port : undefined
      })
      const first = await Promise.any(outcomes.map(async outcome => (await outcome) ?? Promise.reject(new Error('answered'))))
      assert.match(
        (await waitForLine(first, patient)).reason ?? '',
        /too many access keys wait to be checked; connect again in a moment/,
      )
      await Promise.all(outcomes)
      for (const { socket } of guesses) socket.destroy()
    } finally {
      await patient.remove()
    }
  })

  it('gets its answer although it has sent much more that is not looked at', async () => {
    const client = await login()
    client.write(
      Buffer.concat([
        client.encodeProduce([{ topic: 'logs', batch: { records: [{ value: 'x' }] } }]),
        client.encode(saslHandshakeRequest, 1, { mechanism: 'PLAIN' }),
        Buffer.alloc(5_000_000),
      ]),
    )
    let problem: Error | undefined
    client.socket.on('error', error => (problem = error))
    assert.equal((await client.receiveProduced()).partitions[0]?.errorCode, ErrorCode.NONE)
    await client.waitForEnd()
    assert.equal(problem, undefined)
  })

  describe('answers', () => {
    it('ApiVersions of a version that nobody knows in version 0, with UNSUPPORTED_VERSION and its own range', async () => {
      const client = await open()
      const request = client.encode(apiVersionsRequest, 0, {})
      request.writeInt16BE(99, 6)
      client.write(request)
      const { correlationId, value } = await client.receive(apiVersionsResponse, 0)
      assert.equal(correlationId, 1)
      assert.equal(value.errorCode, ErrorCode.UNSUPPORTED_VERSION)
      assert.deepEqual(value.apiKeys, [{ apiKey: ApiKey.ApiVersions, minVersion: 0, maxVersion: 4 }])
      const { errorCode, apiKeys } = await client.call(apiVersionsRequest, apiVersionsResponse, 3, {
        clientSoftwareName: 'test',
        clientSoftwareVersion: '1',
      })
      assert.equal(errorCode, ErrorCode.NONE)
      assert.equal(apiKeys.length, 9)
    })

    it('a login of SaslHandshake 0 and a token without a header with an empty frame', async () => {
      const client = await open()
      await client.call(saslHandshakeRequest, saslHandshakeResponse, 0, { mechanism: 'PLAIN' })
      const token = plainToken('demo', password)
      const frame = Buffer.alloc(4 + token.length)
      frame.writeInt32BE(token.length)
      token.copy(frame, 4)
      client.write(frame)
      assert.equal((await client.receiveFrame()).length, 0)
      assert.equal((await client.describe(['logs'])).topics[0]?.errorCode, ErrorCode.NONE)
    })

    it('requests in their order, however long each takes', async () => {
      const client = await login()
      const expected: number[] = []
      const send = (request: Buffer) => {
        expected.push(decodeRequestHeader(new Reader(request.subarray(4))).correlationId)
        client.write(request)
      }
      for (let round = 0; round < 100; round++) {
        send(client.encodeProduce([{ topic: 'logs', batch: { records: [{ value: 'x' }] } }]))
        send(client.encode(metadataRequest, 1, { topics: null }))
        send(client.encode(apiVersionsRequest, 0, {}))
      }
      const answered: number[] = []
      for (let round = 0; round < 100; round++) {
        answered.push((await client.receiveProduced()).correlationId)
        answered.push((await client.receive(metadataResponse, 1)).correlationId)
        answered.push((await client.receive(apiVersionsResponse, 0)).correlationId)
      }
      assert.deepEqual(answered, expected)
    })

    it('a whole conversation in one write', async () => {
      const client = await open()
      client.write(
        Buffer.concat([
          client.encode(apiVersionsRequest, 0, {}),
          client.encode(saslHandshakeRequest, 1, { mechanism: 'PLAIN' }),
          client.encode(saslAuthenticateRequest, 1, { authBytes: plainToken('demo', password) }),
          client.encode(metadataRequest, 1, { topics: [{ name: 'logs' }] }),
          client.encodeProduce([{ topic: 'logs', batch: { records: [{ value: 'all at once' }] } }]),
        ]),
      )
      await client.receive(apiVersionsResponse, 0)
      await client.receive(saslHandshakeResponse, 1)
      assert.equal((await client.receive(saslAuthenticateResponse, 1)).value.errorCode, ErrorCode.NONE)
      assert.equal((await client.receive(metadataResponse, 1)).value.topics[0]?.errorCode, ErrorCode.NONE)
      assert.equal((await client.receiveProduced()).partitions[0]?.errorCode, ErrorCode.NONE)
    })

    it('a request that comes byte by byte', async () => {
      const client = await login()
      client.socket.setNoDelay(true)
      for (const byte of client.encodeProduce([{ topic: 'logs', batch: { records: [{ value: 'byte by byte' }] } }])) {
        client.write(Buffer.from([byte]))
        await new Promise(resolve => setImmediate(resolve))
      }
      assert.equal((await client.receiveProduced()).partitions[0]?.errorCode, ErrorCode.NONE)
    })

    it('nothing to acks = 0, and what comes behind it as ever', async () => {
      const client = await login()
      for (let send = 0; send < 10; send++)
        client.write(client.encodeProduce([{ topic: 'logs', batch: { records: [{ value: 'unanswered' }] } }], { acks: 0 }))
      const request = client.encode(apiVersionsRequest, 0, {})
      client.write(request)
      const { correlationId } = await client.receive(apiVersionsResponse, 0)
      assert.equal(correlationId, decodeRequestHeader(new Reader(request.subarray(4))).correlationId)
      await until('ten rows', async () => {
        const rows = await server.query('demo/logs', "SELECT 1 FROM log WHERE content = 'unanswered'")
        return rows.length === 10
      })
    })

    it('acks other than 0, 1 and all with INVALID_REQUIRED_ACKS', async () => {
      const client = await login()
      const [answer] = await client.produce([{ topic: 'logs', batch: { records: [{ value: 'x' }] } }], { acks: 5 })
      assert.equal(answer?.errorCode, ErrorCode.INVALID_REQUIRED_ACKS)
    })

    it('a corrupt batch with CORRUPT_MESSAGE, and stores the other partitions of the request', async () => {
      const client = await login()
      await server.createLogstore('demo/half', { shards: 2 })
      const corrupt = buildBatch({ records: [{ value: 'corrupt' }] })
      corrupt[corrupt.length - 1]! ^= 1
      const answers = await client.produce([
        { topic: 'half', partition: 0, batch: corrupt },
        { topic: 'half', partition: 1, batch: { records: [{ value: 'whole' }] } },
      ])
      assert.deepEqual(
        answers.map(({ index, errorCode }) => ({ index, errorCode })),
        [
          { index: 0, errorCode: ErrorCode.CORRUPT_MESSAGE },
          { index: 1, errorCode: ErrorCode.NONE },
        ],
      )
      await server.waitForRows('demo/half', 1)
      assert.deepEqual(await server.query('demo/half', 'SELECT content FROM log'), [{ content: 'whole' }])
    })

    it('what a client sent before it closed its side', async () => {
      const client = await login()
      const ended = once(client.socket, 'end')
      client.socket.end(
        Buffer.concat([
          client.encodeProduce([{ topic: 'logs', batch: { records: [{ value: 'last words' }] } }], { acks: 0 }),
          client.encodeProduce([{ topic: 'logs', batch: { records: [{ value: 'last words' }] } }]),
        ]),
      )
      assert.equal((await client.receiveProduced()).partitions[0]?.errorCode, ErrorCode.NONE)
      await ended
      await until('two rows', async () => {
        const rows = await server.query('demo/logs', "SELECT 1 FROM log WHERE content = 'last words'")
        return rows.length === 2
      })
    })
  })
})
