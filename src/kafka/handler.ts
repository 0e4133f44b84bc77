/**
 * What a handler of one Kafka API is, and what it is told of the request it answers.
 */
import type { Message } from '../../protocol/message.ts'
import type { Outcome } from '../base/outcome.ts'
import type { Principal } from '../catalog/authorizer.ts'
import type { Pace } from './pace.ts'
import type { RefusedStreams } from './refused-streams.ts'
import type { Session } from './session.ts'

/** The circumstances of a request. */
export interface Call {
  version: number
  /** As the client names itself; empty if it does not. */
  clientId: string
  session: Session
  /** The address of the peer, for the logs it sends. */
  source: string
  /** Where this client reaches this server: what Metadata tells it. */
  advertised: Address
  refusedStreams: RefusedStreams
  pace: Pace
}

export interface Address {
  host: string
  port: number
}

/** The call of a client that has authenticated; the dispatcher gives no other to handlers that are not part of SASL. */
export function principalOf(call: Call): Principal {
  const { principal } = call.session
  if (principal === undefined) throw new Error('a handler was called on a connection that has not authenticated')
  return principal
}

/**
 * A handler's answer: the response, and `thenClose` with the reason if the connection must end once it is written; no response
 * where the client expects none (acks = 0).
 */
export interface Answer<Response> {
  response?: Response
  thenClose?: string
}

/** An answer that can be made once it is known what has become of all of these. */
export interface LaterAnswer<Response> {
  readonly outcomes: readonly Outcome[]
  readonly make: () => Answer<Response>
}

/**
 * Answers the requests of one API. What fixes an order must happen before `handle` returns; what it may return instead of an answer is
 * only waited for. A handler that `blocks` is waited for before the next request of the connection is looked at.
 */
export interface Handler<Request, Response> {
  request: Message<Request, never>
  response: Message<unknown, Response>
  blocks?: boolean
  handle(request: Request, call: Call): Answer<Response> | LaterAnswer<Response> | Promise<Answer<Response>>
}

/** A handler of whatever API: the dispatcher finds the one whose types fit by the number of the API. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type AnyHandler = Handler<any, any>
