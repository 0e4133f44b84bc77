/**
 * One client's connection: frames in, answers out in the order of the requests.
 *
 * Requests are pipelined: each is handled as soon as its frame is whole, what fixes an order is done before the handler
 * returns, and its answer waits in a queue until those before it have left. A connection that must end says why in one log line,
 * lets the answers that are under way leave, sends FIN, and reads and discards what the client still sends for a moment;
 * closing over unread input would turn into a reset, which can take the last answer with it.
 */
import type { Socket } from 'node:net'
import type { Chunks } from '../../protocol/chunks.ts'
import { FRAME_PREFIX_BYTES, FrameReader } from '../../protocol/framing.ts'
import { decodeRequestHeader, encodeResponse, type RequestHeader } from '../../protocol/headers.ts'
import { apiVersionsResponse, unsupportedApiVersions } from '../../protocol/messages/api-versions.ts'
import { ApiKey, apiName } from '../../protocol/api-keys.ts'
import { ProtocolError } from '../../protocol/protocol-error.ts'
import { Reader } from '../../protocol/reader.ts'
import { SluiceError } from '../base/errors.ts'
import { countReceived } from '../base/garbage.ts'
import type { Log } from '../base/log.ts'
import { peerOf, plainAddress } from '../base/networks.ts'
import { whenAllSettled } from '../base/outcome.ts'
import type { Limits } from '../config/limits.ts'
import { AnswerQueue, type Slot } from './answer-queue.ts'
import type { Dispatcher } from './dispatcher.ts'
import type { Address, AnyHandler, Answer } from './handler.ts'
import { Holdings, type Shares } from './holdings.ts'
import { Pace } from './pace.ts'
import { forLog } from './refusal-log.ts'
import { RefusedStreams } from './refused-streams.ts'
import type { Authentication, Session } from './session.ts'
import type { Tap } from './tap.ts'
import type { WireDump } from './wire-dump.ts'

export interface ConnectionOptions {
  socket: Socket
  session: Session
  dispatcher: Dispatcher
  advertised: Address
  limits: Limits
  shares: Shares
  wireDump: WireDump
  log: Log
}

/** How long a connection that is being closed may take to send what it owes, and then to be read to its end. */
const FAREWELL_MS = 5000
const DISCARD_MS = 1000
/** The time that a connection may be idle is counted in so many parts: the timer of a socket is set anew with each read and write. */
const IDLE_PARTS = 8
/** When requests of a connection have taken longer in a row, such as one with a large message set to convert, others have their turn. */
const LONG_MS = 10

export class Connection {
  /** Records what goes over this connection, while somebody asks for it. */
  tap: Tap | undefined
  readonly #options: ConnectionOptions
  readonly #socket: Socket
  readonly #frames: FrameReader
  /** The client's address without its port, which would be a new one for each connection. */
  readonly #source: string
  /** Address and port, as the log names it. */
  readonly #peer: string
  readonly #refusedStreams = new RefusedStreams()
  readonly #pace = new Pace()
  readonly #answers = new AnswerQueue()
  readonly #holdings: Holdings
  /** True while a whole request waits that may not be handled yet. */
  #isHeldUp = false
  /** True while a request is under way that the next one has to wait for. */
  #isBlocked = false
  /** True while answers are to be sent in a moment. */
  #isFlushing = false
  /** True when the connection is to end: no frame is looked at any more. */
  #isClosing = false
  /** True once the client has sent FIN; what it sent before is still handled. */
  #hasEnded = false
  /** Ends a connection that does not authenticate, or whose access key is not right, or that does not close. */
  #deadline: NodeJS.Timeout
  /** Reads on when a client that is slowed down has waited. */
  #pause: NodeJS.Timeout | undefined
  /** Of `IDLE_PARTS`, those that have ended since something was received or sent. */
  #quietParts = 0
  /** Since the client came, or was found to have no right access key any more. */
  #requestsWithoutKey = 0
  /** As the client named itself last. */
  #clientId = ''
  /** The size of the request that is being handled, with its prefix. */
  #requestBytes = 0

  constructor(options: ConnectionOptions) {
    this.#options = options
    this.#socket = options.socket
    this.#source = plainAddress(options.socket.remoteAddress)
    this.#peer = peerOf(options.socket)
    this.#frames = new FrameReader(options.limits.unauthenticatedRequestBytes)
    this.#deadline = this.#after(options.limits.unauthenticatedMs, 'it did not authenticate in time')
    this.#holdings = new Holdings({
      shares: options.shares,
      source: this.#source,
      onRoom: () => this.#resume(),
      onEvict: () => this.close('its unfinished request took room that others waited for'),
      unfinishedBytes: () => (this.#isHeldUp ? 0 : this.#frames.bufferedBytes),
    })
    const socket = this.#socket
    options.wireDump.connect(this, { session: options.session, socket, source: this.#source, peer: this.#peer })
    socket.on('data', (chunk: Buffer) => this.#receive(chunk))
    socket.on('end', () => {
      this.#hasEnded = true
      this.#resume()
    })
    socket.on('drain', () => {
      this.#quietParts = 0
      this.#resume()
    })
    socket.on('error', error => {
      options.log.debug({ peer: this.#peer, reason: error.message }, 'connection lost')
      // Node only tells of a TLS record that cannot be decrypted.
      socket.destroy()
    })
    socket.on('close', () => {
      options.wireDump.disconnect(this)
      clearTimeout(this.#deadline)
      clearInterval(idle)
      this.#stopReceiving()
      this.#holdings.close()
    })
    const idle = setInterval(() => {
      if (++this.#quietParts > IDLE_PARTS) this.close('it was idle')
    }, options.limits.idleMs / IDLE_PARTS).unref()
    this.#enter()
  }

  /** Ends the connection in order: what was taken is still answered. */
  close(reason: string): void {
    if (this.#isClosing) return
    const { log, session } = this.#options
    const project = session.principal && forLog(session.principal.project)
    log.info({ peer: this.#peer, project, reason }, 'connection closed')
    this.tap?.close(reason)
    this.#leave()
  }

  /** Takes no further frame; ends the connection when the last answer has left. */
  #leave(): void {
    this.#stopReceiving()
    clearTimeout(this.#deadline)
    this.#deadline = setTimeout(() => this.#socket.destroy(), FAREWELL_MS)
    this.#socket.resume()
    this.#flush()
  }

  /** Looks at nothing more that the client sends, and forgets what is not a whole request. */
  #stopReceiving(): void {
    this.#isClosing = true
    clearTimeout(this.#pause)
    this.#holdings.release(this.#frames.clear())
  }

  /** Whether the client has shown that it knows an access key of its project. */
  get #hasRightKey(): boolean {
    return this.#options.session.principal?.accessKey !== undefined
  }

  #receive(chunk: Buffer): void {
    if (this.#isClosing) return
    countReceived(chunk.length)
    this.#quietParts = 0
    this.#frames.push(chunk)
    this.#holdings.hold(chunk.length)
    this.#handleFrames()
  }

  #handleFrames(): void {
    this.#isHeldUp = false
    let startMs: number | undefined
    try {
      while (!this.#isClosing && !this.#isBlocked && this.#frames.hasNext()) {
        if (!this.#mayHandle()) {
          this.#isHeldUp = true
          this.#socket.pause()
          return
        }
        const frame = this.#frames.next()!
        this.#requestBytes = FRAME_PREFIX_BYTES + frame.length
        // Behind the last one others have their turn anyway.
        if (this.#frames.bufferedBytes > 0) startMs ??= performance.now()
        this.#handle(frame)
        if (startMs !== undefined && performance.now() - startMs > LONG_MS) return this.#giveWay()
      }
    } catch (error) {
      this.#fail(error)
    }
    if (this.#isClosing || this.#isBlocked || this.#isPaused()) return
    if (this.#hasEnded) {
      const isCut = this.#frames.bufferedBytes > 0 || this.#frames.expectedBytes !== undefined
      if (isCut) this.close('it ended in the middle of a request')
      else this.#leave()
    } else if (this.#isBehind || !this.#holdings.hasRoom()) this.#socket.pause()
  }

  /** Whether the next request may be handled now; if not, `#resume` is called when it may. */
  #mayHandle(): boolean {
    if (this.#isBehind) return false
    // What came behind a request that was refused for want of room is refused at once.
    if (this.#pace.isRefusing) return true
    return !this.#isPaused() && this.#holdings.mayBegin()
  }

  /** Leaves the client unread as long as it is slowed down. */
  #isPaused(): boolean {
    const { waitMs } = this.#pace
    if (waitMs === 0) return false
    this.#socket.pause()
    clearTimeout(this.#pause)
    this.#pause = setTimeout(() => this.#resume(), waitMs)
    return true
  }

  /** Lets other connections have their turn after a request that took long. */
  #giveWay(): void {
    this.#socket.pause()
    setImmediate(() => this.#resume())
  }

  /** Whether requests of this connection must be answered, or answers be read by its client, before more is looked at. */
  get #isBehind(): boolean {
    const { requestsInFlight, requestBytes } = this.#options.limits
    if (this.#socket.writableNeedDrain || this.#answers.length >= requestsInFlight) return true
    return this.#answers.length > 0 && this.#holdings.bytes >= requestBytes
  }

  /** A place for the answer to the request that is being handled. */
  #open(header?: RequestHeader): Slot {
    this.#holdings.begin(this.#requestBytes)
    return this.#answers.open(this.#requestBytes, header)
  }

  #fill(slot: Slot, frame: Buffer): void {
    this.#holdings.finish(this.#answers.fill(slot, frame))
  }

  #handle(frame: Chunks): void {
    const { session, dispatcher, limits } = this.#options
    this.tap?.request(frame)
    if (session.expectsRawToken) return this.#authenticateRaw(frame)
    const reader = new Reader(frame)
    const header = decodeRequestHeader(reader)
    if (!session.allows(header.apiKey))
      return this.close(`it sent ${apiName(header.apiKey)} where SASL does not allow it (${session.state})`)
    if (session.hasExpired && !REAUTHENTICATION.includes(header.apiKey))
      return this.close('its session is over: it did not authenticate again')
    if (this.#hasRightKey) this.#requestsWithoutKey = 0
    else if (++this.#requestsWithoutKey > limits.unauthenticatedRequests)
      return this.close('it sent too many requests without a right access key')
    const handler = dispatcher.find(header)
    if (typeof handler === 'string') {
      if (header.apiKey !== ApiKey.ApiVersions) return this.close(handler)
      // Who asks for the versions in one that is not known is told in the oldest, which everybody reads (KIP-511).
      const response = unsupportedApiVersions(dispatcher.ranges)
      this.#fill(this.#open(header), encodeResponse(apiVersionsResponse, 0, header.correlationId, response))
      return this.#flushSoon()
    }
    this.#call(handler, header, handler.request.decode(reader, header.apiVersion))
  }

  #call(handler: AnyHandler, header: RequestHeader, request: unknown): void {
    const { session, advertised } = this.#options
    const { apiVersion: version, correlationId } = header
    this.#clientId = header.clientId ?? ''
    const call = {
      version,
      clientId: this.#clientId,
      session,
      source: this.#source,
      advertised,
      refusedStreams: this.#refusedStreams,
      pace: this.#pace,
    }
    const answer = handler.handle(request, call)
    const slot = this.#open(header)
    const encode = ({ response, thenClose }: Answer<unknown>): void => {
      this.#fill(slot, response === undefined ? NO_ANSWER : encodeResponse(handler.response, version, correlationId, response))
      if (handler.blocks === true) this.#enter()
      if (thenClose !== undefined) this.close(thenClose)
      else if (session.isRevoked) this.close('its access key is gone')
    }
    if (answer instanceof Promise) void this.#await(slot, answer, encode, handler.blocks === true)
    else if ('outcomes' in answer) whenAllSettled(answer.outcomes, () => this.#complete(slot, () => encode(answer.make())))
    else this.#complete(slot, () => encode(answer))
  }

  #complete(slot: Slot, fill: () => void): void {
    try {
      fill()
    } catch (error) {
      this.#abandon(slot, error)
    }
    this.#flushSoon()
  }

  /** SASL after SaslHandshake 0: a token without a header; the answer is an empty frame, of which Sarama reads exactly four bytes. */
  #authenticateRaw(frame: Chunks): void {
    const slot = this.#open()
    const take = (result: Authentication): void => {
      this.#fill(slot, result.accepted ? EMPTY_FRAME : NO_ANSWER)
      this.#enter()
      if (!result.accepted) this.close(result.message)
    }
    const client = { clientId: this.#clientId, source: this.#source }
    void this.#await(slot, this.#options.session.authenticate(frame.toBuffer(), client), take, true)
  }

  /** Waits for an answer; if it blocks, no further frame is looked at until it is there. */
  async #await<Value>(slot: Slot, answer: Promise<Value>, take: (value: Value) => void, blocks: boolean): Promise<void> {
    if (blocks) {
      this.#isBlocked = true
      this.#socket.pause()
    }
    try {
      take(await answer)
    } catch (error) {
      this.#abandon(slot, error)
    }
    if (blocks) this.#isBlocked = false
    this.#flushSoon()
  }

  /** Ends the connection for a request that cannot be answered. */
  #abandon(slot: Slot, error: unknown): void {
    this.#holdings.finish(this.#answers.drop(slot))
    this.#fail(error)
  }

  /** Sets the limits of what the session has become. */
  #enter(): void {
    const { session, limits } = this.#options
    if (session.principal === undefined) return
    clearTimeout(this.#deadline)
    this.#holdings.join(this.#hasRightKey ? session.principal.project : undefined)
    this.#frames.limitBytes = this.#hasRightKey ? limits.requestBytes : limits.unauthenticatedRequestBytes
    // The user of a wrong key is to see why, and is to have nothing else of it.
    if (!this.#hasRightKey) this.#deadline = this.#after(limits.unauthenticatedMs, 'its access key was not accepted')
  }

  /** Sends what is ready once everything that has become durable together has its answer: one write for all of them. */
  #flushSoon(): void {
    if (this.#isFlushing) return
    this.#isFlushing = true
    process.nextTick(() => {
      this.#isFlushing = false
      this.#flush()
      this.#resume()
    })
  }

  /** Sends the answers that are ready and have none before them. */
  #flush(): void {
    const ready = this.#answers.takeReady()
    const bytes = ready.length === 1 ? ready[0]!.frame! : Buffer.concat(ready.map(({ frame }) => frame!))
    if (bytes.length > 0 && this.#socket.writable) {
      this.#socket.write(bytes)
      this.#quietParts = 0
    }
    if (this.tap !== undefined) for (const { header, frame } of ready) this.tap.response(header, frame!)
    if (this.#isClosing && this.#answers.length === 0) this.#end()
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
    // Busy, for example: strangers must not fill the log with what is no failure.
    if (error instanceof SluiceError) return this.close(error.message)
    this.#options.log.error({ peer: this.#peer, err: error }, 'a request failed')
    this.close('a request failed')
  }

  #after(ms: number, reason: string): NodeJS.Timeout {
    return setTimeout(() => this.close(reason), ms)
  }
}

/** What a client may send whose session is over. */
const REAUTHENTICATION: readonly number[] = [ApiKey.ApiVersions, ApiKey.SaslHandshake, ApiKey.SaslAuthenticate]

const NO_ANSWER = Buffer.alloc(0)
const EMPTY_FRAME = Buffer.alloc(4)
