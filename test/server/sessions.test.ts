/**
 * Sessions with a lifetime: clients authenticate again on the same connection (KIP-368).
 */
import assert from 'node:assert/strict'
import { ErrorCode } from '../../protocol/error-codes.ts'
import { apiVersionsRequest, apiVersionsResponse } from '../../protocol/messages/api-versions.ts'
import { saslAuthenticateRequest, saslAuthenticateResponse } from '../../protocol/messages/sasl-authenticate.ts'
import { saslHandshakeRequest, saslHandshakeResponse } from '../../protocol/messages/sasl-handshake.ts'
import { openProducer } from '../support/producer.ts'
import { plainToken, RawClient } from '../support/raw-client.ts'
import { Server } from '../support/server.ts'
import { until } from '../support/wait.ts'

const LIFETIME_MS = 1000
const batch = { records: [{ value: 'x' }] }

describe('a session with a lifetime', () => {
  let server: Server
  let password: string

  before(async () => {
    server = await Server.start({ settings: { auth: { sessionMs: LIFETIME_MS } } })
    await server.createLogstore('demo/logs')
    await server.createLogstore('other/logs')
    password = await server.createKey('demo')
  })

  after(() => server?.remove())

  function authenticate(client: RawClient, project: string, given: string) {
    return client.call(saslAuthenticateRequest, saslAuthenticateResponse, 1, { authBytes: plainToken(project, given) })
  }

  async function handshake(client: RawClient): Promise<void> {
    const answer = await client.call(saslHandshakeRequest, saslHandshakeResponse, 1, { mechanism: 'PLAIN' })
    assert.equal(answer.errorCode, ErrorCode.NONE)
  }

  async function expectClosed(client: RawClient, reason: RegExp): Promise<void> {
    const peer = `127.0.0.1:${client.localPort}`
    await client.waitForEnd()
    await until('the reason', () => server.log.some(line => line['peer'] === peer && reason.test(line.reason ?? '')))
  }

  /** Waits until the session is over: the clock, not a connection, ends it. */
  function lifetime(): Promise<void> {
    return new Promise(resolve => setTimeout(resolve, LIFETIME_MS + 100))
  }

  it('tells the client how long it lasts', async () => {
    const client = await RawClient.connect(server)
    await handshake(client)
    assert.equal((await authenticate(client, 'demo', password)).sessionLifetimeMs, LIFETIME_MS)
    client.close()
  })

  it('goes on for a client that authenticates again, also after its end', async () => {
    const client = await RawClient.login(server, 'demo', password)
    for (const pause of [Promise.resolve(), lifetime()]) {
      await pause
      await client.call(apiVersionsRequest, apiVersionsResponse, 0, {})
      await handshake(client)
      const { errorCode, sessionLifetimeMs } = await authenticate(client, 'demo', password)
      assert.deepEqual({ errorCode, sessionLifetimeMs }, { errorCode: ErrorCode.NONE, sessionLifetimeMs: LIFETIME_MS })
      assert.equal((await client.produce([{ topic: 'logs', batch }]))[0]?.errorCode, ErrorCode.NONE)
    }
    client.close()
  })

  it('ends with the next request of a client that does not', async () => {
    const client = await RawClient.login(server, 'demo', password)
    await lifetime()
    client.write(client.encodeProduce([{ topic: 'logs', batch }]))
    await expectClosed(client, /its session is over: it did not authenticate again/)
  })

  it('answers batches that are under way while the client authenticates again', async () => {
    const client = await RawClient.login(server, 'demo', password)
    client.write(
      Buffer.concat([
        client.encodeProduce([{ topic: 'logs', batch }]),
        client.encode(saslHandshakeRequest, 1, { mechanism: 'PLAIN' }),
        client.encode(saslAuthenticateRequest, 1, { authBytes: plainToken('demo', password) }),
        client.encodeProduce([{ topic: 'logs', batch }]),
      ]),
    )
    assert.equal((await client.receiveProduced()).partitions[0]?.errorCode, ErrorCode.NONE)
    await client.receive(saslHandshakeResponse, 1)
    assert.equal((await client.receive(saslAuthenticateResponse, 1)).value.errorCode, ErrorCode.NONE)
    assert.equal((await client.receiveProduced()).partitions[0]?.errorCode, ErrorCode.NONE)
    client.close()
  })

  it('never becomes that of another project', async () => {
    const other = await server.createKey('other')
    const client = await RawClient.login(server, 'demo', password)
    await handshake(client)
    const { errorCode, errorMessage } = await authenticate(client, 'other', other)
    assert.equal(errorCode, ErrorCode.SASL_AUTHENTICATION_FAILED)
    assert.match(errorMessage ?? '', /a connection belongs to one project/)
    await expectClosed(client, /a connection belongs to one project/)
  })

  it('may write nothing more once the client comes with a wrong key', async () => {
    const client = await RawClient.login(server, 'demo', password)
    await handshake(client)
    assert.equal((await authenticate(client, 'demo', 'wrong#wrong')).errorCode, ErrorCode.NONE)
    assert.equal((await client.produce([{ topic: 'logs', batch }]))[0]?.errorCode, ErrorCode.TOPIC_AUTHORIZATION_FAILED)
    client.close()
  })

  it('takes nothing but SASL between the two halves', async () => {
    const client = await RawClient.login(server, 'demo', password)
    await handshake(client)
    client.write(client.encodeProduce([{ topic: 'logs', batch }]))
    await expectClosed(client, /it sent Produce where SASL does not allow it \(token\)/)
  })

  it('is no matter to kafkajs, which authenticates again by itself', async () => {
    const producer = await openProducer(server, { project: 'demo', password, retries: 0 })
    let disconnects = 0
    producer.on('producer.disconnect', () => disconnects++)
    for (let round = 0; round < 3; round++) {
      await producer.send({ topic: 'logs', messages: [{ value: `round ${round}` }] })
      await lifetime()
    }
    assert.equal(disconnects, 0)
    await producer.disconnect()
  })
})
