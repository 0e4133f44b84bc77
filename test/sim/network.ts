/**
 * The network between producers and the server: requests and answers of a connection keep their order, and take their time.
 *
 * A connection that breaks loses the answers that are on their way. What was sent before may all the same come to the server,
 * even after the producer has connected again.
 */
import type { Random } from '../protocol/random.ts'
import type { Batch, Oracle } from './oracle.ts'
import type { Answer, ServerSide, SimulatedServer } from './server.ts'
import type { Trace } from './trace.ts'

export class Network {
  readonly trace: Trace
  readonly random: Random
  readonly oracle: Oracle
  /** The server that listens; undefined while none does. */
  #server: SimulatedServer | undefined
  readonly #connections = new Set<Connection>()

  constructor(options: { trace: Trace; random: Random; oracle: Oracle }) {
    this.trace = options.trace
    this.random = options.random
    this.oracle = options.oracle
  }

  /** A server listens from now on. */
  listen(server: SimulatedServer): void {
    this.#server = server
  }

  /** Nobody listens any more, and all connections end. */
  hangUp(): void {
    this.#server = undefined
    for (const connection of this.#connections) connection.end()
  }

  /** A connection to the server; `onClose` is called when it ends. Undefined if it is refused. */
  connect(onClose: () => void): Connection | undefined {
    const server = this.#server
    if (server === undefined) return undefined
    const connection = new Connection(this, server, () => {
      this.#connections.delete(connection)
      onClose()
    })
    this.#connections.add(connection)
    return connection
  }

  /** Breaks one of the connections. */
  breakOne(): void {
    const connections = [...this.#connections]
    if (connections.length > 0) this.random.pick(connections).close()
  }

  /** How long a request or an answer is on its way; never 0, for timers of 0 ms do not keep their order. */
  travelMs(): number {
    return 1 + this.random.below(this.random.below(20) === 0 ? 400 : 4)
  }

  retryMs(): number {
    return 20 + this.random.below(200)
  }
}

export class Connection {
  readonly #network: Network
  readonly #server: SimulatedServer
  readonly #serverSide: ServerSide
  readonly #onClose: () => void
  /** The producer's end is open. */
  #isOpen = true
  /** What was sent still comes to the server. */
  #isDelivering = true
  /** When the last request comes to the server; none behind it comes sooner. */
  #arrivalMs = 0
  #answerMs = 0
  /** Settles when the answer to the last request is on its way. */
  #answered: Promise<unknown> = Promise.resolve()

  constructor(network: Network, server: SimulatedServer, onClose: () => void) {
    this.#network = network
    this.#server = server
    this.#serverSide = server.accept()
    this.#onClose = onClose
  }

  send(batch: Batch, partition: number, hear: (answer: Answer) => void): void {
    this.#arrivalMs = Math.max(this.#arrivalMs, Date.now() + this.#network.travelMs())
    setTimeout(() => {
      if (!this.#isDelivering || !this.#server.process.isAlive) return
      const { trace, oracle } = this.#network
      trace.add('server', `receives ${batch.id}`)
      const arrives = (logstoreId: string): void => oracle.arrives(batch, logstoreId)
      const answer = this.#server.receive(batch, partition, this.#serverSide, arrives)
      void answer.then(({ errorCode }) => errorCode === 0 && oracle.takes(batch))
      this.#answered = Promise.all([this.#answered, answer]).then(() => this.#deliver(answer, hear))
    }, this.#arrivalMs - Date.now())
  }

  /** The producer's end closes, or the network breaks: whether all that was sent still arrives is chance. */
  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#isDelivering = this.#network.random.below(2) === 0
    this.#onClose()
  }

  /** The server's end closes. */
  end(): void {
    this.close()
    this.#isDelivering = false
  }

  async #deliver(answer: Promise<Answer>, hear: (answer: Answer) => void): Promise<void> {
    const known = await answer
    this.#answerMs = Math.max(this.#answerMs, Date.now() + this.#network.travelMs())
    setTimeout(() => {
      if (this.#isOpen) hear(known)
    }, this.#answerMs - Date.now())
  }
}
