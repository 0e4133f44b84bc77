/**
 * `sluice push`: sends files or standard input to a logstore, line by line, as any producer does: over the Kafka protocol.
 */
import { randomUUID } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { Command, InvalidArgumentError } from 'commander'
import { codecName, isCompressor, Codec } from '../../protocol/records/compression.ts'
import { sluiceError } from '../base/errors.ts'
import type { CreatedAccessKey } from '../catalog/catalog.ts'
import type { Config } from '../config/schema.ts'
import { formatBytes, parseBytes } from '../config/units.ts'
import type { Destination } from '../push/connection.ts'
import { createInput, Sender, STDIN, type Input } from '../push/inputs.ts'
import { Producer } from '../push/producer.ts'
import { serverInfoPath, type ServerInfo } from '../sluice.ts'
import { askServer, withControl } from './client.ts'
import { parseLogstoreName } from './logstore-argument.ts'
import { formatCount, formatCountOf, formatDuration, formatSize } from './output.ts'
import { addPlaceOptions, configOf, type PlaceOptions } from './place.ts'
import { Progress } from './progress.ts'
import { stopSignal } from './serve.ts'

interface PushOptions extends PlaceOptions {
  host?: string
  port?: number
  ca?: string
  key?: string
  secretStdin?: boolean
  codec: string
  batchBytes: number
  follow?: boolean
  json?: boolean
}

const codecs = Object.values(Codec).map(codecName)
/** The first Node.js that compresses with it by itself. */
const ZSTD_NODE = 'Node.js 22.15 or newer'
const KEY_VARIABLE = 'SLUICE_ACCESS_KEY'
const DEFAULT_PORT = 10_012
const MIN_BATCH_BYTES = 1024
const MAX_BATCH_BYTES = 32 * 2 ** 20
/** How long a server may be away, unless a file is followed. */
const PATIENCE_MS = 10 * 60_000
/** How long what is under way may take once the user wants to stop. */
const STOP_MS = 10_000
const REDRAW_MS = 200
const EXIT_INTERRUPTED = 130

export function pushCommand(): Command {
  return addPlaceOptions(new Command('push'))
    .description('send files or standard input to a logstore, a log per line; each is stored once, whatever happens on the way')
    .argument('<project/logstore>')
    .argument('[file...]', 'what to send; what ends in .gz is decompressed, - is standard input (default: standard input)')
    .option('--host <host>', 'the server (default: the one that runs on the data directory)')
    .option('--port <port>', `its port (default: ${DEFAULT_PORT} of a --host)`, parsePort)
    .option('--ca <file>', "a PEM file with the authority of the server's certificate, if the system does not know it")
    .option('--key <id>', `the access key; its secret is read with --secret-stdin (default: ${KEY_VARIABLE} in the environment)`)
    .option('--secret-stdin', 'read the secret of the access key from standard input')
    .option('--codec <codec>', `the compression: ${codecs.join(', ')}; zstd takes ${ZSTD_NODE}`, parseCodec, 'lz4')
    .option('--batch-bytes <size>', 'how much is sent at a time, before compression', parseBatchBytes, 2 ** 20)
    .option('--follow', 'go on with what is written to the files later, as tail -F, also when they are rotated or cut')
    .option('--json', 'print {"lines", "bytes", "batches", "seconds", "files"} at the end')
    .addHelpText(
      'after',
      `
Without --host and an access key, it makes a key for itself on the running server, and deletes it at the end.

Examples:
  sluice push web/nginx /var/log/nginx/access.log.1 /var/log/nginx/access.log.2.gz
  journalctl -o json | sluice push web/system
  sluice push web/nginx --follow /var/log/nginx/access.log
  ${KEY_VARIABLE}='ID#SECRET' sluice push web/nginx --host logs.example.com access.log`,
    )
    .action(async (name: string, files: string[], options: PushOptions) => {
      const { project, logstore } = parseLogstoreName(name)
      const inputs = await openInputs(files, options)
      const password = await readAccessKey(options)
      // From here on Ctrl-C must not leave a key behind.
      const stopped = stopSignal()
      await withDestination(options, { project, logstore, password }, destination =>
        push({ destination, logstore, inputs, options, stopped }),
      )
    })
}

async function push(order: {
  destination: Destination
  logstore: string
  inputs: readonly Input[]
  options: PushOptions
  stopped: Promise<unknown>
}): Promise<void> {
  const { destination, logstore, inputs, options, stopped } = order
  const { follow = false, batchBytes, codec } = options
  const beganMs = performance.now()
  const of = await sizeOf(inputs, follow)
  const progress = new Progress('sending', process.stderr, (done, of, elapsedMs) => describe(inputs, { done, of, elapsedMs }))
  const stop = new AbortController()
  const producer = await Producer.open({
    destination,
    logstore,
    codec: Codec[codec.toUpperCase() as keyof typeof Codec],
    patienceMs: follow ? Infinity : PATIENCE_MS,
    onTrouble(problem) {
      progress.end()
      console.error(`sluice: ${problem}; trying again`)
    },
    onFailure: () => stop.abort(),
  })
  const sender = new Sender({ producer, batchBytes, signal: stop.signal })
  let isInterrupted = false
  let isWhole = false
  void stopped.then(() => {
    isInterrupted = true
    stop.abort()
    producer.hurry(STOP_MS)
  })
  const redraw = setInterval(() => progress.update(sum(inputs, 'readBytes'), of), REDRAW_MS)
  try {
    try {
      if (follow) await Promise.all(inputs.map(input => sender.follow(input)))
      else for (const input of inputs) if (!stop.signal.aborted) await sender.send(input, process.stdin)
    } finally {
      // What was read is sent, also where reading has failed.
      await sender.flush().finally(() => producer.end())
    }
    isWhole = !isInterrupted
  } finally {
    clearInterval(redraw)
    stop.abort()
    progress.end()
    const seconds = (performance.now() - beganMs) / 1000
    if (options.json === true) printJson(inputs, sender.batches, seconds)
    else printSummary(inputs, { batches: sender.batches, seconds, isWhole })
  }
  if (isInterrupted) process.exitCode = EXIT_INTERRUPTED
}

function describe(inputs: readonly Input[], { done, of, elapsedMs }: { done: number; of: number; elapsedMs: number }): string {
  const amount = of === Infinity ? formatSize(done) : `${formatSize(done)} of ${formatSize(of)}`
  const lines = sum(inputs, 'lines')
  const rate = `${formatCount(Math.round((1000 * lines) / Math.max(1, elapsedMs)))} lines/s`
  if (of === Infinity || done === 0) return `${amount}, ${formatCountOf(lines, 'line')}, ${rate}`
  return `${amount}, ${rate}, ${formatDuration((Math.max(0, of - done) / done) * elapsedMs)} left`
}

function printJson(inputs: readonly Input[], batches: number, seconds: number): void {
  const files = inputs.map(({ name, lines, bytes, position }) => ({ file: name, lines, bytes, position }))
  console.log(JSON.stringify({ lines: sum(inputs, 'lines'), bytes: sum(inputs, 'bytes'), batches, seconds, files }))
}

function printSummary(
  inputs: readonly Input[],
  { batches, seconds, isWhole }: { batches: number; seconds: number; isWhole: boolean },
): void {
  const sent = `${formatCountOf(sum(inputs, 'lines'), 'line')}, ${formatSize(sum(inputs, 'bytes'))}`
  console.log(`sent ${sent}, in ${formatCountOf(batches, 'batch', 'batches')} and ${formatDuration(1000 * seconds)}`)
  if (isWhole) return
  for (const { name, lines, position } of inputs)
    console.log(`${name === STDIN ? 'standard input' : name}: ${formatCountOf(lines, 'line')}, up to byte ${position}`)
}

function sum(inputs: readonly Input[], key: 'lines' | 'bytes' | 'readBytes'): number {
  return inputs.reduce((total, input) => total + input[key], 0)
}

/** The inputs that are named. Files are looked for, unless they are followed: then they may come later. */
async function openInputs(files: readonly string[], { follow = false, secretStdin = false }: PushOptions): Promise<Input[]> {
  const names = files.length === 0 ? [STDIN] : files
  const problem = (text: string) => sluiceError('INVALID_ARGUMENT', { problem: text })
  if (names.filter(name => name === STDIN).length > 1) throw problem('standard input can be read once')
  if (secretStdin && names.includes(STDIN)) throw problem('standard input holds the secret (--secret-stdin): name a file to send')
  if (follow && names.includes(STDIN)) throw problem('--follow is for files: standard input is read to its end in any case')
  for (const name of names) {
    if (follow && name.endsWith('.gz')) throw problem(`${name} cannot be followed: nothing is written to the end of a .gz file`)
    const isMissing = name === STDIN || follow
    if (!isMissing && (await stat(name)).isDirectory()) throw problem(`${name} is a directory: name the files in it`)
  }
  return names.map(createInput)
}

/** How much there is to read; Infinity if nobody knows. */
async function sizeOf(inputs: readonly Input[], follow: boolean): Promise<number> {
  if (follow || inputs.some(({ name }) => name === STDIN)) return Infinity
  const files = await Promise.all(inputs.map(({ name }) => stat(name)))
  return files.every(file => file.isFile()) ? files.reduce((total, { size }) => total + size, 0) : Infinity
}

/** Calls `act` with the server and the access key that were named, or that this machine has. */
async function withDestination(
  options: PushOptions,
  { project, logstore, password }: { project: string; logstore: string; password: string | undefined },
  act: (destination: Destination) => Promise<void>,
): Promise<void> {
  const config = configOf(options)
  const isRunning = (await askServer(config, '/healthz')) !== undefined
  if (!isRunning && (options.host === undefined || password === undefined)) {
    const problem = `no server runs on ${config.data}: name one with --host, and an access key with --key ID --secret-stdin or ${KEY_VARIABLE}='ID#SECRET'`
    throw sluiceError('PUSH_FAILED', { problem })
  }
  const address = options.host === undefined ? await findServer(config, options) : await namedServer(options.host, options)
  if (password !== undefined) return act({ ...address, project, password })
  return withOwnKey(config, { project, logstore }, own => act({ ...address, project, password: own }))
}

async function readAccessKey({ key, secretStdin = false }: PushOptions): Promise<string | undefined> {
  const problem = (text: string) => sluiceError('INVALID_ARGUMENT', { problem: text })
  if (secretStdin !== (key !== undefined))
    throw problem('--key ID and --secret-stdin go together: the secret is read from standard input')
  if (key !== undefined) return `${key}#${(await text(process.stdin)).replace(/\r?\n$/, '')}`
  const given = process.env[KEY_VARIABLE]
  if (given === undefined || given === '') return undefined
  if (!given.includes('#')) throw problem(`${KEY_VARIABLE} must be ID#SECRET, as "sluice key create" prints it`)
  return given
}

async function namedServer(host: string, { port, ca }: PushOptions): Promise<{ host: string; port: number; ca?: Buffer }> {
  return { host, port: port ?? DEFAULT_PORT, ...(ca !== undefined && { ca: await readFile(ca) }) }
}

/** The server that runs on the data directory, as this machine reaches it. */
async function findServer({ data }: Config, { port, ca }: PushOptions): Promise<{ host: string; port: number; ca?: Buffer }> {
  const info = JSON.parse(await readFile(serverInfoPath(data), 'utf8')) as ServerInfo
  const listener = info.listeners['internet'] ?? info.listeners['intranet']
  const authority = ca ?? info.ca
  if (listener === undefined || authority === null) {
    const reason = listener === undefined ? 'has no listener with TLS' : 'has a certificate of its own'
    throw sluiceError('PUSH_FAILED', { problem: `the running server ${reason}: name it with --host, as its certificate does` })
  }
  return { host: 'localhost', port: port ?? listener.port, ca: await readFile(authority) }
}

/** An access key for this logstore alone, whose secret nobody else ever has, as long as `act` takes. */
async function withOwnKey(
  config: Config,
  { project, logstore }: { project: string; logstore: string },
  act: (password: string) => Promise<void>,
): Promise<void> {
  const keys = `/v1/projects/${encodeURIComponent(project)}/keys`
  const wanted = { id: `push-${randomUUID()}`, logstores: [logstore] }
  const { accessKeyId, accessKeySecret } = await withControl(config, control =>
    control.call<CreatedAccessKey>('POST', keys, wanted),
  )
  try {
    await act(`${accessKeyId}#${accessKeySecret}`)
  } finally {
    await withControl(config, control => control.call('DELETE', `${keys}/${accessKeyId}`)).catch((error: Error) =>
      console.error(
        `sluice: access key "${accessKeyId}" is left, "sluice key delete ${project} ${accessKeyId}": ${error.message}`,
      ),
    )
  }
}

function parsePort(given: string): number {
  const port = Number(given)
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new InvalidArgumentError('It must be a port, 1 to 65535.')
  return port
}

function parseCodec(given: string): string {
  const codec = Codec[given.toUpperCase() as keyof typeof Codec]
  if (codec === undefined) throw new InvalidArgumentError(`It must be one of ${codecs.join(', ')}.`)
  if (!isCompressor(codec))
    throw new InvalidArgumentError(`${given} takes ${ZSTD_NODE}, this is ${process.version}: lz4 does without.`)
  return given
}

function parseBatchBytes(given: string): number {
  const bytes = parseBytes(given)
  if (bytes !== undefined && bytes >= MIN_BATCH_BYTES && bytes <= MAX_BATCH_BYTES) return bytes
  throw new InvalidArgumentError(`It must be a size from ${formatBytes(MIN_BATCH_BYTES)} to ${formatBytes(MAX_BATCH_BYTES)}.`)
}
