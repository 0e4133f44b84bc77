/** From send to searchable, in docs/performance.md. */
import { plotBars } from '../../tools/plot/bars.ts'
import { formatNumber, formatTable, type Section } from '../report/markdown.ts'
import { describeMachine, readResults, type Results } from '../results.ts'
import type { PipelineRow } from './rows.ts'

/** What all of sluice may take, to Kafka and a bare engine together. */
export const GOAL = 0.9

export function makePipelineSection(directory: string): Section | undefined {
  const results = readResults<PipelineRow>(directory, 'pipeline')
  if (results === undefined) return undefined
  const { rows } = results
  const parts = [
    '## From send to searchable',
    describe(results),
    formatRates(rows),
    'CPU seconds per GB of logs, until all are stored and merged:',
    formatCosts(rows),
    ...rows.map(describeGoal),
    '![CPU](performance/pipeline.svg)',
  ]
  return { markdown: `${parts.join('\n\n')}\n`, drawings: { 'pipeline.svg': plotCosts(rows) } }
}

function describe(results: Results<PipelineRow>): string {
  return (
    'Eight connections send all they can, and are slowed down to what can be stored: that is the rate, beside the load generator on the same ' +
    'machine. Freshness is from the arrival of a log until it is found. Beside it stands what any pipeline takes at least that ' +
    'one could build instead: Kafka for the same load, and a ClickHouse into which the same rows are inserted in large blocks, ready made; ' +
    `whatever carries logs from one to the other comes on top. ${describeMachine(results)}`
  )
}

function formatRates(rows: readonly PipelineRow[]): string {
  const shares = rows[0]?.freshness.map(({ share }) => share) ?? []
  const header = [
    'logs',
    'bytes',
    'logs/s',
    'MB/s',
    ...shares.map(share => `p50 / p99 at ${share * 100} %, ms`),
    'disk',
    'disk, bare',
  ]
  const percent = (share: number): string => `${formatNumber(share * 100)} %`
  return formatTable(
    header,
    rows.map(row => {
      const bytesPerLog = row.logBytes / row.rows
      return [
        `${row.payload}, ${row.codec}`,
        formatNumber(bytesPerLog),
        formatNumber(row.rowsPerSecond),
        formatNumber((row.rowsPerSecond * bytesPerLog) / 1e6),
        ...row.freshness.map(({ p50Ms, p99Ms }) => `${formatNumber(p50Ms)} / ${formatNumber(p99Ms)}`),
        percent(row.diskShare),
        percent(row.bare.diskBytes / row.logBytes),
      ]
    }),
  )
}

function formatCosts(rows: readonly PipelineRow[]): string {
  const header = [
    'logs',
    'acknowledging',
    'indexer',
    'engine',
    'sluice',
    'Kafka',
    'Kafka, same rate',
    'bare engine',
    'ratio',
    'ratio, same rate',
  ]
  return formatTable(
    header,
    rows.map(row => {
      const { serve, indexer, engine } = row.cpuSeconds
      const perGigabyte = [serve, indexer, engine].map(seconds => seconds / (row.logBytes / 1e9))
      const compared = [row.treeCpuPerGigabyte, row.closedCpuPerGigabyte, row.sameRateCpuPerGigabyte, row.bareCpuPerGigabyte]
      return [row.payload, ...[...perGigabyte, ...compared].map(formatNumber), row.ratio.toFixed(2), row.sameRateRatio.toFixed(2)]
    }),
  )
}

function describeGoal(row: PipelineRow): string {
  const { payload, ratio } = row
  const compared = `${payload}: all of sluice takes ${ratio.toFixed(2)} of the bare engine and the cheaper Kafka together; the goal is at most ${GOAL}`
  return ratio <= GOAL ? `${compared}: met.` : `${compared}: **missed**. ${explainMiss(row)}`
}

/** What is in the way of the goal, as far as the figures tell. */
function explainMiss({ ratio, treeCpuPerGigabyte, bareCpuPerGigabyte, cpuSeconds, logBytes }: PipelineRow): string {
  const bareShare = bareCpuPerGigabyte / (treeCpuPerGigabyte / ratio)
  const perGigabyte = (seconds: number): string => formatNumber(seconds / (logBytes / 1e9))
  const engine = perGigabyte(cpuSeconds.engine - bareCpuPerGigabyte * (logBytes / 1e9))
  const limit =
    bareShare <= GOAL
      ? ''
      : `The bare engine alone takes ${bareShare.toFixed(2)}: with the same rows in the same tables the goal is out of reach, however little all else takes. `
  return (
    `${limit}What sluice takes more than the bare engine, in s/GB: ${engine} in its own engine, which is given rows several times a second, ` +
    'so that they are found at once, and so has smaller blocks to write and more of them to merge; ' +
    `${perGigabyte(cpuSeconds.indexer)} to decode them, ${perGigabyte(cpuSeconds.serve)} to take and acknowledge them.`
  )
}

function plotCosts(rows: readonly PipelineRow[]): string {
  return plotBars({
    title: 'CPU from send to searchable',
    systems: ['CPU'],
    panels: rows.map(row => ({
      title: `${row.payload}, ${row.codec}`,
      unit: 'CPU s/GB',
      groups: [
        { name: 'sluice', values: [row.treeCpuPerGigabyte] },
        { name: 'Kafka', values: [Math.min(row.closedCpuPerGigabyte, row.sameRateCpuPerGigabyte)] },
        { name: 'bare engine', values: [row.bareCpuPerGigabyte] },
        { name: 'the two together', values: [row.treeCpuPerGigabyte / row.ratio] },
      ],
    })),
  })
}
