/**
 * Clients that send streams of records (`record-stream.ts`) for as long as they are told to, whatever becomes of the server.
 */
import type { CompressionTypes, Producer } from 'kafkajs'
import { setTimeout as delay } from 'node:timers/promises'
import { openProducer, type ProducerOptions } from './producer.ts'
import type { RecordStream } from './record-stream.ts'
import type { Server } from './server.ts'

export interface StreamingClient {
  readonly name: string
  readonly streams: readonly RecordStream[]
  /** How often the client has told its user that a send failed, and in which words. */
  readonly complaints: ReadonlyMap<string, number>
  start(): void
  /** Sends nothing new; resolves when it is known of every record what became of it. */
  pause(): Promise<void>
  close(): Promise<void>
}

export interface KafkajsOptions extends Pick<ProducerOptions, 'project' | 'password' | 'listener' | 'sasl'> {
  name: string
  streams: readonly RecordStream[]
  acks?: -1 | 0 | 1
  compression?: CompressionTypes
  /** Records of one send. */
  perSend?: number
  /** The pause between two sends of a stream. */
  paceMs?: number
}

/** How many sends of one stream a plain producer has under way. */
const PLAIN_SENDS = 3

/**
 * kafkajs. An idempotent producer of it must not send two batches of one partition at once: it counts the sequence back when a
 * send fails, and the other batch would take its number. It may send to several partitions.
 *
 * It never gives up: a send that failed is sent again as it was, which also an idempotent producer has to be told to do, since
 * kafkajs takes a login that is cut off for final.
 */
export class KafkajsClient implements StreamingClient {
  readonly name: string
  readonly streams: readonly RecordStream[]
  readonly complaints = new Map<string, number>()
  readonly #options: KafkajsOptions
  readonly #producer: Producer
  #isSending = false
  #sending: Promise<void>[] = []

  private constructor(options: KafkajsOptions, producer: Producer) {
    this.name = options.name
    this.streams = options.streams
    this.#options = options
    this.#producer = producer
  }

  /** All streams of a client are promised the same. */
  static async connect(server: Server, options: KafkajsOptions): Promise<KafkajsClient> {
    const idempotent = options.streams[0]?.promised === 'once'
    return new KafkajsClient(options, await openProducer(server, { ...options, idempotent, retries: 1000 }))
  }

  start(): void {
    if (this.#isSending) return
    this.#isSending = true
    this.#sending = this.streams.flatMap(stream =>
      Array.from({ length: stream.promised === 'once' ? 1 : PLAIN_SENDS }, () => this.#send(stream)),
    )
  }

  async pause(): Promise<void> {
    this.#isSending = false
    await Promise.all(this.#sending)
  }

  async close(): Promise<void> {
    await this.pause()
    await this.#producer.disconnect()
  }

  async #send(stream: RecordStream): Promise<void> {
    const { perSend = 5, paceMs = 30, acks = -1, compression } = this.#options
    while (this.#isSending) {
      const records = stream.take(perSend)
      const messages = records.map(({ value }) => ({ value, partition: stream.partition }))
      const request = { topic: stream.topic, acks, messages, ...(compression !== undefined && { compression }) }
      while (!(await this.#isDone(() => this.#producer.send(request)))) await delay(paceMs)
      for (const { number } of records) stream.acknowledge(number)
      await delay(paceMs)
    }
  }

  async #isDone(send: () => Promise<unknown>): Promise<boolean> {
    try {
      await send()
      return true
    } catch (error) {
      const words = (error as Error).message
      this.complaints.set(words, (this.complaints.get(words) ?? 0) + 1)
      return false
    }
  }
}
