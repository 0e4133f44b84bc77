/**
 * What breaks while a simulation runs, beside the ends of its lives: one trouble after the other, drawn at random.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Random } from '../protocol/random.ts'
import { PROJECT } from './data.ts'
import type { Disk } from './disk.ts'
import type { Network } from './network.ts'
import type { Oracle } from './oracle.ts'
import type { Producer } from './producer.ts'
import type { SimulatedServer } from './server.ts'
import type { SimulatedStore } from './store.ts'
import type { Trace } from './trace.ts'

export interface TroublesOptions {
  random: Random
  trace: Trace
  oracle: Oracle
  disk: Disk
  network: Network
  store: SimulatedStore
  /** A store of its own outlives the server's machine, and nobody tells the server when it is away. */
  isStoreRemote: boolean
  shards: number
  /** The server that runs, if one does. */
  server: () => SimulatedServer | undefined
  /** Those that must succeed; one may be replaced by another. */
  producers: Producer[]
}

export class Troubles {
  readonly #options: TroublesOptions
  /** How many kinds of bad weather the disk knows here. */
  readonly #storms: number
  /** Producers of older epochs: they may go on, and need not succeed. */
  readonly #replaced: Producer[] = []
  #isOver = false

  constructor(options: TroublesOptions) {
    this.#options = options
    const { random, store } = options
    this.#storms = random.pick([0, 1, 2, 4])
    store.failEvery = random.pick([0, 4, 12])
    store.refuseEvery = random.pick([0, 0, 4, 20])
  }

  async run(): Promise<void> {
    const { random, disk, network, server } = this.#options
    while (!this.#isOver) {
      await delay(50 + random.below(700))
      if (this.#isOver) return
      switch (random.below(9)) {
        case 0:
        case 1:
        case 2:
          if (this.#storms > 0) await disk.storm(this.#storms)
          break
        case 3:
          network.breakOne()
          break
        case 4:
          server()?.killIndexer()
          break
        case 5:
          await this.#breakStore()
          break
        case 6:
          if (random.below(3) === 0) await this.#recreate('mysql')
          break
        case 7:
        case 8:
          this.#replaceProducer()
          break
      }
    }
  }

  /** Nothing breaks any more. */
  end(): void {
    const { disk, store } = this.#options
    this.#isOver = true
    disk.clear()
    store.failEvery = 0
    this.#setStore(true)
    for (const producer of this.#replaced) producer.stop()
  }

  /** The store is away for a while, because nothing reaches it or because it restarts. */
  async #breakStore(): Promise<void> {
    const { random, store } = this.#options
    this.#setStore(false)
    if (random.below(2) === 0) store.endAll()
    await delay(random.pick([20, 300, 2000]))
    this.#setStore(true)
  }

  #setStore(isReachable: boolean): void {
    const { trace, store, isStoreRemote, server } = this.#options
    trace.add('store', isReachable ? 'is reached again' : 'is away')
    store.isReachable = isReachable
    if (!isStoreRemote) server()?.tellStore()
  }

  /** Deletes a logstore and makes it again. */
  async #recreate(name: string): Promise<void> {
    const { random, trace, oracle, shards } = this.#options
    oracle.recreated.add(name)
    trace.add('operator', `deletes ${name}`)
    await this.#change('LOGSTORE_NOT_FOUND', ({ catalog }) => catalog.deleteLogstore(PROJECT, name))
    await delay(random.below(300))
    trace.add('operator', `creates ${name}`)
    await this.#change('LOGSTORE_EXISTS', ({ catalog }) => catalog.createLogstore({ project: PROJECT, name, shards }))
  }

  /** Tries a change of the catalog until it is done; an error with the code `doneCode` says that it was done before. */
  async #change(doneCode: string, change: (server: SimulatedServer) => Promise<unknown>): Promise<void> {
    for (;;) {
      const server = this.#options.server()
      if (server !== undefined) {
        const changed = change(server).then(
          () => true,
          (error: unknown) => (error as { code?: string }).code === doneCode,
        )
        if (await Promise.race([changed, server.process.ended.then(() => false)])) return
      }
      await delay(100)
    }
  }

  /** Another instance of a producer takes over, with a newer epoch. */
  #replaceProducer(): void {
    const { random, trace, producers } = this.#options
    const index = random.below(producers.length)
    const producer = producers[index]!
    if (!producer.isIdempotent) return
    trace.add('operator', `replaces producer ${index + 1}`)
    producers[index] = producer.replace()
    this.#replaced.push(producer)
  }
}
