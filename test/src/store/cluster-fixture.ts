/**
 * ClickHouse servers that are not sluice's: each on a loopback address of its own, all on the same ports, as on the machines of a cluster.
 * The users are those of docs/store.md, with exactly the rights that stand there.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { StoreConnection } from '../../../src/store/connection.ts'
import { makeDirectory, until } from './fixture.ts'

/** The name of the cluster of all servers. */
export const clusterName = 'both'

interface Ports {
  http: number
  /** Where a server listens for others. */
  tcp: number
  /** Where they reach it, through a relay. */
  relay: number
}

export class ClusterServers {
  readonly #directory: string
  readonly #hosts: readonly string[]
  /** The same on each host. */
  readonly #ports: Ports
  /** Of all servers; real replicas have names of their own. */
  readonly #macros: Record<string, string>
  readonly #processes = new Map<string, ChildProcess>()
  readonly #relays = new Map<string, Relay>()

  private constructor(directory: string, hosts: readonly string[], ports: Ports, macros: Record<string, string>) {
    this.#directory = directory
    this.#hosts = hosts
    this.#ports = ports
    this.#macros = macros
  }

  /** Starts as many servers, each of which is a shard of the cluster. */
  static async start(count: number, macros: Record<string, string> = {}): Promise<ClusterServers> {
    const hosts = Array.from({ length: count }, (_, index) => `127.0.0.${index + 2}`)
    const servers = new ClusterServers(await makeDirectory(), hosts, await findFreePorts(hosts), macros)
    await servers.#writeConfig()
    try {
      await Promise.all(hosts.map((_, index) => servers.startOne(index)))
    } catch (error) {
      await servers.close()
      throw error
    }
    return servers
  }

  /** How sluice reaches the cluster by way of one of its servers. */
  connection(index = 0): StoreConnection {
    return {
      url: this.url(index),
      username: 'sluice',
      password: 'service password',
      queryUsername: 'sluice_query',
      queryPassword: 'query password',
      cluster: clusterName,
    }
  }

  url(index: number): string {
    return `http://${this.#hosts[index]}:${this.#ports.http}`
  }

  async startOne(index: number): Promise<void> {
    const host = this.#hosts[index]!
    const entry = fileURLToPath(new URL('./cluster-node.js', import.meta.url))
    const files = [join(this.#directory, host), host, String(this.#ports.http), String(this.#ports.tcp), this.#configFile(host)]
    const child = spawn(process.execPath, [entry, ...files], { stdio: ['pipe', 'ignore', 'ignore'] })
    this.#processes.set(host, child)
    this.#relays.set(host, await openRelay(host, this.#ports))
    await until(async () => {
      if (child.exitCode !== null) throw new Error(`the server on ${host} has ended: ${await this.#lastWords(host)}`)
      return fetch(`${this.url(index)}/ping`, { headers: { connection: 'close' } }).then(
        answer => answer.ok,
        () => false,
      )
    })
  }

  /** Kills a server, as a power cut does. */
  async kill(index: number): Promise<void> {
    const child = this.#processes.get(this.#hosts[index]!)!
    await this.#relays.get(this.#hosts[index]!)?.close()
    this.#relays.delete(this.#hosts[index]!)
    if (child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  }

  async close(): Promise<void> {
    await Promise.all(this.#hosts.map((_, index) => this.kill(index)))
    await rm(this.#directory, { recursive: true, force: true, maxRetries: 5 })
  }

  /** What a user sees on one server, as text. */
  async ask(index: number, query: string, user = 'service'): Promise<string> {
    const { username, password, queryUsername, queryPassword } = this.connection()
    const [name, key] = user === 'service' ? [username, password] : user === 'query' ? [queryUsername, queryPassword] : [user, '']
    const headers = { 'X-ClickHouse-User': name, 'X-ClickHouse-Key': key, connection: 'close' }
    const answer = await fetch(this.url(index), { method: 'POST', headers, body: query })
    const text = await answer.text()
    if (!answer.ok) throw new Error(text)
    return text.trim()
  }

  async #writeConfig(): Promise<void> {
    const { service, query, profile } = await readDocumentedUsers()
    const { username, password, queryUsername, queryPassword } = this.connection()
    const usersFile = join(this.#directory, 'users.xml')
    await writeFile(
      usersFile,
      `<clickhouse>
         <profiles><default/><query>${profile}</query></profiles>
         <quotas><default/></quotas>
         <users>
           ${user('default', '', 'default', ['GRANT SYSTEM LISTEN ON *.*'])}
           ${user(username, password, 'default', service)}
           ${user(queryUsername, queryPassword, 'query', query)}
           ${user('between', '', 'default', ['GRANT SELECT ON q_*.*'])}
           ${user('operator', '', 'default', ['GRANT ALL ON *.*'])}
         </users>
       </clickhouse>`,
    )
    for (const host of this.#hosts) {
      await mkdir(join(this.#directory, host), { recursive: true })
      await writeFile(
        this.#configFile(host),
        `<clickhouse>
           <users_config>${escape(usersFile)}</users_config>
           <log-level>error</log-level>
           <logger><log>${escape(join(this.#directory, `${host}.log`))}</log></logger>
           <max_server_memory_usage>300000000</max_server_memory_usage>
           <access_control_improvements>
             <select_from_system_db_requires_grant>true</select_from_system_db_requires_grant>
             <select_from_information_schema_requires_grant>true</select_from_information_schema_requires_grant>
             <settings_constraints_replace_previous>true</settings_constraints_replace_previous>
             <table_engines_require_grant>true</table_engines_require_grant>
           </access_control_improvements>
           <macros>${Object.entries(this.#macros)
             .map(([macro, value]) => `<${macro}>${value}</${macro}>`)
             .join('')}</macros>
           <remote_servers>
             ${this.#cluster(clusterName, [...this.#hosts.keys()])}
             ${this.#cluster('twice', [0, 0])}
             ${this.#cluster('named', [...this.#hosts.keys()], '<user>between</user>')}
             <replicas><secret>a</secret><shard>${this.#hosts.map(name => this.#replica(name)).join('')}</shard></replicas>
           </remote_servers>
         </clickhouse>`,
      )
    }
  }

  /** By a secret between the servers, unless they know each other by a user. */
  #cluster(name: string, indexes: number[], user?: string): string {
    const shards = indexes.map(index => `<shard>${this.#replica(this.#hosts[index]!, user)}</shard>`)
    return `<${name}>${user === undefined ? '<secret>between servers</secret>' : ''}${shards.join('')}</${name}>`
  }

  #replica(host: string, user = ''): string {
    return `<replica><host>${host}</host><port>${this.#ports.relay}</port>${user}</replica>`
  }

  #configFile(host: string): string {
    return join(this.#directory, `${host}.xml`)
  }

  async #lastWords(host: string): Promise<string> {
    const log = await readFile(join(this.#directory, `${host}.log`), 'utf8').catch(() => '')
    return log.split('\n').findLast(line => line.includes('<Error>')) ?? 'it has said nothing'
  }
}

/** The grants of the two users, and the profile of the one that runs people's SQL, as docs/store.md tells operators to make them. */
async function readDocumentedUsers() {
  const document = await readFile(new URL('../../../../docs/store.md', import.meta.url), 'utf8')
  const grants = (name: string) =>
    [...document.matchAll(/^\s*(GRANT [^;]*?) TO (\w+);$/gms)]
      .filter(([, , grantee]) => grantee === name)
      .map(([, grant]) => grant!.replace(/\s+/g, ' '))
  const settings = /CREATE SETTINGS PROFILE sluice_query SETTINGS([^;]*);/.exec(document)![1]!.split(',')
  const values: string[] = []
  const constraints: string[] = []
  for (const setting of settings) {
    const [, name, value, range] = /^\s*(\w+) = (\S+)\s*(.*)$/s.exec(setting)!
    values.push(`<${name}>${value}</${name}>`)
    if (range === '') continue
    const bounds = [...range!.matchAll(/(MIN|MAX) (\S+)/g)].map(([, bound, limit]) => {
      const element = bound!.toLowerCase()
      return `<${element}>${limit}</${element}>`
    })
    const changeable = range!.includes('CHANGEABLE_IN_READONLY') ? '<changeable_in_readonly/>' : ''
    constraints.push(`<${name}>${bounds.join('')}${changeable}</${name}>`)
  }
  return {
    service: grants('sluice'),
    query: grants('sluice_query'),
    profile: `${values.join('')}<constraints>${constraints.join('')}</constraints>`,
  }
}

function user(name: string, password: string, profile: string, grants: readonly string[]): string {
  return `<${name}><password>${password}</password><networks><ip>127.0.0.0/8</ip></networks><profile>${profile}</profile>
            <quota>default</quota><grants>${grants.map(grant => `<query>${escape(grant)}</query>`).join('')}</grants></${name}>`
}

function escape(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;')
}

interface Relay {
  /** Nobody reaches the server any more; who is connected is cut off. */
  close(): Promise<void>
}

/**
 * What stands between the servers. Where a server drops another's answer, as when a query fails, the other's connection is reset; a real
 * server takes note of that, and the engine as it runs here ends. So the relay reads the answer to its end in the other's place.
 */
async function openRelay(host: string, ports: Ports): Promise<Relay> {
  const sockets = new Set<Socket>()
  const relay = createServer({ allowHalfOpen: true }, socket => {
    const server = connect({ host, port: ports.tcp, allowHalfOpen: true })
    sockets.add(socket)
    server.on('data', answer => !socket.destroyed && socket.write(answer))
    server.on('error', () => socket.destroy()).on('end', () => socket.end())
    socket.on('data', question => server.write(question)).on('error', () => {})
    socket
      .on('end', () => server.end())
      .on('close', () => {
        sockets.delete(socket)
        server.end()
      })
  })
  await once(relay.listen(ports.relay, host), 'listening')
  return {
    async close() {
      const closed = once(relay, 'close')
      relay.close()
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}

/** Free on all hosts, and of those that the system gives to nobody who does not ask for them by number. */
async function findFreePorts(hosts: readonly string[]): Promise<Ports> {
  const ports = new Set<number>()
  while (ports.size < 3) {
    const port = randomInt(10_240, 32_000)
    const areFree = await Promise.all(hosts.map(host => isFree(host, port)))
    if (areFree.every(Boolean)) ports.add(port)
  }
  const [http, tcp, relay] = [...ports] as [number, number, number]
  return { http, tcp, relay }
}

function isFree(host: string, port: number): Promise<boolean> {
  const server = createServer()
  return new Promise(resolve => {
    server.once('error', () => resolve(false))
    server.listen(port, host, () => server.close(() => resolve(true)))
  })
}
