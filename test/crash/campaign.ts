/**
 * A server that is killed again and again while clients send, and what they know compared with what is stored:
 *
 *     clients ──▶ server      cycle: a random moment later, kill -9 of the server, the indexer, the engine, or of all at once;
 *        │           │               a server that was killed is started again at once, and the clients go on by themselves
 *      ledger ═══ rows        round: every few cycles the clients pause, everything is indexed, and both are compared
 */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { CompressionTypes } from 'kafkajs'
import { Random } from '../protocol/random.ts'
import { LibrdkafkaClient, prepareLibrdkafka } from '../support/librdkafka-client.ts'
import { RecordStream, type Promised } from '../support/record-stream.ts'
import { Server } from '../support/server.ts'
import { KafkajsClient, type StreamingClient } from '../support/streaming.ts'
import { Verifier, type Verified } from '../support/verifier.ts'
import type { Clock } from './clock.ts'
import { countProblems, countsOf, MAX_ANOMALIES, targets, type ClientCounts, type CrashState, type Target } from './state.ts'

export interface CrashOptions {
  /** Where to go on; it is changed with each round. */
  state: CrashState
  /** The number of cycles to come to, with those that the state has already. */
  cycles: number
  /** The longest time between two kills. */
  longestMs?: number
  /** What is killed, drawn from these; all of it if absent. */
  kill?: readonly Target[]
  /** The clock of the server's processes, if it is to be stepped back and forth over midnight. */
  clock?: Clock | undefined
  /** Whether librdkafka may be downloaded if it is not there. */
  mayInstall: boolean
  /** Called with what is to be shown. */
  report: (text: string) => void
  /** Called after each round. */
  onVerified?: (state: CrashState) => void
  /** Stops after the cycle that runs, and verifies it. */
  signal?: AbortSignal
}

const PROJECT = 'crash'
/** By name, with their shards, which are the partitions that clients see: batches are dealt out, or all go one behind the other. */
const LOGSTORES: Readonly<Record<string, number>> = { wide: 4, narrow: 1 }
/** A cycle is short, and indexing gets less far in it than the clients do; a round lets it catch up. */
const CYCLES_PER_ROUND = 5
const PROGRESS_MS = 10_000

/** A client whose server runs again knows in seconds what became of its records. */
const SETTLE_MS = 150_000

/** Half of the cycles kill the server, whose memory is what a crash takes away. */
const DRAWN: readonly Target[] = ['server', 'server', 'server', 'start', 'start', 'indexer', 'indexer', 'engine', 'all', 'all']
const SHORTEST_MS = 50
const LONGEST_MS = 2000
/** A start takes about half a second; the second kill meets it anywhere. */
const LONGEST_START_MS = 700

const DAY_MS = 24 * 60 * 60 * 1000
/** A clock is stepped to within this time of the next midnight (UTC), before it or behind it. */
const AROUND_MIDNIGHT_MS = 30_000

/** The smallest segments, so that they are begun, indexed and recycled all the time. */
const settings = { journal: { segmentBytes: '1 MiB' } }

/** Runs cycles until there are as many as wanted, there is an anomaly, or the signal comes. */
export async function runCampaign(options: CrashOptions): Promise<void> {
  const { state, report } = options
  const server = await Server.start({ settings, env: options.clock?.env ?? {} })
  const campaign = new Campaign(server, options)
  try {
    await campaign.run()
  } catch (error) {
    state.failures.push((error as Error).message)
  }
  await campaign.close().catch(() => {})
  if (countProblems(state) === 0) return server.remove()
  server.abandon()
  report(`the data directory is kept: ${server.data}`)
}

class Campaign {
  readonly #server: Server
  readonly #options: CrashOptions
  readonly #streams: RecordStream[] = []
  readonly #clients: StreamingClient[] = []
  readonly #verifier: Verifier
  /** Cycles since the last round. */
  #unverified = 0
  #beganAt = Date.now()
  readonly #segmentsBefore: number

  constructor(server: Server, options: CrashOptions) {
    this.#server = server
    this.#options = options
    this.#verifier = new Verifier(
      server,
      Object.keys(LOGSTORES).map(name => `${PROJECT}/${name}`),
    )
    this.#segmentsBefore = options.state.segments
  }

  async run(): Promise<void> {
    const { state, cycles } = this.#options
    for (const [name, shards] of Object.entries(LOGSTORES)) await this.#server.createLogstore(`${PROJECT}/${name}`, { shards })
    await this.#connectClients(await this.#server.createKey(PROJECT))
    this.#beganAt = Date.now() - state.seconds * 1000
    const progress = setInterval(() => this.#tellProgress(), PROGRESS_MS)
    try {
      for (const client of this.#clients) client.start()
      while (state.cycles < cycles && countProblems(state) === 0 && !this.#isStopping) {
        await this.#cycle(new Random(state.seed + state.cycles + this.#unverified))
        this.#unverified++
        const isLast = state.cycles + this.#unverified >= cycles || this.#isStopping
        if (this.#unverified === CYCLES_PER_ROUND || isLast) await this.#verify()
      }
    } finally {
      clearInterval(progress)
    }
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#clients.map(client => Promise.race([client.close(), delay(10_000)])))
  }

  get #isStopping(): boolean {
    return this.#options.signal?.aborted === true
  }

  async #connectClients(password: string): Promise<void> {
    const server = this.#server
    const streamsOf = (client: string, promised: Promised, partitions: readonly number[]): RecordStream[] => {
      const places = [...partitions.map(partition => ({ topic: 'wide', partition })), { topic: 'narrow', partition: 0 }]
      const streams = places.map(place => new RecordStream({ client, promised, ...place }))
      this.#streams.push(...streams)
      return streams
    }
    const base = { project: PROJECT, password }
    for (const number of [1, 2]) {
      const gzip = number === 2 ? { compression: CompressionTypes.GZIP } : {}
      for (const promised of ['once', 'again'] as const) {
        const name = `kafkajs-${promised === 'once' ? 'idempotent' : 'plain'}-${number}`
        const streams = streamsOf(name, promised, [0, number])
        this.#clients.push(await KafkajsClient.connect(server, { ...base, ...gzip, name, streams }))
      }
    }
    const python = await prepareLibrdkafka(this.#options).catch((error: Error) => {
      this.#options.report(`without librdkafka: ${error.message.split('\n')[0]}`)
    })
    if (python === undefined) return
    for (const promised of ['once', 'again'] as const) {
      const name = `librdkafka-${promised === 'once' ? 'idempotent' : 'plain'}`
      const streams = streamsOf(name, promised, [2, 3])
      const compression = promised === 'once' ? 'none' : 'lz4'
      this.#clients.push(await LibrdkafkaClient.connect(server, python, { ...base, name, streams, compression }))
    }
  }

  async #cycle(random: Random): Promise<void> {
    const { longestMs = LONGEST_MS } = this.#options
    await delay(SHORTEST_MS + random.below(longestMs - SHORTEST_MS))
    this.#stepClock(random)
    const { kill = targets } = this.#options
    const target = random.pick(DRAWN.filter(drawn => kill.includes(drawn)))
    this.#options.state.kills[target]++
    if (target === 'indexer' || target === 'engine') return this.#server.killNow([target])
    if (target === 'all') this.#server.killNow(['engine', 'indexer'])
    await this.#server.kill('SIGKILL')
    if (target === 'start') {
      const starting = this.#server.restart()
      // It rejects if the server does not want to start; by the kill that follows it may.
      await Promise.race([starting, delay(SHORTEST_MS + random.below(LONGEST_START_MS - SHORTEST_MS))])
      await this.#server.kill('SIGKILL')
      await starting.catch(() => {})
    }
    await this.#restart()
  }

  #stepClock(random: Random): void {
    const { clock } = this.#options
    const midnightMs = Math.ceil(this.#beganAt / DAY_MS) * DAY_MS
    clock?.step(midnightMs - Date.now() + random.below(2 * AROUND_MIDNIGHT_MS) - AROUND_MIDNIGHT_MS)
  }

  async #restart(): Promise<void> {
    const { state } = this.#options
    const before = performance.now()
    await this.#server.restart()
    state.slowestStartMs = Math.max(state.slowestStartMs, performance.now() - before)
    // It grows with each restart; nobody reads it but whoever looks for the reason of an anomaly.
    this.#server.log.splice(0, this.#server.log.length - 1000)
  }

  /** Has the clients pause, everything indexed, and both compared. */
  async #verify(): Promise<void> {
    const { state, onVerified } = this.#options
    await Promise.all(this.#clients.map(client => this.#pause(client)))
    for (const verified of await this.#verifier.verify(this.#streams)) {
      this.#count(verified)
      if (verified.problem !== undefined) state.failures.push(verified.problem)
    }
    state.segments = await this.#countSegments()
    state.cycles += this.#unverified
    this.#unverified = 0
    state.rounds++
    state.seconds = (Date.now() - this.#beganAt) / 1000
    for (const stream of this.#streams) stream.forget()
    onVerified?.(state)
    if (countProblems(state) === 0) for (const client of this.#clients) client.start()
  }

  /** A client that hangs or has ended is a failure of its own, and what it knows is compared all the same. */
  async #pause(client: StreamingClient): Promise<void> {
    const pausing = client.pause().then(
      () => undefined,
      (error: Error) => error.message,
    )
    const problem = await Promise.race([pausing, delay(SETTLE_MS, 'it does not go on', { ref: false })])
    if (problem === undefined) return
    const complaints = [...client.complaints.keys()].slice(-3).join('; ')
    this.#options.state.failures.push(`${client.name}: ${problem}; its complaints: ${complaints}`)
  }

  #count({ topic, rows, anomalies, repeated }: Verified): void {
    const { state } = this.#options
    for (const stream of this.#streams.filter(found => found.topic === topic)) {
      const counts = countsOf(state, stream.client)
      counts.sent += stream.sent - stream.first
      counts.acknowledged += stream.acknowledged
      counts.givenUp += stream.givenUp
    }
    for (const { head } of rows) countsOf(state, clientOf(head)).stored++
    for (const [stream, count] of repeated) countsOf(state, clientOf(stream)).repeated += count
    for (const { kind, stream } of anomalies) countsOf(state, clientOf(stream))[kind]++
    state.anomalies.push(...anomalies.slice(0, MAX_ANOMALIES - state.anomalies.length))
  }

  /** They are numbered from 1, through all starts. */
  async #countSegments(): Promise<number> {
    const names = await readdir(join(this.#server.data, 'journal'))
    return this.#segmentsBefore + Math.max(0, ...names.map(name => Number(/^(\d+)\.segment$/.exec(name)?.[1] ?? 0)))
  }

  #tellProgress(): void {
    const { state, cycles, report } = this.#options
    const sum = (count: (counts: ClientCounts) => number): number =>
      Object.values(state.clients).reduce((total, counts) => total + count(counts), 0)
    const under = this.#streams.reduce((total, stream) => total + stream.acknowledged, 0)
    const acknowledged = sum(counts => counts.acknowledged) + under
    report(
      `${Math.round((Date.now() - this.#beganAt) / 1000)} s: ${state.cycles + this.#unverified} of ${cycles} cycles, ` +
        `${state.rounds} rounds, ${state.segments} segments, ${acknowledged.toLocaleString('en')} records acknowledged, ` +
        `${countProblems(state)} anomalies`,
    )
  }
}

/** The client of a stream's name, or of content that begins with one. */
function clientOf(name: string): string {
  return /^((?:kafkajs|librdkafka)-[a-z0-9-]+)\/\d/.exec(name)?.[1] ?? 'nobody'
}
