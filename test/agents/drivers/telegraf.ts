/** Telegraf, outputs.kafka: lines of metrics that its input tail reads, in each of the formats that the configuration names. */
import assert from 'node:assert/strict'
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { build } from '../../clients/build.ts'
import type { AgentUnderTest, Row, Setup } from '../agent-under-test.ts'
import { AgentProcess } from '../agent-process.ts'
import { makeLargeLine, makeLines, numberOfLine } from '../configured.ts'

const VERSION = '1.39.3'
const MODULE = 'github.com/influxdata/telegraf'
/** Without them Telegraf has all of its four hundred plugins, and takes ten minutes. */
const PLUGINS = ['inputs.tail', 'outputs.kafka', 'parsers.influx', ...['json', 'graphite', 'carbon2', 'influx'].map(serializer)]

/** Of record 0, in seconds; the others follow. */
const START = 1_700_000_000

interface Format {
  name: 'json' | 'graphite' | 'carbon2' | 'influx'
  /** Record n as the input has it. */
  makeMetric: (n: number) => string
  numberOf: (content: string) => number | undefined
  assertSame: (content: string, n: number) => void
}

const formats: readonly Format[] = [
  {
    name: 'json',
    makeMetric: makeLog,
    numberOf: content => numberOfLine((JSON.parse(content) as { fields: { message: unknown } }).fields.message),
    assertSame: (content, n) =>
      assert.deepEqual(JSON.parse(content), {
        name: 'log',
        tags: { app: 'shop', place: 'Köln' },
        fields: { message: makeLine(n), n, ratio: n + 0.25, isOdd: n % 2 === 1 },
        timestamp: START + n,
      }),
  },
  {
    name: 'influx',
    makeMetric: makeLog,
    numberOf: content => find(/message="line (\d+) /, content),
    assertSame: (content, n) => assert.equal(content, `${makeLog(n)}\n`),
  },
  // These two have no texts but those of names and tags.
  {
    name: 'graphite',
    makeMetric,
    numberOf: content => find(/ (\d+)\.25 /, content),
    assertSame: (content, n) => assert.equal(content, `shop.Köln.load.ratio ${n}.25 ${START + n}\n`),
  },
  {
    name: 'carbon2',
    makeMetric,
    numberOf: content => find(/ (\d+)\.25 /, content),
    assertSame: (content, n) => assert.equal(content, `metric=load field=ratio app=shop place=Köln  ${n}.25 ${START + n}\n`),
  },
]

export const telegraf: readonly AgentUnderTest[] = formats.map(format => ({
  name: 'telegraf',
  ...(format.name !== 'json' && { variant: format.name }),
  how: 'real',
  isQuick: false,
  async prepare(directory) {
    const own = join(directory, 'telegraf')
    const options = ['-tags', ['custom', ...PLUGINS].join(), '-ldflags', `-X ${MODULE}/internal.Version=${VERSION}`]
    await build({
      directory: own,
      sources: [],
      commands: [['go', 'install', ...options, `${MODULE}/cmd/telegraf@v${VERSION}`]],
      env: { CGO_ENABLED: '0', GOWORK: 'off', GOBIN: own },
    })
    return { version: VERSION, start: setup => start(join(own, 'telegraf'), format, setup) }
  },
}))

function start(program: string, format: Format, { directory, printed, password }: Setup) {
  const input = join(directory, 'metrics')
  writeFileSync(input, '')
  const configuration = join(directory, 'telegraf.conf')
  writeFileSync(configuration, `${makeSurrounding(input)}\n${chooseFormat(readFileSync(printed, 'utf8'), format.name)}`)
  const agent = new AgentProcess({ program }, ['--config', configuration], { directory, password })
  const write = (metrics: readonly string[]) => Promise.resolve(appendFileSync(input, metrics.map(line => `${line}\n`).join('')))
  return Promise.resolve({
    put: (from: number, to: number) => write(Array.from({ length: to - from }, (_, index) => format.makeMetric(from + index))),
    ...(format.makeMetric === makeLog && { putLarge: (bytes: number) => write([`large message="${makeLargeLine(bytes)}"`]) }),
    numberOf: ({ content }: Row) => format.numberOf(content),
    assertSame({ content, _key }: Row, n: number) {
      format.assertSame(content, n)
      assert.equal(_key ?? 'content', 'content')
    },
    get printed() {
      return agent.printed
    },
    stop: () => agent.stop(),
  })
}

/** The printed configuration, with another of the formats that it names itself. */
function chooseFormat(printed: string, format: string): string {
  const chosen = printed.replace('data_format = "json"', `data_format = "${format}"`)
  assert(chosen.includes(`data_format = "${format}"`), printed)
  return chosen
}

function makeSurrounding(input: string): string {
  return `[agent]
  omit_hostname = true
  flush_interval = "1s"

[[inputs.tail]]
  files = ["${input}"]
  initial_read_offset = "beginning"
  path_tag = ""
  data_format = "influx"
`
}

function makeLog(n: number): string {
  const message = makeLine(n).replaceAll('\\', '\\\\').replaceAll('"', '\\"')
  return `log,app=shop,place=Köln message="${message}",n=${n}i,ratio=${n}.25,isOdd=${n % 2 === 1} ${START + n}000000000`
}

function makeMetric(n: number): string {
  return `load,app=shop,place=Köln ratio=${n}.25 ${START + n}000000000`
}

function makeLine(n: number): string {
  return makeLines(n, n + 1)[0]!
}

function find(pattern: RegExp, content: string): number | undefined {
  const found = pattern.exec(content)
  return found === null ? undefined : Number(found[1])
}

function serializer(name: string): string {
  return `serializers.${name}`
}
