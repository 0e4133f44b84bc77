/** How a server grows, in docs/performance.md. */
import { plotLines } from '../../tools/plot/lines.ts'
import { formatNumber, formatTable, type Section } from '../report/markdown.ts'
import { describeMachine, readResults } from '../results.ts'
import { dimensions } from './dimensions.ts'
import { FRESH_MS } from './freshness.ts'
import type { Point, ScaleRow } from './rows.ts'

/** Beyond it, what is measured is not noise. */
const BEND = 1.25
const BARE = 'bare-connections'

export function makeScaleSection(directory: string): Section | undefined {
  const [results, engine] = [readResults<ScaleRow>(directory, 'scale'), readResults<ScaleRow>(directory, 'scale-engine')]
  const points = results?.rows[0]?.points ?? []
  const parts = ['## How it grows']
  if (results !== undefined)
    parts.push(
      'CPU of the process that acknowledges, per small request, as a multiple of what it is at the smallest size: a server that scales has no ' +
        'figure much above 1. As many requests are sent as are answered, so throughput is what was left of the machine beside the ' +
        `load generator. Logs are thrown away once they are on disk. ${describeMachine(results)}`,
      '![CPU per request](performance/scale.svg)',
      describeBends(points),
      formatPoints(points),
    )
  if (engine !== undefined) parts.push(describeFreshness(engine.rows[0]!), describeMachine(engine))
  if (parts.length === 1) return undefined
  return {
    markdown: `${parts.join('\n\n')}\n`,
    ...(results !== undefined && { drawings: { 'scale.svg': plotPoints(points) } }),
  }
}

/** Where a line goes up again: one that falls first, as larger groups share a sync, must not hide it. */
function describeBends(points: readonly Point[]): string {
  const bent = points.filter(point => point.dimension !== BARE && bendAt(point, points) > BEND)
  if (bent.length === 0) return `No size takes more than ${BEND} of the least that a smaller one takes.`
  const sizes = bent.map(point => {
    const { dimension, size } = point
    const bare = points.find(each => dimension === 'connections' && each.dimension === BARE && each.size === size)
    const beside = bare === undefined ? '' : ` (the bare path ${bendAt(bare, points).toFixed(2)})`
    return `${size.toLocaleString('en')} ${dimension}: ${bendAt(point, points).toFixed(2)}${beside}`
  })
  return `More than ${BEND} of the least that a smaller size takes: ${sizes.join('; ')}.`
}

/** What a size takes, as a multiple of the least that a smaller one takes. */
function bendAt({ dimension, size, cpuUsPerRequest }: Point, points: readonly Point[]): number {
  const smaller = points.filter(point => point.dimension === dimension && point.size < size)
  return cpuUsPerRequest / Math.min(...smaller.map(point => point.cpuUsPerRequest))
}

function formatPoints(points: readonly Point[]): string {
  const header = [
    'what',
    'size',
    'requests/s',
    'CPU µs/request',
    'of the smallest',
    'MB at most',
    'ack p50, ms',
    'ack p99, ms',
    'start, s',
  ]
  return formatTable(
    header,
    points.map(point => [
      dimensions[point.dimension]?.about ?? point.dimension,
      point.size.toLocaleString('en'),
      formatNumber(point.requestsPerSecond),
      formatNumber(point.cpuUsPerRequest),
      point.relativeCpu.toFixed(2),
      formatNumber(point.peakMb),
      formatNumber(point.ackP50Ms),
      formatNumber(point.ackP99Ms),
      formatNumber(point.startSeconds ?? undefined),
    ]),
  )
}

function describeFreshness({ freshness }: ScaleRow): string {
  const most = Math.max(0, ...freshness.filter(({ p99Ms }) => p99Ms < FRESH_MS).map(({ logstores }) => logstores))
  const table = formatTable(
    ['logstores', 'p50, ms', 'p99, ms', 'worst, ms'],
    freshness.map(row => [row.logstores, row.p50Ms, row.p99Ms, row.worstMs].map(formatNumber)),
  )
  return `With logs stored, up to ${most} logstores that are all written to have 99 of 100 batches found within a second:\n\n${table}`
}

function plotPoints(points: readonly Point[]): string {
  const names = [...new Set(points.map(({ dimension }) => dimension))]
  return plotLines({
    title: 'CPU per request, as a multiple of that at the smallest size',
    level: 1,
    panels: names.map(name => ({
      title: name === 'journal' ? 'GB in the journal' : name,
      points: points
        .filter(({ dimension }) => dimension === name)
        .map(({ size, relativeCpu }) => ({ label: size.toLocaleString('en'), value: relativeCpu })),
    })),
  })
}
