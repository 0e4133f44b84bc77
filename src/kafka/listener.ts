/**
 * A port that producers connect to: TLS, then the Kafka protocol.
 *
 * Metadata tells a client to come back by the name it came by, if the certificate vouches for that name: a client is never sent
 * to an address that it cannot reach or cannot verify.
 */
import { constants, X509Certificate } from 'node:crypto'
import { isIP, type AddressInfo, type Socket } from 'node:net'
import { createServer, type TLSSocket, type Server } from 'node:tls'
import { isSystemError, sluiceError } from '../base/errors.ts'
import { type ByteBudget } from '../base/byte-budget.ts'
import { type Log } from '../base/log.ts'
import { findPortHolder } from '../base/port-holder.ts'
import { type Authenticator } from '../catalog/authenticator.ts'
import { type Limits } from '../config/limits.ts'
import { Connection, peerOf } from './connection.ts'
import { type Dispatcher } from './dispatcher.ts'
import { type Address } from './handler.ts'
import { Session } from './session.ts'

export interface ListenerOptions {
  name: 'internet' | 'intranet'
  /** The address to listen on; all of them if absent. */
  host: string | undefined
  port: number
  /** Where clients reach this listener if not by the name they came by; the port if it is mapped to another. */
  advertised?: { host?: string | undefined; port?: number | undefined } | undefined
  certificate: { cert: Buffer; key: Buffer }
  rejectAt: 'topic' | 'sasl'
  authenticator: Authenticator
  dispatcher: Dispatcher
  limits: Limits
  /** Shared by all listeners. */
  budget: ByteBudget
  log: Log
}

const CLOSE_MS = 5000

export class Listener {
  readonly #options: ListenerOptions
  readonly #server: Server
  readonly #certificate: X509Certificate
  readonly #connections = new Set<Connection>()
  /** Clients in their TLS handshake, by address and port, which a socket that has failed does not know any more. */
  readonly #handshakes = new Map<string, Socket>()

  private constructor(options: ListenerOptions) {
    this.#options = options
    this.#certificate = new X509Certificate(options.certificate.cert)
    this.#server = createServer(
      {
        ...options.certificate,
        minVersion: 'TLSv1.2',
        // Without it every exchange of a client that waits for each small answer costs 40 ms.
        noDelay: true,
        keepAlive: true,
        keepAliveInitialDelay: 60_000,
        // What a client sent before it closed its side is still handled and answered.
        allowHalfOpen: true,
        handshakeTimeout: options.limits.handshakeMs,
        // Node hides the server name of a session that TLS 1.2 resumes, and Metadata needs it.
        secureOptions: constants.SSL_OP_NO_TICKET,
      },
      socket => this.#accept(socket),
    )
    this.#server.maxConnections = options.limits.connections
    this.#server.on('connection', (socket: Socket) => {
      const peer = peerOf(socket)
      this.#handshakes.set(peer, socket)
      socket.once('close', () => this.#reportFailure(peer, 'the client hung up'))
    })
    this.#server.on('tlsClientError', (error, socket) => {
      this.#reportFailure(peerOf(socket), error.message)
      // Node leaves a client alone whose time is up.
      socket.destroy()
    })
  }

  /** Starts to listen. Rejects with PORT_IN_USE, which names the holder where it can be known. */
  static async open(options: ListenerOptions): Promise<Listener> {
    const listener = new Listener(options)
    const { host, port, name } = options
    try {
      await new Promise<void>((resolve, reject) => {
        listener.#server.once('error', reject)
        listener.#server.listen({ host, port }, resolve)
      })
    } catch (error) {
      if (!isSystemError(error, 'EADDRINUSE')) throw error
      const holder = await findPortHolder(port)
      throw sluiceError('PORT_IN_USE', { listener: name, port, holder, option: `listeners.${name}.port` }, error)
    }
    listener.#server.on('error', error => options.log.error({ err: error }, 'a listener failed'))
    return listener
  }

  /** Where it listens; the port that was chosen if 0 was asked for. */
  get address(): Address {
    const { address, port } = this.#server.address() as AddressInfo
    return { host: address, port }
  }

  get connections(): number {
    return this.#connections.size
  }

  /** Accepts nobody any more, answers what was taken, and closes, within a bounded time. */
  async close(): Promise<void> {
    const closed = new Promise(resolve => this.#server.close(resolve))
    for (const connection of this.#connections) connection.close('sluice is stopping')
    for (const socket of this.#handshakes.values()) socket.destroy()
    await Promise.race([closed, new Promise(resolve => setTimeout(resolve, CLOSE_MS).unref())])
  }

  /** Tells once of each handshake why it failed. */
  #reportFailure(peer: string, reason: string): void {
    if (this.#handshakes.delete(peer)) this.#options.log.info({ peer, reason }, 'TLS handshake failed')
  }

  #accept(socket: TLSSocket): void {
    this.#handshakes.delete(peerOf(socket))
    const { rejectAt, authenticator, dispatcher, limits, budget, log } = this.#options
    const serverName = typeof socket.servername === 'string' && socket.servername !== '' ? socket.servername : undefined
    const session = new Session({ authenticator, rejectAt, serverName })
    const advertised = this.#advertisedTo(socket, serverName)
    const connection = new Connection({ socket, session, dispatcher, advertised, limits, budget, log })
    this.#connections.add(connection)
    socket.once('close', () => this.#connections.delete(connection))
  }

  #advertisedTo(socket: TLSSocket, serverName: string | undefined): Address {
    const { advertised } = this.#options
    const isOurs = serverName !== undefined && (serverName === advertised?.host || this.#isCertified(serverName))
    const local = (socket.localAddress ?? '').replace(/^::ffff:/, '')
    return {
      host: isOurs ? serverName : (advertised?.host ?? local),
      port: advertised?.port ?? this.address.port,
    }
  }

  #isCertified(name: string): boolean {
    return (isIP(name) === 0 ? this.#certificate.checkHost(name) : this.#certificate.checkIP(name)) !== undefined
  }
}
