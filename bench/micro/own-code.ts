/**
 * What all of sluice's own code takes on the way from the bytes of a request to those of its answer: connections, handler, ingest and
 * journal as a server has them, but that nothing is sent over a network or written to a disk.
 */
import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { ByteBudget } from '../../src/base/byte-budget.ts'
import { nodeFiles as files } from '../../src/base/files.ts'
import { silentLog as log } from '../../src/base/log.ts'
import { Turnstile } from '../../src/base/turnstile.ts'
import { Authorizer, type Principal } from '../../src/catalog/authorizer.ts'
import { openCatalog } from '../../src/catalog/catalog.ts'
import type { Config } from '../../src/config/schema.ts'
import { IndexingProgress } from '../../src/indexing/progress.ts'
import { Balancer } from '../../src/ingest/balancer.ts'
import { Ingest } from '../../src/ingest/ingest.ts'
import { Quotas } from '../../src/ingest/quotas.ts'
import { Room } from '../../src/ingest/room.ts'
import { Journal } from '../../src/journal/journal.ts'
import { Connection } from '../../src/kafka/connection.ts'
import { Dispatcher } from '../../src/kafka/dispatcher.ts'
import { produceHandler } from '../../src/kafka/handlers/produce.ts'
import { RefusalLog } from '../../src/kafka/refusal-log.ts'
import type { Session } from '../../src/kafka/session.ts'
import { WireDump } from '../../src/kafka/wire-dump.ts'
import { makeDirectory, removeDirectory } from '../../test/support/server.ts'
import { CHECKPOINT_INTERVAL_MS, MAX_STREAMS, WARM_SECONDS, withoutDisk } from './journal.ts'
import { cpuNs, type Measured } from './measure.ts'
import { cutAsTls, type BuiltRequest } from './request.ts'

const PROJECT = 'bench'
const REGION = 'bench'
const SHARDS = 8
const ROOM_BYTES = 2 ** 40

/** Sends a request over each connection, waits for the answers, and goes on. */
export async function measureOwnCode(
  request: BuiltRequest,
  { config, topic, connections, seconds }: { config: Config; topic: string; connections: number; seconds: number },
): Promise<Measured> {
  const directory = await makeDirectory('sluice-bench-')
  const { journal, connect } = await wire(directory, config, topic)
  let answers = 0
  let onAnswered = (): void => {}
  const sockets = Array.from({ length: connections }, () => new NoSocket(() => ++answers === connections && onAnswered()))
  for (const socket of sockets) connect(socket as unknown as Socket)
  // For each its own, since the base offset is written into them; again and again, since to receive them is TLS's business.
  const pieces = sockets.map(() => cutAsTls(request))
  const sendFor = async (forSeconds: number): Promise<number> => {
    let sent = 0
    for (const startMs = performance.now(); performance.now() - startMs < forSeconds * 1000; sent += connections) {
      const answered = new Promise<void>(resolve => (onAnswered = resolve))
      answers = 0
      for (const [index, socket] of sockets.entries()) for (const piece of pieces[index]!) socket.emit('data', piece)
      await answered
    }
    return sent
  }
  try {
    await sendFor(WARM_SECONDS)
    const before = process.cpuUsage()
    const sent = await sendFor(seconds)
    return { ns: cpuNs(before) / sent }
  } finally {
    for (const socket of sockets) socket.emit('close')
    await journal.close()
    await removeDirectory(directory)
  }
}

/** The parts of a server between socket and disk. */
async function wire(directory: string, config: Config, topic: string) {
  const catalog = await openCatalog({ files, directory, defaults: { region: REGION } })
  await catalog.createProject({ name: PROJECT })
  await catalog.createLogstore({ project: PROJECT, name: topic, shards: SHARDS })
  const { accessKeyId } = await catalog.createAccessKey({ project: PROJECT })
  const journal = await Journal.open({
    files: withoutDisk,
    directory: join(directory, 'journal'),
    ...config.journal,
    maxStreams: MAX_STREAMS,
    checkpointIntervalMs: CHECKPOINT_INTERVAL_MS,
    log,
    onDurable: () => journal.setIndexed(journal.allIndexed),
    onTaken: entry => progress.add(entry),
  })
  const progress = new IndexingProgress({ indexed: journal.indexed, firstEntry: journal.durableEntries })
  const room = new Room({
    journalBytes: () => journal.heldBytes,
    maxJournalBytes: ROOM_BYTES,
    freeBytes: () => ROOM_BYTES,
    reserveBytes: config.journal.reserveBytes,
    parkedBytes: logstoreId => progress.parkedBytesOf(logstoreId),
    maxParkedBytes: config.journal.parkedBytes,
    log,
  })
  const authorizer = new Authorizer({ catalog, region: REGION })
  const quotas = new Quotas({ quotaOf: () => config.quotas })
  const ingest = new Ingest({ authorizer, balancer: new Balancer(), journal, room, quotas })
  const onRefused = (errorCode: number): never => {
    throw new Error(`a request is refused with ${errorCode}`)
  }
  const dispatcher = new Dispatcher([produceHandler({ ingest, refusalLog: new RefusalLog(log), log, onRefused })])
  const { limits } = config
  const shares = {
    clients: new ByteBudget(limits.bufferedBytes),
    strangers: new ByteBudget(limits.unauthenticatedBufferedBytes),
    turnstile: new Turnstile(ROOM_BYTES),
  }
  const wireDump = new WireDump({ files, directory: join(directory, 'dumps') })
  const principal: Principal = { project: PROJECT, accessKey: catalog.findAccessKey(PROJECT, accessKeyId), region: undefined }
  const session: Session = {
    state: 'authenticated',
    principal,
    expectsRawToken: false,
    hasExpired: false,
    isRevoked: false,
    allows: () => true,
    handshake: () => false,
    authenticate: () => Promise.reject(new Error('it has authenticated')),
    revoke: () => {},
  }
  const advertised = { host: 'localhost', port: 0 }
  const connect = (socket: Socket): Connection =>
    new Connection({ socket, session, dispatcher, advertised, limits, shares, wireDump, log })
  return { journal, connect }
}

/** What a connection needs of a socket. */
class NoSocket extends EventEmitter {
  readonly writable = true
  readonly writableNeedDrain = false
  readonly #onAnswer: () => void

  constructor(onAnswer: () => void) {
    super()
    this.#onAnswer = onAnswer
  }

  write(): void {
    this.#onAnswer()
  }

  pause(): void {}

  resume(): void {}

  end(): void {}

  destroy(): void {}
}
