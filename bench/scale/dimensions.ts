/**
 * What a server can grow in, and how the load on it is measured at one size.
 */
import { join } from 'node:path'
import { Bare } from '../load/bare.ts'
import type { Certificates } from '../load/certificates.ts'
import { runLoad, type Load, type LoadResult, type Target } from '../load/generator.ts'
import { cacheDirectory } from '../load/paths.ts'
import { Sluice } from '../load/sluice.ts'

export interface Measurement {
  requestsPerSecond: number
  megabytesPerSecond: number
  /** Of the processes that acknowledge. */
  cpuUsPerRequest: number
  /** The largest at most, of the processes that acknowledge together. */
  peakMb: number
  ackP50Ms: number
  ackP99Ms: number
  /** From the start of the process until it takes logs, where it is started on what it has. */
  startSeconds: number | null
}

export interface Settings {
  certificates: Certificates
  warmUpSeconds: number
  seconds: number
  /** Bytes of logs in a request. */
  batch: number
}

export interface Dimension {
  about: string
  sizes: readonly number[]
  quickSizes: readonly number[]
  /** About how long a size takes beside the load itself. */
  extraSeconds: (size: number) => number
  measure: (size: number, settings: Settings) => Promise<Measurement>
}

const CONNECTIONS = 8
const IN_FLIGHT = 5
const FILL_BYTES = 1_000_000
const LONG_SECONDS = 600

export const dimensions: Readonly<Record<string, Dimension>> = {
  connections: {
    about: 'connections that each wait for the answer before they send again',
    sizes: [1, 8, 50, 200, 1000, 5000],
    quickSizes: [1, 50, 500],
    extraSeconds: size => 2 + size / 300,
    measure: (size, settings) =>
      withServers(1, settings, {}, servers => measureLoad(servers, settings, { connections: size, inflight: 1 })),
  },
  'bare-connections': {
    about: 'the same of the bare path',
    sizes: [1, 8, 50, 200, 1000, 5000],
    quickSizes: [1, 50, 500],
    extraSeconds: size => 2 + size / 300,
    async measure(size, settings) {
      const bare = await Bare.start({ directory: join(cacheDirectory, 'scale-bare'), certificates: settings.certificates })
      try {
        return await measureLoad([bare], settings, { connections: size, inflight: 1 })
      } finally {
        await bare.remove()
      }
    },
  },
  logstores: {
    about: 'logstores that are written to in turn',
    sizes: [1, 10, 100, 1000],
    quickSizes: [1, 10, 100],
    extraSeconds: size => 2 + size / 100,
    measure: (size, settings) => {
      const logstores = size === 1 ? ['bench'] : Array.from({ length: size }, (_, number) => `bench-${number}`)
      return withServers(1, settings, { logstores }, servers => measureLoad(servers, settings, { topics: size }))
    },
  },
  shards: {
    about: 'shards of the logstore',
    sizes: [1, 16, 64, 256],
    quickSizes: [1, 64],
    extraSeconds: () => 2,
    measure: (size, settings) => withServers(1, settings, { shards: size }, servers => measureLoad(servers, settings, {})),
  },
  journal: {
    about: 'GB in the journal that wait for the store',
    sizes: [0, 1, 4],
    quickSizes: [0, 0.2],
    extraSeconds: size => 4 + 6 * size,
    async measure(size, settings) {
      // There is no such ClickHouse, and nothing is thrown away: what is in the journal stays there.
      const store = { url: 'http://127.0.0.1:9', password: 'none', queryPassword: 'none' }
      const held = { settings: { store, journal: { maxBytes: '64 GB' }, log: { level: 'silent' } } }
      return withServers(1, settings, held, async ([server]) => {
        if (size > 0)
          await runLoad(server!, {
            ...{ connections: CONNECTIONS, inflight: IN_FLIGHT, batch: FILL_BYTES },
            ...{ warmup: 0, duration: LONG_SECONDS, maxBytes: size * 1e9 },
          })
        await server!.server.kill('SIGTERM')
        const startMs = performance.now()
        await server!.server.restart()
        const startSeconds = (performance.now() - startMs) / 1000
        return { ...(await measureLoad([server!], settings, {})), startSeconds }
      })
    },
  },
  processes: {
    about: 'servers beside each other, each with a data directory and clients of its own',
    sizes: [1, 2],
    quickSizes: [1, 2],
    extraSeconds: size => 2 * size,
    measure: (size, settings) => withServers(size, settings, {}, servers => measureLoad(servers, settings, {})),
  },
}

async function withServers<Result>(
  count: number,
  { certificates }: Settings,
  options: Partial<Parameters<typeof Sluice.start>[0]>,
  use: (servers: Sluice[]) => Promise<Result>,
): Promise<Result> {
  const servers: Sluice[] = []
  try {
    while (servers.length < count) servers.push(await Sluice.start({ certificates, discard: true, ...options }))
    return await use(servers)
  } finally {
    for (const server of servers) await server.remove()
  }
}

/** Puts the same load on each of the servers at the same time. */
async function measureLoad(servers: readonly Target[], settings: Settings, load: Load): Promise<Measurement> {
  const { batch, warmUpSeconds: warmup, seconds: duration } = settings
  const results = await Promise.all(
    servers.map(server => runLoad(server, { connections: CONNECTIONS, inflight: IN_FLIGHT, batch, warmup, duration, ...load })),
  )
  const sum = (of: (result: LoadResult) => number): number => results.reduce((total, result) => total + of(result), 0)
  const most = (of: (result: LoadResult) => number): number => Math.max(...results.map(of))
  return {
    requestsPerSecond: sum(({ requests, seconds }) => requests / seconds),
    megabytesPerSecond: sum(result => result.payload_bytes / 1e6 / result.seconds),
    cpuUsPerRequest: (sum(({ servers: [server] }) => server!.cpu_s) / sum(({ requests }) => requests)) * 1e6,
    peakMb: sum(({ servers: [server] }) => server!.hwm_mb),
    ackP50Ms: most(({ ack_ms }) => ack_ms?.p50 ?? NaN),
    ackP99Ms: most(({ ack_ms }) => ack_ms?.p99 ?? NaN),
    startSeconds: null,
  }
}
