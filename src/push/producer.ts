/**
 * An idempotent producer for one logstore: each batch is stored once and in the order of `send`, whatever becomes of the connection and
 * of the server meanwhile.
 *
 *     send → queue: │ in flight, at most five │ waiting │ → stored, from the front only
 *
 * A batch has its sequence number from the beginning and keeps it. After a failure everything that has no answer yet is sent again, in
 * order; the server knows by the numbers what it has. It keeps the last five of each producer in mind, so no more are under way.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { ErrorCode, errorName } from '../../protocol/error-codes.ts'
import { initProducerIdRequest, initProducerIdResponse } from '../../protocol/messages/init-producer-id.ts'
import { metadataRequest, metadataResponse } from '../../protocol/messages/metadata.ts'
import { produceRequest, produceResponse, type ProduceResponse } from '../../protocol/messages/produce.ts'
import { sealBatch, type EncodedRecords } from '../../protocol/records/build-batch.ts'
import { SluiceError, sluiceError } from '../base/errors.ts'
import { Connection, type Destination } from './connection.ts'

export interface ProducerOptions {
  destination: Destination
  logstore: string
  /** By its number in Kafka's protocol. */
  codec: number
  /** For how long to go on trying while nothing is stored. */
  patienceMs: number
  /** Told of what goes wrong and is tried again, once until something is stored. */
  onTrouble: (problem: string) => void
  /** Called when nothing more will be sent; `end` says why. */
  onFailure: () => void
}

interface Batch {
  readonly bytes: Buffer
  readonly onStored: () => void
}

type Answer = ProduceResponse['responses'][number]['partitionResponses'][number]

/** A request under way: without an answer and an error as long as there is none. */
interface Request {
  answer?: Answer
  error?: Error
}

const MAX_IN_FLIGHT = 5
/** How many batches are held at once, with those in flight. */
const MAX_QUEUED = 8
/** All batches name one partition: the server deals them out to shards by itself. */
const PARTITION = 0
const SEQUENCES = 2 ** 31
const ACKS_ALL = -1
const REQUEST_TIMEOUT_MS = 30_000
const FIRST_BACKOFF_MS = 100
const LONGEST_BACKOFF_MS = 2000

const retriable: readonly number[] = [
  ErrorCode.REQUEST_TIMED_OUT,
  ErrorCode.NOT_LEADER_OR_FOLLOWER,
  ErrorCode.NOT_ENOUGH_REPLICAS,
  ErrorCode.KAFKA_STORAGE_ERROR,
]

export class Producer {
  readonly #options: ProducerOptions
  readonly #producerId: number
  /** Batches that are not known to be stored, in the order of their sequence numbers. */
  readonly #queue: Batch[] = []
  #nextSequence = 0
  #connection: Connection | undefined
  #isEnding = false
  /** Why nothing more will be sent. */
  #failure: Error | undefined
  /** When a batch was stored last, or the first one of an empty queue was added. */
  #progressMs = performance.now()
  #patienceMs: number
  #backoffMs = FIRST_BACKOFF_MS
  /** The server has asked that nothing is sent before. */
  #resumeAtMs = 0
  /** Wakes all who wait for anything to change; they look for themselves. */
  #watchers: (() => void)[] = []
  readonly #running: Promise<void>

  private constructor(options: ProducerOptions, connection: Connection, producerId: number) {
    this.#options = options
    this.#connection = connection
    this.#producerId = producerId
    this.#patienceMs = options.patienceMs
    this.#running = this.#run().catch((error: Error) => {
      this.#failure = error
      this.#connection?.close()
      this.#changed()
      options.onFailure()
    })
  }

  /** A producer that may write to the logstore. Rejects if there is no server, or it refuses. */
  static async open(options: ProducerOptions): Promise<Producer> {
    const connection = await Connection.open(options.destination).catch((error: Error) => {
      throw error instanceof SluiceError ? error : sluiceError('PUSH_FAILED', { problem: error.message }, error)
    })
    try {
      await checkLogstore(connection, options)
      const wanted = { transactionalId: null, transactionTimeoutMs: REQUEST_TIMEOUT_MS }
      const { errorCode, producerId } = await connection.call(initProducerIdRequest, initProducerIdResponse, 4, wanted)
      if (errorCode !== ErrorCode.NONE)
        throw sluiceError('PUSH_FAILED', { problem: `the server gives no producer id: ${errorName(errorCode)}` })
      return new Producer(options, connection, producerId)
    } catch (error) {
      connection.close()
      throw error instanceof SluiceError ? error : sluiceError('PUSH_FAILED', { problem: (error as Error).message }, error)
    }
  }

  /**
   * Takes a batch, at once: two calls in a row are stored in this order. Resolves when there is room for more. `onStored` is called
   * when it is on the server's disk. Rejects if sending has failed for good.
   */
  async send(records: EncodedRecords, onStored: () => void): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    const { codec } = this.#options
    const sequence = { producerId: this.#producerId, producerEpoch: 0, baseSequence: this.#nextSequence }
    this.#nextSequence = (this.#nextSequence + records.count) % SEQUENCES
    if (this.#queue.length === 0) this.#progressMs = performance.now()
    this.#queue.push({ bytes: sealBatch(records, { codec, ...sequence }), onStored })
    this.#changed()
    await this.room()
  }

  /** Whether as many batches are held as may be. */
  get isFull(): boolean {
    return this.#queue.length >= MAX_QUEUED
  }

  /** Resolves when there is room for more. Rejects if sending has failed for good. */
  async room(): Promise<void> {
    while (this.isFull && this.#failure === undefined) await this.#change()
    if (this.#failure !== undefined) throw this.#failure
  }

  /** Resolves when everything is stored. Rejects if that has failed. */
  async end(): Promise<void> {
    this.#isEnding = true
    this.#changed()
    await this.#running
    this.#connection?.close()
    if (this.#failure !== undefined) throw this.#failure
  }

  /** Has what is not stored within `ms` fail. */
  hurry(ms: number): void {
    const giveUp = (): void => {
      this.#patienceMs = 0
      this.#connection?.close()
    }
    setTimeout(giveUp, ms).unref()
  }

  get #isDone(): boolean {
    return this.#isEnding && this.#queue.length === 0
  }

  async #run(): Promise<void> {
    while (!this.#isDone) {
      try {
        this.#connection ??= await Connection.open(this.#options.destination)
        await this.#sendOver(this.#connection)
        if (this.#isDone) return
      } catch (error) {
        if (error instanceof SluiceError) throw error
        // One that nothing was sent on may end: servers end silent connections.
        if (this.#queue.length > 0) await this.#backOff((error as Error).message)
      }
      this.#connection?.close()
      this.#connection = undefined
    }
  }

  /** Sends what is in the queue, until all is done or the session is about to expire. Throws when the connection has failed. */
  async #sendOver(connection: Connection): Promise<void> {
    /** Those of the first batches in the queue. */
    const requests: Request[] = []
    while (!this.#isDone) {
      const isPaused = connection.isExpiring || performance.now() < this.#resumeAtMs
      while (!isPaused && requests.length < Math.min(MAX_IN_FLIGHT, this.#queue.length))
        requests.push(this.#request(connection, this.#queue[requests.length]!))
      const [first] = requests
      if (first?.error !== undefined) throw first.error
      if (first?.answer !== undefined) await this.#take(first.answer, requests)
      else if (first === undefined && this.#queue.length > 0 && connection.isExpiring) return
      else if (first === undefined && this.#queue.length > 0) await delay(Math.max(1, this.#resumeAtMs - performance.now()))
      else await this.#change()
    }
  }

  #request(connection: Connection, { bytes }: Batch): Request {
    const request: Request = {}
    const topicData = [{ name: this.#options.logstore, partitionData: [{ index: PARTITION, records: bytes }] }]
    const body = { transactionalId: null, acks: ACKS_ALL, timeoutMs: REQUEST_TIMEOUT_MS, topicData }
    connection.call(produceRequest, produceResponse, 9, body).then(
      ({ responses, throttleTimeMs }) => {
        const answer = responses[0]?.partitionResponses[0]
        if (answer === undefined) request.error = new Error('the answer names no partition')
        else request.answer = answer
        this.#resumeAtMs = Math.max(this.#resumeAtMs, performance.now() + throttleTimeMs)
        this.#changed()
      },
      (error: Error) => {
        request.error = error
        this.#changed()
      },
    )
    return request
  }

  /** Takes the answer to the first request: its batch is stored, or it and all behind it have to be sent again. */
  async #take({ errorCode, errorMessage }: Answer, requests: Request[]): Promise<void> {
    if (errorCode === ErrorCode.NONE) {
      requests.shift()
      this.#queue.shift()!.onStored()
      this.#progressMs = performance.now()
      this.#backoffMs = FIRST_BACKOFF_MS
      return this.#changed()
    }
    if (!retriable.includes(errorCode)) throw sluiceError('PUSH_FAILED', { problem: explainRefusal(errorCode, errorMessage) })
    // The server takes nothing behind a batch that it has refused.
    while (requests.some(({ answer, error }) => answer === undefined && error === undefined)) await this.#change()
    requests.length = 0
    await this.#backOff(errorMessage ?? errorName(errorCode))
  }

  /** Waits before something is tried again. Rejects if it was tried for long enough. */
  async #backOff(problem: string): Promise<void> {
    if (performance.now() - this.#progressMs >= this.#patienceMs) {
      throw sluiceError('PUSH_FAILED', { problem: `what was read is not stored yet, and is not tried again: ${problem}` })
    }
    if (this.#backoffMs === FIRST_BACKOFF_MS) this.#options.onTrouble(problem)
    await delay(this.#backoffMs)
    this.#backoffMs = Math.min(LONGEST_BACKOFF_MS, 2 * this.#backoffMs)
  }

  #changed(): void {
    for (const wake of this.#watchers.splice(0)) wake()
  }

  #change(): Promise<void> {
    return new Promise(resolve => this.#watchers.push(resolve))
  }
}

/** Asks before anything is read whether the logstore may be written to. */
async function checkLogstore(connection: Connection, { destination, logstore }: ProducerOptions): Promise<void> {
  const { topics } = await connection.call(metadataRequest, metadataResponse, 9, { topics: [{ name: logstore }] })
  const { project, password } = destination
  const errorCode = topics[0]?.errorCode ?? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
  if (errorCode === ErrorCode.NONE) return
  const name = `${project}/${logstore}`
  const keyId = password.split('#', 1)[0]
  const problems: Partial<Record<number, string>> = {
    [ErrorCode.UNKNOWN_TOPIC_OR_PARTITION]: `there is no logstore ${name}; "sluice logstore create ${name}" makes it, where the server runs`,
    [ErrorCode.TOPIC_AUTHORIZATION_FAILED]: `access key "${keyId}" may not write to ${name}, or its secret is wrong; "sluice key list ${project}" shows what there is, and "sluice key create ${project}" makes one, where the server runs`,
  }
  throw sluiceError('PUSH_FAILED', { problem: problems[errorCode] ?? explainRefusal(errorCode, null) })
}

function explainRefusal(errorCode: number, message: string | null): string {
  if (errorCode === ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER)
    return 'the server has lost logs that it had acknowledged: was it restored from a backup, or its disk cut off from power?'
  if (errorCode === ErrorCode.MESSAGE_TOO_LARGE)
    return 'the server refuses the size of a batch: make it smaller with --batch-bytes'
  return `the server refuses it with ${errorName(errorCode)}${message === null ? '' : `: ${message}`}`
}
