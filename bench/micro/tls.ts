/**
 * What TLS costs the process that receives requests and sends answers, and what the whole way costs in a server.
 */
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { connect, type TLSSocket } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { makeCertificates } from '../../certs/development.ts'
import { makeDirectory, removeDirectory, Server } from '../../test/support/server.ts'
import { RawClient } from '../../test/support/raw-client.ts'
import { cpuSeconds } from '../indexing/processes.ts'
import type { Measured } from './measure.ts'
import type { FromPeer, ToPeer } from './messages.ts'
import { PRODUCE_VERSION, type BuiltRequest } from './request.ts'

export const CONNECTIONS = 8
const WARM_SECONDS = 0.7
const WARM_ANSWERS = 20_000

type Usage = Extract<FromPeer, { kind: 'usage' }>

/** A process of its own at the other end of some connections. */
export class Peer {
  readonly #process: ChildProcess
  readonly #sockets: TLSSocket[]
  readonly #directory: string

  private constructor(child: ChildProcess, sockets: TLSSocket[], directory: string) {
    this.#process = child
    this.#sockets = sockets
    this.#directory = directory
  }

  static async start(): Promise<Peer> {
    const directory = await makeDirectory('sluice-bench-')
    const { caFile, certFile, keyFile } = await makeCertificates({ directory, hosts: ['localhost'] })
    const child = fork(fileURLToPath(new URL('./peer.js', import.meta.url)), [certFile, keyFile])
    const [message] = (await once(child, 'message')) as [Extract<FromPeer, { kind: 'port' }>]
    const ca = await readFile(caFile)
    const sockets = Array.from({ length: CONNECTIONS }, () =>
      connect({ host: '127.0.0.1', port: message.port, ca, servername: 'localhost' }),
    )
    for (const socket of sockets) socket.resume().setNoDelay()
    await Promise.all(sockets.map(socket => once(socket, 'secureConnect')))
    return new Peer(child, sockets, directory)
  }

  /** Sends it requests without a pause, each a write of its own; it keeps so many bytes of them before it lets them go. */
  async measureReceiving({ frame }: BuiltRequest, seconds: number, holdBytes = 0): Promise<Measured> {
    this.#tell({ kind: 'hold', bytes: holdBytes })
    let isOver = false
    const sending = this.#sockets.map(async socket => {
      while (!isOver) await new Promise<void>(resolve => socket.write(frame, () => resolve()))
    })
    await delay(WARM_SECONDS * 1000)
    const before = await this.#ask({ kind: 'usage' })
    await delay(seconds * 1000)
    const after = await this.#ask({ kind: 'usage' })
    isOver = true
    await Promise.all(sending)
    return { ns: ((after.cpuNs - before.cpuNs) / (after.receivedBytes - before.receivedBytes)) * frame.length }
  }

  /** Has it send so many answers, each a write of its own. */
  async measureAnswering(answer: Buffer, count: number): Promise<Measured> {
    const ask = (answers: number): Promise<Usage> =>
      this.#ask({ kind: 'answer', answer: answer.toString('base64'), count: answers })
    const before = await ask(WARM_ANSWERS)
    const after = await ask(count)
    return { ns: (after.cpuNs - before.cpuNs) / count }
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    const ended = once(this.#process, 'exit')
    this.#process.disconnect()
    await ended
    await removeDirectory(this.#directory)
  }

  async #ask(message: ToPeer): Promise<Usage> {
    const answered = once(this.#process, 'message') as Promise<[Usage]>
    this.#tell(message)
    return (await answered)[0]
  }

  #tell(message: ToPeer): void {
    this.#process.send(message)
  }
}

/** A server that throws away what it has written to its journal, under requests of some connections. */
export class WholeServer {
  readonly #server: Server
  readonly #clients: RawClient[]

  private constructor(server: Server, clients: RawClient[]) {
    this.#server = server
    this.#clients = clients
  }

  static async start(topic: string): Promise<WholeServer> {
    const server = await Server.start({ settings: { store: { discard: true }, log: { level: 'error' } } })
    await server.createLogstore(`bench/${topic}`)
    const password = await server.createKey('bench')
    const logins = Array.from({ length: CONNECTIONS }, () => RawClient.login(server, 'bench', password))
    return new WholeServer(server, await Promise.all(logins))
  }

  /** Keeps `inFlight` requests under way on each connection. */
  async measure({ frame }: BuiltRequest, { inFlight, seconds }: { inFlight: number; seconds: number }): Promise<Measured> {
    let answers = 0
    let isOver = false
    const sending = this.#clients.map(async client => {
      for (let sent = 0; sent < inFlight; sent++) client.write(frame)
      for (let owed = inFlight; owed > 0; owed--) {
        const [partition] = (await client.receiveProduced(PRODUCE_VERSION)).partitions
        if (partition?.errorCode !== 0) throw new Error(`a request is refused with ${partition?.errorCode}`)
        answers++
        if (isOver) continue
        client.write(frame)
        owed++
      }
    })
    await delay(2 * WARM_SECONDS * 1000)
    const { pid } = this.#server
    const [cpuBefore, answersBefore] = [cpuSeconds(pid), answers]
    await delay(seconds * 1000)
    const ns = ((cpuSeconds(pid) - cpuBefore) * 1e9) / (answers - answersBefore)
    isOver = true
    await Promise.all(sending)
    return { ns }
  }

  async close(): Promise<void> {
    for (const client of this.#clients) client.close()
    await this.#server.remove()
  }
}
