/**
 * The wiring, on one page: which parts there are, what they tell each other, in which order they start. They stop in reverse.
 *
 *     lock · catalog · store ── control socket                          what a command needs that finds no server running
 *     lock · catalog · store ── journal · indexer · listeners · http    the server
 */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { errorName } from '../protocol/error-codes.ts'
import { ByteBudget } from './base/byte-budget.ts'
import { Child } from './base/child.ts'
import { openDataLock } from './base/data-lock.ts'
import { findFileSystem, findFileSystemDoubts } from './base/file-system.ts'
import { nodeFiles as files, replaceFile, type Files } from './base/files.ts'
import { FreeSpace } from './base/free-space.ts'
import type { Log } from './base/log.ts'
import { addCountedDurations, addDurations, addFigures, counter, createMetrics, gauge } from './base/metrics.ts'
import { Authenticator } from './catalog/authenticator.ts'
import { Authorizer } from './catalog/authorizer.ts'
import { openCatalog } from './catalog/catalog.ts'
import { FieldCatalog } from './catalog/field-catalog.ts'
import type { Logstore } from './catalog/model.ts'
import type { Config } from './config/schema.ts'
import { addBackupRoutes } from './http/backup.ts'
import { addControlRoutes } from './http/control.ts'
import { addHealthRoutes } from './http/health.ts'
import { createHttpServer, listenOnPort, listenOnSocket } from './http/server.ts'
import { collectStatus } from './http/status.ts'
import { FRESHNESS_BUCKETS } from './indexing/freshness.ts'
import { Discarder } from './indexing/discarder.ts'
import type { FromIndexer, ToIndexer } from './indexing/messages.ts'
import { IndexingProgress } from './indexing/progress.ts'
import { Balancer } from './ingest/balancer.ts'
import { Ingest } from './ingest/ingest.ts'
import { Quotas } from './ingest/quotas.ts'
import { Room } from './ingest/room.ts'
import { Journal } from './journal/journal.ts'
import { ProducerIds } from './journal/producer-ids.ts'
import { Admission } from './kafka/admission.ts'
import { Dispatcher } from './kafka/dispatcher.ts'
import { apiVersionsHandler } from './kafka/handlers/api-versions.ts'
import { fetchHandler, findCoordinatorHandler, listOffsetsHandler } from './kafka/handlers/consuming.ts'
import { initProducerIdHandler } from './kafka/handlers/init-producer-id.ts'
import { metadataHandler } from './kafka/handlers/metadata.ts'
import { produceHandler } from './kafka/handlers/produce.ts'
import { saslAuthenticateHandler, saslHandshakeHandler } from './kafka/handlers/sasl.ts'
import { openListeners } from './kafka/listeners.ts'
import { RefusalLog } from './kafka/refusal-log.ts'
import { WireDump } from './kafka/wire-dump.ts'
import { Turnstile } from './base/turnstile.ts'
import { checkRestored, engineDataDirectory, unfreezeTables } from './store/backup.ts'
import type { StoreConnection } from './store/connection.ts'
import { Janitor } from './store/janitor.ts'
import { keepEngine, noClickHouse, type KeptClickHouse } from './store/kept-engine.ts'
import { findServer, keepServer } from './store/kept-server.ts'
import { Store } from './store/store.ts'

/** Something that was started and can be stopped. */
export interface Running {
  close(): Promise<void>
}

/** What `DATA/sluice.json` says of a running server. */
export interface ServerInfo {
  pid: number
  /** By the listener's name. */
  listeners: Record<string, { host: string; port: number }>
  http: { host: string; port: number }
  /** The CA that clients have to trust, if the certificates are development ones. */
  ca: string | null
}

/** Where the running server takes commands. */
export function controlSocketPath(data: string): string {
  return join(data, 'sluice.sock')
}

/**
 * Where a command that found no server reaches itself. Nobody else may: it goes away as soon as that command has its answer.
 */
export function commandSocketPath(data: string): string {
  return join(data, 'command.sock')
}

export function serverInfoPath(data: string): string {
  return join(data, 'sluice.json')
}

const MAX_STREAMS = 50_000
const CHECKPOINT_INTERVAL_MS = 5000
/** Enough to keep the disk busy: a group that is being written, and the next one. More would only be waited for. */
const UNDER_WAY_BYTES = 4 * 1024 * 1024
/** How often the indexer is told how far it may read, while something is written. */
const TELL_INDEXER_MS = 20

/** Stops what was started, the last first; goes on if one of them fails, and then rejects with the first failure. */
class Stops {
  readonly #stops: (() => Promise<void> | void)[] = []

  add(stop: () => Promise<void> | void): void {
    this.#stops.push(stop)
  }

  async run(): Promise<void> {
    const failures: unknown[] = []
    for (const stop of this.#stops.splice(0).reverse()) {
      try {
        await stop()
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length > 0) throw failures[0]
  }
}

/** The lock, the catalog and the store: what both the server and a command without a server stand on. */
async function openBase(config: Config, command: string, log: Log, stops: Stops) {
  await files.makeDirectory(config.data, 0o700)
  const lock = openDataLock({ directory: config.data, command })
  stops.add(() => lock.close())
  checkRestored(config.data)
  const catalog = await openCatalog({ files, directory: config.data, defaults: { region: config.region } })
  const fields = new FieldCatalog({ files, directory: join(config.data, 'fields'), catalog, log })
  stops.add(() => fields.close())
  return { catalog, fields, store: new Store() }
}

type OnConnection = (connection: StoreConnection | undefined) => void

/** The server that is configured, or else the embedded one, which is started. */
async function createClickHouse(config: Config, log: Log): Promise<(onConnection: OnConnection) => KeptClickHouse> {
  if (config.store.discard) return () => noClickHouse
  const connection = await findServer(config)
  if (connection !== undefined) return onConnection => keepServer({ connection, log, onConnection })
  const { data, store } = config
  return onConnection => keepEngine({ directory: join(data, 'clickhouse'), memoryBytes: store.memoryBytes, log, onConnection })
}

/**
 * Opens just a control socket, for a command that finds no server running. ClickHouse is started, or looked for, when it is first asked.
 */
export async function openControl(config: Config, log: Log): Promise<Running> {
  const stops = new Stops()
  try {
    const { catalog, fields, store } = await openBase(config, 'a sluice command', log, stops)
    const keep = await createClickHouse(config, log)
    let clickHouse: KeptClickHouse | undefined
    stops.add(async () => {
      await store.close()
      await clickHouse?.close()
    })
    const readyStore = async (): Promise<Store> => {
      clickHouse ??= keep(connection => store.connect(connection))
      await clickHouse.ready()
      return store
    }
    const control = createHttpServer()
    addControlRoutes(control, { catalog, fields, store: readyStore })
    addBackupRoutes(control, { catalog, store: readyStore, engineData: engineDataDirectory(config) })
    await listenOnSocket(control, commandSocketPath(config.data))
    // The tables of logstores that this command deleted are dropped before it ends, if ClickHouse was asked anyway.
    stops.add(async () => {
      for (const deleted of clickHouse === undefined ? [] : [...catalog.listDeletedLogstores()]) {
        await store.dropLogstore(deleted)
        await catalog.forgetDeletedLogstore(deleted.id)
      }
    })
    stops.add(() => control.close())
  } catch (error) {
    await stops.run()
    throw error
  }
  return { close: () => stops.run() }
}

/**
 * Starts the server. Resolves when producers are served; what was indexed can be searched as soon as the engine answers. The
 * journal is written through `journalFiles`, which may be a disk that fails.
 */
export async function startSluice(config: Config, log: Log, journalFiles = files): Promise<Running & { info: ServerInfo }> {
  const stops = new Stops()
  try {
    return await start(config, log, journalFiles, stops)
  } catch (error) {
    await stops.run().catch((failure: unknown) => log.warn({ err: failure }, 'a part did not stop in order'))
    throw error
  }
}

async function start(config: Config, log: Log, journalFiles: Files, stops: Stops): Promise<Running & { info: ServerInfo }> {
  const { data, limits } = config
  const { catalog, fields, store } = await openBase(config, 'sluice serve', log, stops)
  const keepClickHouse = await createClickHouse(config, log)
  await fields.removeStrangers()
  // What a backup has frozen whose server was killed.
  await unfreezeTables(engineDataDirectory(config))
  await warnOfFileSystem(data, log)
  const authenticator = new Authenticator({ catalog })
  const authorizer = new Authorizer({ catalog, region: config.region })

  const metrics = createMetrics()
  const journalDirectory = join(data, 'journal')
  const tellDurable = throttle(TELL_INDEXER_MS, () => indexer.send({ kind: 'durable', limit: journal.readLimit }))
  const journal = await Journal.open({
    files: journalFiles,
    directory: journalDirectory,
    ...config.journal,
    maxStreams: MAX_STREAMS,
    checkpointIntervalMs: CHECKPOINT_INTERVAL_MS,
    log,
    onDurable: tellDurable,
    onTaken: entry => progress.add(entry),
    onWritten: addDurations(metrics, { name: 'journal_write', help: 'How long a group of writes takes, with its sync.' }),
  })
  stops.add(() => journal.close())
  if (config.journal.sync === 'interval')
    log.warn(
      { intervalMs: config.journal.syncIntervalMs },
      'logs are acknowledged before they are on disk (journal.sync: interval): a power cut takes what was acknowledged since the last sync',
    )
  if (config.store.discard) log.warn('logs are thrown away once they are on disk (store.discard): nothing can be searched')
  const producerIds = await ProducerIds.open({ files, directory: journalDirectory })

  const progress = new IndexingProgress({ indexed: journal.indexed, firstEntry: journal.durableEntries })
  const countFreshness = addCountedDurations(metrics, {
    name: 'freshness',
    help: 'How long it takes from the arrival of a log until it is stored.',
    buckets: FRESHNESS_BUCKETS,
  })
  let connection: StoreConnection | undefined
  const hearIndexer = (message: FromIndexer): void => {
    progress.hear(message)
    if (message.kind === 'indexed') {
      countFreshness(message.freshness.counts, message.freshness.sum)
      journal.setIndexed(message.indexed)
    } else if (message.kind === 'dropped') forgetLogstore(message.logstoreId)
    else if (message.kind === 'fields')
      fields
        .take(message.report)
        .catch((error: unknown) => log.warn({ err: error }, 'the fields of a logstore could not be added'))
  }
  const indexer = config.store.discard
    ? new Discarder({ end: () => journal.allIndexed, onMessage: hearIndexer })
    : new Child<ToIndexer, FromIndexer>({
        name: 'indexer',
        entry: new URL('./indexing/main.js', import.meta.url),
        log,
        onStart() {
          const { id: nodeId, indexed } = journal
          indexer.send({ kind: 'start', journalDirectory, nodeId, indexed, ...config.indexing, logLevel: config.log.level })
          tellCatalog()
          indexer.send({ kind: 'store', connection })
          indexer.send({ kind: 'durable', limit: journal.readLimit })
        },
        onMessage: hearIndexer,
        onEnd: () => progress.handleEnd(),
      })
  const tellCatalog = (): void =>
    indexer.send({ kind: 'catalog', logstores: catalog.listLogstores(), deleted: catalog.listDeletedLogstores() })
  const balancer = new Balancer()
  const janitor = new Janitor({
    store,
    logstores: () => catalog.listLogstores(),
    deletedIds: () => new Set(catalog.listDeletedLogstores().map(({ id }) => id)),
    log,
  })
  const forgetLogstore = (id: string): void => {
    journal.forgetLogstore(id)
    balancer.forget(id)
    progress.forget(id)
    void fields.forget(id)
    catalog.forgetDeletedLogstore(id).catch((error: unknown) => log.warn({ err: error }, 'the catalog could not be written'))
  }
  const clickHouse = keepClickHouse(changed => {
    connection = changed
    store.connect(connection)
    indexer.send({ kind: 'store', connection })
    if (connection !== undefined) janitor.wake()
  })
  stops.add(async () => {
    // First, since the engine waits for connections that are kept alive.
    await store.close()
    await clickHouse.close()
  })
  stops.add(() => janitor.close())
  indexer.start()
  stops.add(() => {
    indexer.send({ kind: 'durable', limit: journal.readLimit })
    return indexer.stop()
  })
  stops.add(catalog.onChange(tellCatalog))
  stops.add(catalog.onChange(() => janitor.wake()))

  const space = await FreeSpace.watch(journalDirectory)
  stops.add(() => space.close())
  const room = new Room({
    journalBytes: () => journal.heldBytes,
    maxJournalBytes: config.journal.maxBytes,
    freeBytes: () => space.bytes,
    reserveBytes: config.journal.reserveBytes,
    parkedBytes: logstoreId => progress.parkedBytesOf(logstoreId),
    maxParkedBytes: config.journal.parkedBytes,
    log,
  })
  const projectQuotas = new Map(config.quotas.projects.map(quota => [quota.project, quota]))
  const quotas = new Quotas({ quotaOf: project => projectQuotas.get(project) ?? config.quotas })
  const refusals = new Map<string, number>()
  const ingest = new Ingest({ authorizer, balancer, journal, room, quotas })
  const countRefusal = (code: number): void => void refusals.set(errorName(code), (refusals.get(errorName(code)) ?? 0) + 1)
  const refusalLog = new RefusalLog(log)
  const dispatcher: Dispatcher = new Dispatcher([
    produceHandler({ ingest, refusalLog, log, onRefused: countRefusal }),
    fetchHandler,
    listOffsetsHandler({ authorizer, journal }),
    metadataHandler({ authorizer, refusalLog }),
    findCoordinatorHandler,
    saslHandshakeHandler,
    apiVersionsHandler(() => dispatcher.ranges),
    initProducerIdHandler(producerIds),
    saslAuthenticateHandler,
  ])
  const shares = {
    clients: new ByteBudget(limits.bufferedBytes),
    strangers: new ByteBudget(limits.unauthenticatedBufferedBytes),
    turnstile: new Turnstile(UNDER_WAY_BYTES),
  }
  const admission = new Admission({ limits, log })
  const wireDump = new WireDump({ files, directory: join(data, 'dumps') })
  const ownProblems = (): string[] =>
    [clickHouse.problem(), journal.problem, room.problem(), progress.problems.get('')].filter(found => found !== undefined)
  const problems = (): string[] => [...ownProblems(), ...catalog.listLogstores().flatMap(logstore => progress.describe(logstore))]
  addFigures(metrics, [
    gauge('connections', 'Clients that are connected.', () => admission.connections),
    counter('connections_refused_total', 'Clients that were refused.', () => admission.refused),
    gauge('handshakes_waiting', 'Clients that wait to begin a TLS handshake.', () => admission.handshakes.waiting),
    gauge(
      'buffered_bytes',
      'Bytes of requests that are held in memory.',
      () => shares.clients.heldBytes + shares.strangers.heldBytes,
    ),
    gauge('buffered_bytes_limit', 'As many may be held for clients with a right access key.', () => limits.bufferedBytes),
    counter('refused_total', 'Partitions of Produce requests that were refused.', () => refusals, 'error'),
    gauge('handled_bytes', 'Bytes of requests on their way to the disk.', () => shares.turnstile.bytes),
    gauge('journal_waiting_entries', 'Writes that wait for the disk.', () => journal.waitingEntries),
    counter('journal_entries_total', 'Writes that are durable.', () => journal.durableEntries),
    counter('journal_bytes_total', 'Bytes of the journal that are durable.', () => journal.readLimit.position),
    gauge('journal_held_bytes', 'Bytes of the journal that are kept.', () => journal.heldBytes),
    gauge('journal_held_bytes_limit', 'As many may be kept: journal.maxBytes.', () => config.journal.maxBytes),
    gauge('journal_unindexed_bytes', 'Bytes of the journal that are not in the store.', () => journal.unindexedBytes),
    gauge('disk_free_bytes', 'Free bytes of the disk of the journal.', () => space.bytes ?? NaN),
    gauge('parked_bytes', 'Bytes of logs that wait for tables that cannot be written.', () => progress.parkedBytes),
    counter('indexed_rows_total', 'Rows that were stored since the start.', () => progress.rows),
  ])

  // Control before the listeners: whoever sees a port open can also create what he wants to write to.
  const control = createHttpServer()
  const readyStore = async (): Promise<Store> => (await clickHouse.ready(), store)
  const sources = { catalog, journal, progress, store, problems: ownProblems }
  const status = (logstores: readonly Logstore[]) => collectStatus(sources, logstores)
  addControlRoutes(control, { catalog, fields, store: readyStore, status, wireDump })
  addBackupRoutes(control, { catalog, store: readyStore, engineData: engineDataDirectory(config), journal })
  addHealthRoutes(control, { problems, metrics })
  await listenOnSocket(control, controlSocketPath(data))
  stops.add(() => control.close())
  stops.add(() => wireDump.stop())

  const http = createHttpServer()
  addHealthRoutes(http, { problems, metrics })
  const httpAddress = await listenOnPort(http, config.http)
  stops.add(() => http.close())

  const shared = { admission, dispatcher, limits, shares, wireDump, log }
  const listeners = await openListeners(config, { catalog, authenticator, authorizer, refusalLog, shared })
  stops.add(() => listeners.close())

  const info: ServerInfo = { pid: process.pid, listeners: listeners.addresses, http: httpAddress, ca: listeners.ca }
  await replaceFile(files, serverInfoPath(data), Buffer.from(`${JSON.stringify(info, null, 2)}\n`))
  stops.add(() => rm(serverInfoPath(data), { force: true }))
  return { info, close: () => stops.run() }
}

/** A server on such a file system works, and keeps no promise that it makes. */
async function warnOfFileSystem(data: string, log: Log): Promise<void> {
  const fileSystem = await findFileSystem(data)
  if (fileSystem === undefined) return
  const doubt = findFileSystemDoubts(fileSystem).find(({ kind }) => kind === 'network' || kind === 'volatile')
  if (doubt !== undefined) log.warn({ data, fileSystem: fileSystem.type }, `${doubt.says}; ${doubt.advice}`)
}

/** Calls `act` at most once per `intervalMs`: a while after the first of any number of calls. */
function throttle(intervalMs: number, act: () => void): () => void {
  let timer: NodeJS.Timeout | undefined
  return () => {
    timer ??= setTimeout(() => {
      timer = undefined
      act()
    }, intervalMs)
  }
}
