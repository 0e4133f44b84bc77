/**
 * A producer that sends one record after the other until it is told to stop, and writes down what was acknowledged.
 */
import type { Producer } from 'kafkajs'
import { until } from './wait.ts'

const PER_SEND = 10

export class Ledger {
  /** The records that were sent, each named by its value. */
  readonly sent: string[] = []
  readonly acknowledged: string[] = []
  /** Sends that failed for good. */
  failures = 0
  readonly #running: Promise<void>
  #isStopping = false

  constructor(producer: Producer, topic: string) {
    this.#running = this.#send(producer, topic)
  }

  /** Resolves once `count` more sends were acknowledged. */
  async waitForMore(count = 3): Promise<void> {
    const enough = this.acknowledged.length + count * PER_SEND
    await until('further acknowledgements', () => this.acknowledged.length >= enough)
  }

  async stop(): Promise<void> {
    this.#isStopping = true
    await this.#running
  }

  async #send(producer: Producer, topic: string): Promise<void> {
    while (!this.#isStopping) {
      const values = Array.from({ length: PER_SEND }, (_, index) => `record ${this.sent.length + index}`)
      this.sent.push(...values)
      try {
        // A partition by name: without one kafkajs chooses another for each attempt, which no server can recognise.
        await producer.send({ topic, acks: -1, messages: values.map(value => ({ value, partition: 0 })) })
        this.acknowledged.push(...values)
      } catch {
        this.failures++
      }
    }
  }
}
