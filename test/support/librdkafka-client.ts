/**
 * librdkafka as a client that sends streams, through confluent-kafka for Python: a process of its own, with many batches in flight.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { preparePython } from '../clients/python.ts'
import type { RecordStream } from './record-stream.ts'
import type { Server } from './server.ts'
import type { StreamingClient } from './streaming.ts'
import { until } from './wait.ts'

export interface LibrdkafkaOptions {
  name: string
  streams: readonly RecordStream[]
  project: string
  password: string
  compression?: string
  /** How many records of a stream may be under way. */
  window?: number
  /** How often what was acknowledged is replaced by new records. */
  paceMs?: number
}

const VERSION = '2.16.1'
const driver = fileURLToPath(new URL('../../../test/clients/drivers/python/confluent_stream.py', import.meta.url))
/** A record that is not delivered is tried again without end; the pause fails if that takes longer. */
const SETTLE_MS = 120_000

/** The interpreter with the client installed; rejects with the reason where it cannot be, or is not and may not be. */
export async function prepareLibrdkafka({ mayInstall }: { mayInstall: boolean }): Promise<string> {
  const directory = join('.cache', 'clients', `confluent-kafka-${VERSION}`)
  if (!mayInstall && !existsSync(join(directory, '.built'))) throw new Error('it is not there yet')
  return preparePython(directory, [`confluent-kafka==${VERSION}`])
}

export class LibrdkafkaClient implements StreamingClient {
  readonly name: string
  readonly streams: readonly RecordStream[]
  readonly complaints = new Map<string, number>()
  readonly #options: LibrdkafkaOptions
  readonly #process: ChildProcess
  #hasEnded = false
  #lastWords = ''
  #timer: NodeJS.Timeout | undefined

  private constructor(options: LibrdkafkaOptions, process: ChildProcess) {
    this.name = options.name
    this.streams = options.streams
    this.#options = options
    this.#process = process
    process.once('close', () => (this.#hasEnded = true))
    // Mostly about a server that is not there; of one that ends by itself the last words tell why.
    process.stderr!.setEncoding('utf8').on('data', (words: string) => (this.#lastWords = (this.#lastWords + words).slice(-1000)))
    process.stdin!.on('error', () => {})
    createInterface({ input: process.stdout! }).on('line', line => this.#read(line))
  }

  /** All streams of a client are promised the same. */
  static async connect(server: Server, python: string, options: LibrdkafkaOptions): Promise<LibrdkafkaClient> {
    const ca = join(server.directory, 'ca.pem')
    await writeFile(ca, server.ca)
    const env = { ...process.env, PYTHONDONTWRITEBYTECODE: '1' }
    const child = spawn(python, [driver], { cwd: server.directory, env, stdio: ['pipe', 'pipe', 'pipe'] })
    const client = new LibrdkafkaClient(options, child)
    child.stdin.write(`${JSON.stringify(client.#settings(server, ca))}\n`)
    return client
  }

  start(): void {
    const { window = 60, paceMs = 50 } = this.#options
    this.#timer ??= setInterval(() => {
      for (const stream of this.streams) {
        for (const { number, value } of stream.take(Math.max(0, window - stream.inDoubt)))
          this.#process.stdin!.write(`${stream.topic} ${stream.partition} ${number} ${value}\n`)
      }
    }, paceMs)
  }

  async pause(): Promise<void> {
    clearInterval(this.#timer)
    this.#timer = undefined
    await until(
      `what became of the records of ${this.name}`,
      () => {
        if (this.#hasEnded) throw new Error(`it has ended by itself: ${this.#lastWords}`)
        return this.streams.every(stream => stream.inDoubt === 0)
      },
      SETTLE_MS,
    )
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    if (this.#hasEnded) return
    const closed = once(this.#process, 'close')
    this.#process.kill('SIGKILL')
    await closed
  }

  #read(line: string): void {
    const [, topic, partition, number, outcome] = /^(\S+) (\d+) (\d+) (.*)$/.exec(line) ?? []
    const stream = this.streams.find(found => found.topic === topic && String(found.partition) === partition)
    if (stream === undefined || outcome === undefined) return
    if (outcome === 'ok') stream.acknowledge(Number(number))
    else {
      stream.giveUp(Number(number))
      this.complaints.set(outcome, (this.complaints.get(outcome) ?? 0) + 1)
    }
  }

  #settings(server: Server, ca: string): Record<string, unknown> {
    const { project, password, streams, compression = 'none' } = this.#options
    return {
      'bootstrap.servers': `localhost:${server.port()}`,
      'security.protocol': 'SASL_SSL',
      'ssl.ca.location': ca,
      'sasl.mechanisms': 'PLAIN',
      'sasl.username': project,
      'sasl.password': password,
      'compression.type': compression,
      'enable.idempotence': streams[0]?.promised === 'once',
      acks: 'all',
      'linger.ms': 5,
      // Several batches in flight for what is sent at once.
      'batch.num.messages': 10,
      'reconnect.backoff.ms': 20,
      'reconnect.backoff.max.ms': 200,
      'message.timeout.ms': 0,
    }
  }
}
