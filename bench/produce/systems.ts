/** The servers that are compared: started when a row needs them, warmed, and kept until no row needs them any more. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { untilQuiet } from '../indexing/processes.ts'
import { Bare } from '../load/bare.ts'
import { makeBenchCertificates, type Certificates, type KeyKind } from '../load/certificates.ts'
import { runLoad, type Load, type Target } from '../load/generator.ts'
import { Kafka } from '../load/kafka.ts'
import { cacheDirectory } from '../load/paths.ts'
import { Sink } from '../load/sink.ts'
import { Sluice } from '../load/sluice.ts'
import type { Row } from './rows.ts'
import type { Run } from './runs.ts'

export interface SystemsOptions {
  rows: readonly Row[]
  node: string
  isQuick: boolean
  /** Told what takes a while. */
  say: (what: string) => void
}

type Server = Kafka | Sluice | Sink | Bare

/** Java compiles what runs often, and takes its time: seconds of load in all, and at least so many of each kind. */
const WARM_UP = { seconds: 45, eachSeconds: 4, churnSeconds: 20, bytes: 1.5e9 }
const QUICK_WARM_UP = { seconds: 10, eachSeconds: 1, churnSeconds: 2, bytes: 2e8 }
/** What is measured of a server that stores is mostly ClickHouse, which is compiled as it comes. */
const INDEXING_WARM_UP: Load = { warmup: 0, duration: 3, maxBytes: 1e8 }
/** A broker may refuse the first requests for a topic that it has just made; they are not counted. */
export const SETTLE_SECONDS = 0.5
/** Until the files of a topic that was deleted are gone. */
const DELETION_MS = 1500
export const dataDirectory = join(cacheDirectory, 'data')

export class Systems {
  readonly #options: SystemsOptions
  readonly #servers = new Map<string, Server>()
  #topics = 0

  constructor(options: SystemsOptions) {
    this.#options = options
  }

  /** Stops what none of the rows needs; a row that puts no load on a server has one of its own. */
  async retain(rows: readonly Row[], systems: readonly Run['system'][]): Promise<void> {
    const loading = rows.filter(({ kind }) => kind === 'load')
    const needed = new Set(loading.flatMap(row => systems.map(system => keyOf(row, system))))
    for (const [key, server] of this.#servers)
      if (!needed.has(key)) {
        this.#servers.delete(key)
        await server.remove()
      }
  }

  /** A server that is warm, for a row that loads one. */
  async get(row: Row, system: Run['system']): Promise<Target> {
    const key = keyOf(row, system)
    let server = this.#servers.get(key)
    if (server === undefined) {
      this.#options.say(`${key}: is started and warmed`)
      server = await this.start(row, system)
      this.#servers.set(key, server)
      await this.#warm(server, row)
    }
    return server
  }

  /** A server of one's own, cold and empty. */
  async start(row: Row, system: Run['system']): Promise<Server> {
    const certificates = await certificatesOf(row.keyKind)
    await mkdir(dataDirectory, { recursive: true })
    const { node } = this.#options
    if (system === 'limit') return Sink.start(certificates, node)
    const directory = join(dataDirectory, `${system}-${row.keyKind}`)
    if (system === 'bare') return Bare.start({ certificates, directory, node })
    if (system === 'sluice') {
      // A store that never answers, so that what is in the journal stays there.
      const settings =
        row.journalBytes > 0 ? { store: { url: 'http://127.0.0.1:1', password: 'none', queryPassword: 'none' } } : {}
      const discard = !row.isIndexing && row.journalBytes === 0
      return Sluice.start({ certificates, node, parent: dataDirectory, discard, settings })
    }
    const properties: Record<string, string> = system === 'kafka' ? {} : { 'log.flush.interval.messages': '1' }
    return Kafka.start({ certificates, directory, properties })
  }

  /** Puts a load on a server, on a topic of its own where the data has to be deleted afterwards. */
  async load(server: Target, load: Load): ReturnType<typeof runLoad> {
    if (!(server instanceof Kafka)) return runLoad(server, load)
    const topic = `bench-${++this.#topics}`
    const result = await runLoad(server, { ...load, topic })
    if (load.mode !== 'idle') {
      await server.deleteTopic(topic)
      await delay(DELETION_MS)
    }
    return result
  }

  async close(): Promise<void> {
    for (const server of this.#servers.values()) await server.remove()
    this.#servers.clear()
  }

  async #warm(server: Server, row: Row): Promise<void> {
    if (server instanceof Sink) return
    const { rows, isQuick } = this.#options
    if (row.isIndexing && server instanceof Sluice) {
      await runLoad(server, { ...row.load, ...INDEXING_WARM_UP })
      await untilQuiet(...server.pids)
      return
    }
    const { seconds, eachSeconds, churnSeconds, bytes } = isQuick ? QUICK_WARM_UP : WARM_UP
    const fits = ({ kind, keyKind, hasBarePath }: Row): boolean =>
      kind === 'load' && keyKind === row.keyKind && (hasBarePath || !(server instanceof Bare))
    const same = rows.filter(fits)
    const loads = new Map(same.map(({ load }) => [JSON.stringify(load), load]))
    for (const load of loads.values()) {
      const duration = load.mode === 'churn' ? churnSeconds : Math.max(eachSeconds, seconds / loads.size)
      await this.load(server, {
        ...load,
        ...(isQuick ? { pool: QUICK_POOL } : {}),
        warmup: SETTLE_SECONDS,
        duration,
        maxBytes: bytes,
      })
    }
  }
}

export const QUICK_POOL = 16e6

/** Sluice that stores is a server of its own; to the others it is all the same. */
function keyOf({ keyKind, isIndexing }: Row, system: Run['system']): string {
  return `${system}${system === 'sluice' && isIndexing ? ', storing' : ''}, ${keyKind}`
}

function certificatesOf(kind: KeyKind): Promise<Certificates> {
  return makeBenchCertificates(join(cacheDirectory, `certificates-${kind}`), kind)
}
