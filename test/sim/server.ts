/**
 * The server of a simulation: the real catalog, journal, ingest, produce handler and indexer, wired as `src/sluice.ts` wires them,
 * over a disk, a store and a network that are not real.
 */
import { join } from 'node:path'
import { Chunks } from '../../protocol/chunks.ts'
import type { ProduceRequest } from '../../protocol/messages/produce.ts'
import { silentLog } from '../../src/base/log.ts'
import type { Files } from '../../src/base/files.ts'
import { whenAllSettled } from '../../src/base/outcome.ts'
import { Authorizer, type Principal } from '../../src/catalog/authorizer.ts'
import { openCatalog, type Catalog } from '../../src/catalog/catalog.ts'
import { Indexer } from '../../src/indexing/indexer.ts'
import type { FromIndexer, ToIndexer } from '../../src/indexing/messages.ts'
import { Balancer } from '../../src/ingest/balancer.ts'
import { Ingest } from '../../src/ingest/ingest.ts'
import { Quotas } from '../../src/ingest/quotas.ts'
import { Room } from '../../src/ingest/room.ts'
import type { DecodedEntry } from '../../src/journal/format.ts'
import { Journal } from '../../src/journal/journal.ts'
import { ParkedEntries } from '../../src/journal/parked-entries.ts'
import { listParkedLogstores } from '../../src/journal/parked-parts.ts'
import { JournalReader } from '../../src/journal/reader.ts'
import type { Call } from '../../src/kafka/handler.ts'
import { produceHandler } from '../../src/kafka/handlers/produce.ts'
import { Pace } from '../../src/kafka/pace.ts'
import { RefusalLog } from '../../src/kafka/refusal-log.ts'
import { RefusedStreams } from '../../src/kafka/refused-streams.ts'
import type { Session } from '../../src/kafka/session.ts'
import type { Random } from '../protocol/random.ts'
import { ACCESS_KEY, DATA, JOURNAL, PROJECT, REGION } from './data.ts'
import type { Batch } from './oracle.ts'
import { Channel, SimulatedProcess } from './process.ts'
import type { SimulatedStore } from './store.ts'
import type { Trace } from './trace.ts'

const PARKED = join(JOURNAL, 'parked')
const TELL_INDEXER_MS = 20
const GRACE_MS = 5000
const MAX_STREAMS = 1000
/** So small that producers are refused now and then because the indexer does not keep up. */
const ROOM_SEGMENTS = 8

export interface ServerOptions {
  files: Files
  store: SimulatedStore
  random: Random
  trace: Trace
  segmentBytes: number
  checkpointIntervalMs: number
  /** Called with what can only be a bug. */
  fail: (sentence: string) => void
}

/** What a producer is answered, and which logstore its topic was when the batch came. */
export interface Answer {
  errorCode: number
  baseOffset: number
  logstoreId: string | undefined
}

/** What a server keeps of a connection. */
export type ServerSide = Pick<Call, 'refusedStreams' | 'pace'>

export class SimulatedServer {
  readonly process = new SimulatedProcess()
  readonly catalog: Catalog
  readonly journal: Journal
  readonly #options: ServerOptions
  readonly #produce: ReturnType<typeof produceHandler>
  readonly #principal: Principal
  readonly #balancer = new Balancer()
  #indexer: IndexerProcess | undefined
  #isStopping = false
  #isTelling = false

  private constructor(options: ServerOptions, process: SimulatedProcess, catalog: Catalog, journal: Journal) {
    this.#options = options
    this.process = process
    this.catalog = catalog
    this.journal = journal
    const accessKey = catalog.findAccessKey(PROJECT, ACCESS_KEY)
    this.#principal = { project: PROJECT, accessKey, region: REGION }
    const authorizer = new Authorizer({ catalog, region: REGION })
    const room = new Room({
      journalBytes: () => journal.heldBytes,
      maxJournalBytes: ROOM_SEGMENTS * options.segmentBytes,
      freeBytes: () => undefined,
      reserveBytes: 0,
      parkedBytes: () => 0,
      maxParkedBytes: Infinity,
      log: silentLog,
    })
    const quotas = new Quotas({ quotaOf: () => ({}) })
    const ingest = new Ingest({ authorizer, balancer: this.#balancer, journal, room, quotas })
    this.#produce = produceHandler({ ingest, refusalLog: new RefusalLog(silentLog), log: silentLog, onRefused: () => {} })
    catalog.onChange(() => this.#tellCatalog())
  }

  /** Rejects if the disk does not let it start; `process` has ended then. */
  static async start(options: ServerOptions, process: SimulatedProcess): Promise<SimulatedServer> {
    const files = process.filesOf(options.files)
    const catalog = await openCatalog({ files, directory: DATA, defaults: { region: REGION } })
    const journal = await Journal.open({
      files,
      directory: JOURNAL,
      segmentBytes: options.segmentBytes,
      maxBytes: ROOM_SEGMENTS * options.segmentBytes,
      maxStreams: MAX_STREAMS,
      checkpointIntervalMs: options.checkpointIntervalMs,
      log: silentLog,
      onDurable: () => server.#tellDurable(),
    })
    const server = new SimulatedServer(options, process, catalog, journal)
    return server
  }

  /** What the journal holds beyond what is indexed, and what is parked, as readers find it in `files`. */
  async readJournal(files: Files): Promise<DecodedEntry[]> {
    const { id: journalId, indexed, readLimit } = this.journal
    const reader = new JournalReader({ files, directory: JOURNAL, from: indexed.place })
    const entries: DecodedEntry[] = []
    for (let group; (group = await reader.next(readLimit)) !== undefined;) entries.push(...group.entries)
    await reader.close()
    for (const logstoreId of await listParkedLogstores(files, PARKED)) {
      const reported = indexed.parked === undefined ? undefined : (indexed.parked[logstoreId] ?? null)
      const place = { files, directory: PARKED, journalId, logstoreId, reported, journalEntry: indexed.place.entry }
      const parked = new ParkedEntries({ ...place, log: silentLog })
      await parked.open()
      const parkedReader = parked.openReader(-1)
      for (let found; (found = await parkedReader.next()).length > 0;) entries.push(...found)
      await parkedReader.close()
      await parked.close()
    }
    return entries
  }

  /** Takes a request that came on a connection. The answer never comes if the server ends before. */
  receive(batch: Batch, partition: number, side: ServerSide, arrives: (logstoreId: string) => void): Promise<Answer> {
    const logstoreId = this.catalog.findLogstore(PROJECT, batch.topic.replace(/\.json$/, ''))?.id
    if (logstoreId !== undefined) arrives(logstoreId)
    const request: ProduceRequest = {
      transactionalId: null,
      acks: -1,
      timeoutMs: 30_000,
      // A copy: the base offset is written into it.
      topicData: [{ name: batch.topic, partitionData: [{ index: partition, records: Chunks.of(Buffer.from(batch.bytes)) }] }],
    }
    const session = { principal: this.#principal } as Session
    const advertised = { host: 'simulation', port: 10012 }
    const call: Call = { version: 9, clientId: batch.id, session, source: '10.0.0.1', advertised, ...side }
    return this.process.call(async () => {
      const { outcomes, make } = this.#produce.handle(request, call)
      await new Promise<void>(resolve => whenAllSettled(outcomes, resolve))
      const { response } = make()
      const { errorCode, baseOffset } = response!.responses[0]!.partitionResponses[0]!
      return { errorCode, baseOffset, logstoreId }
    })
  }

  accept(): ServerSide {
    return { refusedStreams: new RefusedStreams(), pace: new Pace() }
  }

  startIndexer(): void {
    if (!this.process.isAlive || this.#isStopping || this.#indexer !== undefined) return
    const { journal } = this
    const { trace, random } = this.#options
    trace.add('server', 'starts the indexer')
    const indexer = new IndexerProcess(this.#options, this.process, message => this.#hear(message))
    this.#indexer = indexer
    void indexer.process.ended.then(() => {
      this.#indexer = undefined
      trace.add('server', 'the indexer has ended')
      setTimeout(() => this.startIndexer(), 100 + random.below(1000))
    })
    const { id: nodeId, indexed } = journal
    const settings = { memoryBytes: 96 * 2 ** 20, flushMs: 300 }
    indexer.tell({ kind: 'start', journalDirectory: JOURNAL, nodeId, indexed, ...settings, logLevel: 'silent' })
    this.#tellCatalog()
    this.tellStore()
    indexer.tell({ kind: 'durable', limit: journal.readLimit })
  }

  killIndexer(): void {
    this.#indexer?.process.end()
  }

  tellStore(): void {
    const isThere = this.#options.store.isReachable
    // The indexer asks only whether there is an address.
    const connection = isThere ? { url: 'http://simulation' } : undefined
    this.#indexer?.tell({ kind: 'store', connection: connection as never })
  }

  /** Stops in order; a disk that fails may keep it from ending in order, and then it ends anyway. */
  async stop(): Promise<void> {
    this.#isStopping = true
    this.#indexer?.tell({ kind: 'durable', limit: this.journal.readLimit })
    await this.#indexer?.stop(GRACE_MS)
    await this.process.call(() => this.journal.close().catch(() => {}))
  }

  #hear(message: FromIndexer): void {
    const { trace } = this.#options
    if (message.kind === 'indexed') {
      trace.add('server', `is told that all before entry ${message.indexed.place.entry} is stored`)
      this.journal.setIndexed(message.indexed)
    } else if (message.kind === 'dropped') {
      this.journal.forgetLogstore(message.logstoreId)
      this.#balancer.forget(message.logstoreId)
      this.catalog.forgetDeletedLogstore(message.logstoreId).catch(() => {})
    }
  }

  #tellCatalog(): void {
    const { catalog } = this
    this.#indexer?.tell({ kind: 'catalog', logstores: catalog.listLogstores(), deleted: catalog.listDeletedLogstores() })
  }

  #tellDurable(): void {
    if (this.#isTelling) return
    this.#isTelling = true
    setTimeout(() => {
      this.#isTelling = false
      this.#indexer?.tell({ kind: 'durable', limit: this.journal.readLimit })
    }, TELL_INDEXER_MS)
  }
}

/** The indexer's process, as `src/indexing/main.ts` runs it. */
class IndexerProcess {
  readonly process = new SimulatedProcess()
  readonly #options: ServerOptions
  readonly #toIndexer: Channel<ToIndexer>
  readonly #toServer: Channel<FromIndexer>
  #indexer: Indexer | undefined

  constructor(options: ServerOptions, server: SimulatedProcess, hear: (message: FromIndexer) => void) {
    this.#options = options
    const delayMs = (): number => 1 + options.random.below(5)
    this.#toServer = new Channel({ from: this.process, to: server, delayMs, receive: hear })
    this.#toIndexer = new Channel({ from: server, to: this.process, delayMs, receive: message => this.#hear(message) })
    // It ends with its standard input.
    void server.ended.then(() => this.process.end())
  }

  tell(message: ToIndexer): void {
    this.#toIndexer.send(message)
  }

  /** Stores what it can within the time, and ends. */
  async stop(graceMs: number): Promise<void> {
    const hasEnded = this.process.ended
    // As the end of standard input, which comes behind what was sent.
    setTimeout(() => {
      if (this.#indexer === undefined) this.process.end()
      // Where it rejects, the journal cannot be read, and `run` has said so.
      else
        this.#indexer
          .stop(graceMs)
          .then(() => this.#endSoon())
          .catch(() => {})
    }, 10)
    await hasEnded
  }

  /** Once what it has told is read. */
  #endSoon(): void {
    setTimeout(() => this.process.end(), 10)
  }

  #hear(message: ToIndexer): void {
    switch (message.kind) {
      case 'start': {
        const { files, store, fail } = this.#options
        const tell = (said: FromIndexer): void => this.#toServer.send(said)
        this.#indexer = new Indexer({
          ...message,
          files: this.process.filesOf(files),
          directory: message.journalDirectory,
          store: store.clientFor(this.process),
          log: silentLog,
          tell,
        })
        void this.#indexer.run().catch((error: unknown) => {
          if (!isOfTheDisk(error)) fail(`the indexer ended: ${(error as Error).message}`)
          this.process.end()
        })
        break
      }
      case 'catalog':
        this.#indexer?.setCatalog(message.logstores, message.deleted)
        break
      case 'store':
        this.#indexer?.setStore(message.connection !== undefined)
        break
      case 'durable':
        this.#indexer?.advance(message.limit)
        break
    }
  }
}

/** Whether an error is what a call to the disk was told to reject with, and not a conclusion that somebody drew. */
export function isOfTheDisk(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if ('code' in cause && (cause.code === 'EIO' || cause.code === 'ENOSPC')) return true
  }
  return false
}
