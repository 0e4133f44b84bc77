/**
 * How the store is reached: an address and two users, and the HTTP clients made of them.
 *
 * The service user owns sluice's databases; the query user may only read them, and is the only one that ever runs SQL that a
 * person wrote. What must stay true: nothing outside `src/store/` makes a client, so that a new address reaches everything.
 */
import { ClickHouseLogLevel, createClient, type ClickHouseClient } from '@clickhouse/client'

/** Where ClickHouse answers. The embedded engine's port changes with each of its starts. Holds secrets: never log it. */
export interface StoreConnection {
  /** Such as `http://127.0.0.1:40123`. */
  url: string
  username: string
  password: string
  queryUsername: string
  queryPassword: string
  /** The certificates of the authorities that the server's one may be from, in PEM; those of the system if absent. */
  ca?: string | undefined
  /** The name of the cluster, if the server is one of its servers. */
  cluster?: string | undefined
}

export interface Clients {
  service: ClickHouseClient
  query: ClickHouseClient
}

/** Longer than any insert or query is given, so that a request that gets no answer ends all the same. */
const requestTimeoutMs = 120_000

export function openClients(connection: StoreConnection): Clients {
  const { queryUsername, queryPassword } = connection
  return {
    service: openClient(connection),
    query: openClient(connection, { username: queryUsername, password: queryPassword }),
  }
}

/** Ends the requests that are under way; they reject as the loss of a connection does. */
export async function closeClients({ service, query }: Clients): Promise<void> {
  await Promise.all([service.close(), query.close()])
}

/** A client of the service user, or of another, at the address or at another host with its port. */
export function openClient(
  { url, username, password, ca }: StoreConnection,
  other: { host?: string; username?: string; password?: string } = {},
): ClickHouseClient {
  const address = new URL(url)
  if (other.host !== undefined) address.hostname = other.host.includes(':') ? `[${other.host}]` : other.host
  return createClient({
    url: address,
    username: other.username ?? username,
    password: other.password ?? password,
    request_timeout: requestTimeoutMs,
    // By default the client writes each failing statement to standard error, literals and all. We report failures ourselves.
    log: { level: ClickHouseLogLevel.OFF },
    ...(ca !== undefined && { tls: { ca_cert: Buffer.from(ca) } }),
  })
}
