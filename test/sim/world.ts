/**
 * One simulation, from its seed: producers, a network, a server with its indexer, a disk and a store, through several lives.
 *
 *     life      start · check what was recovered · work, while things break · end: power cut, kill, or an orderly stop
 *     the end   nothing breaks any more: all that is open must be acknowledged, and all that is acknowledged stored, in bounded
 *               time; then the store is held against everything that was sent
 *
 * A life ends at a call to the disk, at a call to the store, or at a time. All chance comes from the seed, all time is virtual.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { Random } from '../protocol/random.ts'
import { MemoryFiles } from '../support/memory-files.ts'
import { JOURNAL, LOGSTORES, writeCatalog } from './data.ts'
import { Disk } from './disk.ts'
import { Network } from './network.ts'
import { Oracle } from './oracle.ts'
import { SimulatedProcess } from './process.ts'
import { Producer } from './producer.ts'
import { isOfTheDisk, SimulatedServer } from './server.ts'
import { SimulatedStore } from './store.ts'
import { Trace } from './trace.ts'
import { Troubles } from './troubles.ts'
import { VirtualTime } from './virtual-time.ts'

export interface Outcome {
  seed: number
  /** What was broken, in one sentence; undefined if nothing was. */
  failure: string | undefined
  /** The last events before that. */
  last: readonly string[]
  /** Of all events: the same for the same seed. */
  digest: string
  events: number
  batches: number
  rows: number
  elapsedMs: number
}

/** Virtual time that everything may take once nothing breaks any more: above the longest retry of anything. */
const RECOVERY_MS = 120_000
const MAX_EVENTS = 500_000
/** The one that is written, the one that is prepared, those that the older checkpoint needs, and spare ones. */
const MAX_SEGMENTS = 8
const DAY_MS = 24 * 60 * 60 * 1000

/** Runs the simulation of a seed. Only one at a time: time is replaced for the whole process. */
export async function simulate(seed: number, echo?: (line: string) => void): Promise<Outcome> {
  const random = new Random(seed)
  const startMs = Date.UTC(2024, 0, 2) - (random.below(2) === 0 ? random.below(6000) : DAY_MS / 2)
  const time = VirtualTime.install(startMs, new Random(~seed))
  const world = new World(random, new Trace(echo), time)
  const onRejection = (error: unknown): void =>
    world.fail(`nobody has caught: ${error instanceof Error ? error.stack : String(error)}`)
  process.on('unhandledRejection', onRejection)
  try {
    await world.run()
    return { seed, ...world.outcome }
  } finally {
    process.off('unhandledRejection', onRejection)
    await time.uninstall()
  }
}

class World {
  readonly #time: VirtualTime
  readonly #random: Random
  readonly #trace: Trace
  readonly #oracle: Oracle
  readonly #store: SimulatedStore
  readonly #disk: Disk
  readonly #network: Network
  readonly #segmentBytes: number
  readonly #checkpointIntervalMs: number
  readonly #shards: number
  /** A store of its own outlives this machine; an embedded one ends with it. */
  readonly #isStoreRemote: boolean
  #files: MemoryFiles
  /** While true the disk takes no time: it is looked at from outside. */
  #isLooking = false
  readonly #producers: Producer[] = []
  readonly #troubles: Troubles
  #crashes = 0
  /** The server's process, from before it starts on. */
  #process: SimulatedProcess | undefined
  /** The server, while it serves. */
  #server: SimulatedServer | undefined
  /** Calls to the store until the life ends. */
  #storeCallsLeft = Infinity
  #endLife: () => void = () => {}
  /** Nothing new is sent any more. */
  #isEnding = false
  #failure: string | undefined

  constructor(random: Random, trace: Trace, time: VirtualTime) {
    this.#time = time
    this.#random = random
    this.#trace = trace
    this.#oracle = new Oracle(sentence => this.fail(sentence))
    this.#store = new SimulatedStore({
      random,
      trace,
      onCall: () => {
        if (this.#storeCallsLeft-- <= 0) this.#endLife()
      },
      onStored: (table, rows) => this.#oracle.stores(table, rows, row => this.#store.isPoisonous(row)),
    })
    this.#disk = new Disk(random, trace)
    this.#network = new Network({ random, trace, oracle: this.#oracle })
    this.#segmentBytes = random.pick([16, 32, 64]) * 1024
    this.#checkpointIntervalMs = random.pick([200, 1000, 5000])
    this.#shards = 1 + random.below(3)
    this.#isStoreRemote = random.below(2) === 0
    this.#troubles = new Troubles({
      random,
      trace,
      oracle: this.#oracle,
      disk: this.#disk,
      network: this.#network,
      store: this.#store,
      isStoreRemote: this.#isStoreRemote,
      shards: this.#shards,
      server: () => this.#server,
      producers: this.#producers,
    })
    this.#files = new MemoryFiles({ chance: random, latency: () => this.#latency() })
  }

  get outcome(): Omit<Outcome, 'seed'> {
    const { events, digest, last, elapsedMs } = this.#trace
    const { batches, rows } = this.#oracle
    return { failure: this.#failure, last, digest, events, batches, rows, elapsedMs }
  }

  /** Ends the simulation: this is what was broken. */
  fail(sentence: string): void {
    this.#failure ??= sentence
    this.#trace.add('oracle', sentence)
  }

  async run(): Promise<void> {
    let isOver = false
    this.#live()
      .catch((error: unknown) => this.fail(error instanceof Error ? (error.stack ?? error.message) : String(error)))
      .finally(() => (isOver = true))
    while (!isOver && this.#failure === undefined) {
      try {
        if (!(await this.#time.step())) this.fail('everything waits, and for nothing')
      } catch (error) {
        this.fail((error as Error).stack ?? String(error))
      }
      if (this.#trace.events > MAX_EVENTS) this.fail('it does not end')
    }
  }

  async #latency(): Promise<void> {
    if (this.#isLooking) return
    if (this.#random.below(16) === 0) await delay(this.#random.below(10))
    else await new Promise<void>(resolve => void setImmediate(resolve))
  }

  /** All lives, and the end. */
  async #live(): Promise<void> {
    const random = this.#random
    await writeCatalog(this.#files, this.#shards)
    this.#hireProducers()
    void this.#produce()
    void this.#troubles.run()
    for (let lives = 1 + random.below(4); lives > 0; lives--) await this.#liveOnce()
    await this.#settle()
  }

  #hireProducers(): void {
    const random = this.#random
    for (let number = 1; number <= 4; number++) {
      const logstore = random.pick(LOGSTORES)
      this.#producers.push(
        new Producer({
          name: `p${number}`,
          topic: random.below(3) === 0 ? `${logstore}.json` : logstore,
          partition: random.below(this.#shards),
          producerId: number < 4 ? number : -1,
          epoch: 0,
          maxInFlight: 1 + random.below(5),
          timeoutMs: random.pick([300, 1000, 5000]),
          network: this.#network,
          oracle: this.#oracle,
          fail: sentence => this.fail(sentence),
        }),
      )
    }
  }

  async #produce(): Promise<void> {
    const random = this.#random
    const pauseMs = random.pick([5, 20, 60])
    for (let left = 30 + random.below(80); left > 0 && !this.#isEnding; left--) {
      random.pick(this.#producers).send(1 + random.below(4), random.pick([0, 10, 400, 2000, 6000]))
      await delay(random.below(pauseMs))
      if (random.below(10) === 0) await delay(random.below(400))
    }
  }

  /** The clock of the machine may have been wrong. */
  #setClock(): void {
    const backMs = this.#random.below(30_000)
    this.#trace.add('operator', `sets the clock back by ${backMs} ms`)
    this.#time.setClock(Date.now() - backMs)
  }

  async #liveOnce(): Promise<void> {
    const random = this.#random
    const over = new Promise<undefined>(resolve => (this.#endLife = () => resolve(undefined)))
    this.#endAtSomePoint()
    const end = setTimeout(() => this.#endLife(), 1 + random.below(random.pick([500, 3000, 8000])))
    const server = await Promise.race([this.#start(), over])
    if (server !== undefined) {
      await this.#welcome(server)
      await over
    }
    clearTimeout(end)
    this.#storeCallsLeft = Infinity
    if (server !== undefined && random.below(3) === 0) await this.#stop(server, random.pick([20, 20_000]))
    // A few things may still happen between the moment and its effect.
    for (let turns = random.below(3); turns > 0; turns--) await new Promise(resolve => setImmediate(resolve))
    this.#crash(random.below(2) === 0 ? 'power' : 'kill')
    await delay(random.below(500))
    if (random.below(4) === 0) this.#setClock()
  }

  /** Draws at which call the life ends, if not at a time. */
  #endAtSomePoint(): void {
    const random = this.#random
    switch (random.below(4)) {
      case 0:
        this.#disk.crashAfter(random.below(random.pick([40, 600, 2000])), 'call', () => this.#endLife())
        break
      case 1:
        this.#disk.crashAfter(random.below(random.pick([10, 150])), 'write', () => this.#endLife())
        break
      case 2:
        this.#storeCallsLeft = random.below(random.pick([10, 60]))
        break
    }
  }

  /** Starts the server, as often as the disk lets it fail: each time another process. Undefined if the life ends in between. */
  async #start(): Promise<SimulatedServer | undefined> {
    const life = this.#crashes
    while (life === this.#crashes) {
      this.#trace.add('server', 'starts')
      const process = new SimulatedProcess()
      this.#process = process
      this.#disk.watch(this.#files)
      try {
        return await SimulatedServer.start(
          {
            files: this.#files,
            store: this.#store,
            random: this.#random,
            trace: this.#trace,
            segmentBytes: this.#segmentBytes,
            checkpointIntervalMs: this.#checkpointIntervalMs,
            fail: sentence => this.fail(sentence),
          },
          process,
        )
      } catch (error) {
        this.#trace.add('server', `does not start: ${(error as Error).message}`)
        if (!isOfTheDisk(error)) this.fail(`the server does not start: ${(error as Error).message}`)
        process.end()
        this.#files = this.#files.kill()
        await delay(200)
      }
    }
    return undefined
  }

  /** Looks at what a server has recovered, and lets it work. */
  async #welcome(server: SimulatedServer): Promise<void> {
    this.#isLooking = true
    this.#oracle.recovers(await server.readJournal(this.#files.copy()), server.catalog)
    this.#isLooking = false
    this.#server = server
    server.startIndexer()
    this.#network.listen(server)
  }

  /** An orderly stop, which the disk or the end of the world may keep from ending. */
  async #stop(server: SimulatedServer, withinMs: number): Promise<void> {
    this.#trace.add('server', 'stops')
    this.#network.hangUp()
    await Promise.race([server.stop(), delay(withinMs)])
  }

  #crash(how: 'power' | 'kill'): void {
    this.#trace.add('server', how === 'power' ? 'loses power' : 'is killed')
    this.#network.hangUp()
    this.#crashes++
    this.#disk.disarm()
    this.#process?.end()
    this.#server = undefined
    if (!this.#isStoreRemote) this.#store.endAll()
    this.#files = how === 'power' ? this.#files.cutPower() : this.#files.kill()
    if (this.#random.below(4) === 0) this.#damageCheckpoint()
  }

  /** The newest of several checkpoints cannot be read any more. */
  #damageCheckpoint(): void {
    const checkpoints = this.#files.paths.filter(path => path.startsWith(`${JOURNAL}/checkpoint-`) && path.endsWith('.json'))
    if (checkpoints.length < 2) return
    this.#trace.add('disk', 'has lost the newest checkpoint')
    this.#files.alter(checkpoints.at(-1)!, content => content.subarray(0, content.length >> 1))
  }

  /** The end: everything must come to rest, and be right. */
  async #settle(): Promise<void> {
    this.#isEnding = true
    this.#trace.add('world', 'nothing breaks any more')
    this.#troubles.end()
    const server = await this.#start()
    if (server === undefined) return
    await this.#welcome(server)
    await this.#rest(server)
    // What was indexed is given up two checkpoints later.
    for (let round = 0; round < 3; round++) {
      for (const producer of this.#producers) producer.send(1, 10)
      await this.#rest(server)
      await delay(2 * this.#checkpointIntervalMs)
    }
    const segments = this.#files.paths.filter(path => path.endsWith('.segment'))
    if (segments.length > MAX_SEGMENTS) this.fail(`everything is indexed, and there are ${segments.length} segments`)
    const { journal, catalog } = server
    this.#oracle.checkStore(this.#store, catalog, (logstoreId, shard) => journal.nextOffset(logstoreId, shard))
    await this.#stop(server, RECOVERY_MS)
    if (this.#files.openFiles > 0) this.fail(`${this.#files.openFiles} files are left open`)
    this.#crash('power')
    const next = await this.#start()
    for (const { id } of catalog.listLogstores())
      for (let shard = 0; shard < this.#shards; shard++)
        if (next?.journal.nextOffset(id, shard) !== journal.nextOffset(id, shard)) this.fail('the next life forgets an offset')
  }

  /** Resolves once everything is acknowledged and stored. */
  async #rest(server: SimulatedServer): Promise<void> {
    for (let waitedMs = 0; !this.#isAtRest(server); waitedMs += 100) {
      if (waitedMs > RECOVERY_MS) return this.fail(this.#describeUnrest(server))
      await delay(100)
    }
  }

  #isAtRest(server: SimulatedServer): boolean {
    return this.#store.running === 0 && this.#producers.every(({ open }) => open === 0) && this.#unstored(server).length === 0
  }

  /** The shards of which rows are missing in the store. */
  #unstored({ catalog, journal }: SimulatedServer): string[] {
    const shards: string[] = []
    for (const logstore of catalog.listLogstores())
      for (let shard = 0; shard < logstore.shards; shard++) {
        const stored = (this.#store.findTable(logstore)?.highest.get(shard) ?? -1) + 1
        if (stored < journal.nextOffset(logstore.id, shard)) shards.push(`${logstore.name}/${shard}`)
      }
    return shards
  }

  #describeUnrest(server: SimulatedServer): string {
    const open = this.#producers.filter(producer => producer.open > 0).length
    const unstored = this.#unstored(server).join(', ')
    return `${RECOVERY_MS / 1000} s after nothing breaks any more, ${open} producers wait, and of these shards rows are missing: ${unstored}`
  }
}
