/**
 * A server that throws its logs away, for measurements: it takes them as any other does, and keeps no more of the journal than it must.
 */
import assert from 'node:assert/strict'
import type { LogstoreStatus } from '../../src/http/status.ts'
import { Server } from '../support/server.ts'
import { openProducer } from '../support/producer.ts'

const LOG_BYTES = 100_000
const LOGS = 400

describe('a server with store.discard', () => {
  let server: Server

  before(async () => {
    server = await Server.start({ settings: { store: { discard: true }, journal: { segmentBytes: '1 MiB', maxBytes: '8 MiB' } } })
    await server.createLogstore('demo/logs')
  })
  after(() => server.remove())

  it('takes more than its journal may hold', async () => {
    const producer = await openProducer(server, { project: 'demo', password: await server.createKey('demo'), retries: 20 })
    const value = 'x'.repeat(LOG_BYTES)
    for (let sent = 0; sent < LOGS; sent++) await producer.send({ topic: 'logs', acks: -1, messages: [{ value }] })
    await producer.disconnect()
    assert.equal(await countOffsets(), LOGS)
  })

  it('says that nothing can be searched, and why', async () => {
    const { code, stderr } = await server.cli('query', 'demo/logs', 'SELECT count() FROM log')
    assert.notEqual(code, 0)
    assert.match(stderr, /store\.discard/)
    assert(server.log.some(({ msg }) => msg?.includes('store.discard') === true))
  })

  it('goes on after a restart with the offsets that follow', async () => {
    await server.kill()
    await server.restart()
    assert.equal(await countOffsets(), LOGS)
  })

  async function countOffsets(): Promise<number> {
    const { nextOffsets } = JSON.parse(await server.run('status', 'demo/logs', '--json')) as LogstoreStatus
    return Object.values(nextOffsets).reduce((sum, next) => sum + next, 0)
  }
})
