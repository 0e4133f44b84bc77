/**
 * Filebeat. Its Kafka output is a version of Sarama of Elastic's own, with settings of its own: that is what runs here, and what it does
 * with events that fail. Filebeat itself takes ten minutes to build, so it runs only where it is named.
 */
import assert from 'node:assert/strict'
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { build, sourcesOf } from '../../clients/build.ts'
import type { AgentUnderTest, PreparedAgent, Row, Setup } from '../agent-under-test.ts'
import { AgentProcess } from '../agent-process.ts'
import { makeLargeLine, makeLines, numberOfLine } from '../configured.ts'

const VERSION = '7.17.5'
/** Those that the go.mod of this Filebeat has; they hold for the module that is built only. */
const REPLACED = `
replace (
	github.com/Microsoft/go-winio => github.com/bi-zone/go-winio v0.4.15
	github.com/Shopify/sarama => github.com/elastic/sarama v1.19.1-0.20210823122811-11c3ef800752
	github.com/apoydence/eachers => github.com/poy/eachers v0.0.0-20181020210610-23942921fe77
	github.com/cucumber/godog => github.com/cucumber/godog v0.8.1
	github.com/docker/docker => github.com/docker/engine v0.0.0-20191113042239-ea84732a7725
	github.com/docker/go-plugins-helpers => github.com/elastic/go-plugins-helpers v0.0.0-20200207104224-bdf17607b79f
	github.com/dop251/goja => github.com/andrewkroh/goja v0.0.0-20190128172624-dd2ac4456e20
	github.com/dop251/goja_nodejs => github.com/dop251/goja_nodejs v0.0.0-20171011081505-adff31b136e6
	github.com/fsnotify/fsevents => github.com/elastic/fsevents v0.0.0-20181029231046-e1d381a4d270
	github.com/fsnotify/fsnotify => github.com/adriansr/fsnotify v1.4.8-0.20211018144411-a81f2b630e7c
	github.com/golang/glog => github.com/elastic/glog v1.0.1-0.20210831205241-7d8b5c89dfc4
	github.com/google/gopacket => github.com/adriansr/gopacket v1.1.18-0.20200327165309-dd62abfa8a41
	github.com/insomniacslk/dhcp => github.com/elastic/dhcp v0.0.0-20200227161230-57ec251c7eb3
	github.com/tonistiigi/fifo => github.com/containerd/fifo v0.0.0-20190816180239-bda0ff6ed73c
)
`

interface Output {
  hosts: string[]
  topic: string
  username: string
  password: string
  'ssl.certificate_authorities': [string]
  required_acks: number
  compression: string
  max_message_bytes: number
  'metadata.retry.max'?: number
  'metadata.retry.backoff'?: string
}

export const filebeat: readonly AgentUnderTest[] = [
  { name: 'filebeat', how: 'emulated', isQuick: true, prepare: prepareEmulated },
  { name: 'filebeat', variant: 'real', how: 'real', isQuick: false, isHeavy: true, prepare: prepareReal },
]

async function prepareEmulated(directory: string): Promise<PreparedAgent> {
  const own = join(directory, 'filebeat')
  const fork = 'github.com/elastic/sarama v1.19.1-0.20210823122811-11c3ef800752'
  const required = 'require (\n\tgithub.com/Shopify/sarama v1.29.1\n\tgithub.com/eapache/go-resiliency v1.2.0\n)'
  await build({
    directory: own,
    from: sourcesOf('agents/drivers/go'),
    sources: ['beats/main.go'],
    files: { 'go.mod': `module beats\n\ngo 1.21\n\n${required}\n\nreplace github.com/Shopify/sarama => ${fork}\n` },
    commands: [['go', 'build', '-mod=mod', '-buildvcs=false', '-o', 'beats', '.']],
    env: { CGO_ENABLED: '0', GOWORK: 'off' },
  })
  return { version: `${VERSION}, Sarama 1.29.1 of Elastic`, start: setup => startEmulated(join(own, 'beats'), setup) }
}

async function startEmulated(program: string, { directory, printed, password }: Setup) {
  const { 'output.kafka': output } = parse(readFileSync(printed, 'utf8')) as { 'output.kafka': Output }
  const agent = new AgentProcess({ program }, [], { directory, hasInput: true })
  const settings = {
    hosts: output.hosts,
    topic: output.topic,
    username: output.username,
    password: output.password.replace('${SLUICE_PASSWORD}', password),
    ca: output['ssl.certificate_authorities'][0],
    compression: output.compression,
    requiredAcks: output.required_acks,
    maxMessageBytes: output.max_message_bytes,
    // From here on its defaults, where they are not set.
    bulkMaxSize: 2048,
    maxRetries: 3,
    backoffInitMs: 1000,
    backoffMaxMs: 60_000,
    metadataRetryMax: output['metadata.retry.max'] ?? 3,
    metadataRetryMs: readMs(output['metadata.retry.backoff'] ?? '250ms'),
  }
  let offset = 0
  const write = (lines: readonly string[]) =>
    agent.write(
      lines
        .map(line => {
          const event = JSON.stringify(makeEvent(line, offset))
          offset += Buffer.byteLength(line) + 1
          return `${event}\n`
        })
        .join(''),
    )
  await agent.write(`${JSON.stringify(settings)}\n`)
  return toRunning(agent, write)
}

async function prepareReal(directory: string): Promise<PreparedAgent> {
  const own = join(directory, 'filebeat-real')
  await build({
    directory: own,
    from: sourcesOf('agents/drivers/go'),
    sources: ['filebeat/main.go'],
    files: { 'go.mod': `module filebeat\n\ngo 1.17\n\nrequire github.com/elastic/beats/v7 v${VERSION}\n${REPLACED}` },
    commands: [['go', 'build', '-mod=mod', '-buildvcs=false', '-o', 'filebeat', '.']],
    env: { CGO_ENABLED: '0', GOWORK: 'off' },
  })
  return { version: VERSION, start: setup => Promise.resolve(startReal(join(own, 'filebeat'), setup)) }
}

/** The printed configuration, with the temporary directory in place of /var/log. */
function startReal(program: string, { directory, printed, password, logstore }: Setup) {
  const logs = join(directory, logstore)
  mkdirSync(logs)
  const input = join(logs, 'input.log')
  writeFileSync(input, '')
  const configuration = join(directory, 'filebeat.yml')
  const changed = readFileSync(printed, 'utf8').replace(`/var/log/${logstore}/`, `${logs}/`)
  assert(changed.includes(logs), changed)
  writeFileSync(configuration, changed, { mode: 0o600 })
  const args = [
    '-e',
    '-E',
    'logging.level=warning',
    '-c',
    configuration,
    '--path.home',
    directory,
    '--path.data',
    join(directory, 'data'),
  ]
  const agent = new AgentProcess({ program }, args, { directory, password })
  return toRunning(agent, lines => Promise.resolve(appendFileSync(input, lines.map(line => `${line}\n`).join(''))))
}

function toRunning(agent: AgentProcess, write: (lines: readonly string[]) => Promise<void>) {
  return {
    put: (from: number, to: number) => write(makeLines(from, to)),
    putLarge: (bytes: number) => write([makeLargeLine(bytes)]),
    numberOf: ({ content }: Row) => numberOfLine((JSON.parse(content) as { message?: unknown }).message),
    assertSame({ content, _key = '' }: Row, n: number) {
      const event = JSON.parse(content) as ReturnType<typeof makeEvent>
      const [line] = makeLines(n, n + 1)
      const { offset } = event.log
      assert.deepEqual(event, { ...event, ...makeEvent(line!, offset), ...pickOwn(event) })
      assert(Math.abs(Date.parse(event['@timestamp']) - Date.now()) < 3_600_000, event['@timestamp'])
      assert.equal(_key, '')
    },
    get printed() {
      return agent.printed
    },
    stop: () => agent.stop(),
  }
}

/** What differs from one run of Filebeat to the next. */
function pickOwn(event: ReturnType<typeof makeEvent>) {
  const { '@timestamp': time, log, host, agent } = event
  return { '@timestamp': time, log, host, agent }
}

/** An event as Filebeat makes it of a line that stands so many bytes from the beginning of its file. */
function makeEvent(message: string, offset: number) {
  return {
    '@timestamp': new Date().toISOString(),
    '@metadata': { beat: 'filebeat', type: '_doc', version: VERSION },
    log: { offset, file: { path: '/var/log/app/input.log' } },
    message,
    input: { type: 'filestream' },
    ecs: { version: '1.12.0' },
    host: { name: 'web1' },
    agent: { type: 'filebeat', version: VERSION, name: 'web1' },
  }
}

function readMs(duration: string): number {
  const [, number, unit] = /^(\d+)(ms|s)$/.exec(duration) ?? []
  assert(number !== undefined, duration)
  return Number(number) * (unit === 's' ? 1000 : 1)
}
