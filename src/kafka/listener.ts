/**
 * A port that producers connect to: TLS, then the Kafka protocol. Trusted listeners are without TLS.
 *
 * Metadata tells a client to come back by the name it came by, if the certificate vouches for that name: a client is never sent
 * to an address that it cannot reach or cannot verify.
 */
import { constants, X509Certificate } from 'node:crypto'
import { createServer, isIP, type AddressInfo, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type Server as TlsServer, type TLSSocket } from 'node:tls'
import { isSystemError, sluiceError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { memoize } from '../base/memoize.ts'
import { Networks, peerOf, plainAddress } from '../base/networks.ts'
import { findPortHolder } from '../base/port-holder.ts'
import type { Limits } from '../config/limits.ts'
import type { Admission } from './admission.ts'
import { Connection } from './connection.ts'
import type { Shares } from './holdings.ts'
import type { Dispatcher } from './dispatcher.ts'
import type { Address } from './handler.ts'
import type { Session } from './session.ts'
import type { WireDump } from './wire-dump.ts'

export interface ListenerOptions {
  name: string
  /** The address to listen on; all of them if absent. */
  host: string | undefined
  port: number
  /** The setting of the port, for the error if it is taken. */
  portOption: string
  /** Where clients may come from. */
  networks: readonly string[]
  /** Where clients reach this listener if not by the name they came by; the port if it is mapped to another. */
  advertised?: { host?: string | undefined; port?: number | undefined } | undefined
  /** Absent where there is no TLS. */
  certificate?: { cert: Buffer; key: Buffer }
  /** A session for a client that asked for this TLS server name. */
  openSession: (serverName: string | undefined) => Session
  /** What all listeners share. */
  shared: {
    admission: Admission
    dispatcher: Dispatcher
    limits: Limits
    shares: Shares
    wireDump: WireDump
    log: Log
  }
}

const CLOSE_MS = 5000

/** A client before or in its TLS handshake. */
interface Handshake {
  socket: Socket
  /** To be called when it is over, however it ended. */
  over: () => void
}

export class Listener {
  readonly #options: ListenerOptions
  readonly #log: Log
  readonly #networks: Networks
  readonly #server: Server
  readonly #tls: TlsServer | undefined
  readonly #certificate: X509Certificate | undefined
  /** Whether the certificate has a name, which is looked for in all of it. */
  readonly #inCertificate = memoize(name => {
    const certificate = this.#certificate
    return { isThere: (isIP(name) === 0 ? certificate?.checkHost(name) : certificate?.checkIP(name)) !== undefined }
  })
  readonly #connections = new Set<Connection>()
  /** By address and port, which a socket that has failed does not know any more. */
  readonly #handshakes = new Map<string, Handshake>()

  private constructor(options: ListenerOptions) {
    const { certificate, networks, shared } = options
    this.#options = options
    this.#log = shared.log
    this.#networks = new Networks(networks)
    this.#certificate = certificate && new X509Certificate(certificate.cert)
    this.#tls = certificate && this.#createTls(certificate)
    this.#server = createServer(
      {
        // Without it every exchange of a client that waits for each small answer costs 40 ms.
        noDelay: true,
        keepAlive: true,
        keepAliveInitialDelay: 60_000,
        // A client is not read before it is its turn for a handshake.
        pauseOnConnect: certificate !== undefined,
      },
      socket => this.#connect(socket),
    )
  }

  /** Starts to listen. Rejects with PORT_IN_USE, which names the holder where it can be known. */
  static async open(options: ListenerOptions): Promise<Listener> {
    const listener = new Listener(options)
    const { host, port, name, portOption } = options
    try {
      await new Promise<void>((resolve, reject) => {
        listener.#server.once('error', reject)
        listener.#server.listen({ host, port }, resolve)
      })
    } catch (error) {
      if (!isSystemError(error, 'EADDRINUSE')) throw error
      const holder = await findPortHolder(port)
      throw sluiceError('PORT_IN_USE', { listener: name, port, holder, option: portOption }, error)
    }
    listener.#server.on('error', error => listener.#log.error({ err: error }, 'a listener failed'))
    return listener
  }

  /** Where it listens; the port that was chosen if 0 was asked for. */
  get address(): Address {
    const { address, port } = this.#server.address() as AddressInfo
    return { host: address, port }
  }

  /** Accepts nobody any more, answers what was taken, and closes, within a bounded time. */
  async close(): Promise<void> {
    const closed = new Promise(resolve => this.#server.close(resolve))
    for (const connection of this.#connections) connection.close('sluice is stopping')
    for (const { socket } of this.#handshakes.values()) socket.destroy()
    await Promise.race([closed, new Promise(resolve => setTimeout(resolve, CLOSE_MS).unref())])
  }

  #createTls(certificate: { cert: Buffer; key: Buffer }): TlsServer {
    const tls = createTlsServer(
      {
        ...certificate,
        minVersion: 'TLSv1.2',
        // Node hides the server name of a session that TLS 1.2 resumes, and Metadata needs it.
        secureOptions: constants.SSL_OP_NO_TICKET,
      },
      socket => {
        this.#handshakes.get(peerOf(socket))?.over()
        this.#accept(socket, socket.servername)
      },
    )
    tls.on('tlsClientError', (error, socket) => {
      this.#failHandshake(peerOf(socket), error.message)
      socket.destroy()
    })
    return tls
  }

  #connect(socket: Socket): void {
    const { admission, limits } = this.#options.shared
    // It has gone again before it was looked at.
    if (socket.remoteAddress === undefined) return void socket.destroy()
    if (!admission.enter(socket, { name: this.#options.name, networks: this.#networks })) return
    if (this.#tls === undefined) return this.#accept(socket, undefined)
    const tls = this.#tls
    const peer = peerOf(socket)
    const deadline = setTimeout(() => {
      this.#failHandshake(peer, 'timeout: it was not over in time')
      socket.destroy()
    }, limits.handshakeMs)
    const turn = admission.awaitTurn(socket, () => tls.emit('connection', socket))
    const over = (): void => {
      clearTimeout(deadline)
      turn.over()
      this.#handshakes.delete(peer)
    }
    this.#handshakes.set(peer, { socket, over })
    socket.on('error', () => {})
    socket.once('close', () => this.#failHandshake(peer, 'the client hung up'))
  }

  /** Tells once of each handshake why it failed. */
  #failHandshake(peer: string, reason: string): void {
    const handshake = this.#handshakes.get(peer)
    if (handshake === undefined) return
    handshake.over()
    this.#log.info({ peer, reason }, 'TLS handshake failed')
  }

  #accept(socket: Socket | TLSSocket, name: string | false | null | undefined): void {
    // What a client sent before it closed its side is still handled and answered.
    socket.allowHalfOpen = true
    const { admission: _, ...shared } = this.#options.shared
    const serverName = typeof name === 'string' && name !== '' ? name : undefined
    const session = this.#options.openSession(serverName)
    const connection = new Connection({ socket, session, advertised: this.#advertisedTo(socket, serverName), ...shared })
    this.#connections.add(connection)
    socket.once('close', () => this.#connections.delete(connection))
  }

  #advertisedTo(socket: Socket, serverName: string | undefined): Address {
    const { advertised } = this.#options
    const isOurs = serverName !== undefined && (serverName === advertised?.host || this.#inCertificate(serverName).isThere)
    return {
      host: isOurs ? serverName : (advertised?.host ?? plainAddress(socket.localAddress)),
      port: advertised?.port ?? this.address.port,
    }
  }
}
