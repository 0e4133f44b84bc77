/**
 * What connections cost, and what other clients notice of those that behave badly:
 *
 *     npm run bench -- connections [--count 5000] [--json]
 *
 * Each row is one crowd of clients beside a healthy one, which sends a small batch at a time, waits for its answer, and goes on. A row has
 * the memory of the acknowledging process, and how long the healthy client waits, as a ratio to the row without a crowd.
 */
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { metadataRequest } from '../protocol/messages/metadata.ts'
import { RawClient } from '../test/support/raw-client.ts'
import { Server } from '../test/support/server.ts'
import { until } from '../test/support/wait.ts'

const { values } = parseArgs({
  options: { count: { type: 'string', default: '5000' }, json: { type: 'boolean', default: false } },
})
const count = Number(values.count)
const HEALTHY_REQUESTS = 500

interface Row {
  crowd: string
  connections: number
  /** Resident memory of the acknowledging process, in bytes: before the crowd came, and at most while it was there. */
  baseBytes: number
  peakBytes: number
  /** What the healthy client waits for an answer, as a multiple of its median without a crowd. */
  medianRatio: number
  p99Ratio: number
}

const server = await Server.start({
  settings: { limits: { connections: 2 * count + 100, exemptNetworks: ['127.0.0.0/8'] }, log: { level: 'error' } },
})
await server.createLogstore('demo/logs')
const password = await server.createKey('demo')
const login = () => RawClient.login(server, 'demo', password)
let calmMedianMs = 0

const rows = [
  await measure('none', 0, login),
  await measure('idle, logged in', count, login),
  await measure('large requests, a byte at a time', 200, async () => {
    const client = await login()
    client.write(prefix(100_000_000))
    const timer = setInterval(() => client.socket.destroyed || client.write(Buffer.alloc(1)), 1000)
    client.socket.once('close', () => clearInterval(timer))
    return client
  }),
  await measure('large requests, 10 MB of each and no more', 60, async () => {
    const client = await login()
    client.write(Buffer.concat([prefix(100_000_000), Buffer.alloc(10_000_000)]))
    return client
  }),
  await measure('answers that nobody reads', 100, async () => {
    const client = await login()
    client.socket.pause()
    const topics = Array.from({ length: 1000 }, (_, index) => ({ name: `missing-${index}` }))
    for (let sent = 0; sent < 100; sent++) client.write(client.encode(metadataRequest, 9, { topics }))
    return client
  }),
  await measure('silent before they log in', 1000, () => RawClient.connect(server)),
]
await server.remove()

if (values.json) for (const row of rows) console.log(JSON.stringify(row))
else
  console.table(
    rows.map(({ crowd, connections, baseBytes, peakBytes, medianRatio, p99Ratio }) => ({
      crowd,
      connections,
      'MB before': megabytes(baseBytes),
      'MB at most': megabytes(peakBytes),
      'kB per connection': connections === 0 ? '' : Math.round((peakBytes - baseBytes) / connections / 1000),
      'healthy client, median': medianRatio.toFixed(1),
      'healthy client, p99': p99Ratio.toFixed(1),
    })),
  )

/** Opens the crowd, watches the healthy client meanwhile and afterwards, and sends the crowd away. */
async function measure(crowd: string, connections: number, open: () => Promise<RawClient>): Promise<Row> {
  console.error(`${crowd} …`)
  const clients: RawClient[] = []
  const healthy = await login()
  const baseBytes = residentBytes()
  let peakBytes = baseBytes
  const waits: number[] = []
  const watch = async (requests: number): Promise<void> => {
    for (let request = 0; request < requests; request++) {
      const startMs = performance.now()
      await healthy.produce([{ topic: 'logs', batch: { records: [{ value: 'healthy' }] } }])
      waits.push(performance.now() - startMs)
      peakBytes = Math.max(peakBytes, residentBytes())
    }
  }
  const opened = (async () => {
    while (clients.length < connections) {
      const next = Math.min(20, connections - clients.length)
      clients.push(...(await Promise.all(Array.from({ length: next }, open))))
    }
  })()
  await Promise.all([opened, watch(HEALTHY_REQUESTS)])
  await watch(HEALTHY_REQUESTS)
  waits.sort((a, b) => a - b)
  const medianMs = waits[Math.floor(waits.length / 2)]!
  calmMedianMs ||= medianMs
  for (const client of [healthy, ...clients]) client.close()
  await until('the end of all connections', async () => /^sluice_connections 0$/m.test((await server.get('/metrics')).text))
  return {
    crowd,
    connections,
    baseBytes,
    peakBytes,
    medianRatio: medianMs / calmMedianMs,
    p99Ratio: waits[Math.floor(waits.length * 0.99)]! / calmMedianMs,
  }
}

function residentBytes(): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))![1]) * 1024
}

function prefix(bytes: number): Buffer {
  const frame = Buffer.alloc(4)
  frame.writeInt32BE(bytes)
  return frame
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 1e6)
}
