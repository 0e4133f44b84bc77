/**
 * A connection to a sluice server that has logged in: TLS, SASL/PLAIN, then any number of requests without waiting for their answers.
 *
 * What is final (a certificate that is not trusted, a login that is refused) is a SluiceError. Everything else that ends a connection is
 * another error, and a reason to connect again.
 */
import { once } from 'node:events'
import { connect, type TLSSocket } from 'node:tls'
import type { Chunks } from '../../protocol/chunks.ts'
import { ErrorCode } from '../../protocol/error-codes.ts'
import { FrameReader } from '../../protocol/framing.ts'
import { decodeResponse, encodeRequest } from '../../protocol/headers.ts'
import type { Message } from '../../protocol/message.ts'
import { saslAuthenticateRequest, saslAuthenticateResponse } from '../../protocol/messages/sasl-authenticate.ts'
import { saslHandshakeRequest, saslHandshakeResponse } from '../../protocol/messages/sasl-handshake.ts'
import { sluiceError } from '../base/errors.ts'

/** Where to send to, and as whom. */
export interface Destination {
  host: string
  port: number
  /** The authority that the server's certificate is from, if the system does not know it. */
  ca?: Buffer
  project: string
  /** ID#SECRET */
  password: string
}

const CLIENT_ID = 'sluice-push'
const CONNECT_MS = 10_000
/** How long an answer may take. A server under load slows its clients down by a second or so at a time. */
const ANSWER_MS = 60_000
const MAX_ANSWER_BYTES = 16 * 2 ** 20
/** A session is left before it is over; the server counts from a moment before its answer. */
const SESSION_SHARE = 0.8

interface Waiting {
  take(frame: Chunks): void
  reject(error: Error): void
}

export class Connection {
  readonly #socket: TLSSocket
  readonly #frames = new FrameReader(MAX_ANSWER_BYTES)
  /** Who waits for an answer; answers come in the order of their requests. */
  readonly #waiting: Waiting[] = []
  #correlationId = 0
  /** Why the connection is of no use any more. */
  #failure: Error | undefined
  #expiresAtMs = Infinity

  private constructor(socket: TLSSocket) {
    this.#socket = socket
    socket.on('data', (chunk: Buffer) => this.#read(chunk))
    socket.on('error', error => this.#fail(error))
    socket.on('close', () => this.#fail(new Error('the server ended the connection')))
    socket.setTimeout(ANSWER_MS, () => {
      if (this.#waiting.length > 0) this.#fail(new Error(`the server has not answered for ${ANSWER_MS / 1000} s`))
    })
  }

  /** Connects and logs in. */
  static async open(destination: Destination): Promise<Connection> {
    const { host, port, ca } = destination
    const socket = connect({ host, port, ...(ca && { ca }) })
    const connection = new Connection(socket)
    try {
      const connected = once(socket, 'secureConnect', { signal: AbortSignal.timeout(CONNECT_MS) })
      await connected.catch((error: NodeJS.ErrnoException) => {
        throw explain(connection.#failure ?? error, `${host}:${port}`)
      })
      await connection.#authenticate(destination)
      return connection
    } catch (error) {
      connection.close()
      throw error
    }
  }

  /** Whether another connection should take the place of this one, once nothing is under way on it. */
  get isExpiring(): boolean {
    return performance.now() > this.#expiresAtMs
  }

  /** Sends a request. Resolves with its answer; rejects if the connection ends before. */
  call<Value, Input, ResponseInput>(
    request: Message<unknown, Input>,
    response: Message<Value, ResponseInput>,
    version: number,
    value: NoInfer<Input>,
  ): Promise<Value> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) return reject(this.#failure)
      const expected = ++this.#correlationId
      this.#socket.write(encodeRequest(request, version, expected, CLIENT_ID, value))
      const take = (frame: Chunks) => {
        const { correlationId, value } = decodeResponse(response, version, frame)
        if (correlationId !== expected) throw new Error(`the answer is to request ${correlationId}, not ${expected}`)
        resolve(value)
      }
      this.#waiting.push({ take, reject })
    })
  }

  close(): void {
    this.#fail(new Error('the connection was closed'))
  }

  async #authenticate({ project, password }: Destination): Promise<void> {
    await this.call(saslHandshakeRequest, saslHandshakeResponse, 1, { mechanism: 'PLAIN' })
    const authBytes = Buffer.from(`\0${project}\0${password}`)
    const answer = await this.call(saslAuthenticateRequest, saslAuthenticateResponse, 1, { authBytes })
    const { errorCode, errorMessage, sessionLifetimeMs } = answer
    if (errorCode !== ErrorCode.NONE) throw sluiceError('PUSH_FAILED', { problem: errorMessage ?? 'the login was refused' })
    if (sessionLifetimeMs > 0) this.#expiresAtMs = performance.now() + SESSION_SHARE * sessionLifetimeMs
  }

  #read(chunk: Buffer): void {
    try {
      this.#frames.push(chunk)
      for (let frame = this.#frames.next(); frame !== undefined; frame = this.#frames.next()) {
        const [first] = this.#waiting
        if (first === undefined) throw new Error('an answer that nobody has asked for')
        first.take(frame)
        this.#waiting.shift()
      }
    } catch (error) {
      this.#fail(error as Error)
    }
  }

  #fail(error: Error): void {
    this.#failure ??= error
    this.#socket.destroy()
    for (const { reject } of this.#waiting.splice(0)) reject(this.#failure)
  }
}

/** Errors of the certificate, which will not go away; by the beginning of their code. */
const UNTRUSTED = /^(SELF_SIGNED|DEPTH_ZERO|UNABLE_TO_|CERT_|ERR_TLS_CERT)/

function explain(error: NodeJS.ErrnoException, address: string): Error {
  if (error.name === 'AbortError') return new Error(`${address} does not answer`)
  const { code = '', message } = error
  if (UNTRUSTED.test(code)) {
    const problem = `the certificate of ${address} is not trusted: ${message}; --ca names the authority it is from, as data/certs/ca.pem of the server`
    return sluiceError('PUSH_FAILED', { problem })
  }
  return new Error(`no connection to ${address}: ${message || code}`)
}
