/**
 * How fresh the logs of so many logstores are that are written to all the time.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { RawClient } from '../../test/support/raw-client.ts'
import { Server } from '../../test/support/server.ts'

/** Over all logstores. */
const BATCHES_PER_SECOND = 200
const BATCH_LOGS = 20
/** As many logstores are asked what they have. */
const WATCHED = 5
const POLL_MS = 50
/** The time in which code is compiled and tables are made is left out: so many seconds, and so many for each logstore. */
const WARM_UP_SECONDS = 5
const TABLE_SECONDS = 0.5

export interface Freshness {
  logstores: number
  batchesPerSecond: number
  /** How many batches were waited for. */
  found: number
  p50Ms: number
  p99Ms: number
  worstMs: number
  /** What `/metrics` says, in milliseconds: the bound of the bucket that holds the quantile. */
  serverP50Ms: number | null
  serverP99Ms: number | null
}

/** When batches were sent to a watched logstore, in milliseconds since 1970: the time of their logs. */
interface Watched {
  logstore: string
  sentMs: number[]
  found: number
}

/** Starts a server for it. It is measured for `seconds`, once it is warm. */
export async function measureFreshness(count: number, seconds: number): Promise<Freshness> {
  const server = await Server.start({ settings: { log: { level: 'error' } } })
  try {
    const names = Array.from({ length: count }, (_, number) => `logs-${number}`)
    for (const name of names) await server.createLogstore(`fresh/${name}`)
    await server.whenReady()
    const client = await RawClient.login(server, 'fresh', await server.createKey('fresh'))
    const watched = names.slice(0, WATCHED).map((name): Watched => ({ logstore: `fresh/${name}`, sentMs: [], found: 0 }))
    const latencies: number[] = []
    const startMs = Date.now()
    const warmUpSeconds = WARM_UP_SECONDS + count * TABLE_SECONDS
    const warmMs = startMs + warmUpSeconds * 1000
    const isOver = (): boolean => Date.now() - warmMs > seconds * 1000
    let sent = 0
    const sending = async (): Promise<void> => {
      for (; !isOver(); sent++) {
        await delay(Math.max(0, startMs + (sent / BATCHES_PER_SECOND) * 1000 - Date.now()))
        const logstore = sent % count
        const timestamp = Date.now()
        watched[logstore]?.sentMs.push(timestamp)
        const records = Array(BATCH_LOGS).fill({ timestamp, value: `{"level":"info","message":"log ${sent} is waited for"}` })
        client.write(client.encodeProduce([{ topic: names[logstore]!, batch: { records } }]))
      }
    }
    const reading = async (): Promise<void> => {
      for (let answered = 0; !isOver() || answered < sent;) {
        if (answered === sent) await delay(POLL_MS)
        else {
          const [partition] = (await client.receiveProduced()).partitions
          if (partition?.errorCode !== 0) throw new Error(`a batch is refused with ${partition?.errorCode}`)
          answered++
        }
      }
    }
    const watching = async (watch: Watched): Promise<void> => {
      while (!isOver() || watch.found < watch.sentMs.length) {
        const newestMs = await findNewest(server, watch.logstore)
        for (const { sentMs } = watch; sentMs[watch.found]! <= newestMs; watch.found++)
          if (sentMs[watch.found]! > warmMs) latencies.push(Date.now() - sentMs[watch.found]!)
        await delay(POLL_MS)
      }
    }
    await Promise.all([sending(), reading(), ...watched.map(watching)])
    client.close()
    latencies.sort((a, b) => a - b)
    const at = (share: number): number => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? NaN
    const metrics = (await server.get('/metrics')).text
    return {
      logstores: count,
      batchesPerSecond: sent / (warmUpSeconds + seconds),
      found: latencies.length,
      p50Ms: at(0.5),
      p99Ms: at(0.99),
      worstMs: at(1),
      serverP50Ms: quantileMs(metrics, 0.5),
      serverP99Ms: quantileMs(metrics, 0.99),
    }
  } finally {
    await server.remove()
  }
}

/** The time of the newest log that is found, in milliseconds since 1970; 0 if none is. */
async function findNewest(server: Server, logstore: string): Promise<number> {
  const [row] = await server.query<{ ms: string | number }>(logstore, 'SELECT toUnixTimestamp64Milli(max(_time)) AS ms FROM log')
  return Number(row?.ms)
}

/** Of the histogram of all logstores together; null if there is none. */
export function quantileMs(metrics: string, share: number): number | null {
  const counts = new Map<number, number>()
  for (const [, bound, count] of metrics.matchAll(/^sluice_freshness_seconds_bucket\{.*?le="([^"]+)".*?\} (\d+)/gm)) {
    const seconds = bound === '+Inf' ? Infinity : Number(bound)
    counts.set(seconds, (counts.get(seconds) ?? 0) + Number(count))
  }
  const total = counts.get(Infinity) ?? 0
  const bounds = [...counts.keys()].sort((a, b) => a - b)
  const bound = bounds.find(each => counts.get(each)! >= share * total)
  return total === 0 || bound === undefined ? null : bound * 1000
}
