/** What a running server says of its logstores: on the command line, in /readyz and in /metrics. */
import assert from 'node:assert/strict'
import type { LogstoreStatus } from '../../src/http/status.ts'
import { RawClient } from '../support/raw-client.ts'
import { hasProc, runSluice, makeDirectory, Server } from '../support/server.ts'
import { until } from '../support/wait.ts'

describe('the status of a server', function () {
  this.timeout(120_000)

  let server: Server
  let client: RawClient

  before(async () => {
    server = await Server.start()
    for (const logstore of ['demo/nginx', 'demo/mysql', 'web/nginx']) await server.createLogstore(logstore, { shards: 1 })
    client = await RawClient.login(server, 'demo', await server.createKey('demo'))
    await server.whenReady()
  })

  after(async () => {
    client?.close()
    await server?.remove()
  })

  async function send(topic: string, ...values: string[]): Promise<void> {
    const [answer] = await client.produce([{ topic, batch: { records: values.map(value => ({ value })) } }])
    assert.equal(answer!.errorCode, 0)
  }

  async function statusOf(name: string): Promise<LogstoreStatus> {
    return JSON.parse(await server.run('status', name, '--json')) as LogstoreStatus
  }

  it('counts what was taken and what is stored, logstore by logstore', async () => {
    await send('nginx', 'a', 'b', 'c')
    await send('mysql', 'd')
    await server.waitForRows('demo/nginx', 3)
    await server.waitForRows('demo/mysql', 1)
    const stored = await until('no lag', async () => {
      const status = await statusOf('demo/nginx')
      return status.lagRows === 0 && status
    })
    const { lastEntry, storedEntry, ...rest } = stored
    assert.equal(lastEntry, storedEntry)
    assert.deepEqual(rest, {
      project: 'demo',
      logstore: 'nginx',
      nextOffsets: { 0: 3 },
      rows: 3,
      lagRows: 0,
      lagBytes: 0,
      lagMs: 0,
      parkedBytes: 0,
      problem: null,
    })
    const lines = (await server.run('status', 'demo')).split('\n').map(line => line.split(/ {2,}/))
    assert.deepEqual(lines, [
      ['logstore', 'taken', 'rows', 'lag', 'bytes', 'age', 'parked'],
      ['demo/nginx', '3', '3', '0', '0 bytes', '0', '0 bytes'],
      ['demo/mysql', '1', '1', '0', '0 bytes', '0', '0 bytes'],
    ])
    assert.equal((await server.run('status')).split('\n').length, 4)
    const { text } = await server.get('/metrics')
    assert.match(text, /^sluice_freshness_seconds_count 4$/m)
    assert.match(text, /^sluice_freshness_seconds_bucket\{le="\+Inf"\} 4$/m)
  })

  it('says what is behind while ClickHouse does not answer, and of what is not known that it is not', async function () {
    if (!hasProc) this.skip()
    const engine = server.findPid('engine')!
    process.kill(engine, 'SIGSTOP')
    try {
      await send('nginx', 'e', 'f')
      const { rows, lagRows, lagBytes, lagMs, nextOffsets } = await statusOf('demo/nginx')
      assert.deepEqual({ rows, lagRows, nextOffsets }, { rows: null, lagRows: 2, nextOffsets: { 0: 5 } })
      assert(lagBytes! > 0 && lagMs! > 0)
      assert.match(await server.run('status', 'demo/nginx'), /^demo\/nginx +5 +– +2 /m)
    } finally {
      process.kill(engine, 'SIGCONT')
    }
    await until('no lag', async () => (await statusOf('demo/nginx')).lagRows === 0)
    assert.equal((await statusOf('demo/nginx')).rows, 5)
  })

  it('is of one logstore, of one that there is, and of a server', async () => {
    const unknown = await server.cli('status', 'demo/unknown')
    assert.deepEqual([unknown.code, unknown.stdout], [1, ''])
    assert.match(unknown.stderr, /logstore "unknown" does not exist/)
    const directory = await makeDirectory()
    const { code, stderr } = await runSluice(['status', '--data', `${directory}/data`], { directory })
    assert.equal(code, 1)
    assert.match(stderr, /"sluice status" needs a running server/)
  })
})
