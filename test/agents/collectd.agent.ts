/** collectd, write_kafka: values that are put in by its socket. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { Server } from '../support/server.ts'
import { until } from '../support/wait.ts'
import { AgentProcess, configureAgent, readDocuments } from './configured.ts'
import { findInstallation, readVersion, type Installation } from './installation.ts'
import { addDelivery } from './page.ts'

/** Before the server is killed, and as many after that. */
const RECORDS = 1000
const LOGSTORE = 'demo/collectd'

describe('collectd', () => {
  let server: Server
  let agent: AgentProcess | undefined
  let socket: string

  before(async () => {
    server = await Server.start()
    await server.whenReady()
  })

  afterEach(function () {
    if (this.currentTest?.isFailed() === true) process.stdout.write(agent?.printed ?? '')
  })

  after(async () => {
    await agent?.stop()
    await server?.remove()
  })

  it('sends each value once, also past a server that is killed', async () => {
    const { directory, file } = await configureAgent(server, 'collectd', LOGSTORE, { isSecretWritten: true })
    const installation = findInstallation('collectd', 'collectd')
    socket = join(directory, 'collectd.sock')
    const surrounding = writeSurrounding(installation, directory, file)
    agent = new AgentProcess(installation, ['-f', '-C', surrounding], { directory })
    await until('the socket of collectd', () => existsSync(socket))
    const values = Array.from({ length: 2 * RECORDS }, (_, index) => index * 1.25 - 100)
    await put(values.slice(0, RECORDS), 0)
    await server.waitForRows(LOGSTORE, RECORDS)
    const rows = await server.countRows(LOGSTORE)

    await server.kill()
    await put(values.slice(RECORDS), RECORDS)
    await server.restart()
    await server.waitForRows(LOGSTORE, 2 * RECORDS)

    const documents = await readDocuments(server, LOGSTORE)
    assert.deepEqual(
      documents.sort((one, other) => Number(one['time']) - Number(other['time'])),
      values.map((value, index) => ({
        values: [value],
        dstypes: ['gauge'],
        dsnames: ['value'],
        time: START + index,
        interval: 1,
        host: 'h',
        plugin: 'app',
        plugin_instance: '',
        type: 'gauge',
        type_instance: 'n',
      })),
    )
    const version = readVersion(installation, '-h')
    const killed = 'nothing lost, nothing twice'
    addDelivery({ agent: 'collectd', version, how: 'real', records: RECORDS, rows, isSame: true, killed })
  })

  /** Seconds; collectd takes values of any time, as long as they grow. */
  const START = 1_700_000_000

  async function put(values: readonly number[], from: number): Promise<void> {
    const connection = connect(socket)
    await once(connection, 'connect')
    connection.end(values.map((value, index) => `PUTVAL h/app/gauge-n interval=1 ${START + from + index}:${value}\n`).join(''))
    const answers = (await text(connection)).trimEnd().split('\n')
    assert.deepEqual([...new Set(answers)], ['0 Success: 1 value has been dispatched.'])
    assert.equal(answers.length, values.length)
  }

  function writeSurrounding({ find }: Installation, directory: string, printed: string): string {
    const file = join(directory, 'collectd.conf')
    writeFileSync(
      file,
      `Hostname "h"
FQDNLookup false
BaseDir "${directory}"
PIDFile "${join(directory, 'collectd.pid')}"
PluginDir "${find('usr/lib/collectd')[0]}"
TypesDB "${find('usr/share/collectd/types.db')[0]}"
LoadPlugin unixsock
<Plugin unixsock>
  SocketFile "${socket}"
</Plugin>
Include "${printed}"
`,
    )
    return file
  }
})
