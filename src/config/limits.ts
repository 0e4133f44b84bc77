/**
 * The limits of a server: what one client may ask for, and what all of them may hold at once. Each can be set under `limits`
 * in the configuration; the relations below hold for the defaults and for whatever is configured.
 */
import assert from 'node:assert/strict'

export interface Limits {
  /** The largest frame of a client that has authenticated, in bytes. */
  requestBytes: number
  /** The largest frame of a client that has not authenticated, in bytes. */
  unauthenticatedRequestBytes: number
  /** Bytes of requests that all connections together may hold in memory; at the limit sockets are not read. */
  bufferedBytes: number
  /** The same for all connections without a right access key. */
  unauthenticatedBufferedBytes: number
  /** How many clients may be connected at once. */
  connections: number
  /** How many of them may come from one source: an IPv4 address, or the /64 network of an IPv6 one. */
  connectionsPerSource: number
  /** Networks to which limits per source do not apply: a fleet may sit behind one address. */
  exemptNetworks: readonly string[]
  /** After how long a connection that says nothing is closed. */
  idleMs: number
  /** How long a client may stay connected without a right access key. */
  unauthenticatedMs: number
  /** How many requests a client may send without a right access key. */
  unauthenticatedRequests: number
  /** How long a TLS handshake may take, with the wait for its turn. */
  handshakeMs: number
  /** How many TLS handshakes may be under way at once; other clients wait for their turn. */
  handshakes: number
  /** How many requests of one connection may wait for their answers; beyond it the connection is not read. */
  requestsInFlight: number
}

export const defaultLimits: Readonly<Limits> = Object.freeze({
  // As Kafka: Sarama fills requests up to this, and Beats would send the same refused bytes for ever.
  requestBytes: 104_857_600,
  // A token is a few hundred bytes and a client id at most 32 KiB; Kafka allows 512 KiB, for other mechanisms than ours.
  unauthenticatedRequestBytes: 65_536,
  bufferedBytes: 256 * 1024 * 1024,
  unauthenticatedBufferedBytes: 16 * 1024 * 1024,
  connections: 10_000,
  connectionsPerSource: 2000,
  exemptNetworks: Object.freeze([]),
  idleMs: 15 * 60_000,
  unauthenticatedMs: 60_000,
  unauthenticatedRequests: 100,
  // The least patient clients wait ten seconds for a connection.
  handshakeMs: 10_000,
  // One takes about a millisecond of a core; more at a time only make each of them slower.
  handshakes: 100,
  // librdkafka pipelines without a bound of its own; this is deep enough to keep any link busy.
  requestsInFlight: 1000,
})

/**
 * Clients give up connections by themselves after 9 minutes (Java's `connections.max.idle.ms`) and take it badly if the server
 * was first: a request that crosses the close is sent twice or lost.
 */
export const minIdleMs = 10 * 60_000

/** What is wrong with these limits together, as sentences; empty if nothing is. */
export function findLimitConflicts(limits: Limits): string[] {
  const conflicts: string[] = []
  if (limits.unauthenticatedRequestBytes > limits.requestBytes)
    conflicts.push('limits.unauthenticatedRequestBytes must not be above limits.requestBytes')
  // A request must fit beside one that is under way, or one client with large requests stops all others.
  if (limits.bufferedBytes < 2 * limits.requestBytes)
    conflicts.push('limits.bufferedBytes must be at least twice limits.requestBytes')
  if (limits.connectionsPerSource > limits.connections)
    conflicts.push('limits.connectionsPerSource must not be above limits.connections')
  if (limits.unauthenticatedMs > limits.idleMs) conflicts.push('limits.unauthenticatedMs must not be above limits.idleMs')
  return conflicts
}

assert.deepEqual(findLimitConflicts(defaultLimits), [])
assert(defaultLimits.idleMs >= minIdleMs)
