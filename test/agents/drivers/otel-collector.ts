/** The OpenTelemetry Collector, kafkaexporter: log records that its OTLP receiver is sent, in each of the encodings. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { until } from '../../support/wait.ts'
import { build } from '../../clients/build.ts'
import type { AgentUnderTest, Row, Setup } from '../agent-under-test.ts'
import { AgentProcess } from '../agent-process.ts'
import { makeLargeLine, makeLines, numberOfLine } from '../configured.ts'

/** The newest that the kafkaexporter is to be had in. */
const VERSION = '0.155.0'
const BUILDER = `dist:
  name: otelcol
  output_path: ./build
receivers:
  - gomod: go.opentelemetry.io/collector/receiver/otlpreceiver v${VERSION}
exporters:
  - gomod: github.com/open-telemetry/opentelemetry-collector-contrib/exporter/kafkaexporter v${VERSION}
extensions:
  - gomod: github.com/open-telemetry/opentelemetry-collector-contrib/extension/storage/filestorage v${VERSION}
providers:
  - gomod: go.opentelemetry.io/collector/confmap/provider/envprovider v1.61.0
  - gomod: go.opentelemetry.io/collector/confmap/provider/fileprovider v1.61.0
`

/** Of record 0, in seconds; the others follow. */
const START = 1_700_000_000
/** Log records in one request to the receiver, which becomes one message. */
const GROUP = 100

const encodings = ['otlp_json', 'otlp_proto', 'raw'] as const
type Encoding = (typeof encodings)[number]

export const otelCollector: readonly AgentUnderTest[] = encodings.map(encoding => ({
  name: 'otel-collector',
  ...(encoding !== 'otlp_json' && { variant: encoding.replace('otlp_', '') }),
  ...(encoding === 'otlp_proto' && { format: 'otlp-protobuf' }),
  how: 'real',
  isQuick: false,
  async prepare(directory) {
    const own = join(directory, 'otel-collector')
    await build({
      directory: own,
      sources: [],
      files: { 'builder.yaml': BUILDER },
      commands: [['go', 'run', `go.opentelemetry.io/collector/cmd/builder@v${VERSION}`, '--config', 'builder.yaml']],
      env: { CGO_ENABLED: '0', GOWORK: 'off' },
    })
    return { version: VERSION, start: setup => start(join(own, 'build', 'otelcol'), encoding, setup) }
  },
}))

async function start(program: string, encoding: Encoding, { directory, printed, password }: Setup) {
  const address = `localhost:${await findFreePort()}`
  const configuration = join(directory, 'config.yaml')
  writeFileSync(configuration, chooseEncoding(readFileSync(printed, 'utf8'), encoding))
  const surrounding = join(directory, 'surrounding.yaml')
  writeFileSync(surrounding, makeSurrounding(directory, address))
  mkdirSync(join(directory, 'storage'))
  const agent = new AgentProcess({ program }, ['--config', configuration, '--config', surrounding], { directory, password })
  await until('the receiver of the collector', () => agent.printed.includes('Everything is ready') || !agent.isRunning)
  return {
    async put(from: number, to: number) {
      for (let n = from; n < to; n += GROUP) await send(address, makeRecords(n, Math.min(n + GROUP, to)))
    },
    putLarge: (bytes: number) => send(address, [{ body: { stringValue: makeLargeLine(bytes) } }]),
    numberOf: ({ content }: Row) => {
      const read = JSON.parse(content) as LogRecord | string
      return numberOfLine(typeof read === 'string' ? read : read.body.stringValue)
    },
    assertSame({ content, _fields = '' }: Row, n: number) {
      const [record] = makeRecords(n, n + 1)
      // The body alone; a text is sent as a JSON text.
      if (encoding === 'raw') return assert.equal(JSON.parse(content), record!.body.stringValue)
      assert.deepEqual(JSON.parse(content), record)
      assert.deepEqual(JSON.parse(_fields), makeFields(n))
    },
    get printed() {
      return agent.printed
    },
    stop: () => agent.stop(),
  }
}

/** The printed configuration, with another of the encodings that it names itself. */
function chooseEncoding(printed: string, encoding: Encoding): string {
  const chosen = printed.replace('encoding: otlp_json', `encoding: ${encoding}`)
  assert(chosen.includes(`encoding: ${encoding}\n`), printed)
  return chosen
}

/** What the collector merges into the printed configuration: its input, and where it keeps its files. */
function makeSurrounding(directory: string, address: string): string {
  return `receivers:
  otlp:
    protocols:
      grpc:
        endpoint: localhost:0
      http:
        endpoint: ${address}
extensions:
  file_storage:
    directory: ${join(directory, 'storage')}
service:
  telemetry:
    metrics:
      level: none
`
}

interface LogRecord {
  body: { stringValue: string }
}

/** As the mapping of OTLP/JSON has them. */
function makeRecords(from: number, to: number): LogRecord[] {
  return makeLines(from, to).map((line, index) => {
    const n = from + index
    return {
      timeUnixNano: `${START + n}123456789`,
      observedTimeUnixNano: `${START + n}987654321`,
      severityNumber: 13,
      severityText: 'WARN',
      body: { stringValue: line },
      attributes: [
        { key: 'n', value: { intValue: String(n) } },
        { key: 'ratio', value: { doubleValue: n + 0.25 } },
        { key: 'isOdd', value: { boolValue: n % 2 === 1 } },
        { key: 'tags', value: { arrayValue: { values: [{ stringValue: 'a "b"\t' }, { stringValue: 'Köln' }] } } },
        { key: 'user', value: { kvlistValue: { values: [{ key: 'name', value: { stringValue: '你好' } }] } } },
      ],
      flags: 1,
      traceId: n.toString(16).padStart(32, 'a'),
      spanId: n.toString(16).padStart(16, 'b'),
    }
  })
}

/** What is read of a record, with what it shares with the others of its request. */
function makeFields(n: number) {
  const [line] = makeLines(n, n + 1)
  return {
    resource: { attributes: { 'service.name': 'shop', 'host.name': 'Köln' } },
    scope: { name: 'checkout', version: '1.2' },
    timeUnixNano: `${START + n}123456789`,
    observedTimeUnixNano: `${START + n}987654321`,
    severityNumber: 13,
    severityText: 'WARN',
    body: line,
    attributes: { n, ratio: n + 0.25, isOdd: n % 2 === 1, tags: ['a "b"\t', 'Köln'], user: { name: '你好' } },
    flags: 1,
    traceId: n.toString(16).padStart(32, 'a'),
    spanId: n.toString(16).padStart(16, 'b'),
  }
}

async function send(address: string, logRecords: readonly LogRecord[]): Promise<void> {
  const attributes = { 'service.name': 'shop', 'host.name': 'Köln' }
  const resource = { attributes: Object.entries(attributes).map(([key, text]) => ({ key, value: { stringValue: text } })) }
  const request = { resourceLogs: [{ resource, scopeLogs: [{ scope: { name: 'checkout', version: '1.2' }, logRecords }] }] }
  for (;;) {
    const headers = { 'content-type': 'application/json' }
    const { status } = await fetch(`http://${address}/v1/logs`, { method: 'POST', headers, body: JSON.stringify(request) })
    if (status === 200) return
    // Its queue is full.
    assert.equal(status, 503)
    await delay(100)
  }
}

async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, 'localhost')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
