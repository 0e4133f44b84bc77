/**
 * apinto. The gateway needs others beside it to run, so what runs here is its Kafka client with its settings, and its templates of what
 * is sent of a request.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { build, sourcesOf } from '../../clients/build.ts'
import type { AgentUnderTest, Row, Setup } from '../agent-under-test.ts'
import { AgentProcess } from '../agent-process.ts'
import { makeLargeLine, makeLines } from '../configured.ts'

const VERSION = '1.45.2'

/** Of request 0, in seconds; the others follow. */
const START = 1_700_000_000

interface Variant {
  variant?: string
  /** What is different from the printed configuration. */
  changes?: Record<string, unknown>
  /** Request n as it is sent. */
  expect: (n: number) => unknown
  key?: (n: number) => string
}

/** The template of the documentation of apinto has groups in it. */
const nested = {
  fields: ['$time_iso8601', '$request_id', '@request', '$status'],
  request: ['$request_method as method', '$request_uri as uri', '@client', 'sluice as via'],
  client: ['$remote_addr as address'],
}

const variants: readonly Variant[] = [
  {
    expect: makeRequest,
  },
  {
    variant: 'nested',
    changes: { formatter: nested, partition_type: 'hash', partition_key: '$request_id' },
    expect(n) {
      const { time_iso8601, request_id, request_method, request_uri, status, remote_addr } = makeRequest(n)
      const request = { method: request_method, uri: request_uri, client: { address: remote_addr }, via: 'sluice' }
      return { time_iso8601, request_id, request, status }
    },
    key: n => makeRequest(n).request_id,
  },
  {
    variant: 'line',
    changes: { type: 'line', formatter: nested, partition_type: 'manual', partition: 1 },
    expect(n) {
      const { time_iso8601, request_id, request_method, request_uri, status, remote_addr } = makeRequest(n)
      return [time_iso8601, request_id, `"${request_method} ${request_uri} [${remote_addr}] sluice"`, status].join('\t')
    },
  },
]

export const apinto: readonly AgentUnderTest[] = variants.map(tested => ({
  name: 'apinto',
  ...(tested.variant !== undefined && { variant: tested.variant }),
  how: 'emulated',
  isQuick: true,
  isTrusted: true,
  async prepare(directory) {
    const own = join(directory, 'apinto')
    await build({
      directory: own,
      from: sourcesOf('agents/drivers/go'),
      sources: ['apinto/main.go'],
      files: { 'go.mod': `module apinto\n\ngo 1.21\n\nrequire github.com/IBM/sarama v${VERSION}\n` },
      commands: [['go', 'build', '-mod=mod', '-buildvcs=false', '-o', 'apinto', '.']],
      env: { CGO_ENABLED: '0', GOWORK: 'off' },
    })
    return { version: `Sarama ${VERSION}`, start: setup => start(join(own, 'apinto'), tested, setup) }
  },
}))

async function start(program: string, { changes = {}, expect, key }: Variant, { directory, printed }: Setup) {
  const agent = new AgentProcess({ program }, [], { directory, hasInput: true })
  const configuration = { ...(JSON.parse(readFileSync(printed, 'utf8')) as object), ...changes }
  await agent.write(`${JSON.stringify(configuration)}\n`)
  const write = (requests: readonly object[]) => agent.write(requests.map(request => `${JSON.stringify(request)}\n`).join(''))
  const read = (content: string) => (typeof expect(0) === 'string' ? content : (JSON.parse(content) as unknown))
  return {
    put: (from: number, to: number) => write(Array.from({ length: to - from }, (_, index) => makeRequest(from + index))),
    putLarge: (bytes: number) => write([{ ...makeRequest(0), request_id: 'large', request_uri: makeLargeLine(bytes) }]),
    numberOf: ({ content }: Row) => numberOfId(content),
    assertSame({ content, _key = '' }: Row, n: number) {
      assert.deepEqual(read(content), expect(n))
      assert.equal(_key, key?.(n) ?? '')
    },
    get printed() {
      return agent.printed
    },
    stop: () => agent.stop(),
  }
}

/** The variables of request n, as texts, which is all that apinto has. */
function makeRequest(n: number) {
  return {
    time_iso8601: new Date((START + n) * 1000).toISOString(),
    request_id: `id-${n}`,
    remote_addr: '192.0.2.7',
    request_method: 'GET',
    request_uri: `/${makeLines(n, n + 1)[0]!}?a=<b>&c`,
    status: '200',
  }
}

function numberOfId(content: string): number | undefined {
  const found = /\bid-(\d+)\b/.exec(content)
  return found === null ? undefined : Number(found[1])
}
