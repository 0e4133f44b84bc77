/**
 * Listeners without TLS, for gateways that have none: apinto never has, Kong and APISIX as their own pages configure them.
 */
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { once } from 'node:events'
import { ErrorCode } from '../../protocol/error-codes.ts'
import { saslHandshakeRequest } from '../../protocol/messages/sasl-handshake.ts'
import { errorTypeOf, openProducer } from '../support/producer.ts'
import { RawClient } from '../support/raw-client.ts'
import { Server } from '../support/server.ts'
import { until } from '../support/wait.ts'

const KEY_ID = 'GATEWAYKEY'
const secret = 'a-secret-of-the-gateway'

describe('a trusted listener', () => {
  let server: Server

  before(async () => {
    const bound = { port: 0, project: 'demo', accessKeyId: KEY_ID }
    const trusted = [
      { name: 'gateway', ...bound, advertised: { host: 'gateway.test', port: 9092 } },
      { name: 'local', ...bound },
      { name: 'proxy', protocol: 'SASL_PLAINTEXT', port: 0 },
      { name: 'elsewhere', ...bound, host: '0.0.0.0', insecure: true, networks: ['192.0.2.0/24'] },
    ]
    server = await Server.start({ settings: { listeners: { trusted } } })
    await server.createLogstore('demo/logs', { shards: 2 })
    await server.createLogstore('demo/private')
    await server.createLogstore('other/logs')
  })

  after(() => server?.remove())

  it('says at its start that it refuses everything while its access key is missing', () => {
    const line = server.log.find(({ msg, listener }) => listener === 'gateway' && /refuses everything/.test(msg ?? ''))
    assert.equal(line?.['accessKeyId'], KEY_ID)
  })

  it('says at its start that it is open beyond this machine', () => {
    const said = server.log.filter(({ msg }) => /open beyond this machine/.test(msg ?? ''))
    assert.deepEqual(
      said.map(({ listener }) => listener),
      ['elsewhere'],
    )
  })

  it('refuses each topic while its access key is missing', async () => {
    const client = await RawClient.connect(server, { listener: 'local' })
    const { topics } = await client.describe(['logs'])
    assert.equal(topics[0]?.errorCode, ErrorCode.TOPIC_AUTHORIZATION_FAILED)
    client.close()
  })

  describe('with its access key', () => {
    before(() => server.control('POST', '/v1/projects/demo/keys', { id: KEY_ID, secret, logstores: ['logs'] }))

    it('lets every client act as that key, with what it may and what it may not', async () => {
      const client = await RawClient.connect(server, { listener: 'local' })
      const { topics, brokers } = await client.describe(null)
      assert.deepEqual(
        topics.map(({ name }) => name),
        ['logs'],
      )
      assert.deepEqual(brokers[0], { nodeId: 0, host: '127.0.0.1', port: server.port('local'), rack: null })
      const answers = await client.produce([
        { topic: 'logs', batch: { records: [{ value: 'by a gateway' }] } },
        { topic: 'private', batch: { records: [{ value: 'not allowed' }] } },
      ])
      assert.deepEqual(
        answers.map(({ errorCode }) => errorCode),
        [ErrorCode.NONE, ErrorCode.TOPIC_AUTHORIZATION_FAILED],
      )
      client.close()
    })

    it('takes a client that comes without SASL', async () => {
      const producer = await openProducer(server, { project: '', password: '', listener: 'local', sasl: false })
      await producer.send({ topic: 'logs', messages: [{ value: 'without TLS and SASL' }] })
      await producer.disconnect()
      await until('the row', async () => {
        const rows = await server.query('demo/logs', "SELECT content FROM log WHERE content = 'without TLS and SASL'")
        return rows.length === 1
      })
    })

    it('sends clients to the address that is configured', async () => {
      const client = await RawClient.connect(server, { listener: 'gateway' })
      const { brokers } = await client.describe([])
      assert.deepEqual(brokers[0], { nodeId: 0, host: 'gateway.test', port: 9092, rack: null })
      client.close()
    })

    it('has nothing to do with SASL', async () => {
      const client = await RawClient.connect(server, { listener: 'local' })
      const port = client.localPort
      client.write(client.encode(saslHandshakeRequest, 1, { mechanism: 'PLAIN' }))
      await client.waitForEnd()
      await until('the reason', () =>
        server.log.some(
          ({ peer, reason }) => peer === `127.0.0.1:${port}` && /SaslHandshake where SASL does not allow it/.test(reason ?? ''),
        ),
      )
    })

    it('refuses clients from other networks', async () => {
      const socket = connect({ host: '127.0.0.1', port: server.port('elsewhere') })
      await once(socket, 'close')
      await until('the reason', () =>
        server.log.some(({ reason }) => /it is in none of the networks of listener elsewhere/.test(reason ?? '')),
      )
    })

    it('lets nobody act as the key any more once it is deleted', async () => {
      const client = await RawClient.connect(server, { listener: 'local' })
      const batch = { records: [{ value: 'x' }] }
      assert.equal((await client.produce([{ topic: 'logs', batch }]))[0]?.errorCode, ErrorCode.NONE)
      await server.control('DELETE', `/v1/projects/demo/keys/${KEY_ID}`)
      assert.equal((await client.produce([{ topic: 'logs', batch }]))[0]?.errorCode, ErrorCode.TOPIC_AUTHORIZATION_FAILED)
      client.close()
    })
  })

  it('of SASL_PLAINTEXT lets clients log in with their own access key', async () => {
    const password = await server.createKey('other')
    const producer = await openProducer(server, { project: 'other', password, listener: 'proxy' })
    await producer.send({ topic: 'logs', messages: [{ value: 'behind a proxy' }] })
    await producer.disconnect()
    const stranger = await openProducer(server, { project: 'other', password: 'wrong#wrong', listener: 'proxy', retries: 0 })
    const sending = stranger.send({ topic: 'logs', messages: [{ value: 'x' }] })
    assert.equal(await errorTypeOf(sending), 'TOPIC_AUTHORIZATION_FAILED')
    await stranger.disconnect()
  })
})
