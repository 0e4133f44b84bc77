/**
 * Logs as agents send them, the same ones in every run: a log is made of its number alone.
 *
 * Beside its logs a sample says what can be asked of them, so that the same questions go to every format that has an answer.
 */
import type { Field, FieldType } from '../src/catalog/model.ts'
import type { LogFormat } from '../src/decoding/log-format.ts'
import { Random } from '../test/protocol/random.ts'

export interface Sample {
  format: LogFormat
  /** How many logs a run has unless it is told otherwise: about half a gigabyte. */
  rows: number
  fields: Field[]
  /** The log of a number, made at a time, in milliseconds since 1970. */
  log: (number: number, timeMs: number) => string
  words: {
    /** Stands in the log of this number and in no other. */
    rare: (number: number) => string
    /** Stands in most logs. */
    common: string
    /** Both stand in some logs. */
    two: readonly [string, string]
    /** Words that stand one behind the other in some logs. */
    phrase: string
  }
  /** What there is of it among the fields. */
  values: {
    /** A keyword, and a value of it. */
    equal?: { path: string[]; value: string }
    /** A number, and a bound that few are above. */
    above?: { path: string[]; bound: number }
    /** A text with tens of thousands of values, some of them frequent. */
    top?: string[]
    /** A text with another value in each log. */
    distinct?: string[]
  }
}

const LEVELS = ['info', 'info', 'info', 'info', 'info', 'info', 'info', 'debug', 'warn', 'error']
const METHODS = ['GET', 'GET', 'GET', 'GET', 'POST', 'PUT', 'DELETE']
const STATUSES = [200, 200, 200, 200, 200, 201, 204, 301, 304, 404, 500]
const RESOURCES = ['items', 'orders', 'users']
const AGENTS = [
  'Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0',
  'Mozilla/5.0 (iPhone; CPU OS 18_5) Safari/604.1',
  'Mozilla/5.0 (Windows NT 10.0) Chrome/138.0.0.0',
  'curl/8.14.1 (x86_64-pc-linux-gnu)',
]
const SERVICES = ['checkout', 'catalog', 'payment', 'search', 'session', 'shipping', 'mail', 'stock']
const PODS = Array.from({ length: 400 }, (_, number) => makePod(number))

const nginx: Sample = {
  format: { name: 'auto' },
  rows: 2_000_000,
  fields: fieldsOf({
    level: 'keyword',
    method: 'keyword',
    path: 'text',
    status: 'integer',
    bytes: 'integer',
    duration: 'number',
    ip: 'text',
    host: 'keyword',
    agent: 'keyword',
    trace: 'text',
  }),
  log(number) {
    const random = new Random(number)
    return (
      `{"level":"${random.pick(LEVELS)}","method":"${random.pick(METHODS)}","path":"${makePath(random)}",` +
      `"status":${random.pick(STATUSES)},"bytes":${random.below(60_000)},"duration":${makeDuration(random)},` +
      `"ip":"${makeAddress(random)}","host":"web-${random.below(20)}","agent":"${random.pick(AGENTS)}",` +
      `"trace":"${makeId(number)}"}`
    )
  },
  words: { rare: makeId, common: 'mozilla', two: ['error', 'delete'], phrase: 'X11; Linux x86_64' },
  values: {
    equal: { path: ['level'], value: 'error' },
    above: { path: ['duration'], bound: 4.5 },
    top: ['path'],
    distinct: ['trace'],
  },
}

const filebeat: Sample = {
  format: { name: 'auto' },
  rows: 500_000,
  fields: fieldsOf({
    '@timestamp': 'text',
    '@metadata.beat': 'keyword',
    '@metadata.version': 'keyword',
    'log.offset': 'integer',
    'log.file.path': 'keyword',
    stream: 'keyword',
    message: 'text',
    'input.type': 'keyword',
    'kubernetes.node.name': 'keyword',
    'kubernetes.pod.name': 'keyword',
    'kubernetes.pod.uid': 'keyword',
    'kubernetes.pod.ip': 'keyword',
    'kubernetes.namespace': 'keyword',
    'kubernetes.labels.app': 'keyword',
    'kubernetes.container.name': 'keyword',
    'container.id': 'keyword',
    'container.runtime': 'keyword',
    'container.image.name': 'keyword',
    'agent.version': 'keyword',
    'agent.ephemeral_id': 'keyword',
    'host.name': 'keyword',
    'http.status': 'integer',
    'http.path': 'text',
    'event.duration': 'integer',
    'trace.id': 'text',
  }),
  log(number, timeMs) {
    const random = new Random(number)
    const pod = random.pick(PODS)
    const [path, status, micros] = [makePath(random), random.pick(STATUSES), random.below(5_000_000)]
    return (
      `{"@timestamp":"${new Date(timeMs).toISOString()}","@metadata":{"beat":"filebeat","version":"9.0.3"},` +
      `"log":{"offset":${number * 200},${pod.file}},"stream":"${random.pick(['stdout', 'stdout', 'stderr'])}",` +
      `"message":"${random.pick(METHODS)} ${path} answered ${status} in ${micros} us, ${random.pick(LEVELS)}",` +
      `"http":{"path":"${path}","status":${status}},"event":{"duration":${micros}},${pod.fields},"trace":{"id":"${makeId(number)}"}}`
    )
  },
  words: { rare: makeId, common: 'answered', two: ['error', 'stderr'], phrase: 'answered 500 in' },
  values: {
    equal: { path: ['kubernetes', 'labels', 'app'], value: 'payment' },
    above: { path: ['event', 'duration'], bound: 4_500_000 },
    top: ['http', 'path'],
    distinct: ['trace', 'id'],
  },
}

const text: Sample = {
  format: { name: 'text' },
  rows: 3_000_000,
  fields: [],
  log(number, timeMs) {
    const random = new Random(number)
    const service = random.pick(SERVICES)
    return (
      `${new Date(timeMs).toISOString()} ${random.pick(LEVELS).toUpperCase()} [worker-${random.below(16)}] com.example.${service}.Handler - ` +
      `${random.pick(METHODS)} ${makePath(random)} answered ${random.pick(STATUSES)} in ${random.below(5000)} ms, trace ${makeId(number)}`
    )
  },
  words: { rare: makeId, common: 'answered', two: ['error', 'payment'], phrase: 'answered 500 in' },
  values: {},
}

const xml: Sample = {
  format: { name: 'xml' },
  rows: 1_600_000,
  fields: fieldsOf({
    'event.@id': 'text',
    'event.@time': 'text',
    'event.level': 'keyword',
    'event.service': 'keyword',
    'event.request.@method': 'keyword',
    'event.request.@status': 'keyword',
    'event.request.#text': 'text',
    'event.client': 'text',
    'event.duration.#text': 'text',
  }),
  log(number, timeMs) {
    const random = new Random(number)
    return (
      `<event id="${makeId(number)}" time="${new Date(timeMs).toISOString()}"><level>${random.pick(LEVELS)}</level>` +
      `<service>${random.pick(SERVICES)}</service><request method="${random.pick(METHODS)}" status="${random.pick(STATUSES)}">` +
      `${makePath(random)}</request><client>${makeAddress(random)}</client><duration unit="s">${makeDuration(random)}</duration></event>`
    )
  },
  words: { rare: makeId, common: 'service', two: ['error', 'payment'], phrase: 'status="500"' },
  values: {
    equal: { path: ['event', 'level'], value: 'error' },
    top: ['event', 'request', '#text'],
    distinct: ['event', '@id'],
  },
}

/** What Telegraf's inputs cpu and mem write, a line each. */
const influx: Sample = {
  format: { name: 'influx' },
  rows: 1_400_000,
  fields: fieldsOf({
    name: 'keyword',
    'tags.host': 'keyword',
    'tags.cpu': 'keyword',
    'fields.usage_idle': 'number',
    'fields.usage_iowait': 'number',
    'fields.usage_system': 'number',
    'fields.usage_user': 'number',
    'fields.available': 'integer',
    'fields.available_percent': 'number',
    'fields.used': 'integer',
    'fields.used_percent': 'number',
    'fields.sequence': 'integer',
  }),
  log(number, timeMs) {
    const random = new Random(number)
    const share = (): string => (random.below(1e9) / 1e7).toFixed(6)
    const bytes = (): string => `${random.below(2 ** 22) * 4096}i`
    const host = `host=node-${random.below(200)}`
    const nanos = `${timeMs}000000`
    if (number % 4 === 0)
      return (
        `mem,${host} active=${bytes()},available=${bytes()},available_percent=${share()},buffered=${bytes()},cached=${bytes()},` +
        `dirty=${bytes()},free=${bytes()},inactive=${bytes()},slab=${bytes()},swap_free=${bytes()},swap_total=8589930496i,` +
        `total=33565110272i,used=${bytes()},used_percent=${share()},sequence=${number}i ${nanos}`
      )
    return (
      `cpu,cpu=cpu${random.below(32)},${host} usage_guest=0,usage_guest_nice=0,usage_idle=${share()},usage_iowait=${share()},` +
      `usage_irq=0,usage_nice=0,usage_softirq=${share()},usage_steal=0,usage_system=${share()},usage_user=${share()},sequence=${number}i ${nanos}`
    )
  },
  words: { rare: number => `${number}i`, common: 'usage_idle', two: ['node-7', 'cpu3'], phrase: 'total=33565110272i' },
  values: {
    equal: { path: ['tags', 'host'], value: 'node-7' },
    above: { path: ['fields', 'usage_idle'], bound: 95 },
    top: ['tags', 'host'],
  },
}

export const samples: Readonly<Record<string, Sample>> = { nginx, filebeat, text, xml, influx }

/** Fields by their paths with dots; no key of these logs has one. */
function fieldsOf(types: Record<string, FieldType>): Field[] {
  return Object.entries(types).map(([path, type]) => ({ path: path.split('.'), type }))
}

/** One of sixty thousand, the first ones more often. */
function makePath(random: Random): string {
  const item = Math.min(random.below(20_000), random.below(20_000))
  return `/api/${random.pick(RESOURCES)}/${item}`
}

function makeDuration(random: Random): string {
  return (random.below(5_000_000) / 1e6).toFixed(3)
}

function makeAddress(random: Random): string {
  return `198.51.${random.below(256)}.${random.below(256)}`
}

/** 128 bits in hexadecimal that no two logs share. */
function makeId(number: number): string {
  const random = new Random(~number)
  return [number, random.below(2 ** 32), random.below(2 ** 32), random.below(2 ** 32)].map(hex).join('')
}

function hex(word: number): string {
  return word.toString(16).padStart(8, '0')
}

/** What of a Filebeat document is the same in all logs of a pod. */
function makePod(number: number): { file: string; fields: string } {
  const random = new Random(number)
  const app = SERVICES[number % SERVICES.length]!
  const [container, ephemeral] = [makeId(number), makeId(number + 1000)]
  const name = `${app}-${hex(random.below(2 ** 32))}-${number}`
  return {
    file: `"file":{"path":"/var/log/containers/${name}_shop_${app}-${container.slice(0, 12)}.log"}`,
    fields:
      `"input":{"type":"container"},"kubernetes":{"node":{"name":"node-${number % 20}"},` +
      `"pod":{"name":"${name}","uid":"${makeId(number + 2000)}","ip":"10.42.${number % 20}.${number % 250}"},"namespace":"shop",` +
      `"labels":{"app":"${app}"},"container":{"name":"${app}"}},` +
      `"container":{"id":"${container}","runtime":"containerd","image":{"name":"shop/${app}:1.42.0"}},` +
      `"agent":{"version":"9.0.3","ephemeral_id":"${ephemeral}"},"host":{"name":"node-${number % 20}"}`,
  }
}
