/**
 * From send to searchable: how much a whole server stores, how fresh logs are meanwhile, and what it costs:
 *
 *     npm run bench -- pipeline [--payload nginx,filebeat] [--codec lz4|zstd|none] [--batch 65536] [--quick] [--json]
 *
 * Eight connections send all they can, and are slowed down to what can be stored; that is the rate. CPU is that of each process, in seconds
 * per gigabyte of logs, until everything is stored and merged. Freshness is from the arrival of a log until it is found, at shares
 * of that rate, between the bounds of a histogram. Disk is that of the table after all merges.
 *
 * Beside it stands what any pipeline that one could build instead takes at least: Kafka's CPU for acknowledging the same load, the smaller
 * one of as fast as it goes and at the rate of sluice, and that of a ClickHouse into which the same rows are inserted in
 * large blocks, ready made. Whatever carries logs from one to the other is not counted. `ratio` is the whole of sluice to the two.
 *
 * Needs Go, Java and Maven, which fetches Kafka. `--quick` takes about two minutes. The results are in bench/results/pipeline.json too.
 */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { makeBenchCertificates } from './load/certificates.ts'
import type { Codec, Load } from './load/generator.ts'
import { buildProgram } from './load/program.ts'
import { installKafka } from './load/kafka.ts'
import { cacheDirectory } from './load/paths.ts'
import { measureKafka } from './pipeline/kafka.ts'
import { measurePipeline, type PipelineCost, type Plan } from './pipeline/sluice.ts'
import { makeRow, type PipelineRow } from './pipeline/rows.ts'
import { Progress } from './progress.ts'
import { writeResults } from './results.ts'

const { values } = parseArgs({
  options: {
    payload: { type: 'string', default: 'nginx,filebeat' },
    codec: { type: 'string', default: 'lz4' },
    batch: { type: 'string', default: '65536' },
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})
const isQuick = values.quick
const payloads = values.payload.split(',') as NonNullable<Load['payload']>[]
const FRESHNESS_SHARES = [0.5, 0.1]
const POOL_BYTES = isQuick ? 32e6 : 256e6
const times = isQuick
  ? { warmUpSeconds: 4, seconds: 10, freshnessSeconds: 5 }
  : { warmUpSeconds: 10, seconds: 40, freshnessSeconds: 15 }
const kafkaTimes = isQuick ? { warmUpSeconds: 5, seconds: 3 } : { warmUpSeconds: 20, seconds: 10 }

process.once('SIGINT', () => process.exit(130))
await buildProgram('generator')
await installKafka()
const certificates = await makeBenchCertificates(join(cacheDirectory, 'certificates-ec'), 'ec')
const sluiceSeconds = 3 * times.warmUpSeconds + 2.5 * times.seconds + 10 + FRESHNESS_SHARES.length * (times.freshnessSeconds + 10)
const kafkaSeconds = kafkaTimes.warmUpSeconds + 2 * kafkaTimes.seconds + 10
const progress = new Progress(payloads.length * (sluiceSeconds + kafkaSeconds) + 8)

const measured: { load: Plan['load']; cost: PipelineCost }[] = []
for (const payload of payloads) {
  const load = {
    connections: 8,
    inflight: 5,
    batch: Number(values.batch),
    codec: values.codec as Codec,
    payload,
    pool: POOL_BYTES,
  }
  const begin = (what: string, seconds: number): void => progress.begin(`${payload}, ${what}`, seconds)
  const cost = await measurePipeline(certificates, { load, ...times, freshnessShares: FRESHNESS_SHARES }, begin)
  measured.push({ load, cost })
}
const kafkaLoads = measured.map(({ load, cost }) => ({ load, rowsPerSecond: cost.rowsPerSecond }))
const kafkaCosts = await measureKafka(certificates, kafkaLoads, kafkaTimes, (what, seconds) => progress.begin(what, seconds))
const rows = measured.map(({ load, cost }, index) => makeRow(load, cost, kafkaCosts[index]!))

const path = writeResults('pipeline', rows, isQuick)
if (values.json) for (const row of rows) console.log(JSON.stringify(row))
else {
  console.table(rows.map(formatThroughput))
  console.log('CPU seconds per GB of logs')
  console.table(rows.map(formatCosts))
}
console.error(`written to ${path}`)

function formatThroughput(row: PipelineRow): Record<string, string | number> {
  const { payload, rows, logBytes, rowsPerSecond, freshness } = row
  const bytesPerRow = logBytes / rows
  return {
    logs: payload,
    'bytes per log': Math.round(bytesPerRow),
    'rows/s': Math.round(rowsPerSecond),
    'MB/s': Number(((rowsPerSecond * bytesPerRow) / 1e6).toFixed(1)),
    ...Object.fromEntries(
      freshness.map(({ share, p50Ms, p99Ms }) => [
        `p50, p99 at ${share * 100} %, ms`,
        `${Math.round(p50Ms)}, ${Math.round(p99Ms)}`,
      ]),
    ),
    disk: `${(row.diskShare * 100).toFixed(1)} %`,
    'disk, bare engine': `${((row.bare.diskBytes / logBytes) * 100).toFixed(1)} %`,
  }
}

function formatCosts(row: PipelineRow): Record<string, string | number> {
  const gigabytes = row.logBytes / 1e9
  const { serve, indexer, engine } = row.cpuSeconds
  const round = (seconds: number): number => Number(seconds.toFixed(2))
  return {
    logs: row.payload,
    acknowledging: round(serve / gigabytes),
    indexer: round(indexer / gigabytes),
    engine: round(engine / gigabytes),
    'sluice, all': round(row.treeCpuPerGigabyte),
    Kafka: round(row.closedCpuPerGigabyte),
    'Kafka, same rate': round(row.sameRateCpuPerGigabyte),
    'bare engine': round(row.bareCpuPerGigabyte),
    ratio: Number(row.ratio.toFixed(2)),
    'ratio, same rate': Number(row.sameRateRatio.toFixed(2)),
  }
}
