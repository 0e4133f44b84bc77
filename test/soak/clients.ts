/**
 * The load of the soak: producers of several projects that stay, producers that come and go, and clients that are refused.
 */
import { CompressionTypes } from 'kafkajs'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { LibrdkafkaClient, prepareLibrdkafka } from '../support/librdkafka-client.ts'
import { RawClient } from '../support/raw-client.ts'
import { RecordStream, type Promised } from '../support/record-stream.ts'
import type { Server } from '../support/server.ts'
import { KafkajsClient, type KafkajsOptions, type StreamingClient } from '../support/streaming.ts'

/** By project, its logstores with their shards. No two logstores have one name. */
const PROJECTS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  web: { nginx: 4, app: 1 },
  shop: { orders: 2, audit: 1 },
  iot: { sensors: 3 },
}

export const logstores = Object.entries(PROJECTS).flatMap(([project, names]) =>
  Object.keys(names).map(name => `${project}/${name}`),
)

/** How long a producer that comes and goes stays, and how often a client is refused. */
const STAY_MS = 2000
const REFUSED_MS = 500
/** Few records often, as agents send them; the server has to have something to do for as long as the soak takes. */
const PACE_MS = 100

export class Load {
  readonly streams: RecordStream[] = []
  readonly #server: Server
  readonly #staying: StreamingClient[] = []
  readonly #passwords = new Map<string, string>()
  /** The streams of those that come and go, by their options: they go on where the one before has ended. */
  readonly #passing: Omit<KafkajsOptions, 'password'>[] = []
  /** Of those, the clients that are here now. */
  readonly #present = new Set<StreamingClient>()
  #isOver = false
  /** Whether producers may send; those that come and go wait. */
  #isSending = true
  #loops: Promise<void>[] = []
  /** How many clients came and went, and how many were refused. */
  came = 0
  refused = 0

  constructor(server: Server) {
    this.#server = server
  }

  async start(report: (text: string) => void): Promise<void> {
    for (const [project, names] of Object.entries(PROJECTS)) {
      for (const [name, shards] of Object.entries(names)) await this.#server.createLogstore(`${project}/${name}`, { shards })
      this.#passwords.set(project, await this.#server.createKey(project))
    }
    const gzip = { compression: CompressionTypes.GZIP }
    await this.#addKafkajs('web', 'kafkajs-idempotent', 'once', 'nginx', [0, 1], gzip)
    await this.#addKafkajs('web', 'kafkajs-acks-1', 'again', 'app', [0], { acks: 1 })
    await this.#addKafkajs('shop', 'kafkajs-acks-all', 'again', 'orders', [0, 1], gzip)
    await this.#addKafkajs('iot', 'kafkajs-acks-0', 'none', 'sensors', [0], { acks: 0 })
    const python = await prepareLibrdkafka({ mayInstall: true }).catch((error: Error) => {
      report(`without librdkafka, and so without some codecs: ${error.message.split('\n')[0]}`)
    })
    if (python !== undefined) {
      await this.#addLibrdkafka(python, 'shop', 'librdkafka-zstd', 'once', 'audit', [0], 'zstd')
      await this.#addLibrdkafka(python, 'iot', 'librdkafka-lz4', 'again', 'sensors', [1, 2], 'lz4')
      await this.#addLibrdkafka(python, 'web', 'librdkafka-snappy', 'once', 'nginx', [2, 3], 'snappy')
    }
    for (const [project, promised, topic] of [
      ['web', 'once', 'app'],
      ['iot', 'again', 'sensors'],
    ] as const) {
      const name = `passing-${promised}`
      this.#passing.push({ project, name, streams: this.#makeStreams(name, promised, topic, [0]), paceMs: PACE_MS })
    }
    this.resume()
    this.#loops = [...this.#passing.map(options => this.#comeAndGo(options)), this.#beRefused()]
  }

  /** Resolves when it is known of every record what became of it. */
  async pause(): Promise<void> {
    this.#isSending = false
    await Promise.all([...this.#staying, ...this.#present].map(client => client.pause()))
  }

  resume(): void {
    this.#isSending = true
    for (const client of this.#staying) client.start()
  }

  async close(): Promise<void> {
    this.#isOver = true
    await Promise.all([...this.#loops, ...this.#staying.map(client => client.close())])
  }

  #makeStreams(client: string, promised: Promised, topic: string, partitions: readonly number[]): RecordStream[] {
    const streams = partitions.map(partition => new RecordStream({ client, topic, partition, promised }))
    this.streams.push(...streams)
    return streams
  }

  async #addKafkajs(
    project: string,
    name: string,
    promised: Promised,
    topic: string,
    partitions: readonly number[],
    options: Pick<KafkajsOptions, 'acks' | 'compression'>,
  ): Promise<void> {
    const streams = this.#makeStreams(name, promised, topic, partitions)
    const password = this.#passwords.get(project)!
    this.#staying.push(
      await KafkajsClient.connect(this.#server, { project, password, name, streams, paceMs: PACE_MS, ...options }),
    )
  }

  async #addLibrdkafka(
    python: string,
    project: string,
    name: string,
    promised: Promised,
    topic: string,
    partitions: readonly number[],
    compression: string,
  ): Promise<void> {
    const streams = this.#makeStreams(name, promised, topic, partitions)
    const options = { project, password: this.#passwords.get(project)!, name, streams, compression, window: 10, paceMs: PACE_MS }
    this.#staying.push(await LibrdkafkaClient.connect(this.#server, python, options))
  }

  async #comeAndGo(options: Omit<KafkajsOptions, 'password'>): Promise<void> {
    const password = this.#passwords.get(options.project)!
    while (!this.#isOver) {
      if (this.#isSending) {
        // While the server starts again it cannot come; it tries later, as such a program would.
        const client = await KafkajsClient.connect(this.#server, { ...options, password }).catch(() => undefined)
        if (client !== undefined && this.#isSending) {
          this.#present.add(client)
          client.start()
          await delay(STAY_MS)
        }
        await client?.close()
        if (client !== undefined && this.#present.delete(client)) this.came++
      }
      await delay(REFUSED_MS)
    }
  }

  /** Clients that have a wrong password, or no right to what they ask for, or speak something else altogether. */
  async #beRefused(): Promise<void> {
    const refusals = [
      async () => {
        const client = await RawClient.login(this.#server, 'web', 'nobody#wrong')
        await client.produce([{ topic: 'nginx', batch: { records: [{ value: 'refused' }] } }])
        client.close()
      },
      async () => {
        const client = await RawClient.login(this.#server, 'shop', this.#passwords.get('shop')!)
        await client.produce([{ topic: 'nowhere', batch: { records: [{ value: 'refused' }] } }])
        client.close()
      },
      async () => {
        const socket = connect(this.#server.port(), '127.0.0.1')
        socket.on('error', () => {})
        // What nobody reads keeps a socket from being closed.
        socket.resume()
        socket.end(randomBytes(200))
        await once(socket, 'close')
      },
    ]
    for (let turn = 0; !this.#isOver; turn++) {
      // The server may be gone; then it is refused in another way.
      await refusals[turn % refusals.length]!().catch(() => {})
      this.refused++
      await delay(REFUSED_MS)
    }
  }
}
