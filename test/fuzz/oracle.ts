/**
 * What a server must answer to given bytes, and with which reason it may end the connection. The bytes are read here as the server
 * reads them, with the same `protocol/` but with none of `src/`, so what is checked is what the server makes of it: the order of
 * answers, the states of a login, which requests end a connection and which do not.
 */
import { isDeepStrictEqual } from 'node:util'
import { ApiKey } from '../../protocol/api-keys.ts'
import type { Chunks } from '../../protocol/chunks.ts'
import { ErrorCode } from '../../protocol/error-codes.ts'
import { FrameReader } from '../../protocol/framing.ts'
import { decodeRequestHeader, decodeResponse, type RequestHeader } from '../../protocol/headers.ts'
import type { ApiVersionsResponse } from '../../protocol/messages/api-versions.ts'
import { type AnyMessage, findApi } from '../../protocol/messages/apis.ts'
import type { FetchRequest, FetchResponse } from '../../protocol/messages/fetch.ts'
import type { ListOffsetsRequest, ListOffsetsResponse } from '../../protocol/messages/list-offsets.ts'
import type { MetadataRequest, MetadataResponse } from '../../protocol/messages/metadata.ts'
import type { ProduceRequest, ProduceResponse } from '../../protocol/messages/produce.ts'
import type { SaslHandshakeRequest } from '../../protocol/messages/sasl-handshake.ts'
import type { SaslAuthenticateRequest } from '../../protocol/messages/sasl-authenticate.ts'
import { ProtocolError } from '../../protocol/protocol-error.ts'
import { Reader } from '../../protocol/reader.ts'
import { checkBatches } from '../../protocol/records/check-batches.ts'
import { conversionBudget } from '../../protocol/records/message-set.ts'
import type { LogLine } from '../support/server.ts'
import { ACCESS_KEY, PROJECT, TOPIC } from './corpus.ts'

/** The limits of the server that is asked. */
export interface OracleLimits {
  requestBytes: number
  unauthenticatedRequestBytes: number
  unauthenticatedRequests: number
}

/** Batches that were acknowledged in the logstore whose offsets are counted. */
export interface Acknowledged {
  baseOffset: number
  records: number
}

/** What an answer says: what was acknowledged, and which error codes it has. Throws if it cannot be the answer. */
interface Verdict {
  api: string
  codes: readonly number[]
  acknowledged: readonly Acknowledged[]
}

export interface Expectation {
  readonly answers: readonly ((frame: Buffer) => Verdict)[]
  /** How many of the answers must come. Behind a refused batch without acks the connection ends at any moment. */
  readonly certain: number
  /** Why the server may end the connection. */
  readonly endings: ReadonlySet<Ending>
  /** Whether it must: in the order of the requests, or whenever a batch that was sent without acks is found to be refused. */
  readonly ends: boolean
  readonly endsLater: boolean
  /** Whether bytes are left that are no whole request. */
  readonly isCut: boolean
}

/** Why a connection ended, as far as the log says; `not known` is a reason that is missing here. */
export type Ending = (typeof reasons)[number][0] | 'not known'

const reasons = [
  ['no protocol', /^it does not speak the protocol/],
  ['before login', /where SASL does not allow it/],
  ['unknown API', /, which is not supported$/],
  ['unknown version', / version -?\d+, supported are /],
  ['too many requests', /^it sent too many requests without/],
  ['mechanism', /^it asked for a SASL mechanism/],
  ['token', /is not a PLAIN token/],
  ['refused, acks = 0', /^it asked for no answer/],
  ['cut', /^it ended in the middle of a request/],
  ['busy', /^too many access keys wait/],
  ['stopping', /^sluice is stopping/],
  ['handshake failed', /^TLS handshake failed$/],
  ['lost', /^connection lost$/],
] as const

/** Undefined if the line tells of something else than an end. */
export function endingOf({ msg, reason }: LogLine): Ending | undefined {
  if (msg !== 'connection closed' && msg !== 'connection lost' && msg !== 'TLS handshake failed') return undefined
  const text = msg === 'connection closed' ? (reason ?? '') : msg
  return reasons.find(([, pattern]) => pattern.test(text))?.[0] ?? 'not known'
}

/** Where a login stands. */
type State = 'start' | 'raw token' | 'token' | 'authenticated'

export function expectationOf(sent: Buffer, limits: OracleLimits): Expectation {
  const client = new ModelledClient(limits)
  const isCut = client.read(sent)
  const { answers, endings } = client
  return {
    answers,
    certain: client.certain ?? answers.length,
    endings,
    ends: client.hasEnded,
    endsLater: client.endsLater,
    isCut,
  }
}

class ModelledClient {
  readonly answers: ((frame: Buffer) => Verdict)[] = []
  readonly endings = new Set<Ending>()
  /** How many answers there were before the connection could end at any moment. */
  certain: number | undefined
  hasEnded = false
  endsLater = false
  readonly #limits: OracleLimits
  readonly #frames: FrameReader
  #state: State = 'start'
  #hasRightKey = false
  #requests = 0

  constructor(limits: OracleLimits) {
    this.#limits = limits
    this.#frames = new FrameReader(limits.unauthenticatedRequestBytes)
  }

  /** Reads until the connection has to end, or there is no whole request any more; whether something is left then. */
  read(sent: Buffer): boolean {
    this.#frames.push(sent)
    try {
      while (!this.hasEnded) {
        const frame = this.#frames.next()
        if (frame === undefined) return this.#frames.bufferedBytes > 0 || this.#frames.expectedBytes !== undefined
        this.#handle(frame)
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      this.#end('no protocol')
    }
    return false
  }

  #end(ending: Ending): void {
    this.endings.add(ending)
    this.hasEnded = true
  }

  #handle(frame: Chunks): void {
    if (this.#state === 'raw token') {
      if (!this.#authenticate(frame.toBuffer())) return this.#end('token')
      this.answers.push(bytes => {
        if (bytes.length !== 0) throw new Error(`${bytes.length} bytes in answer to a raw token`)
        return { api: 'raw token', codes: [0], acknowledged: [] }
      })
      return
    }
    const reader = new Reader(frame)
    const header = decodeRequestHeader(reader)
    const { apiKey, apiVersion } = header
    if (!this.#allows(apiKey)) return this.#end('before login')
    // A raw token is no request.
    if (!this.#hasRightKey && ++this.#requests > this.#limits.unauthenticatedRequests) return this.#end('too many requests')
    const api = findApi(apiKey)
    if (api === undefined) return this.#end('unknown API')
    if (!api.request.isDeclared(apiVersion)) {
      if (apiKey !== ApiKey.ApiVersions) return this.#end('unknown version')
      return this.#answer({ ...header, apiVersion: 0 }, api.response, value => {
        const { errorCode } = value as ApiVersionsResponse
        return expectCodes([errorCode], [ErrorCode.UNSUPPORTED_VERSION])
      })
    }
    const request = api.request.decode(reader, apiVersion)
    if (apiKey === ApiKey.SaslHandshake) this.#handshake(header, request as SaslHandshakeRequest)
    else if (apiKey === ApiKey.SaslAuthenticate) this.#saslAuthenticate(header, request as SaslAuthenticateRequest)
    else if (apiKey === ApiKey.Produce) this.#produce(header, request as ProduceRequest)
    else this.#answer(header, api.response, value => checkOther(apiKey, apiVersion, request, value))
  }

  #allows(apiKey: number): boolean {
    if (apiKey === ApiKey.ApiVersions) return true
    if (apiKey === ApiKey.SaslHandshake) return this.#state === 'start'
    if (apiKey === ApiKey.SaslAuthenticate) return this.#state === 'token'
    return this.#state === 'authenticated'
  }

  #answer(header: RequestHeader, response: AnyMessage, check: (value: unknown) => Omit<Verdict, 'api'>): void {
    this.answers.push(frame => {
      const { correlationId, value } = decodeResponse(response, header.apiVersion, frame)
      if (correlationId !== header.correlationId) throw new Error(`correlation id ${correlationId}, not ${header.correlationId}`)
      return { api: response.name.replace('Response', ''), ...check(value) }
    })
  }

  #handshake(header: RequestHeader, { mechanism }: SaslHandshakeRequest): void {
    const isPlain = mechanism === 'PLAIN'
    const expected = isPlain ? ErrorCode.NONE : ErrorCode.UNSUPPORTED_SASL_MECHANISM
    this.#answer(header, findApi(ApiKey.SaslHandshake)!.response, value => expectCodes([codeOf(value)], [expected]))
    if (!isPlain) return this.#end('mechanism')
    this.#state = header.apiVersion === 0 ? 'raw token' : 'token'
  }

  #saslAuthenticate(header: RequestHeader, { authBytes }: SaslAuthenticateRequest): void {
    const isAccepted = this.#authenticate(authBytes)
    const expected = isAccepted ? ErrorCode.NONE : ErrorCode.SASL_AUTHENTICATION_FAILED
    this.#answer(header, findApi(ApiKey.SaslAuthenticate)!.response, value => expectCodes([codeOf(value)], [expected]))
    if (!isAccepted) this.#end('token')
  }

  /** Whether it is a token at all: a wrong key is accepted here and refused on each topic. */
  #authenticate(token: Buffer): boolean {
    // Whether or not it is right, others may wait before it.
    this.certain ??= this.answers.length
    this.endings.add('busy')
    const [authorizationId, project, password, ...more] = token.toString().split('\0')
    if (password === undefined || more.length > 0 || (authorizationId !== '' && authorizationId !== project)) return false
    this.#hasRightKey = project === PROJECT && password === `${ACCESS_KEY.id}#${ACCESS_KEY.secret}`
    if (this.#hasRightKey) this.#frames.limitBytes = this.#limits.requestBytes
    this.#state = 'authenticated'
    return true
  }

  #produce(header: RequestHeader, request: ProduceRequest): void {
    const { acks, transactionalId, topicData } = request
    const budget = conversionBudget()
    const forAll =
      transactionalId !== null && transactionalId !== ''
        ? ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED
        : [-1, 0, 1].includes(acks)
          ? undefined
          : ErrorCode.INVALID_REQUIRED_ACKS
    const expected = topicData.map(({ name, partitionData }) => ({
      name,
      partitions: partitionData.map(({ index, records }) => {
        const checked = forAll === undefined ? checkBatches(records, budget) : { errorCode: forAll }
        if ('errorCode' in checked) return { index, codes: [checked.errorCode] as number[], records: 0 }
        const count = checked.batches.reduce((sum, { recordCount }) => sum + recordCount, 0)
        return { index, codes: this.#hasRightKey ? TAKEN_OR_NOT : REFUSED, records: count }
      }),
    }))
    if (acks !== 0)
      return this.#answer(header, findApi(ApiKey.Produce)!.response, value => checkProduced(expected, value as ProduceResponse))
    const partitions = expected.flatMap(topic => topic.partitions)
    if (partitions.length === 0) return
    this.certain ??= this.answers.length
    this.endings.add('refused, acks = 0')
    if (partitions.some(({ codes }) => !codes.includes(ErrorCode.NONE))) this.endsLater = true
  }
}

/** What ingest may say to batches that are good. */
const TAKEN_OR_NOT: readonly number[] = [
  ErrorCode.NONE,
  ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
  ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
  ErrorCode.INVALID_PRODUCER_EPOCH,
]
const REFUSED: readonly number[] = [ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.TOPIC_AUTHORIZATION_FAILED]

interface ExpectedTopic {
  name: string
  partitions: { index: number; codes: readonly number[]; records: number }[]
}

function checkProduced(expected: readonly ExpectedTopic[], { responses }: ProduceResponse): Omit<Verdict, 'api'> {
  const acknowledged: Acknowledged[] = []
  const codes: number[] = []
  expectSame(
    responses.map(({ name }) => name),
    expected.map(({ name }) => name),
  )
  expected.forEach(({ name, partitions }, at) => {
    const answered = responses[at]!.partitionResponses
    expectSame(
      answered.map(({ index }) => index),
      partitions.map(({ index }) => index),
    )
    answered.forEach(({ errorCode, baseOffset }, place) => {
      const { codes: allowed, records } = partitions[place]!
      if (!allowed.includes(errorCode))
        throw new Error(`error code ${errorCode} for partition ${place}, not one of ${allowed.join()}`)
      codes.push(errorCode)
      if (errorCode !== ErrorCode.NONE) return
      if (baseOffset < 0) throw new Error(`acknowledged at offset ${baseOffset}`)
      if (name === TOPIC || name === `${TOPIC}.json`) acknowledged.push({ baseOffset, records })
    })
  })
  return { codes, acknowledged }
}

/** The answers of the other APIs name what was asked for, in its order. */
function checkOther(apiKey: number, version: number, request: unknown, value: unknown): Omit<Verdict, 'api'> {
  switch (apiKey) {
    case ApiKey.Metadata:
      return checkMetadata(version, request as MetadataRequest, value as MetadataResponse)
    case ApiKey.ListOffsets: {
      const asked = (request as ListOffsetsRequest).topics.map(({ name, partitions }) => [
        name,
        ...partitions.map(p => p.partitionIndex),
      ])
      const { topics } = value as ListOffsetsResponse
      expectSame(
        topics.map(({ name, partitions }) => [name, ...partitions.map(p => p.partitionIndex)]),
        asked,
      )
      const codes = topics.flatMap(({ partitions }) => partitions.map(({ errorCode }) => errorCode))
      return expectCodes(codes, [ErrorCode.NONE, ErrorCode.UNSUPPORTED_FOR_MESSAGE_FORMAT, ...REFUSED])
    }
    case ApiKey.Fetch: {
      const asked = (request as FetchRequest).topics.map(({ topic, partitions }) => [topic, ...partitions.map(p => p.partition)])
      const { responses } = value as FetchResponse
      expectSame(
        responses.map(({ topic, partitions }) => [topic, ...partitions.map(p => p.partitionIndex)]),
        asked,
      )
      const codes = responses.flatMap(({ partitions }) => partitions.map(({ errorCode }) => errorCode))
      return expectCodes(codes, [ErrorCode.TOPIC_AUTHORIZATION_FAILED])
    }
    case ApiKey.FindCoordinator:
      return expectCodes([codeOf(value)], [ErrorCode.GROUP_AUTHORIZATION_FAILED, ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED])
    case ApiKey.InitProducerId:
      return expectCodes([codeOf(value)], [ErrorCode.NONE, ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED])
    default:
      return expectCodes([codeOf(value)], [ErrorCode.NONE])
  }
}

function checkMetadata(
  version: number,
  { topics: asked }: MetadataRequest,
  { brokers, topics }: MetadataResponse,
): Omit<Verdict, 'api'> {
  if (brokers.length !== 1) throw new Error(`${brokers.length} brokers`)
  if (asked !== null && (version > 0 || asked.length > 0)) {
    const seen = new Set<string>()
    const names = asked.map(({ name }) => name).filter(name => name === null || (!seen.has(name) && seen.add(name)))
    expectSame(
      topics.map(({ name }) => name),
      // Before version 12 an answer cannot do without a name.
      names.map(name => name ?? (version < 12 ? '' : null)),
    )
  }
  const codes = [ErrorCode.NONE, ...REFUSED, ErrorCode.INVALID_TOPIC_EXCEPTION, ErrorCode.UNKNOWN_TOPIC_ID]
  return expectCodes([...new Set(topics.map(({ errorCode }) => errorCode))], codes)
}

function codeOf(value: unknown): number {
  return (value as { errorCode: number }).errorCode
}

function expectCodes(codes: readonly number[], allowed: readonly number[]): Omit<Verdict, 'api'> {
  const other = codes.find(code => !allowed.includes(code))
  if (other !== undefined) throw new Error(`error code ${other}, not one of ${allowed.join()}`)
  return { codes, acknowledged: [] }
}

function expectSame(found: unknown, expected: unknown): void {
  if (isDeepStrictEqual(found, expected)) return
  throw new Error(`the answer is about ${JSON.stringify(found).slice(0, 500)}, not ${JSON.stringify(expected).slice(0, 500)}`)
}
