/**
 * What one project notices when another sends more than the server can take:
 *
 *     npm run bench -- overload [--connections 100] [--seconds 10] [--json]
 *
 * A flood of large requests, as many at once as the server reads, from one project; beside it a modest client of another one, which sends a
 * small batch at a time and waits for its answer. Each row has the memory of the acknowledging process, what the flood brought, and
 * how long the modest client waits, as a ratio to the row without a flood. Both run in this process, so part of the wait is its own.
 */
import { readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { RawClient } from '../test/support/raw-client.ts'
import { Server } from '../test/support/server.ts'

const { values } = parseArgs({
  options: {
    connections: { type: 'string', default: '100' },
    seconds: { type: 'string', default: '10' },
    json: { type: 'boolean', default: false },
  },
})
const connections = Number(values.connections)
const seconds = Number(values.seconds)
const BATCH_BYTES = 1_000_000
const IN_FLIGHT = 5
const PAUSE_MS = 5

interface Row {
  flood: string
  /** What the flood had acknowledged, in megabytes a second, and how many of its requests were refused. */
  megabytesPerSecond: number
  refused: number
  peakBytes: number
  waits: number
  medianRatio: number
  p99Ratio: number
  worstRatio: number
}

let calmMedianMs = 0
const rows = [await measure('none', 0, {}), await measure('of one project', connections, {})]
rows.push(
  await measure('of one project, with a quota', connections, {
    quotas: { projects: [{ project: 'flood', bytesPerSecond: '20 MiB' }] },
  }),
)

if (values.json) for (const row of rows) console.log(JSON.stringify(row))
else
  console.table(
    rows.map(({ flood, megabytesPerSecond, refused, peakBytes, waits, medianRatio, p99Ratio, worstRatio }) => ({
      flood,
      'MB/s of it': Math.round(megabytesPerSecond),
      'of it refused': refused,
      'MB at most': Math.round(peakBytes / 1e6),
      'modest client, answers': waits,
      median: medianRatio.toFixed(1),
      p99: p99Ratio.toFixed(1),
      worst: worstRatio.toFixed(1),
    })),
  )

async function measure(flood: string, count: number, settings: Record<string, unknown>): Promise<Row> {
  console.error(`${flood} …`)
  const server = await Server.start({ settings: { log: { level: 'error' }, ...settings } })
  try {
    await server.createLogstore('flood/logs')
    await server.createLogstore('modest/logs')
    await server.whenReady()
    const modest = await RawClient.login(server, 'modest', await server.createKey('modest'))
    const key = await server.createKey('flood')
    const flooding = await Promise.all(Array.from({ length: count }, () => RawClient.login(server, 'flood', key)))
    const endAt = Date.now() + seconds * 1000
    let stored = 0
    let refused = 0
    const floods = flooding.map(async client => {
      const request = client.encodeProduce([{ topic: 'logs', batch: { records: [{ value: Buffer.alloc(BATCH_BYTES, 'x') }] } }])
      for (let sent = 0; sent < IN_FLIGHT; sent++) client.write(request)
      while (Date.now() < endAt) {
        const { partitions } = await client.receiveProduced()
        if (partitions[0]?.errorCode === 0) stored++
        else refused++
        client.write(request)
      }
    })
    const waits: number[] = []
    let peakBytes = 0
    while (Date.now() < endAt) {
      const startMs = performance.now()
      await modest.produce([{ topic: 'logs', batch: { records: [{ value: 'modest' }] } }])
      waits.push(performance.now() - startMs)
      peakBytes = Math.max(peakBytes, residentBytes(server.pid))
      await delay(PAUSE_MS)
    }
    await Promise.all(floods)
    for (const client of [modest, ...flooding]) client.close()
    waits.sort((a, b) => a - b)
    const at = (share: number): number => waits[Math.min(waits.length - 1, Math.floor(waits.length * share))]!
    calmMedianMs ||= at(0.5)
    return {
      flood,
      megabytesPerSecond: (stored * BATCH_BYTES) / 1e6 / seconds,
      refused,
      peakBytes,
      waits: waits.length,
      medianRatio: at(0.5) / calmMedianMs,
      p99Ratio: at(0.99) / calmMedianMs,
      worstRatio: at(1) / calmMedianMs,
    }
  } finally {
    await server.remove()
  }
}

function residentBytes(pid: number): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) * 1024
}
