/**
 * Clients that take more than their part: slow ones, silent ones, ones that never read, and too many. Others must not notice.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { ErrorCode } from '../../protocol/error-codes.ts'
import { metadataRequest } from '../../protocol/messages/metadata.ts'
import { RawClient } from '../support/raw-client.ts'
import { Server } from '../support/server.ts'
import { until } from '../support/wait.ts'

const REQUEST_BYTES = 1_000_000
const BUFFERED_BYTES = 2_000_000
const HANDSHAKES = 8

describe('overload', () => {
  let server: Server
  let password: string
  let sockets: Socket[] = []

  before(async () => {
    const limits = {
      requestBytes: REQUEST_BYTES,
      bufferedBytes: BUFFERED_BYTES,
      unauthenticatedRequestBytes: 60_000,
      unauthenticatedBufferedBytes: 1_000_000,
      connections: 60,
      connectionsPerSource: 40,
      handshakes: HANDSHAKES,
    }
    server = await Server.start({ settings: { limits } })
    await server.createLogstore('demo/logs')
    password = await server.createKey('demo')
  })

  after(() => server?.remove())

  afterEach('leaves nothing behind', async () => {
    for (const socket of sockets) socket.destroy()
    sockets = []
    await until('no connections and no bytes that are held', async () => {
      const held = await Promise.all(['connections', 'buffered_bytes', 'handshakes_waiting'].map(gauge))
      return held.every(value => value === 0)
    })
  })

  async function gauge(name: string): Promise<number> {
    const metrics = await server.get('/metrics')
    return Number(new RegExp(`^sluice_${name} (\\d+)$`, 'm').exec(metrics.text)![1])
  }

  async function login(): Promise<RawClient> {
    const client = await RawClient.login(server, 'demo', password)
    sockets.push(client.socket)
    return client
  }

  async function assertServed(): Promise<void> {
    const client = await login()
    const [answer] = await client.produce([{ topic: 'logs', batch: { records: [{ value: 'healthy' }] } }])
    assert.equal(answer?.errorCode, ErrorCode.NONE)
  }

  /** The beginning of a request of the largest size. */
  function beginning(bytes: number): Buffer {
    const frame = Buffer.alloc(4 + bytes)
    frame.writeInt32BE(REQUEST_BYTES)
    return frame
  }

  it('is not what large requests that are only announced cause', async () => {
    for (let count = 0; count < 10; count++) (await login()).write(beginning(0))
    await assertServed()
  })

  it('by requests that are not finished ends the largest of them', async () => {
    const [small, ...large] = [await login(), await login(), await login(), await login()]
    small!.write(beginning(100_000))
    for (const client of large) client.write(beginning(900_000))
    await until('a connection that is closed', () =>
      server.log.some(({ reason }) => /its unfinished request took room that others waited for/.test(reason ?? '')),
    )
    await assertServed()
    assert.ok((await gauge('buffered_bytes')) < BUFFERED_BYTES)
    assert.ok(!small!.socket.destroyed && small!.socket.writable)
  })

  it('by strangers takes no room from clients', async () => {
    for (let count = 0; count < 20; count++) {
      const stranger = await RawClient.connect(server)
      sockets.push(stranger.socket)
      const frame = Buffer.alloc(4 + 59_000)
      frame.writeInt32BE(60_000)
      stranger.write(frame)
    }
    await assertServed()
  })

  it('by a client that never reads its answers stops at what its socket takes', async () => {
    const client = await login()
    client.socket.pause()
    const topics = Array.from({ length: 1000 }, (_, index) => ({ name: `missing-${index}` }))
    const requests = Buffer.concat(Array.from({ length: 20 }, () => client.encode(metadataRequest, 9, { topics })))
    // Much more than the buffers of both sides hold, in requests and in answers.
    const isTaken = () => client.socket.writableLength === 0
    for (let sent = 0; sent < 100_000_000 && isTaken(); sent += requests.length) {
      client.write(requests)
      await Promise.race([once(client.socket, 'drain'), assertServed()])
    }
    assert.ok(!isTaken())
    assert.ok((await gauge('buffered_bytes')) < BUFFERED_BYTES)
    await assertServed()
  })

  it('by one source leaves room for others', async function () {
    // Other systems have one loopback address only.
    if (process.platform !== 'linux') return this.skip()
    const refusedBefore = await gauge('connections_refused_total')
    for (let count = 0; count < 45; count++) {
      const socket = connect({ host: '127.0.0.1', port: server.port(), localAddress: '127.0.0.2' })
      socket.on('error', () => {})
      sockets.push(socket)
    }
    await until('refusals', async () => (await gauge('connections_refused_total')) - refusedBefore === 5)
    // All of them are silent in their handshake, or wait for it.
    assert.equal(await gauge('handshakes_waiting'), 40 - HANDSHAKES / 4)
    await assertServed()
  })
})
