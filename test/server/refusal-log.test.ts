import assert from 'node:assert/strict'
import { saslHandshakeRequest, saslHandshakeResponse } from '../../protocol/messages/sasl-handshake.ts'
import { plainToken, RawClient } from '../support/raw-client.ts'
import { Server } from '../support/server.ts'
import { until } from '../support/wait.ts'

const batch = { records: [{ value: 'x' }] }
/** As the log has it. */
const INFO = 30

describe('the lines in the log about clients that are refused', () => {
  let server: Server

  before(async () => (server = await Server.start()))

  after(() => server?.remove())

  const lines = (project: string) =>
    server.log
      .filter(({ msg, project: of }) => msg === 'a client is refused' && of === project)
      .map(({ level, logstore, clientId, source, problem }) => ({ level, logstore, clientId, source, problem }))
  const client = { level: INFO, clientId: 'raw', source: '127.0.0.1' }

  async function ask(project: string, secret: string, topics: string[], { sends = true } = {}): Promise<void> {
    const asking = await RawClient.login(server, project, secret)
    await asking.describe(topics)
    if (sends) await asking.produce(topics.map(topic => ({ topic, batch })))
    asking.close()
    // What was logged before is read by then.
    await server.get('/healthz')
  }

  it('name a logstore that does not exist, once for Metadata and Produce of each client, and how it is made', async () => {
    await server.createLogstore('quiet/logs')
    const secret = await server.createKey('quiet')
    for (let time = 0; time < 3; time++) await ask('quiet', secret, ['missing', 'logs', 'missing.json'])
    const problem = 'logstore "missing" does not exist in project "quiet"; "sluice logstore create quiet/missing" makes it'
    await until('a line', () => lines('quiet').length > 0)
    assert.deepEqual(lines('quiet'), [{ ...client, logstore: 'missing', problem }])
  })

  it('name a logstore that the key has no right to', async () => {
    await server.createLogstore('narrow/logs')
    await ask('narrow', await server.createKey('narrow', { logstores: ['other'] }), ['logs'])
    const problem =
      'this access key may not write to logstore "logs" of project "narrow": use a key that names it, or one for all logstores'
    await until('a line', () => lines('narrow').length > 0)
    assert.deepEqual(lines('narrow'), [{ ...client, logstore: 'logs', problem }])
  })

  it('name the project of a wrong key once, whatever it asks for, and never the key', async () => {
    await server.createLogstore('locked/logs')
    const secret = await server.createKey('locked')
    for (let time = 0; time < 2; time++) await ask('locked', `${secret}wrong`, ['logs', 'more'])
    await until('a line', () => lines('locked').length > 0)
    const [line, ...others] = lines('locked')
    assert.deepEqual(others, [])
    assert.match(String(line!.problem), /not one of project "locked".+"sluice key list locked" shows/)
    assert.equal(line!.clientId, 'raw')
    assert.ok(!JSON.stringify(server.log).includes(secret.split('#')[1]!))
  })

  it('name the client of a wrong key that logs in as the oldest clients do', async () => {
    const old = await RawClient.connect(server)
    await old.call(saslHandshakeRequest, saslHandshakeResponse, 0, { mechanism: 'PLAIN' })
    const token = plainToken('oldest', 'wrong#wrong')
    const prefix = Buffer.alloc(4)
    prefix.writeInt32BE(token.length)
    old.write(Buffer.concat([prefix, token]))
    assert.equal((await old.receiveFrame()).length, 0)
    old.close()
    await until('a line', () => lines('oldest').length > 0)
    assert.equal(lines('oldest')[0]!.clientId, 'raw')
  })

  it('stay small, few and printable, whatever names clients give', async () => {
    const secret = await server.createKey('quiet')
    const before = server.log.length
    const hostile = Array.from({ length: 1000 }, (_, n) => `${n}\u001b[2J\u009b\u202e${'x'.repeat(30_000)}`)
    await ask('quiet', secret, hostile, { sends: false })
    await ask('\u001b[2J\u009b'.repeat(3000), secret, ['logs'])
    const added = server.log.slice(before)
    assert.ok(added.length > 2 && added.length <= 25, String(added.length))
    for (const line of added) {
      assert.ok(JSON.stringify(line).length < 1500, JSON.stringify(line))
      for (const value of [line['project'], line['logstore'], line['problem']]) assert.doesNotMatch(String(value), /\p{C}/u)
    }
  })
})
