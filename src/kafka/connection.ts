/**
 * One client's connection: frames in, answers out in the order of the requests.
 *
 * Requests are pipelined: each is handled as soon as its frame is whole, what fixes an order is done before the handler
 * returns, and its answer waits in a queue until those before it have left. A connection that must end says why in one log line,
 * lets the answers that are under way leave, sends FIN, and reads and discards what the client still sends for a moment;
 * closing over unread input would turn into a reset, which can take the last answer with it.
 */
import { type TLSSocket } from 'node:tls'
import { type Chunks } from '../../protocol/chunks.ts'
import { FrameReader } from '../../protocol/framing.ts'
import { decodeRequestHeader, encodeResponse, type RequestHeader } from '../../protocol/headers.ts'
import { apiVersionsResponse, unsupportedApiVersions } from '../../protocol/messages/api-versions.ts'
import { ApiKey, apiName } from '../../protocol/api-keys.ts'
import { ProtocolError } from '../../protocol/protocol-error.ts'
import { Reader } from '../../protocol/reader.ts'
import { type ByteBudget, type Reservation } from '../base/byte-budget.ts'
import { type Limits } from '../config/limits.ts'
import { type Log } from '../base/log.ts'
import { type Dispatcher } from './dispatcher.ts'
import { type Address, type AnyHandler, type Answer } from './handler.ts'
import { RefusedStreams } from './refused-streams.ts'
import { type Session } from './session.ts'

export interface ConnectionOptions {
  socket: TLSSocket
  session: Session
  dispatcher: Dispatcher
  advertised: Address
  limits: Limits
  /** Shared by all connections. */
  budget: ByteBudget
  log: Log
}

/** An answer's place in the queue; `frame` is empty for a request that expects none. */
interface Slot {
  frame: Buffer | undefined
  /** The room that the request takes until it is answered. */
  reservation: Reservation | undefined
}

/** An address as people write it: IPv4 without the prefix that IPv6 sockets put before it. */
function peerAddress(socket: { remoteAddress?: string | undefined }): string {
  return (socket.remoteAddress ?? '').replace(/^::ffff:/, '')
}

/** A client as the log names it: address and port. */
export function peerOf(socket: { remoteAddress?: string | undefined; remotePort?: number | undefined }): string {
  return `${peerAddress(socket)}:${socket.remotePort ?? ''}`
}

/** How long a connection that is being closed may take to send what it owes, and then to be read to its end. */
const FAREWELL_MS = 5000
const DISCARD_MS = 1000

export class Connection {
  readonly #options: ConnectionOptions
  readonly #socket: TLSSocket
  readonly #frames: FrameReader
  /** The client's address without its port, which would be a new one for each connection. */
  readonly #source: string
  readonly #log: Log
  readonly #refusedStreams = new RefusedStreams()
  /** Requests that have not been answered yet, oldest first; the first answered ones leave together. */
  #slots: Slot[] = []
  /** A whole frame that waits for room in the budget. */
  #nextFrame: Chunks | undefined
  /** The room that the next frame waits for, or has been granted and is not whole yet. */
  #reservation: Reservation | undefined
  /** True while a request is under way that the next one has to wait for. */
  #isBlocked = false
  /** True when the connection is to end: no frame is looked at any more. */
  #isClosing = false
  /** True once the client has sent FIN; what it sent before is still handled. */
  #hasEnded = false
  /** Ends a connection that does not authenticate, or whose access key is not right, or that does not close. */
  #deadline: NodeJS.Timeout
  #requests = 0

  constructor(options: ConnectionOptions) {
    this.#options = options
    this.#socket = options.socket
    this.#source = peerAddress(options.socket)
    this.#log = options.log.child({ peer: peerOf(options.socket) })
    this.#frames = new FrameReader(options.limits.unauthenticatedRequestBytes)
    this.#deadline = this.#after(options.limits.unauthenticatedMs, 'it did not authenticate in time')
    const socket = this.#socket
    socket.on('data', (chunk: Buffer) => this.#receive(chunk))
    socket.on('end', () => {
      this.#hasEnded = true
      this.#resume()
    })
    socket.on('drain', () => this.#resume())
    socket.on('timeout', () => this.close('it was idle'))
    socket.on('error', error => this.#log.debug({ reason: error.message }, 'connection lost'))
    socket.on('close', () => {
      clearTimeout(this.#deadline)
      this.#isClosing = true
      this.#reservation?.release()
    })
    socket.setTimeout(options.limits.idleMs)
  }

  /** Ends the connection in order: what was taken is still answered. */
  close(reason: string): void {
    if (this.#isClosing) return
    this.#log.info({ project: this.#options.session.principal?.project, reason }, 'connection closed')
    this.#leave()
  }

  /** Takes no further frame; ends the connection when the last answer has left. */
  #leave(): void {
    this.#isClosing = true
    clearTimeout(this.#deadline)
    this.#deadline = setTimeout(() => this.#socket.destroy(), FAREWELL_MS)
    this.#socket.resume()
    this.#flush()
  }

  /** Whether the client has shown that it knows an access key of its project. */
  get #hasRightKey(): boolean {
    return this.#options.session.principal?.accessKey !== undefined
  }

  #receive(chunk: Buffer): void {
    if (this.#isClosing) return
    this.#frames.push(chunk)
    this.#handleFrames()
  }

  #handleFrames(): void {
    try {
      while (!this.#isClosing && !this.#isBlocked) {
        if (this.#slots.length >= this.#options.limits.requestsInFlight || this.#socket.writableNeedDrain) {
          this.#socket.pause()
          return
        }
        const frame = this.#nextFrame ?? this.#frames.next()
        if (!this.#hasRoom(frame)) {
          this.#nextFrame = frame
          this.#socket.pause()
          return
        }
        if (frame === undefined) break
        this.#nextFrame = undefined
        this.#requests++
        this.#handle(frame)
      }
    } catch (error) {
      this.#fail(error)
    }
    if (!this.#hasEnded || this.#isClosing || this.#isBlocked) return
    const isCut = this.#frames.bufferedBytes > 0 || this.#frames.expectedBytes !== undefined
    if (isCut) this.close('it ended in the middle of a request')
    else this.#leave()
  }

  /**
   * Reserves room for a frame as soon as its size is known, before it is read; false while there is none. What a client sends
   * before it has authenticated is small, and must not keep anybody else's room.
   */
  #hasRoom(frame: Chunks | undefined): boolean {
    const bytes = frame?.length ?? this.#frames.expectedBytes
    if (bytes === undefined || !this.#hasRightKey) return true
    this.#reservation ??= this.#options.budget.reserve(bytes, () => this.#resume())
    return this.#reservation.isGranted
  }

  /** A place in the queue of answers for the request that was handled, with the room that it takes until it is answered. */
  #openSlot(): Slot {
    const slot: Slot = { frame: undefined, reservation: this.#reservation }
    this.#reservation = undefined
    this.#slots.push(slot)
    return slot
  }

  #fill(slot: Slot, frame: Buffer): void {
    slot.frame = frame
    slot.reservation?.release()
  }

  #handle(frame: Chunks): void {
    const { session, dispatcher, limits } = this.#options
    if (session.expectsRawToken) return this.#authenticateRaw(frame)
    const reader = new Reader(frame)
    const header = decodeRequestHeader(reader)
    const name = apiName(header.apiKey)
    if (!session.allows(header.apiKey)) return this.close(`it sent ${name} where SASL does not allow it (${session.state})`)
    if (!this.#hasRightKey && this.#requests > limits.unauthenticatedRequests)
      return this.close('it sent too many requests without a right access key')
    const handler = dispatcher.find(header.apiKey)
    if (handler === undefined) return this.close(`it sent ${name}, which is not supported`)
    const { minVersion, maxVersion } = handler.request
    if (!handler.request.isDeclared(header.apiVersion)) {
      // Who asks for the versions in one that is not known is told in the oldest, which everybody reads (KIP-511).
      if (header.apiKey === ApiKey.ApiVersions)
        return this.#answer(
          encodeResponse(apiVersionsResponse, 0, header.correlationId, unsupportedApiVersions(dispatcher.ranges)),
        )
      return this.close(`it sent ${name} version ${header.apiVersion}, supported are ${minVersion} to ${maxVersion}`)
    }
    this.#call(handler, header, handler.request.decode(reader, header.apiVersion))
  }

  #call(handler: AnyHandler, header: RequestHeader, request: unknown): void {
    const { session, advertised } = this.#options
    const { apiVersion: version, correlationId } = header
    const call = {
      version,
      clientId: header.clientId ?? '',
      session,
      source: this.#source,
      advertised,
      refusedStreams: this.#refusedStreams,
    }
    const answer = handler.handle(request, call)
    const slot = this.#openSlot()
    const encode = ({ response, thenClose }: Answer<unknown>): void => {
      this.#fill(slot, response === undefined ? NO_ANSWER : encodeResponse(handler.response, version, correlationId, response))
      if (handler.blocks === true) this.#enter()
      if (thenClose !== undefined) this.close(thenClose)
    }
    if (answer instanceof Promise) this.#await(slot, answer.then(encode), handler.blocks === true)
    else {
      encode(answer)
      this.#flush()
    }
  }

  /** SASL after SaslHandshake 0: a token without a header; the answer is an empty frame, of which Sarama reads exactly four bytes. */
  #authenticateRaw(frame: Chunks): void {
    const slot = this.#openSlot()
    const authenticated = this.#options.session.authenticate(frame.toBuffer()).then(result => {
      this.#fill(slot, result.accepted ? EMPTY_FRAME : NO_ANSWER)
      this.#enter()
      if (!result.accepted) this.close(result.message)
    })
    this.#await(slot, authenticated, true)
  }

  /** Waits for an answer; if it blocks, no further frame is looked at until it is there. */
  #await(slot: Slot, answered: Promise<void>, blocks: boolean): void {
    if (blocks) {
      this.#isBlocked = true
      this.#socket.pause()
    }
    answered
      .catch((error: unknown) => {
        slot.reservation?.release()
        this.#fail(error)
      })
      .finally(() => {
        if (blocks) this.#isBlocked = false
        this.#flush()
        this.#resume()
      })
  }

  #answer(frame: Buffer): void {
    this.#fill(this.#openSlot(), frame)
    this.#flush()
  }

  /** Sets the limits of what the session has become. */
  #enter(): void {
    const { session, limits } = this.#options
    if (session.principal === undefined) return
    clearTimeout(this.#deadline)
    if (this.#hasRightKey) this.#frames.limitBytes = limits.requestBytes
    // The user of a wrong key is to see why, and is to have nothing else of it.
    else {
      this.#log.info({ project: session.principal.project }, 'access denied: unknown project or wrong access key')
      this.#deadline = this.#after(limits.unauthenticatedMs, 'its access key was not accepted')
    }
  }

  /** Sends the answers that are ready and have none before them. */
  #flush(): void {
    const first = this.#slots.findIndex(slot => slot.frame === undefined)
    const ready = this.#slots.splice(0, first === -1 ? this.#slots.length : first)
    const frames = ready.map(slot => slot.frame!).filter(frame => frame.length > 0)
    if (frames.length > 0 && this.#socket.writable) this.#socket.write(frames.length === 1 ? frames[0]! : Buffer.concat(frames))
    if (this.#isClosing && this.#slots.length === 0) this.#end()
  }

  #resume(): void {
    if (this.#isClosing || this.#isBlocked) return
    this.#socket.resume()
    this.#handleFrames()
  }

  #end(): void {
    this.#socket.end()
    clearTimeout(this.#deadline)
    this.#deadline = setTimeout(() => this.#socket.destroy(), DISCARD_MS)
  }

  #fail(error: unknown): void {
    if (error instanceof ProtocolError) return this.close(`it does not speak the protocol: ${error.message}`)
    this.#log.error({ err: error }, 'a request failed')
    this.close('a request failed')
  }

  #after(ms: number, reason: string): NodeJS.Timeout {
    return setTimeout(() => this.close(reason), ms)
  }
}

const NO_ANSWER = Buffer.alloc(0)
const EMPTY_FRAME = Buffer.alloc(4)
