/** The results as tables: what was reached of each goal, and every figure of every system. */
import { formatNumber, formatTable } from '../report/markdown.ts'
import { figures, type Figure } from './figures.ts'
import { medianOf } from '../../test/soak/samples.ts'
import { checkGoal, MAX_FOREIGN_SHARE, medianFigure, pairRuns, ratioOf, shareOfOthers, type Ratio } from './pairs.ts'
import { MEMORY_GOAL_MB, type Goal, type Row } from './rows.ts'
import { withLimits, type Results, type Run } from './runs.ts'

export const SYSTEM_NAMES: Record<Run['system'], string> = {
  kafka: 'Kafka',
  'kafka-synced': 'Kafka, synced',
  sluice: 'sluice',
  limit: 'TLS alone',
  bare: 'bare path',
}

const loadFigures: readonly Figure[] = [
  'cpuPerGb',
  'cpuPerMillion',
  'cpuPerRequest',
  'requests',
  'megabytes',
  'ackP50',
  'ackP99',
  'ackP999',
  'memory',
  'peakMemory',
]
const figuresOfKind: Record<Row['kind'], readonly Figure[]> = {
  load: loadFigures,
  idle: ['memory', 'memoryPerConnection'],
  start: ['startSeconds', 'startCpu', 'memory'],
}

/** Whether one is better off with more of it. */
const isGain = new Set<Figure>(['requests', 'megabytes', 'limitShare'])

/** The rows for which there is a run, in the order in which they are described. */
export function measuredRows(runs: readonly Run[], rows: readonly Row[]): Row[] {
  return rows.filter(({ name }) => runs.some(run => run.row === name))
}

/** What is printed at the end of the runs. */
export function formatSummary({ machine, runs }: Results, rows: readonly Row[]): string {
  const all = withLimits(runs)
  const measured = measuredRows(all, rows)
  const parts = [formatGoals(all, measured), formatMemory(all, measured), formatRecord(all, measured)]
  parts.push(`Others took ${describeForeign(runs)}.`)
  if (machine.isQuick) parts.push('Measured in a hurry: not to be quoted.')
  return `\n${parts.join('\n\n')}\n`
}

/** How much of the machine was not for the benchmark. */
export function describeForeign(runs: readonly Run[]): string {
  const shares = runs.map(shareOfOthers)
  const percent = (share: number): string => `${Math.round(share * 100)} %`
  return (
    `${percent(medianOf(shares))} of the machine in the median run, ${percent(Math.max(...shares))} at most; pairs with more than ` +
    `${percent(MAX_FOREIGN_SHARE)} are dropped`
  )
}

/** A line for each goal, and for each row that has none but to be measured. */
export function formatGoals(runs: readonly Run[], rows: readonly Row[]): string {
  const bareHeader = hasBarePath(runs) ? ['bare path', 'its ratio'] : []
  const header = ['row', 'what', 'Kafka', 'sluice', 'ratio', 'of pairs', 'pairs', 'goal', 'met', ...bareHeader]
  const lines = rows.flatMap(row => {
    const goals: readonly (Goal | undefined)[] = row.goals.length === 0 ? [undefined] : row.goals
    return goals.map(goal => formatGoal(runs, row, goal))
  })
  return formatTable(header, lines)
}

function formatGoal(runs: readonly Run[], row: Row, goal: Goal | undefined): string[] {
  const figure = goal?.figure ?? row.figure
  const { pairs, dropped } = pairRuns(runs, row.name, 'sluice', 'kafka')
  const ratio = ratioOf(pairs, figure)
  const reached = goal === undefined ? undefined : checkGoal(runs, row.name, goal)
  return [
    `\`${row.name}\``,
    figures[figure].title,
    formatNumber(ratio?.baseValue ?? medianFigure(runs, row.name, 'kafka', figure)),
    formatFigure(figure, ratio?.value ?? medianFigure(runs, row.name, 'sluice', figure)),
    formatRatio(ratio?.ratio),
    formatSpread(ratio),
    `${pairs.length}${dropped === 0 ? '' : `, ${dropped} dropped`}`,
    goal === undefined ? '' : formatBound(goal),
    reached === undefined ? '' : reached.isMet ? 'yes' : '**no**',
    ...(hasBarePath(runs) ? formatBare(runs, row, figure) : []),
  ]
}

/** The bare path in a row: its figure, and the ratio to Kafka. */
function formatBare(runs: readonly Run[], { name }: Row, figure: Figure): string[] {
  const ratio = ratioOf(pairRuns(runs, name, 'bare', 'kafka').pairs, figure)
  return [formatFigure(figure, ratio?.value ?? medianFigure(runs, name, 'bare', figure)), formatRatio(ratio?.ratio)]
}

/** Whether the bare path was measured at all. */
export function hasBarePath(runs: readonly Run[]): boolean {
  return runs.some(({ system }) => system === 'bare')
}

/** The memory of the acknowledging process has one goal: it is the most that the process, which serves most rows, has ever held. */
export function formatMemory(runs: readonly Run[], rows: readonly Row[]): string {
  const [heaviest] = rows
    .filter(({ kind }) => kind === 'load')
    .flatMap(({ name }) => {
      const value = medianFigure(runs, name, 'sluice', 'peakMemory')
      return value === undefined ? [] : [{ name, value }]
    })
    .sort((a, b) => b.value - a.value)
  if (heaviest === undefined) return 'The memory of sluice was not measured.'
  const { name, value } = heaviest
  const kafka = Math.max(0, ...rows.flatMap(row => medianFigure(runs, row.name, 'kafka', 'peakMemory') ?? []))
  return (
    `The process that acknowledges held ${formatNumber(value)} MB at most, by the end of \`${name}\`; the goal is at most ` +
    `${MEMORY_GOAL_MB} MB: ${value <= MEMORY_GOAL_MB ? 'met' : '**missed**'}.` +
    (kafka === 0 ? '' : ` Kafka held ${formatNumber(kafka)} MB.`)
  )
}

/** Medians of all runs that others did not disturb. */
export function formatRecord(runs: readonly Run[], rows: readonly Row[]): string {
  const tables = (['load', 'idle', 'start'] as const).flatMap(kind => {
    const ofKind = rows.filter(row => row.kind === kind)
    if (ofKind.length === 0) return []
    const lines = ofKind.flatMap(({ name }) =>
      systemsIn(runs, name).map(system => [
        `\`${name}\``,
        SYSTEM_NAMES[system],
        ...figuresOfKind[kind].map(figure => formatNumber(medianFigure(runs, name, system, figure))),
      ]),
    )
    return [formatTable(['row', 'system', ...figuresOfKind[kind].map(figure => figures[figure].title)], lines)]
  })
  const indexing = rows.filter(({ isIndexing }) => isIndexing)
  if (indexing.length > 0) tables.push(formatTrees(runs, indexing))
  return tables.join('\n\n')
}

function formatTrees(runs: readonly Run[], rows: readonly Row[]): string {
  const columns: readonly Figure[] = ['cpuPerGb', 'treeCpuPerGb', 'peakMemory', 'treeMemory']
  const lines = rows.flatMap(({ name }) =>
    systemsIn(runs, name)
      .filter(system => system !== 'limit')
      .map(system => [
        `\`${name}\``,
        SYSTEM_NAMES[system],
        ...columns.map(figure => formatNumber(medianFigure(runs, name, system, figure))),
      ]),
  )
  return formatTable(['row', 'system', ...columns.map(figure => figures[figure].title)], lines)
}

function systemsIn(runs: readonly Run[], row: string): Run['system'][] {
  return (['kafka', 'kafka-synced', 'sluice', 'limit', 'bare'] as const).filter(system =>
    runs.some(run => run.row === row && run.system === system),
  )
}

/** Where sluice is behind Kafka as shipped, or behind its goal: a line for each row. */
export function describeLosses(runs: readonly Run[], rows: readonly Row[]): string[] {
  return rows.flatMap(row => {
    const { pairs } = pairRuns(runs, row.name, 'sluice', 'kafka')
    const lost = comparedFigures(row).flatMap(figure => {
      const ratio = ratioOf(pairs, figure)
      if (ratio === undefined || (isGain.has(figure) ? ratio.ratio >= 1 : ratio.ratio <= 1)) return []
      return [`${figures[figure].title} ${formatRatio(ratio.ratio)} times Kafka's (${formatSpread(ratio)})`]
    })
    const missed = row.goals.flatMap(goal => {
      const reached = checkGoal(runs, row.name, goal)
      if (reached === undefined || reached.isMet) return []
      const value = formatReached(goal, reached.reached)
      return [`${figures[goal.figure].title} ${value}, the goal is ${formatBound(goal)}${describeBare(runs, row, goal)}`]
    })
    return lost.length + missed.length === 0 ? [] : [`\`${row.name}\`: ${[...lost, ...missed].join('; ')}`]
  })
}

/** Whether the bare path reaches a goal, and what the goal leaves for all that it does not do; empty if it was not measured. */
function describeBare(runs: readonly Run[], { name }: Row, goal: Goal): string {
  const bare = checkGoal(runs, name, goal, 'bare')
  if (bare === undefined) return ''
  const reached = `bare path ${formatReached(goal, bare.reached)}`
  if (!bare.isMet) return ` (${reached}: missed too)`
  const ratio = ratioOf(pairRuns(runs, name, 'bare', 'kafka').pairs, goal.figure)
  const ofSluice = medianFigure(runs, name, 'sluice', goal.figure)
  if (goal.of !== 'ratio' || goal.atMost === undefined || ratio === undefined || ofSluice === undefined)
    return ` (${reached}: met)`
  const [left, taken] = [goal.atMost * ratio.baseValue - ratio.value, ofSluice - ratio.value]
  return ` (${reached}: met; the goal leaves ${formatNumber(left)} for all else, sluice takes ${formatNumber(taken)})`
}

/** Latency says something in the open loop alone: in the closed one it is what a queue of fixed length makes of the throughput. */
function comparedFigures({ kind, load, figure, isIndexing }: Row): readonly Figure[] {
  if (kind === 'idle') return ['memory', 'memoryPerConnection']
  if (kind === 'start') return ['startSeconds', 'startCpu', 'memory']
  const speed: readonly Figure[] = load.rate === undefined ? ['requests'] : ['ackP50', 'ackP99', 'ackP999']
  return [
    figure === 'cpuPerGb' ? figure : 'cpuPerRequest',
    ...speed,
    'peakMemory',
    ...(isIndexing ? (['treeCpuPerGb', 'treeMemory'] as const) : []),
  ]
}

export function formatRatio(ratio: number | undefined): string {
  return ratio === undefined ? '' : ratio.toFixed(2)
}

export function formatSpread(ratio: Ratio | undefined): string {
  return ratio === undefined ? '' : `${formatRatio(ratio.least)}–${formatRatio(ratio.most)}`
}

function formatFigure(figure: Figure, value: number | undefined): string {
  return figure === 'limitShare' && value !== undefined ? `${Math.round(value * 100)} %` : formatNumber(value)
}

function formatReached({ figure, of }: Goal, value: number): string {
  return of === 'ratio' ? formatRatio(value) : formatFigure(figure, value)
}

function formatBound({ figure, of, atMost, atLeast }: Goal): string {
  const bound = (value: number): string => (of === 'ratio' ? String(value) : formatFigure(figure, value))
  return atMost === undefined ? `≥ ${bound(atLeast!)}` : `≤ ${bound(atMost)}`
}
