/**
 * What a wire dump takes of one connection, and in which form; `wire-dump.ts` has the format.
 *
 * What must stay true: no secret is in a dump, nor its length. A SASL token is replaced before anything is kept. What cannot be
 * decoded may be a token that was sent out of place, or a request that holds one: of that the size is kept and nothing else,
 * unless the client has logged in and the request is one that never holds a secret.
 */
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { ApiKey } from '../../protocol/api-keys.ts'
import { Chunks } from '../../protocol/chunks.ts'
import { decodeRequestHeader, encodeRequest, type RequestHeader } from '../../protocol/headers.ts'
import { findApi } from '../../protocol/messages/apis.ts'
import { saslAuthenticateRequest } from '../../protocol/messages/sasl-authenticate.ts'
import { ProtocolError } from '../../protocol/protocol-error.ts'
import { Reader } from '../../protocol/reader.ts'
import type { Session } from './session.ts'
import type { Recording } from './wire-dump.ts'

/** What is kept of a frame; the requests of producers that are set up as usual fit. */
const MAX_FRAME_BYTES = 1024 * 1024
/** An event without its frame, at most. */
const EVENT_BYTES = 512

/** Stands for every SASL token, whatever its length. */
const BLANK = Buffer.from('(secret)')

/** A connection as the dump sees it. */
export interface Tapped {
  /** Set while the connection is recorded. */
  tap: Tap | undefined
}

/** What is to be known of a connection. */
export interface TappedFacts {
  readonly session: Session
  readonly socket: Socket
  /** The client's address, and the same with its port. */
  readonly source: string
  readonly peer: string
}

/** An event without `conn` and `ms`. */
type Event = { readonly dir: string } & Readonly<Record<string, unknown>>

/** What a connection calls with all that goes over it. */
export class Tap {
  /** The name of the file; undefined while it is not known whether the connection is one that is asked for. */
  file: string | undefined
  writtenBytes = 0

  readonly #recording: Recording
  readonly #connection: Tapped
  readonly #facts: TappedFacts
  readonly #number: number
  /** Lines that are held back until it is known whose connection this is. */
  #held: { line: Buffer; isFrame: boolean }[] = []
  /** Frames since the last line that there was no room for. */
  #lostFrames = 0
  /** Why the server ends the connection, if it does. */
  #reason: string | null = null
  /** Whether what came last may be a secret: then what the server says of it may have a few bytes of it, as numbers. */
  #isSensitive = false

  constructor(recording: Recording, connection: Tapped, { facts, number }: { facts: TappedFacts; number: number }) {
    this.#recording = recording
    this.#connection = connection
    this.#facts = facts
    this.#number = number
  }

  open(earlier: boolean): void {
    const { socket, peer } = this.#facts
    this.#put({ dir: 'open', ...describeTls(socket), peer, time: new Date().toISOString(), earlier }, EVENT_BYTES)
  }

  /** To be called before the request is handled: a later state of the session would tell nothing of it. */
  request(frame: Chunks): void {
    const { session } = this.#facts
    this.#putFrame(frame.length, () => {
      const event = describeRequest(frame, session)
      this.#isSensitive = event['hex'] === null
      return { dir: 'request', ...event }
    })
  }

  /** An answer as it is sent, with its size; nothing if there is none. `header` is that of its request. */
  response(header: RequestHeader | undefined, frame: Buffer): void {
    if (frame.length === 0) return
    const { apiKey = null, apiVersion = null, correlationId = null } = header ?? {}
    this.#putFrame(frame.length, () => {
      return { dir: 'response', apiKey, apiVersion, correlationId, ...toHex(Chunks.of(frame.subarray(4))) }
    })
  }

  /** The server is about to end the connection. */
  close(reason: string): void {
    this.#reason = this.#isSensitive ? reason.split(':')[0]! : reason
  }

  /** The connection has ended. */
  end(): void {
    this.#put({ dir: 'close', by: this.#reason === null ? 'client' : 'broker', error: this.#reason }, EVENT_BYTES)
    this.leave()
  }

  /** Records nothing any more. */
  leave(): void {
    this.#putLost()
    for (const { line } of this.#held) this.#recording.release(line.length)
    this.#held = []
    this.#recording.forget(this)
    this.#connection.tap = undefined
  }

  #putFrame(bytes: number, describe: () => Event): void {
    this.#put(describe, EVENT_BYTES + 2 * Math.min(bytes, MAX_FRAME_BYTES), true)
  }

  /** `maxBytes` is what the line may need; if there is no room for that, it is not even made. */
  #put(event: Event | (() => Event), maxBytes: number, isFrame = false): void {
    if (!this.#isWanted()) return
    if (!this.#recording.reserve(maxBytes)) {
      if (isFrame) this.#lostFrames++
      return
    }
    this.#putLost()
    const line = this.#encode(typeof event === 'function' ? event() : event)
    this.#recording.release(maxBytes - line.length)
    if (this.file === undefined) this.#held.push({ line, isFrame })
    else this.#recording.write(this, line, isFrame)
  }

  #putLost(): void {
    if (this.#lostFrames === 0 || this.file === undefined) return
    const frames = this.#lostFrames
    this.#lostFrames = 0
    this.#recording.writeLost(this, this.#encode({ dir: 'lost', frames }), frames)
  }

  #encode(event: Event): Buffer {
    return Buffer.from(`${JSON.stringify({ conn: this.#number, ms: this.#recording.elapsedMs, ...event })}\n`)
  }

  /** Begins the file as soon as it is known that the connection is one that is asked for, and leaves if it is not. */
  #isWanted(): boolean {
    const { project } = this.#recording
    if (project !== undefined) {
      const actual = this.#facts.session.principal?.project
      if (actual === undefined) return true
      if (actual !== project) {
        this.leave()
        return false
      }
    }
    if (this.file !== undefined) return true
    this.file = this.#recording.openFile(this.#facts.peer)
    if (this.file === undefined) {
      this.leave()
      return false
    }
    for (const { line, isFrame } of this.#held.splice(0)) this.#recording.write(this, line, isFrame)
    return true
  }
}

function describeTls(socket: Socket): Record<string, unknown> {
  if (!(socket instanceof TLSSocket)) return { tls: null, cipher: null, servername: null, resumed: false }
  const { servername } = socket as { servername?: string | false | null }
  return {
    tls: socket.getProtocol(),
    cipher: socket.getCipher()?.name ?? null,
    servername: typeof servername === 'string' && servername !== '' ? servername : null,
    resumed: socket.isSessionReused(),
  }
}

/** A request without its secrets. */
function describeRequest(frame: Chunks, session: Session): Record<string, unknown> {
  const nobody = { apiKey: null, apiVersion: null, correlationId: null }
  if (session.expectsRawToken) return { ...nobody, hex: BLANK.toString('hex') }
  const header = findHeader(frame)
  if (header !== undefined) {
    const { apiKey, apiVersion, correlationId } = header
    const known = { apiKey, apiVersion, correlationId }
    if (apiKey === ApiKey.SaslAuthenticate && isDecodable(frame, header))
      return { ...known, hex: blankToken(header).toString('hex') }
    if (apiKey !== ApiKey.SaslAuthenticate && isHarmless(frame, header, session)) return { ...known, ...toHex(frame) }
    // Clients begin with a version that the server may not know, and no token begins like that.
    if (apiKey === ApiKey.ApiVersions) return { ...known, hex: null, bytes: frame.length }
    if (apiKey === ApiKey.SaslAuthenticate) return { ...nobody, apiKey, hex: null }
  }
  return { ...nobody, hex: null, bytes: frame.length }
}

/** Whether the frame is what its header says; of a client that has logged in and does so no more, whether there is such a request. */
function isHarmless(frame: Chunks, header: RequestHeader, session: Session): boolean {
  if (session.principal === undefined || header.apiKey === ApiKey.SaslHandshake) return isDecodable(frame, header)
  return findApi(header.apiKey)?.request.isDeclared(header.apiVersion) ?? false
}

function findHeader(frame: Chunks): RequestHeader | undefined {
  return decodeOrNot(() => decodeRequestHeader(new Reader(frame)))
}

function isDecodable(frame: Chunks, { apiKey, apiVersion }: RequestHeader): boolean {
  const message = findApi(apiKey)?.request
  if (!message?.isDeclared(apiVersion)) return false
  const decode = (): unknown => {
    const reader = new Reader(frame)
    decodeRequestHeader(reader)
    return message.decode(reader, apiVersion)
  }
  return decodeOrNot(decode) !== undefined
}

function decodeOrNot<Value>(decode: () => Value): Value | undefined {
  try {
    return decode()
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
    return undefined
  }
}

/** The same request with a token of the same length for all, and without what else its bytes may hold. */
function blankToken({ apiVersion, correlationId, clientId }: RequestHeader): Buffer {
  return encodeRequest(saslAuthenticateRequest, apiVersion, correlationId, clientId, { authBytes: BLANK }).subarray(4)
}

function toHex(frame: Chunks): { hex: string; bytes?: number } {
  if (frame.length <= MAX_FRAME_BYTES) return { hex: frame.toBuffer().toString('hex') }
  return { hex: frame.slice(0, MAX_FRAME_BYTES).toBuffer().toString('hex'), bytes: frame.length }
}
