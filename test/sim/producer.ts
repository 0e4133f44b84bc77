/**
 * Producers as clients of Kafka are: several batches under way, everything that was not acknowledged sent again, in order.
 *
 * What they must never see: a batch acknowledged before one is stored that was sent before it in the same stream, an error that no retry
 * mends, or the first batch that is open refused for its sequence.
 */
import { ErrorCode } from '../../protocol/error-codes.ts'
import { buildBatch } from '../../protocol/records/build-batch.ts'
import type { Connection, Network } from './network.ts'
import type { Batch, Oracle } from './oracle.ts'
import type { Answer } from './server.ts'

/** Errors after which a client sends again. */
const RETRIABLE: readonly number[] = [
  ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
  ErrorCode.NOT_LEADER_OR_FOLLOWER,
  ErrorCode.REQUEST_TIMED_OUT,
  ErrorCode.NOT_ENOUGH_REPLICAS,
  ErrorCode.KAFKA_STORAGE_ERROR,
]

export interface ProducerOptions {
  name: string
  topic: string
  partition: number
  /** An idempotent producer has an id; -1 if it is a plain one. */
  producerId: number
  epoch: number
  maxInFlight: number
  /** How long an answer is waited for. */
  timeoutMs: number
  network: Network
  oracle: Oracle
  fail: (sentence: string) => void
}

export class Producer {
  readonly #options: ProducerOptions
  /** Not acknowledged, in order. */
  readonly #open: Batch[] = []
  /** Sent on this connection and not answered, in order. */
  #inFlight: Batch[] = []
  #connection: Connection | undefined
  #nextSequence = 0
  #batches = 0
  /** Something was refused: nothing is sent before all that is under way is answered and a while has passed. */
  #isHeldBack = false
  /** A producer of a newer epoch has replaced this one, which does not know it yet. */
  #isReplaced = false
  #isStopped = false

  constructor(options: ProducerOptions) {
    this.#options = options
  }

  get isIdempotent(): boolean {
    return this.#options.producerId >= 0
  }

  /** How many batches are not acknowledged. */
  get open(): number {
    return this.#open.length
  }

  /** Sends a batch as soon as those before it let it. */
  send(records: number, bytes: number): void {
    const { name, topic, partition, producerId, epoch } = this.#options
    const id = `${name}-${epoch}-${this.#batches++}`
    const isIdempotent = producerId >= 0
    const values = Array.from({ length: records }, (_, index) => `${id}.${index} ${'x'.repeat(bytes)}`)
    const producer = isIdempotent ? { producerId, producerEpoch: epoch, baseSequence: this.#nextSequence } : {}
    const sequenced = isIdempotent
      ? { stream: `${producerId}/${topic}/${partition}`, epoch, sequence: this.#nextSequence }
      : undefined
    this.#nextSequence += records
    const timestamp = Date.now()
    const built = buildBatch({ records: values.map(value => ({ value, timestamp })), ...producer })
    this.#open.push({ id, topic, values, sequenced, bytes: built })
    this.#pump()
  }

  /** A producer of the next epoch in place of this one, which goes on with what it has open until it is told. */
  replace(): Producer {
    this.#isReplaced = true
    return new Producer({ ...this.#options, epoch: this.#options.epoch + 1 })
  }

  /** Gives up what is open. */
  stop(): void {
    this.#isStopped = true
    this.#open.length = 0
    this.#connection?.close()
  }

  #pump(): void {
    if (this.#isStopped || this.#isHeldBack || this.#open.length === 0) return
    const { network, oracle, maxInFlight, partition, timeoutMs } = this.#options
    if (this.#connection === undefined) return this.#connect()
    const connection = this.#connection
    while (this.#inFlight.length < Math.min(maxInFlight, this.#open.length)) {
      const batch = this.#open[this.#inFlight.length]!
      this.#inFlight.push(batch)
      oracle.sends(batch)
      network.trace.add(this.#options.name, `sends ${batch.id}`)
      connection.send(batch, partition, answer => this.#hear(batch, answer))
      setTimeout(() => {
        // Answers come in order: as long as this one is out, so are all behind it.
        if (this.#connection === connection && this.#inFlight.includes(batch)) connection.close()
      }, timeoutMs)
    }
  }

  #connect(): void {
    const { network } = this.#options
    const connection: Connection | undefined = network.connect(() => {
      if (this.#connection !== connection) return
      this.#connection = undefined
      this.#inFlight = []
      this.#holdBack()
    })
    this.#connection = connection
    if (connection === undefined) this.#holdBack()
    else this.#pump()
  }

  #hear(batch: Batch, { errorCode, baseOffset, logstoreId }: Answer): void {
    const { network, oracle, name, topic, fail } = this.#options
    network.trace.add(name, `is answered ${errorCode} for ${batch.id}${errorCode === 0 ? `, offset ${baseOffset}` : ''}`)
    this.#inFlight.splice(this.#inFlight.indexOf(batch), 1)
    const index = this.#open.indexOf(batch)
    const isFirst = index === 0
    if (errorCode === ErrorCode.NONE) {
      oracle.acknowledges(batch, logstoreId, baseOffset)
      // One before it may have been stored by way of a connection that is closed: its answer was lost.
      const earlier = this.#open.slice(0, Math.max(0, index)).find(one => !oracle.isTaken(one))
      // One that was given up when its logstore was made anew may be answered still.
      const isGivenUp = index < 0 && oracle.recreated.has(logstoreOf(topic))
      if (batch.sequenced !== undefined && !isGivenUp && (index < 0 || earlier !== undefined))
        fail(`${batch.id} is acknowledged before ${earlier?.id ?? 'an error'}, which was sent before it`)
      if (index >= 0) this.#open.splice(index, 1)
    } else if (errorCode === ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER && batch.sequenced !== undefined) {
      if (isFirst && !this.#isReplaced) this.#startOver(batch)
      this.#isHeldBack = true
    } else if (errorCode === ErrorCode.INVALID_PRODUCER_EPOCH && this.#isReplaced) return this.stop()
    else if (RETRIABLE.includes(errorCode)) this.#isHeldBack = true
    else fail(`${batch.id} is answered with the error ${errorCode}`)
    if (this.#isHeldBack && this.#inFlight.length === 0) this.#holdBack()
    else this.#pump()
  }

  /**
   * The first open batch does not follow what the server knows. That can only be in a logstore that was made anew, where a request
   * of an earlier connection has come late; then a client gives up and goes on with another epoch.
   */
  #startOver(batch: Batch): void {
    const { oracle, topic, fail } = this.#options
    if (!oracle.recreated.has(logstoreOf(topic))) fail(`${batch.id} is out of order although nothing before it is open`)
    this.#options.epoch++
    this.#nextSequence = 0
    this.#open.length = 0
  }

  #holdBack(): void {
    this.#isHeldBack = true
    setTimeout(() => {
      this.#isHeldBack = this.#inFlight.length > 0
      this.#pump()
    }, this.#options.network.retryMs())
  }
}

function logstoreOf(topic: string): string {
  return topic.replace(/\.json$/, '')
}
