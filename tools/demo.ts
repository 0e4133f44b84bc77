/**
 * `npm run demo`: a server of one's own to look at, with an hour of logs that came in through a real Kafka client.
 *
 * It does what a user would do: starts the server, makes a project, a logstore and an access key through the control socket,
 * sends with a client that trusts the server's CA, and queries. What it says about the logs, the server has told it.
 */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { relative } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { Command, InvalidArgumentError } from 'commander'
import { CompressionTypes, Kafka, logLevel, Partitioners } from 'kafkajs'
import { SluiceError } from '../src/base/errors.ts'
import { createLog } from '../src/base/log.ts'
import { withControl, type Control } from '../src/cli/client.ts'
import { stopSignal } from '../src/cli/serve.ts'
import { loadConfig } from '../src/config/load-config.ts'
import type { Config } from '../src/config/schema.ts'
import { startSluice, type ServerInfo } from '../src/sluice.ts'
import { ensureAccessKey, ensureNamed, type Credentials } from './demo/catalog.ts'
import { makeLogs } from './demo/logs.ts'
import {
  fit,
  formatChart,
  formatCount,
  formatSeconds,
  markedSample,
  paint,
  print,
  printHeading,
  printStep,
} from './demo/output.ts'

interface Options {
  once?: boolean
  data: string
  internetPort?: number
  intranetPort?: number
  httpPort?: number
}

const PROJECT = 'demo'
const LOGSTORE = 'logs'
const LOGS = 5000
const LOGS_PER_SEND = 250
const POLL_MS = 50
/** The header that tells the logs of this run from those of earlier ones. */
const RUN_HEADER = 'demo-run'

const newestSql = 'SELECT _time, content FROM log ORDER BY _time DESC LIMIT 6'
const perMinuteSql =
  'SELECT toStartOfMinute(_time) AS minute, count() AS logs,\n' +
  '    countIf(f_status >= 500) AS failed\n' +
  '  FROM log WHERE _time > now() - INTERVAL 1 HOUR\n' +
  '  GROUP BY minute ORDER BY minute'

const options = new Command('npm run demo --')
  .description('start sluice with sample logs, show what it does with them, and go on until Ctrl-C')
  .option('--once', 'end after the queries')
  .option('--data <directory>', 'where its data goes; what is there is used again', 'demo-data')
  .option('--internet-port <port>', 'in place of 10012, where the logs are sent', parsePort)
  .option('--intranet-port <port>', 'in place of 10011', parsePort)
  .option('--http-port <port>', 'in place of 10013', parsePort)
  .parse()
  .opts<Options>()

const interruption = new AbortController()
const { signal } = interruption
void stopSignal().then(() => interruption.abort())
const aborted = once(signal, 'abort')

try {
  await demo(options)
} catch (error) {
  console.error(`\nThe demo did not work: ${explain(error)}`)
  process.exitCode = 1
}

async function demo({ once = false, data, internetPort, intranetPort, httpPort }: Options): Promise<void> {
  const config = loadConfig({
    data,
    overrides: {
      'listeners.internet.port': internetPort,
      'listeners.intranet.port': intranetPort,
      'http.port': httpPort,
      'log.level': 'warn',
    },
  })
  print(`${paint('bold', 'sluice demo')}: logs from a Kafka client to a search, on this machine\n`)
  printStep('start', `sluice with its own ClickHouse; the data is in ${shortPath(config.data)}`)
  const sluice = await startSluice(config, createLog('demo', config.log.level, process.stderr.isTTY))
  try {
    await withControl(config, control => show(control, config, sluice.info, once))
    if (!once) {
      print(`\nThe server stays up until you press ${paint('bold', 'Ctrl-C')}.`)
      await aborted
    }
  } catch (error) {
    if (!signal.aborted) throw error
    process.exitCode = 130
  } finally {
    // Behind the ^C that the terminal shows.
    print()
    await sluice.close()
    print(`Everything is stopped; the logs stay in ${shortPath(config.data)}.`)
  }
}

async function show(control: Control, config: Config, info: ServerInfo, once: boolean): Promise<void> {
  const { internet, intranet } = info.listeners
  printStep('listen', `for producers on ports ${internet!.port} and ${intranet!.port}, for HTTP on ${info.http.port}`)
  const credentials = await unlessInterrupted(prepare(control, config))
  await unlessInterrupted(query(control, 'SELECT 1'))
  printStep('ready', 'ClickHouse answers')

  const run = randomUUID()
  const acknowledgedAt = await send(credentials, info, run)
  await waitUntilSearchable(control, run)
  printStep('search', `all are searchable, ${formatSeconds(performance.now() - acknowledgedAt)} after the last acknowledgement`)

  printHeading('The newest logs', newestSql)
  for (const row of await unlessInterrupted(query<{ _time: string; content: string }>(control, newestSql)))
    print(`  ${paint('dim', row._time.slice(11))}  ${fit(row.content, 16)}`)
  await showChart(control)
  showHowToGoOn(credentials, info, config, once)
}

async function prepare(control: Control, config: Config): Promise<Credentials> {
  const projects = await ensureNamed(control, '/v1/projects', PROJECT)
  const logstores = await ensureNamed(control, `/v1/projects/${PROJECT}/logstores`, LOGSTORE)
  const key = await ensureAccessKey(control, PROJECT, config.data)
  const isNew = [projects, logstores, key.isNew]
  const was = isNew.every(Boolean) ? 'created' : isNew.some(Boolean) ? 'completed' : 'found from an earlier run'
  printStep('create', `project "${PROJECT}", logstore "${LOGSTORE}" and an access key: ${was}`)
  return key.credentials
}

/** Sends the logs and resolves with the moment of the last acknowledgement. */
async function send({ accessKeyId, accessKeySecret }: Credentials, info: ServerInfo, run: string): Promise<number> {
  const { port } = info.listeners.internet!
  quietNode()
  const kafka = new Kafka({
    clientId: 'sluice-demo',
    brokers: [`localhost:${port}`],
    ssl: { ca: [await readFile(info.ca!, 'utf8')] },
    sasl: { mechanism: 'plain', username: PROJECT, password: `${accessKeyId}#${accessKeySecret}` },
    // What it has to say comes as an error.
    logLevel: logLevel.NOTHING,
  })
  const createPartitioner = Partitioners.DefaultPartitioner
  const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1, createPartitioner })
  printStep('send', `${formatCount(LOGS)} logs by a Kafka client over SASL_SSL, port ${port}`)
  const startedAt = performance.now()
  try {
    // Not left alone in the middle of anything: it would go on trying, and keep the process.
    await producer.connect()
    const logs = makeLogs(LOGS, Date.now())
    for (let sent = 0; sent < logs.length; sent += LOGS_PER_SEND) {
      const messages = logs.slice(sent, sent + LOGS_PER_SEND).map(({ timeMs, value }) => {
        return { value, timestamp: String(timeMs), headers: { [RUN_HEADER]: run } }
      })
      signal.throwIfAborted()
      await producer.send({ topic: LOGSTORE, acks: -1, compression: CompressionTypes.GZIP, messages })
    }
  } finally {
    await producer.disconnect().catch(() => {})
  }
  const endedAt = performance.now()
  printStep('ack', `all are acknowledged, which took ${formatSeconds(endedAt - startedAt)}: they are on disk`)
  return endedAt
}

async function waitUntilSearchable(control: Control, run: string): Promise<void> {
  for (;;) {
    const sql = `SELECT count() AS logs FROM log WHERE _headers['${RUN_HEADER}'] = '${run}'`
    const [row] = await unlessInterrupted(query<{ logs: string }>(control, sql))
    if (Number(row?.logs) === LOGS) return
    await delay(POLL_MS, undefined, { signal })
  }
}

async function showChart(control: Control): Promise<void> {
  const rows = await unlessInterrupted(query<{ minute: string; logs: string; failed: string }>(control, perMinuteSql))
  // Minutes without logs have no row, and have a place in the chart all the same.
  const byMinute = new Map(rows.map(row => [row.minute.slice(0, 16), row]))
  const thisMinute = Math.floor(Date.now() / 60_000)
  const bars = Array.from({ length: 60 }, (_, index) => {
    const minute = new Date((thisMinute - 59 + index) * 60_000).toISOString().slice(0, 16).replace('T', ' ')
    const row = byMinute.get(minute)
    return { label: minute.slice(11), count: Number(row?.logs ?? 0), marked: Number(row?.failed ?? 0) }
  })
  printHeading('Logs per minute', perMinuteSql)
  for (const line of formatChart(bars, 10)) print(line)
  print(`\n  ${markedSample} status 500 and above; times are UTC`)
}

function showHowToGoOn({ accessKeyId, accessKeySecret }: Credentials, info: ServerInfo, config: Config, once: boolean): void {
  const { port } = info.listeners.internet!
  const password = `${accessKeyId}#${accessKeySecret}`
  const data = quote(shortPath(config.data))
  if (once) {
    printHeading('Start the server again, on the same data')
    print('  npm run demo    # or, without the sample logs:')
    print(`  npx sluice serve --data ${data}`)
  }
  printHeading('Send logs of your own')
  const facts = { brokers: `localhost:${port}`, topic: LOGSTORE, user: PROJECT, password, CA: info.ca! }
  for (const [name, value] of Object.entries(facts)) print(`  ${name.padEnd(10)}${value}`)
  print()
  print(`  echo '{"level":"info","message":"hello"}' | kcat -P -t ${LOGSTORE} \\`)
  print(`    -b localhost:${port} -X security.protocol=SASL_SSL \\`)
  print(`    -X ssl.ca.location=${quote(info.ca!)} \\`)
  print(`    -X sasl.mechanism=PLAIN -X sasl.username=${PROJECT} \\`)
  print(`    -X sasl.password=${quote(password)}`)
  printHeading('Search them')
  print(`  npx sluice query ${PROJECT}/${LOGSTORE} --data ${data} \\`)
  print(`    "SELECT _time, content FROM log WHERE hasToken(content, 'hello')"`)
}

/** The rows of a query. */
async function query<Row>(control: Control, sql: string): Promise<Row[]> {
  const path = `/v1/projects/${PROJECT}/logstores/${LOGSTORE}/query`
  const lines = (await text(await control.stream('POST', path, { sql, format: 'json' }))).split('\n')
  return lines.filter(line => line !== '').map(line => JSON.parse(line) as Row)
}

/** The promise's outcome, unless Ctrl-C comes first; then it is left to itself, and what it waits for is about to end. */
async function unlessInterrupted<Value>(promise: Promise<Value>): Promise<Value> {
  const value = await Promise.race([promise, aborted])
  signal.throwIfAborted()
  return value as Value
}

/** Failures that a newcomer meets, with the demo's own options as the way out. */
function explain(error: unknown): string {
  if (!(error instanceof SluiceError)) return (error as Error).stack ?? String(error)
  const { port, listener, holder } = error.details
  if (error.code === 'PORT_IN_USE') {
    const option = `--${String(listener)}-port`
    return `port ${String(port)} is taken${String(holder)}.\nChoose another one: npm run demo -- ${option} ${Number(port) + 10_000}`
  }
  if (error.code === 'DATA_LOCKED')
    return `${error.message}.\nStop that, or choose another directory: npm run demo -- --data DIRECTORY`
  return error.message
}

/** kafkajs sets timers for moments that are over, which newer versions of Node warn about in every process. */
function quietNode(): void {
  const emitWarning = process.emitWarning.bind(process) as (...args: unknown[]) => void
  process.emitWarning = ((...args: unknown[]) => {
    if (args[1] !== 'TimeoutNegativeWarning') emitWarning(...args)
  }) as typeof process.emitWarning
}

function shortPath(path: string): string {
  const fromHere = relative(process.cwd(), path)
  return fromHere === '' || fromHere.startsWith('..') ? path : fromHere
}

/** For a shell, if the text needs it. */
function quote(value: string): string {
  return /^[\w./:-]+$/.test(value) ? value : `'${value.replaceAll("'", "'\\''")}'`
}

function parsePort(given: string): number {
  const port = Number(given)
  if (!/^\d+$/.test(given) || port > 65_535) throw new InvalidArgumentError('It must be a port: a number up to 65535.')
  return port
}
