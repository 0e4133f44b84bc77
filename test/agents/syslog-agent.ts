/** The test that rsyslog and syslog-ng share: both read a file, and send what they read of it as JSON with the same fields. */
import assert from 'node:assert/strict'
import { appendFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Server } from '../support/server.ts'
import { until } from '../support/wait.ts'
import { AgentProcess, configureAgent, makeLines, readDocuments } from './configured.ts'
import { findInstallation, readVersion, type Installation } from './installation.ts'
import { addDelivery } from './page.ts'

/** Before the server is killed, and as many after that. */
const RECORDS = 1000

export interface SyslogAgent {
  name: string
  program: string
  /** Writes the configuration around the printed one, with a source that reads a file; the arguments of the program. */
  surround: (files: { installation: Installation; directory: string; input: string; printed: string }) => string[]
  /** What every log has beside its message. */
  fields: Record<string, string>
  /** Whether it sends a log twice when the server goes away. */
  repeats: boolean
}

export function testSyslogAgent({ name, program, surround, fields, repeats }: SyslogAgent): void {
  describe(name, () => {
    const logstore = `demo/${name}`
    let server: Server
    let agent: AgentProcess | undefined

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

    it('sends each line of a file once, and loses none when the server is killed', async () => {
      const { directory, file, password } = await configureAgent(server, name, logstore)
      const installation = findInstallation(name, program)
      const input = join(directory, 'input.log')
      const lines = makeLines(0, 2 * RECORDS)
      writeFileSync(input, asText(lines.slice(0, RECORDS)))
      agent = new AgentProcess(installation, surround({ installation, directory, input, printed: file }), { directory, password })
      await server.waitForRows(logstore, RECORDS)
      const documents = await readDocuments(server, logstore)
      assert.deepEqual(documents.map(messageOf).sort(), lines.slice(0, RECORDS).sort())
      for (const { message: _, time, host, ...others } of documents) {
        assert.deepEqual(others, fields)
        assert(Math.abs(Date.parse(String(time)) - Date.now()) < 600_000, `time ${String(time)}`)
        assert.match(String(host), /\S/)
      }

      await server.kill()
      appendFileSync(input, asText(lines.slice(RECORDS)))
      await server.restart()
      const stored = await until('all lines', async () => {
        const messages = (await readDocuments(server, logstore).catch(() => [])).map(messageOf)
        return new Set(messages).size === lines.length ? messages : undefined
      })
      assert.deepEqual([...new Set(stored)].sort(), [...lines].sort())
      if (!repeats) assert.equal(stored.length, lines.length)

      const version = readVersion(installation, name === 'rsyslog' ? '-v' : '--version')
      const killed = repeats ? 'nothing lost, some twice' : 'nothing lost, nothing twice'
      addDelivery({ agent: name, version, how: 'real', records: RECORDS, rows: documents.length, isSame: true, killed })
    })
  })
}

function messageOf({ message }: Record<string, unknown>): unknown {
  return message
}

function asText(lines: readonly string[]): string {
  return lines.map(line => `${line}\n`).join('')
}
