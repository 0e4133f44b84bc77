/** The comparison with Kafka in docs/performance.md. */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { medianOf } from '../../test/soak/samples.ts'
import { plotBars, type BarPanel } from '../../tools/plot/bars.ts'
import { formatNumber, formatTable, type Section } from '../report/markdown.ts'
import { figures, type Figure } from './figures.ts'
import { MAX_STEADY_FREE_MB, medianFigure, pairRuns, ratioOf } from './pairs.ts'
import { rows as allRows, type Row } from './rows.ts'
import { readResults, type Machine, type Results, type Run } from './runs.ts'
import {
  describeForeign,
  describeLosses,
  formatGoals,
  formatMemory,
  formatRatio,
  formatRecord,
  formatSpread,
  hasBarePath,
  measuredRows,
  SYSTEM_NAMES,
} from './tables.ts'

/** Beyond a tenth, versions of Node differ. */
const NODE_DIFFERENCE = 0.1

const BARE_PATH =
  'The _bare path_ is a server in Node that does what an acknowledgement needs and nothing else: TLS, frames, a checksum of each batch, one durable ' +
  'write for all that wait into files that are there already, and answers in their order. It authorises nobody, limits, counts and routes ' +
  'nothing, and could not recover what it wrote. What it takes more than TLS alone is the price of checking and of the disk; what ' +
  'sluice takes more than it, of being a product. A goal that it misses too is out of reach without another runtime or disk.'

/** Made of the results of the newest Node that was measured; those of older ones are compared with it. */
export function makeProduceSection(directory: string): Section | undefined {
  const [results, ...others] = findResults(directory)
  if (results === undefined) return undefined
  const { machine, runs } = results
  const rows = measuredRows(runs, allRows)
  const losses = describeLosses(runs, rows)
  const parts = [
    '## Taking logs, beside Apache Kafka',
    describeComparison(machine, runs),
    formatGoals(runs, rows),
    '_ratio_ is that of the medians, sluice to Kafka as shipped, and _of pairs_ the least and the greatest ratio of two runs that stood side by ' +
      'side. _of the limit_ is what TLS alone takes in Node, as a share of what sluice takes.',
    ...(hasBarePath(runs) ? [BARE_PATH] : []),
    formatMemory(runs, rows),
    ...describeSteady(machine, runs, rows),
    '![CPU](performance/produce-cpu.svg)',
    ...(rows.some(isOpen) ? ['![Latency](performance/produce-latency.svg)'] : []),
    '### Where sluice is behind',
    losses.length === 0 ? 'Nowhere, among what was measured.' : losses.map(loss => `- ${loss}`).join('\n'),
    ...describeSynced(runs, rows),
    ...describeNodes(results, others, rows),
    '### For the record',
    '_What the rows are:_',
    rows.map(({ name, about }) => `- \`${name}\`: ${about}`).join('\n'),
    formatRecord(runs, rows),
  ]
  return {
    markdown: `${parts.join('\n\n')}\n`,
    drawings: {
      'produce-cpu.svg': plotCpu(runs, rows),
      ...(rows.some(isOpen) ? { 'produce-latency.svg': plotLatency(runs, rows) } : {}),
    },
  }
}

function findResults(directory: string): Results[] {
  const names = existsSync(directory) ? readdirSync(directory).filter(name => /^produce-node\d+\.jsonl$/.test(name)) : []
  const major = (name: string): number => Number(/\d+/.exec(name)![0])
  return names.sort((a, b) => major(b) - major(a)).flatMap(name => readResults(join(directory, name)) ?? [])
}

function describeComparison(machine: Machine, runs: readonly Run[]): string {
  const ciphers = [...new Set(runs.flatMap(({ tls }) => (tls === '' ? [] : [tls])))]
  return [
    `Apache Kafka ${machine.kafka}, one broker with the settings and the Java flags of its release, has acknowledged a log when the ` +
      'operating system has it. _Kafka, synced_ is the same with `log.flush.interval.messages=1`. Sluice acknowledges what is on disk, always. All ' +
      'have the same certificate, eight partitions or shards and one load generator, with requests made ahead of time; `acks=all`. Kafka ' +
      'decompresses what it is sent to check it, and sluice checks the checksum: it decompresses in the indexer, which rows named ' +
      '_indexing_ include and the others do not, nor Kafka. Rows named _steady_ run with the page cache full, as on a machine that has run ' +
      `for a while, the others with memory free; where a system gives its pages up by itself, and ${MAX_STEADY_FREE_MB / 1000} GB were free ` +
      'after all, a _steady_ run is dropped.',
    formatTable(
      ['', ''],
      [
        ['machine', `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGb} GB, ${machine.system}`],
        ['Node', machine.node],
        ['Java', machine.java],
        ['TLS', ciphers.join('; ')],
        ['measured', machine.startedAt.slice(0, 10)],
        ['others', `took ${describeForeign(runs)}`],
      ],
    ),
  ].join('\n\n')
}

/** What a full page cache costs: what is done on behalf of a server in none of its threads, and what its own do beside memory free. */
function describeSteady({ cores }: Machine, runs: readonly Run[], rows: readonly Row[]): string[] {
  const beside = (row: string, system: Run['system']): string => {
    const all = pairRuns(runs, row, system, system).pairs.map(
      ({ run }) => (run.foreignShare * cores * run.seconds) / (run.payloadBytes / 1e9),
    )
    return all.length === 0 ? '' : formatNumber(medianOf(all))
  }
  const ofFresh = ({ name, figure }: Row, system: Run['system']): string => {
    const fresh = medianFigure(runs, name.replace('-steady', ''), system, figure)
    const steady = medianFigure(runs, name, system, figure)
    return fresh === undefined || steady === undefined ? '' : formatRatio(steady / fresh)
  }
  const lines = rows
    .filter(({ kind, state }) => kind === 'load' && state === 'steady')
    .map(row => [
      `\`${row.name}\``,
      beside(row.name, 'kafka'),
      beside(row.name, 'sluice'),
      ofFresh(row, 'kafka'),
      ofFresh(row, 'sluice'),
    ])
    .filter(([, kafka, sluice]) => kafka !== '' && sluice !== '')
  if (lines.length === 0) return []
  return [
    'Where the page cache is full, threads of the system make room for what is written into it, and write it later. That is in none of the figures ' +
      'of a process; it is all CPU beside it and the load generator, in s/GB. The goals of these rows suppose a machine where Kafka itself ' +
      'takes nearly twice as much as with memory free (64 KB 1.9, 1 MB 2.2, 16 KB 1.4, lz4 1.5); the last columns are how much it is here:',
    formatTable(['row', 'beside Kafka', 'beside sluice', 'Kafka, to memory free', 'sluice, to memory free'], lines),
  ]
}

function describeSynced(runs: readonly Run[], rows: readonly Row[]): string[] {
  const lines = rows.flatMap(row => {
    const ratio = ratioOf(pairRuns(runs, row.name, 'sluice', 'kafka-synced').pairs, row.figure)
    if (ratio === undefined) return []
    const { baseValue, value } = ratio
    return [
      [`\`${row.name}\``, figures[row.figure].title, formatNumber(baseValue), formatNumber(value), formatRatio(ratio.ratio)],
    ]
  })
  if (lines.length === 0) return []
  return [
    '### Beside a Kafka that syncs',
    'One run each. Kafka syncs every append by itself, sluice syncs once for all that wait: the factor says what that is worth.',
    formatTable(['row', 'what', 'Kafka, synced', 'sluice', 'ratio'], lines),
  ]
}

/** In ratios to Kafka, since two runs of the benchmark may have been on different machines. */
function describeNodes(results: Results, others: readonly Results[], rows: readonly Row[]): string[] {
  if (others.length === 0) return []
  const ratioIn = ({ runs }: Results, { name, figure }: Row) => ratioOf(pairRuns(runs, name, 'sluice', 'kafka').pairs, figure)
  const { node } = results.machine
  const text = others.flatMap(other => {
    const { node: otherNode, cpu } = other.machine
    const where = cpu === results.machine.cpu ? '' : ` It was measured on another machine (${cpu}).`
    const compared = rows.flatMap(row => {
      const [ratio, otherRatio] = [ratioIn(results, row), ratioIn(other, row)]
      return ratio === undefined || otherRatio === undefined ? [] : [{ row, ratio, otherRatio }]
    })
    const different = compared.filter(({ ratio, otherRatio }) => Math.abs(otherRatio.ratio / ratio.ratio - 1) > NODE_DIFFERENCE)
    if (different.length === 0)
      return [`Node ${otherNode} is within a tenth of Node ${node} in all of ${compared.length} rows: either will do.${where}`]
    const lines = different.map(({ row, ratio, otherRatio }) => [
      `\`${row.name}\``,
      figures[row.figure].title,
      `${formatRatio(ratio.ratio)} (${formatSpread(ratio)})`,
      `${formatRatio(otherRatio.ratio)} (${formatSpread(otherRatio)})`,
    ])
    const wins = different.filter(({ ratio, otherRatio }) => ratio.ratio < otherRatio.ratio).length
    const losses = different.length - wins
    return [
      `The ratio to Kafka of Node ${otherNode} differs by more than a tenth in ${different.length} of ${compared.length} rows.${where}`,
      formatTable(['row', 'what', node, otherNode], lines),
      wins === losses
        ? 'Each is the better one in as many of them: either will do.'
        : `Node ${wins > losses ? node : otherNode} is the better one in ${Math.max(wins, losses)} of them, and recommended.`,
    ]
  })
  return ['### Other versions of Node', ...text]
}

function isOpen({ load }: Row): boolean {
  return load.rate !== undefined
}

const systems = ['kafka', 'kafka-synced', 'sluice', 'limit', 'bare'] as const
const systemNames = systems.map(system => SYSTEM_NAMES[system])

function panelOf(title: string, figure: Figure, runs: readonly Run[], rows: readonly Row[]): BarPanel[] {
  const groups = rows.map(({ name }) => ({ name, values: systems.map(system => medianFigure(runs, name, system, figure)) }))
  return groups.length === 0 ? [] : [{ title, unit: figures[figure].title, groups }]
}

function plotCpu(runs: readonly Run[], rows: readonly Row[]): string {
  const loads = rows.filter(({ kind }) => kind === 'load')
  const isChurn = ({ load }: Row): boolean => load.mode === 'churn'
  const perRequest = loads.filter(row => row.figure === 'cpuPerRequest' && !isChurn(row))
  return plotBars({
    title: 'CPU of the process that acknowledges',
    systems: systemNames,
    panels: [
      ...panelOf(
        'Large requests',
        'cpuPerGb',
        runs,
        loads.filter(({ figure }) => figure === 'cpuPerGb'),
      ),
      ...panelOf('Small requests', 'cpuPerRequest', runs, perRequest),
      ...panelOf('Connections with a request each', 'cpuPerRequest', runs, loads.filter(isChurn)),
    ],
  })
}

function plotLatency(runs: readonly Run[], rows: readonly Row[]): string {
  const open = rows.filter(isOpen)
  return plotBars({
    title: 'From the moment that a log was due to its acknowledgement, 5 ms of waiting for others included',
    systems: systemNames,
    panels: [...panelOf('Half of the logs', 'ackP50', runs, open), ...panelOf('99 of 100 logs', 'ackP99', runs, open)],
  })
}
