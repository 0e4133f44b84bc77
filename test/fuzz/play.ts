/**
 * Plays a case against a server: one connection, and what came back on it.
 */
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect as connectTls } from 'node:tls'
import { FrameReader } from '../../protocol/framing.ts'
import { ProtocolError } from '../../protocol/protocol-error.ts'
import type { Server } from '../support/server.ts'
import type { Case } from './cases.ts'
import { SERVER_NAME } from './corpus.ts'
import type { Expectation } from './oracle.ts'

/** No answer takes as long, whatever else the server has to do; only a failure does. */
export const HANG_MS = 30_000

export interface Played {
  /** The answers, without their size. */
  frames: readonly Buffer[]
  /** Whether the server ended the connection before the client did. */
  endedByServer: boolean
  /** What did not happen, if something did not. */
  problem?: string
}

/** Resolves when some other cases are over; whoever dawdles waits for it. */
type Dawdle = () => Promise<void>

export interface PlayOptions {
  /** Called as soon as it is known how the log will name this connection. */
  onPort: (port: number) => void
  dawdle: Dawdle
}

export async function play(server: Server, played: Case, expectation: Expectation, options: PlayOptions): Promise<Played> {
  const { onPort, dawdle } = options
  let connection: PlayedConnection | undefined
  let problem: string | undefined
  try {
    connection = await open(server, played, onPort)
    await connection.write(played, dawdle)
    await connection.finish(played, expectation, dawdle)
  } catch (error) {
    problem = (error as Error).message
  } finally {
    connection?.close()
  }
  const { frames = [], endedByServer = false } = connection ?? {}
  return { frames, endedByServer, ...(problem !== undefined && { problem }) }
}

async function open(server: Server, { transport, end, damage }: Case, onPort: (port: number) => void): Promise<PlayedConnection> {
  const isDeaf = end === 'deaf'
  const isTampered = transport === 'tampered'
  const address = { host: '127.0.0.1', port: server.port(), noDelay: true }
  if (transport === 'tls' && !isDeaf && end !== 'reset') {
    const tls = connectTls({ ...address, ca: server.ca, servername: SERVER_NAME })
    await within('a connection', once(tls, 'connect'))
    onPort(tls.localPort!)
    await within('a TLS handshake', once(tls, 'secureConnect'))
    return new PlayedConnection(tls, isDeaf)
  }
  const socket = connect(address)
  await within('a connection', once(socket, 'connect'))
  onPort(socket.localPort!)
  if (transport === 'plain') return new PlayedConnection(socket, isDeaf, socket)
  // A socket under TLS cannot be reset, one behind it can.
  const port = await putBetween(socket, isTampered ? damage : Infinity)
  const tls = connectTls({ ...address, port, ca: server.ca, servername: SERVER_NAME })
  // Whether there will be a handshake if it is damaged is not known. After an error TLS leaves it to us to close the socket.
  if (isTampered) tls.on('error', () => tls.destroy())
  else await within('a TLS handshake', once(tls, 'secureConnect'))
  return new PlayedConnection(tls, isDeaf, socket)
}

/**
 * A port whose first client's bytes go to `socket`, with one bit changed in one of `damage` pieces; what comes back is not
 * touched.
 */
async function putBetween(socket: Socket, damage: number): Promise<number> {
  const proxy = createServer({ allowHalfOpen: true, noDelay: true })
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  const { port } = proxy.address() as AddressInfo
  proxy.once('connection', between => {
    proxy.close()
    let pieces = 0
    between.on('data', (chunk: Buffer) => {
      if (++pieces % damage === 0) chunk[Math.floor(chunk.length / 2)]! ^= 1
      socket.write(chunk)
    })
    between.on('end', () => socket.end())
    socket.pipe(between)
    link(between, socket)
    link(socket, between)
  })
  return port
}

/** Where one socket goes, the other goes too. */
function link(socket: Socket, other: Socket): void {
  socket.on('error', () => {})
  socket.on('close', () => other.destroy())
}

class PlayedConnection {
  readonly frames: Buffer[] = []
  endedByServer = false
  readonly #stream: Duplex
  /** What can be reset. */
  readonly #socket: Socket | undefined
  readonly #reader = new FrameReader(2 ** 30)
  #isOver = false
  #hasFinished = false
  #problem: string | undefined
  #wake: () => void = () => {}

  constructor(stream: Duplex, isDeaf: boolean, socket?: Socket) {
    this.#stream = stream
    this.#socket = socket
    for (const each of [stream, socket]) {
      each?.on('error', () => {})
      each?.on('close', () => this.#end())
    }
    stream.on('end', () => this.#end())
    if (!isDeaf) stream.on('data', (chunk: Buffer) => this.#receive(chunk))
  }

  async write({ chunks, dawdles, end }: Case, dawdle: Dawdle): Promise<void> {
    const stream = this.#stream
    for (const chunk of chunks) {
      if (this.#isOver) return
      if (dawdles) await dawdle()
      const isTaken = stream.write(chunk)
      // Who does not read is not read after a while.
      if (!isTaken && end !== 'deaf') await this.#until('room to write in', () => stream.writableNeedDrain === false, stream)
      // Each chunk is a TLS record of its own only if it is not written in one go with the next.
      else if (chunks.length > 1) await new Promise(resolve => setImmediate(resolve))
    }
  }

  async finish({ end, dawdles, transport }: Case, { answers, certain, ...expected }: Expectation, dawdle: Dawdle): Promise<void> {
    if (end === 'deaf' || dawdles) for (let turns = 10; turns > 0 && !this.#isOver; turns--) await dawdle()
    if (end === 'deaf' || end === 'reset') {
      this.#socket!.resetAndDestroy()
      return
    }
    if (end === 'answers' && transport === 'tls') {
      const ends = expected.ends || expected.endsLater
      const isEnough = () => this.frames.length >= (ends ? Infinity : Math.min(certain, answers.length))
      await this.#until(ends ? 'the end of the connection' : `${certain} answers`, isEnough)
    }
    this.#hasFinished = true
    this.#stream.end()
    await this.#until('the end of the connection', () => false)
  }

  close(): void {
    this.#stream.destroy()
    this.#socket?.destroy()
  }

  #receive(chunk: Buffer): void {
    try {
      this.#reader.push(chunk)
      for (let frame = this.#reader.next(); frame !== undefined; frame = this.#reader.next()) this.frames.push(frame.toBuffer())
    } catch (error) {
      // Only TLS answers in frames; to plain bytes an alert may come.
      if (!(error instanceof ProtocolError)) throw error
      this.#problem = `an answer that is no frame: ${error.message}`
    }
    this.#wake()
  }

  #end(): void {
    if (!this.#isOver) this.endedByServer = !this.#hasFinished
    this.#isOver = true
    this.#wake()
  }

  /** Waits until it is so, or the connection is over. */
  async #until(what: string, isSo: () => boolean, drained?: Duplex): Promise<void> {
    const wake = () => this.#wake()
    drained?.once('drain', wake)
    const deadline = setTimeout(() => {
      this.#problem ??= `in vain waited for ${what}, ${this.frames.length} answers came`
      this.#wake()
    }, HANG_MS)
    while (!this.#isOver && this.#problem === undefined && !isSo()) await new Promise<void>(resolve => (this.#wake = resolve))
    clearTimeout(deadline)
    drained?.off('drain', wake)
    if (this.#problem !== undefined) throw new Error(this.#problem)
  }
}

async function within<Value>(what: string, promise: Promise<Value>): Promise<Value> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`in vain waited for ${what}`)), HANG_MS)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
