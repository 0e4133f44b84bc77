/**
 * Who speaks on a connection: the states of SASL/PLAIN, and the principal that comes of it.
 *
 *     start ── SaslHandshake v0 ──▶ raw token expected ── token ──▶ authenticated
 *       └───── SaslHandshake v1 ──▶ SaslAuthenticate expected ─────▶ authenticated
 *
 * Where sessions have a lifetime, an authenticated client goes through that once more before it is over (KIP-368). One that does not
 * is cut off at its next request, also where it cannot know: raw tokens and SaslAuthenticate 0 have no room to tell the lifetime.
 *
 * ApiVersions is legal in every state but while a raw token is expected; everything else only when authenticated. That is also
 * what a connection is whose access key is wrong, unless the configuration says otherwise: its user then sees the refusal on
 * each topic, as the log service answers it. On a trusted listener without SASL a connection is authenticated from the start.
 */
import { ApiKey } from '../../protocol/api-keys.ts'
import type { Authenticator } from '../catalog/authenticator.ts'
import type { Catalog } from '../catalog/catalog.ts'
import { regionOfHost, type Authorizer, type Principal } from '../catalog/authorizer.ts'
import type { RefusalLog, RefusedClient } from './refusal-log.ts'

export type SessionState = 'start' | 'raw token' | 'token' | 'authenticating' | 'authenticated' | 'refused'

/** What became of a token: `message` says why it was refused; the session ends after `lifetimeMs`, or not at all if that is 0. */
export type Authentication = { accepted: true; lifetimeMs: number } | { accepted: false; message: string }

/** What a connection and the handlers ask of a session. */
export interface Session {
  readonly state: SessionState
  /** Set once authenticated; without an access key if the key that was given is not right. */
  readonly principal: Principal | undefined
  /** True if the next frame is a SASL token without a Kafka header. */
  readonly expectsRawToken: boolean
  /** True if the client had to authenticate again and has not. */
  readonly hasExpired: boolean
  /** True if the access key that was right is found to be gone: the connection ends, so that the client comes again and logs in. */
  readonly isRevoked: boolean
  /** True if a request of this API is legal now. */
  allows(apiKey: number): boolean
  /** Chooses the mechanism; false if it is not PLAIN, and then the connection must end. */
  handshake(version: number, mechanism: string): boolean
  /**
   * Checks a PLAIN token (RFC 4616): authorisation id, NUL, project, NUL, `accessKeyId#accessKeySecret`. The authorisation id is
   * empty or the project (kafka-python and aiokafka send it). Rejects when nothing can be said now, which must not be answered as
   * a refusal: Logstash drops logs on one.
   */
  authenticate(token: Buffer, client: RefusedClient): Promise<Authentication>
  /** The access key of the principal was refused. */
  revoke(): void
}

export interface SaslSessionOptions {
  authenticator: Authenticator
  authorizer: Authorizer
  refusalLog: RefusalLog
  rejectAt: 'topic' | 'sasl'
  /** The TLS server name that the client asked for. */
  serverName: string | undefined
  /** After how long a client has to authenticate again (KIP-368); never if absent. */
  lifetimeMs: number | undefined
}

/** A refusal waits this long, so that passwords cannot be tried at the speed of the network. */
const REFUSAL_DELAY_MS = 100

export class SaslSession implements Session {
  readonly #options: SaslSessionOptions
  #state: SessionState = 'start'
  #principal: Principal | undefined
  #expiresAtMs = Infinity
  #isRevoked = false

  constructor(options: SaslSessionOptions) {
    this.#options = options
  }

  get state(): SessionState {
    return this.#state
  }

  get principal(): Principal | undefined {
    return this.#principal
  }

  get expectsRawToken(): boolean {
    return this.#state === 'raw token'
  }

  get hasExpired(): boolean {
    return this.#isLimited && performance.now() >= this.#expiresAtMs
  }

  get isRevoked(): boolean {
    return this.#isRevoked
  }

  revoke(): void {
    // A key that was never right stays as it is: its user is to see why.
    this.#isRevoked = this.#principal?.accessKey !== undefined
  }

  allows(apiKey: number): boolean {
    if (apiKey === ApiKey.ApiVersions) return this.#state !== 'raw token'
    if (apiKey === ApiKey.SaslHandshake) return this.#state === 'start' || (this.#state === 'authenticated' && this.#isLimited)
    if (apiKey === ApiKey.SaslAuthenticate) return this.#state === 'token'
    return this.#state === 'authenticated'
  }

  get #isLimited(): boolean {
    return this.#options.lifetimeMs !== undefined
  }

  handshake(version: number, mechanism: string): boolean {
    if (mechanism !== 'PLAIN') {
      this.#state = 'refused'
      return false
    }
    this.#state = version === 0 ? 'raw token' : 'token'
    return true
  }

  async authenticate(token: Buffer, client: RefusedClient): Promise<Authentication> {
    const { authenticator, authorizer, refusalLog, rejectAt, serverName, lifetimeMs } = this.#options
    this.#state = 'authenticating'
    const credentials = parseToken(token)
    if (credentials === undefined)
      return this.#refuse('the SASL token is not a PLAIN token: authorisation id, NUL, user name, NUL, password')
    const { project, accessKeyId, secret } = credentials
    if (this.#principal !== undefined && this.#principal.project !== project)
      return this.#refuse('a connection belongs to one project: authenticate again as the project of the first time')
    const accessKey = await authenticator.verify(project, accessKeyId, secret)
    const principal = { project, accessKey, region: regionOfHost(serverName, project) }
    const refusal = authorizer.findRefusal(principal)
    if (refusal !== undefined) refusalLog.tell(client, { project, message: refusal.message })
    if (accessKey === undefined && rejectAt === 'sasl')
      return this.#refuse(
        `access denied: the user name is the project, the password is accessKeyId#accessKeySecret of a key of that project`,
      )
    this.#principal = principal
    this.#isRevoked = false
    this.#state = 'authenticated'
    if (lifetimeMs === undefined) return { accepted: true, lifetimeMs: 0 }
    this.#expiresAtMs = performance.now() + lifetimeMs
    return { accepted: true, lifetimeMs }
  }

  async #refuse(message: string): Promise<Authentication> {
    this.#state = 'refused'
    await new Promise(resolve => setTimeout(resolve, REFUSAL_DELAY_MS))
    return { accepted: false, message }
  }
}

/**
 * A session on a trusted listener without SASL: every connection acts as the one access key that the configuration names, as long
 * as there is that key.
 */
export class TrustedSession implements Session {
  readonly state = 'authenticated'
  readonly expectsRawToken = false
  readonly hasExpired = false
  /** A key that is made again is taken at once. */
  readonly isRevoked = false
  readonly #catalog: Catalog
  readonly #project: string
  readonly #accessKeyId: string

  constructor(options: { catalog: Catalog; project: string; accessKeyId: string }) {
    this.#catalog = options.catalog
    this.#project = options.project
    this.#accessKeyId = options.accessKeyId
  }

  get principal(): Principal {
    const accessKey = this.#catalog.findAccessKey(this.#project, this.#accessKeyId)
    return { project: this.#project, accessKey, region: undefined }
  }

  allows(apiKey: number): boolean {
    return apiKey !== ApiKey.SaslHandshake && apiKey !== ApiKey.SaslAuthenticate
  }

  handshake(): boolean {
    return false
  }

  authenticate(): Promise<Authentication> {
    throw new Error('there is no SASL on this listener')
  }

  revoke(): void {}
}

function parseToken(token: Buffer): { project: string; accessKeyId: string; secret: string } | undefined {
  const parts = token.toString('utf8').split('\0')
  const [authorizationId, project, password] = parts
  if (parts.length !== 3 || authorizationId === undefined || project === undefined || password === undefined) return undefined
  if (authorizationId !== '' && authorizationId !== project) return undefined
  const hash = password.indexOf('#')
  return hash === -1
    ? { project, accessKeyId: password, secret: '' }
    : { project, accessKeyId: password.slice(0, hash), secret: password.slice(hash + 1) }
}
