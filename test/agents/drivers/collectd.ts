/** collectd, write_kafka: values that are put in by its socket. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { until } from '../../support/wait.ts'
import type { AgentUnderTest, Setup } from '../agent-under-test.ts'
import { AgentProcess } from '../agent-process.ts'
import { install, readVersion, type Installation } from '../installation.ts'

/** Seconds; collectd takes values of any time, as long as they grow. Value n is that of second n. */
const START = 1_700_000_000

interface Format {
  /** As the configuration names it. */
  name: 'JSON' | 'Command' | 'Graphite'
  numberOf: (content: string) => number | undefined
  assertSame: (content: string, n: number) => void
}

const formats: readonly Format[] = [
  {
    name: 'JSON',
    numberOf: content => {
      const { plugin, time } = JSON.parse(content) as Record<string, unknown>
      return plugin === 'app' ? Number(time) - START : undefined
    },
    assertSame: (content, n) =>
      assert.deepEqual(JSON.parse(content), {
        values: [valueOf(n)],
        dstypes: ['gauge'],
        dsnames: ['value'],
        time: START + n,
        interval: 1,
        host: 'h',
        plugin: 'app',
        plugin_instance: '',
        type: 'gauge',
        type_instance: 'n',
      }),
  },
  {
    name: 'Command',
    numberOf: content => numberOfSecond(/^PUTVAL h\/app\/\S+ \S+ (\d+)/, content),
    assertSame: (content, n) => assert.equal(content, `PUTVAL h/app/gauge-n interval=1.000 ${START + n}.000:${valueOf(n)}`),
  },
  {
    name: 'Graphite',
    numberOf: content => numberOfSecond(/^h\.app\.gauge-n \S+ (\d+)/, content),
    assertSame: (content, n) => assert.equal(content, `h.app.gauge-n ${valueOf(n)} ${START + n}\r\n`),
  },
]

export const collectd: readonly AgentUnderTest[] = formats.map(format => ({
  name: 'collectd',
  ...(format.name !== 'JSON' && { variant: format.name.toLowerCase() }),
  how: 'real',
  isQuick: true,
  isSecretWritten: true,
  async prepare(directory) {
    const packaged = { program: 'collectd', packages: ['collectd-core'], elsewhere: 'https://collectd.org' }
    const installation = await install(directory, { name: 'collectd', ...packaged })
    return { version: readVersion(installation, '-h'), start: setup => start(installation, setup, format) }
  },
}))

async function start(installation: Installation, setup: Setup, format: Format) {
  const { directory, printed } = setup
  writeFileSync(printed, readFileSync(printed, 'utf8').replace('Format JSON', `Format ${format.name}`))
  const socket = join(directory, 'collectd.sock')
  const agent = new AgentProcess(installation, ['-f', '-C', writeSurrounding(installation, setup, socket)], { directory })
  await until('the socket of collectd', () => existsSync(socket))
  return {
    async put(from: number, to: number) {
      const connection = connect(socket)
      await once(connection, 'connect')
      const numbers = Array.from({ length: to - from }, (_, index) => from + index)
      connection.end(numbers.map(n => `PUTVAL h/app/gauge-n interval=1 ${START + n}:${valueOf(n)}\n`).join(''))
      const answers = (await text(connection)).trimEnd().split('\n')
      assert.deepEqual([...new Set(answers)], ['0 Success: 1 value has been dispatched.'])
      assert.equal(answers.length, numbers.length)
    },
    numberOf: ({ content }: { content: string }) => format.numberOf(content),
    assertSame: ({ content }: { content: string }, n: number) => format.assertSame(content, n),
    get printed() {
      return agent.printed
    },
    stop: () => agent.stop(),
  }
}

function numberOfSecond(pattern: RegExp, content: string): number | undefined {
  const found = pattern.exec(content)
  return found === null ? undefined : Number(found[1]) - START
}

function valueOf(n: number): number {
  return n * 1.25 - 100
}

function writeSurrounding({ find }: Installation, { directory, printed }: Setup, socket: string): string {
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
