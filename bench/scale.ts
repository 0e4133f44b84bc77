/**
 * How throughput and CPU grow with connections, logstores, shards, the journal and processes:
 *
 *     npm run bench -- scale [--only connections,bare-connections,logstores,shards,journal,processes] [--batch 1000] [--rounds 2] [--engine]
 *                            [--quick] [--json]
 *
 * CPU per request of the process that acknowledges, as a multiple of what it is at the smallest size: a server that scales has no figure
 * much above 1. Logs are thrown away once they are on disk; requests are small, so that what each costs by itself is seen, and
 * as many are sent as are answered. One server is one thread, so `processes` puts two beside each other, which takes a machine with
 * cores to spare: the load generator, which needs Go, needs one too. Each size has a server of its own; figures are medians of rounds.
 *
 * With `--engine` logs are stored, and it is found up to how many logstores 99 of 100 batches are found within a second.
 * `--quick` takes smaller sizes and less time. The results are in bench/results/scale.json too.
 */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { medianOf } from '../test/soak/samples.ts'
import type { Freshness } from './freshness/measure.ts'
import { makeBenchCertificates } from './load/certificates.ts'
import { buildProgram } from './load/program.ts'
import { cacheDirectory } from './load/paths.ts'
import { Progress } from './progress.ts'
import { writeResults } from './results.ts'
import { dimensions, type Measurement, type Settings } from './scale/dimensions.ts'
import { findFreshBound } from './scale/freshness.ts'
import type { Point, ScaleRow } from './scale/rows.ts'

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: Object.keys(dimensions).join() },
    batch: { type: 'string', default: '1000' },
    rounds: { type: 'string' },
    engine: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})
const isQuick = values.quick
const names = values.only.split(',')
for (const name of names)
  if (!Object.hasOwn(dimensions, name)) {
    console.error(`--only takes ${Object.keys(dimensions).join(', ')}, not "${name}"`)
    process.exit(1)
  }
const rounds = Number(values.rounds ?? (isQuick ? 1 : 2))
const FRESHNESS_COUNTS = isQuick ? [1, 20] : [1, 10, 50, 100, 200, 400, 800]
const FRESHNESS_SECONDS = isQuick ? 8 : 20
const OTHER_SECONDS = 10

process.once('SIGINT', () => process.exit(130))
const row: ScaleRow = { points: [], freshness: [] }
if (values.engine) row.freshness = await measureFreshLogstores()
else row.points = await measureDimensions()
const path = writeResults(values.engine ? 'scale-engine' : 'scale', [row], isQuick)
print()

async function measureDimensions(): Promise<Point[]> {
  const certificates = await makeBenchCertificates(join(cacheDirectory, 'certificates-ec'), 'ec')
  await buildProgram('generator')
  const settings: Settings = {
    certificates,
    warmUpSeconds: isQuick ? 1 : 3,
    seconds: isQuick ? 2 : 6,
    batch: Number(values.batch),
  }
  const plan = names.flatMap(dimension => {
    const { sizes, quickSizes, extraSeconds } = dimensions[dimension]!
    return (isQuick ? quickSizes : sizes).map(size => {
      const seconds = settings.warmUpSeconds + settings.seconds + extraSeconds(size)
      return { dimension, size, seconds, measured: [] as Measurement[], problem: undefined as string | undefined }
    })
  })
  const progress = new Progress(rounds * plan.reduce((sum, { seconds }) => sum + seconds, 0))
  for (let round = 1; round <= rounds; round++)
    for (const step of plan) {
      progress.begin(`round ${round} of ${rounds}: ${step.dimension} ${step.size}`, step.seconds)
      try {
        step.measured.push(await dimensions[step.dimension]!.measure(step.size, settings))
      } catch (error) {
        // The other sizes say something all the same.
        step.problem = (error as Error).message
        console.error(`  ${step.problem}`)
      }
    }
  const points: Point[] = []
  for (const { dimension, size, measured, problem } of plan) {
    if (measured.length === 0) continue
    const figures = mediansOf(measured)
    const smallest = points.find(point => point.dimension === dimension) ?? figures
    const relativeCpu = figures.cpuUsPerRequest / smallest.cpuUsPerRequest
    points.push({ dimension, size, ...figures, relativeCpu, ...(problem !== undefined && { problem }) })
  }
  return points
}

async function measureFreshLogstores(): Promise<Freshness[]> {
  const stepSeconds = FRESHNESS_SECONDS + OTHER_SECONDS
  const progress = new Progress(FRESHNESS_COUNTS.length * stepSeconds)
  const begin = (count: number): void => progress.begin(`${count} logstores`, stepSeconds)
  return findFreshBound(FRESHNESS_COUNTS, FRESHNESS_SECONDS, begin)
}

/** Each figure by itself. */
function mediansOf(measured: readonly Measurement[]): Measurement {
  const of = (figure: keyof Measurement): number => medianOf(measured.map(each => each[figure] ?? NaN))
  return {
    requestsPerSecond: of('requestsPerSecond'),
    megabytesPerSecond: of('megabytesPerSecond'),
    cpuUsPerRequest: of('cpuUsPerRequest'),
    peakMb: of('peakMb'),
    ackP50Ms: of('ackP50Ms'),
    ackP99Ms: of('ackP99Ms'),
    startSeconds: measured[0]!.startSeconds === null ? null : of('startSeconds'),
  }
}

function print(): void {
  if (values.json) return console.log(JSON.stringify(row))
  if (values.engine)
    console.table(
      row.freshness.map(({ logstores, p50Ms, p99Ms, worstMs }) => ({
        logstores,
        'p50, ms': Math.round(p50Ms),
        'p99, ms': Math.round(p99Ms),
        'worst, ms': Math.round(worstMs),
      })),
    )
  else
    console.table(
      row.points.map(point => ({
        '': point.dimension,
        size: point.size,
        'requests/s': Math.round(point.requestsPerSecond),
        'CPU, µs/request': Number(point.cpuUsPerRequest.toFixed(1)),
        'of the smallest': Number(point.relativeCpu.toFixed(2)),
        'MB at most': Math.round(point.peakMb),
        'ack p50, ms': Number(point.ackP50Ms.toFixed(1)),
        'ack p99, ms': Number(point.ackP99Ms.toFixed(1)),
        'start, s': point.startSeconds === null ? '' : Number(point.startSeconds.toFixed(2)),
      })),
    )
  console.error(`written to ${path}`)
}
