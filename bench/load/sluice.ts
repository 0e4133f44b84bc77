/** Sluice as the benchmarks run it: `sluice serve` with a certificate of theirs, and the logstore and access key that loads go to. */
import { Server } from '../../test/support/server.ts'
import type { Certificates } from './certificates.ts'
import { ACCESS_KEY, USER, type Target } from './generator.ts'

export interface SluiceOptions {
  certificates: Certificates
  /** Nothing is stored: the way to the acknowledgement by itself. */
  discard?: boolean
  /** As in the configuration file, beside what is set here. */
  settings?: Record<string, unknown>
  /** Where its directory is made. */
  parent?: string
  /** The Node that runs it; this one if absent. */
  node?: string
  logstores?: readonly string[]
  /** Of each logstore. */
  shards?: number
}

const SHARDS = 8

export class Sluice implements Target {
  readonly server: Server
  readonly ca: string

  private constructor(server: Server, ca: string) {
    this.server = server
    this.ca = ca
  }

  /** Starts a server on an empty directory, which `remove` deletes. */
  static async start(options: SluiceOptions): Promise<Sluice> {
    const { certificates, discard = false, settings = {}, parent, node, logstores = ['bench'], shards = SHARDS } = options
    const { ca, cert, key } = certificates
    const server = await Server.start({
      settings: {
        log: { level: 'warn' },
        store: { discard },
        // All connections of a load come from one address.
        limits: { exemptNetworks: ['127.0.0.0/8'] },
        ...settings,
        listeners: { internet: { tls: { cert, key } }, intranet: { tls: { cert, key } } },
      },
      ...(parent === undefined ? {} : { parent }),
      ...(node === undefined ? {} : { node }),
    })
    for (const logstore of logstores) await server.createLogstore(`${USER}/${logstore}`, { shards })
    await server.createKey(USER, ACCESS_KEY)
    // With a store of somebody's own it is for them to know when that is ready.
    if (!discard && settings['store'] === undefined) await server.whenReady()
    return new Sluice(server, ca)
  }

  get broker(): string {
    return `127.0.0.1:${this.server.port()}`
  }

  /** Of the server, the indexer and the engine, as far as they are there. */
  get pids(): number[] {
    const roles = (['serve', 'indexer', 'engine'] as const).map(role => this.server.findPid(role))
    return roles.filter(pid => pid !== undefined)
  }

  remove(): Promise<void> {
    return this.server.remove()
  }
}
