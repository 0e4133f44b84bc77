/** What rsyslog and syslog-ng share: both read a file, and send what they read of it as JSON with the same fields. */
import assert from 'node:assert/strict'
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { AgentUnderTest, Row, Setup } from '../agent-under-test.ts'
import { AgentProcess } from '../agent-process.ts'
import { makeLargeLine, makeLines, numberOfLine } from '../configured.ts'
import { install, readVersion, type Installation, type Packaged } from '../installation.ts'

export interface SyslogAgent extends Packaged {
  versionOption: string
  /** Of the directories of the machine, those that its configuration names. */
  state: string
  /** Writes the configuration around the printed one, with a source that reads a file; the arguments of the program. */
  surround: (files: { installation: Installation; directory: string; input: string; printed: string }) => string[]
  /** What every log has beside its message. */
  fields: Record<string, string>
}

export function syslogAgent(syslog: SyslogAgent): AgentUnderTest {
  return {
    name: syslog.name,
    how: 'real',
    isQuick: true,
    async prepare(directory) {
      const installation = await install(directory, syslog)
      return {
        version: readVersion(installation, syslog.versionOption),
        start: async setup => start(syslog, installation, setup),
      }
    },
  }
}

function start({ state, surround, fields }: SyslogAgent, installation: Installation, setup: Setup) {
  const { directory, password, printed } = setup
  const input = join(directory, 'input.log')
  writeFileSync(input, '')
  mkdirSync(join(directory, state), { recursive: true })
  const agent = new AgentProcess(installation, surround({ installation, directory, input, printed }), { directory, password })
  const write = (lines: readonly string[]) => Promise.resolve(appendFileSync(input, lines.map(line => `${line}\n`).join('')))
  return {
    put: (from: number, to: number) => write(makeLines(from, to)),
    putLarge: (bytes: number) => write([makeLargeLine(bytes)]),
    numberOf: (row: Row) => numberOfLine(parse(row)['message']),
    assertSame(row: Row, n: number) {
      const { message, time, host, ...others } = parse(row)
      assert.equal(message, makeLines(n, n + 1)[0])
      assert.deepEqual(others, fields)
      assert(Math.abs(Date.parse(String(time)) - Date.now()) < 600_000, `time ${String(time)}`)
      assert.match(String(host), /\S/)
    },
    get printed() {
      return agent.printed
    },
    stop: () => agent.stop(),
  }
}

function parse({ content }: Row): Record<string, unknown> {
  return JSON.parse(content) as Record<string, unknown>
}
