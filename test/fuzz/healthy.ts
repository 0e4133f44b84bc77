/**
 * A client as it should be, beside the others: it has to be served all the time, and each of its records has to be stored once.
 */
import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { initProducerIdRequest, initProducerIdResponse } from '../../protocol/messages/init-producer-id.ts'
import { RawClient } from '../support/raw-client.ts'
import type { Server } from '../support/server.ts'
import { ACCESS_KEY, PROJECT } from './corpus.ts'
import { HANG_MS } from './play.ts'

const LOGSTORE = 'healthy'
const PER_BATCH = 5
/** Often enough to notice whatever stops a server, and little beside the cases. */
const PAUSE_MS = 20

export class HealthyClient {
  worstWaitMs = 0
  /** Why it was not served, if it was not. */
  problem: string | undefined
  readonly #server: Server
  readonly #producerId: number
  #client: RawClient
  #acknowledged = 0
  #isStopping = false
  #running: Promise<void>

  private constructor(server: Server, client: RawClient, producerId: number) {
    this.#server = server
    this.#client = client
    this.#producerId = producerId
    this.#running = this.#run()
  }

  static async start(server: Server): Promise<HealthyClient> {
    await server.createLogstore(`${PROJECT}/${LOGSTORE}`, { shards: 1 })
    const client = await logIn(server)
    const request = { transactionalId: null, transactionTimeoutMs: 60_000 }
    const { producerId } = await client.call(initProducerIdRequest, initProducerIdResponse, 1, request)
    return new HealthyClient(server, client, producerId)
  }

  get acknowledged(): number {
    return this.#acknowledged
  }

  async stop(): Promise<void> {
    this.#isStopping = true
    await this.#running
    this.#client.close()
  }

  /** Goes on as the same producer, after `stop` and a restart of the server. */
  async resume(): Promise<void> {
    this.#client = await logIn(this.#server)
    this.#isStopping = false
    this.#running = this.#run()
  }

  /** Rejects unless each record that was acknowledged is stored, once, and nothing else. */
  async assertStored(): Promise<void> {
    const logstore = `${PROJECT}/${LOGSTORE}`
    await this.#server.waitForRows(logstore, this.#acknowledged)
    const sql = `SELECT toInt32(count()) AS rows, toInt32(uniqExact(content)) AS different,
      toInt32(max(toInt32(content))) AS last FROM log`
    const [found] = await this.#server.query(logstore, sql)
    const count = this.#acknowledged
    assert.deepEqual(found, { rows: count, different: count, last: count - 1 }, 'the rows of the healthy client')
  }

  async #run(): Promise<void> {
    while (!this.#isStopping && this.problem === undefined) {
      const before = performance.now()
      const first = this.#acknowledged
      const records = Array.from({ length: PER_BATCH }, (_, index) => ({ value: String(first + index) }))
      const batch = { records, producerId: this.#producerId, producerEpoch: 0, baseSequence: first }
      const hang = setTimeout(() => this.#client.close(), HANG_MS)
      try {
        const [answer] = await this.#client.produce([{ topic: LOGSTORE, batch }])
        if (answer?.errorCode === 0) this.#acknowledged += PER_BATCH
        else this.problem = `the healthy client was answered ${answer?.errorCode}`
      } catch (error) {
        const waitedMs = Math.round(performance.now() - before)
        this.problem = `the healthy client was not answered: ${(error as Error).message} after ${waitedMs} ms`
      } finally {
        clearTimeout(hang)
      }
      this.worstWaitMs = Math.max(this.worstWaitMs, performance.now() - before)
      await delay(PAUSE_MS)
    }
  }
}

function logIn(server: Server): Promise<RawClient> {
  return RawClient.login(server, PROJECT, `${ACCESS_KEY.id}#${ACCESS_KEY.secret}`)
}
