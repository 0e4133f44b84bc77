/**
 * Who speaks on a connection: the states of SASL/PLAIN, and the principal that comes of it.
 *
 *     start ── SaslHandshake v0 ──▶ raw token expected ── token ──▶ authenticated
 *       └───── SaslHandshake v1 ──▶ SaslAuthenticate expected ─────▶ authenticated
 *
 * ApiVersions is legal in every state but while a raw token is expected; everything else only when authenticated. That is also
 * what a connection is whose access key is wrong, unless the configuration says otherwise: its user then sees the refusal on
 * each topic, as the log service answers it.
 */
import { ApiKey } from '../../protocol/api-keys.ts'
import { type Authenticator } from '../catalog/authenticator.ts'
import { regionOfHost, type Principal } from '../catalog/authorizer.ts'

export type SessionState = 'start' | 'raw token' | 'token' | 'authenticating' | 'authenticated' | 'refused'

/** What became of a token: `message` says why it was refused. */
export type Authentication = { accepted: true } | { accepted: false; message: string }

export class Session {
  readonly #authenticator: Authenticator
  readonly #rejectAt: 'topic' | 'sasl'
  readonly #serverName: string | undefined
  #state: SessionState = 'start'
  /** Set once authenticated; without an access key if the key that was given is not right. */
  #principal: Principal | undefined

  constructor(options: { authenticator: Authenticator; rejectAt: 'topic' | 'sasl'; serverName: string | undefined }) {
    this.#authenticator = options.authenticator
    this.#rejectAt = options.rejectAt
    this.#serverName = options.serverName
  }

  get state(): SessionState {
    return this.#state
  }

  get principal(): Principal | undefined {
    return this.#principal
  }

  /** True if the next frame is a SASL token without a Kafka header. */
  get expectsRawToken(): boolean {
    return this.#state === 'raw token'
  }

  /** True if a request of this API is legal now. */
  allows(apiKey: number): boolean {
    if (apiKey === ApiKey.ApiVersions) return this.#state !== 'raw token'
    if (apiKey === ApiKey.SaslHandshake) return this.#state === 'start'
    if (apiKey === ApiKey.SaslAuthenticate) return this.#state === 'token'
    return this.#state === 'authenticated'
  }

  /** Chooses the mechanism; false if it is not PLAIN, and then the connection must end. */
  handshake(version: number, mechanism: string): boolean {
    if (mechanism !== 'PLAIN') {
      this.#state = 'refused'
      return false
    }
    this.#state = version === 0 ? 'raw token' : 'token'
    return true
  }

  /**
   * Checks a PLAIN token (RFC 4616): authorisation id, NUL, project, NUL, `accessKeyId#accessKeySecret`. The authorisation id is
   * empty or the project (kafka-python and aiokafka send it). Rejects when nothing can be said now, which must not be answered as
   * a refusal: Logstash drops logs on one.
   */
  async authenticate(token: Buffer): Promise<Authentication> {
    this.#state = 'authenticating'
    const credentials = parseToken(token)
    if (credentials === undefined)
      return this.#refuse('the SASL token is not a PLAIN token: authorisation id, NUL, user name, NUL, password')
    const { project, accessKeyId, secret } = credentials
    const accessKey = await this.#authenticator.verify(project, accessKeyId, secret)
    if (accessKey === undefined && this.#rejectAt === 'sasl')
      return this.#refuse(
        `access denied: the user name is the project, the password is accessKeyId#accessKeySecret of a key of that project`,
      )
    this.#principal = { project, accessKey, region: regionOfHost(this.#serverName, project) }
    this.#state = 'authenticated'
    return { accepted: true }
  }

  #refuse(message: string): Authentication {
    this.#state = 'refused'
    return { accepted: false, message }
  }
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
