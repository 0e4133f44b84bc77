/**
 * The servers that hold the tables: the one that is configured, or all those of a cluster.
 *
 * A cluster is taken for what it is, some servers: each has its part of a logstore in a table of its own, and each is made, written
 * to, and asked for what it holds by itself, over HTTP. Only people's queries go through a Distributed table (`views.ts`). What must
 * stay true: whoever asks what is stored has asked every replica of every shard, or has failed; a replica that is away is the one
 * that may hold the newest rows. And a block goes to one server, the same one as long as it has the same token.
 */
import type { ClickHouseClient } from '@clickhouse/client'
import { createHash } from 'node:crypto'
import { sluiceError } from '../base/errors.ts'
import { openClient, type StoreConnection } from './connection.ts'
import { quoteString } from './sql.ts'
import { storeError } from './store-error.ts'

/** One server. */
export interface Host {
  name: string
  /** Of the cluster, from 1; servers of one shard are replicas of each other. */
  shard: number
  client: ClickHouseClient
}

/** Where a host is, without a client. */
type Place = Omit<Host, 'client'>

export class Hosts {
  readonly #connection: StoreConnection
  /** The client of the configured address. */
  readonly #service: ClickHouseClient
  /** By name; only of a cluster. */
  readonly #clients = new Map<string, ClickHouseClient>()
  #known: Promise<readonly Host[]> | undefined

  constructor(connection: StoreConnection, service: ClickHouseClient) {
    this.#connection = connection
    this.#service = service
  }

  /** All hosts, as they were when they were looked up last. */
  list(): Promise<readonly Host[]> {
    return (this.#known ??= this.lookUp())
  }

  /** Asks the server which hosts the cluster has now. */
  lookUp(): Promise<readonly Host[]> {
    const found = this.#find()
    this.#known = found
    found.catch(() => {
      if (this.#known === found) this.#known = undefined
    })
    return found
  }

  async close(): Promise<void> {
    await Promise.all([...this.#clients.values()].map(client => client.close()))
  }

  async #find(): Promise<readonly Host[]> {
    const { cluster } = this.#connection
    if (cluster === undefined) return [{ name: new URL(this.#connection.url).hostname, shard: 1, client: this.#service }]
    const places = await findPlaces(this.#service, cluster)
    return places.map(place => ({ ...place, client: this.#clientOf(place.name) }))
  }

  #clientOf(host: string): ClickHouseClient {
    let client = this.#clients.get(host)
    if (client === undefined) {
      client = openClient(this.#connection, { host })
      this.#clients.set(host, client)
    }
    return client
  }
}

/** A name or an address, IPv6 too; anything else could change more of a URL than its host. */
const hostName = /^[A-Za-z0-9._:-]+$/

async function findPlaces(service: ClickHouseClient, cluster: string): Promise<Place[]> {
  const answer = await service.query({
    query:
      'SELECT host_name AS name, shard_num AS shard FROM system.clusters WHERE cluster = {cluster:String} ORDER BY shard_num, replica_num',
    query_params: { cluster },
    format: 'JSONEachRow',
  })
  const places = await answer.json<Place>()
  if (places.length === 0) throw unusable(`it knows no cluster ${JSON.stringify(cluster)}: system.clusters has no such row`)
  const odd = places.find(({ name }) => !hostName.test(name))
  if (odd !== undefined)
    throw unusable(`a server of the cluster has the host name ${JSON.stringify(odd.name)}, which no URL can have`)
  const names = new Set(places.map(({ name }) => name))
  // They are told apart by their names, as all have the port of the configured address.
  if (names.size < places.length) throw unusable(`two servers of the cluster ${JSON.stringify(cluster)} have the same host name`)
  return places
}

/** The operator's to mend; meanwhile it is tried again. */
function unusable(problem: string): Error {
  return sluiceError('STORE_UNAVAILABLE', { problem })
}

/** Does it on all hosts at once, and resolves with what each answered. Rejects if one of them did, in that host's name. */
export function onEveryHost<Result>(hosts: readonly Host[], work: (host: Host) => Promise<Result>): Promise<Result[]> {
  return Promise.all(hosts.map(host => inItsName(hosts, host, work)))
}

/** The same on one host after the other: what they do may concern all replicas. */
export async function onEachHost(hosts: readonly Host[], work: (host: Host) => Promise<void>): Promise<void> {
  for (const host of hosts) await inItsName(hosts, host, work)
}

async function inItsName<Result>(hosts: readonly Host[], host: Host, work: (host: Host) => Promise<Result>): Promise<Result> {
  try {
    return await work(host)
  } catch (error) {
    if (hosts.length === 1) throw error
    const { code, details } = storeError(error)
    if (code !== 'STORE_UNAVAILABLE' && code !== 'STORE_REFUSED') throw error
    throw sluiceError(code, { problem: `${host.name}: ${String(details.problem)}` }, error)
  }
}

/**
 * The host that a block goes to. Tokens differ from block to block, so all shards get their share; one token always has the same
 * host, which alone can know it again.
 */
export function hostOf(hosts: readonly Host[], token: string): Host {
  const digest = createHash('sha256').update(token).digest()
  const shards = [...new Set(hosts.map(({ shard }) => shard))]
  const shard = shards[digest.readUInt32LE(0) % shards.length]
  const replicas = hosts.filter(host => host.shard === shard)
  return replicas[digest.readUInt32LE(4) % replicas.length]!
}

/**
 * The engine of a logstore's table on a host: replicated where the server has the macros that name its place, else not.
 *
 * The path in the keeper has the logstore's id, which is never given twice: a logstore that is made anew under its name does not meet
 * what its predecessor left there, and the replicas find each other though each was made by a statement of its own.
 */
export async function tableEngine(host: Host, hosts: readonly Host[], logstoreId: string): Promise<string> {
  const answer = await host.client.query({
    query: "SELECT macro FROM system.macros WHERE macro IN ('shard', 'replica')",
    format: 'JSONEachRow',
  })
  if ((await answer.json()).length === 2)
    return `ReplicatedMergeTree(${quoteString(`/clickhouse/tables/{shard}/sluice/${logstoreId}`)}, '{replica}')`
  if (hosts.filter(({ shard }) => shard === host.shard).length > 1)
    throw unusable('its shard has several replicas, and it lacks the macros "shard" and "replica" that replication needs')
  return 'MergeTree'
}
