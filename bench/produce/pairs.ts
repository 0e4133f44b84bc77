/**
 * The comparison of two systems: their runs of the same round are a pair, and only pairs are compared. Machines are shared and their
 * speed changes, so a pair in which others used much of the machine is no pair, and what is left says how far its ratios spread.
 */
import { medianOf } from '../../test/soak/samples.ts'
import { valueOf, type Figure } from './figures.ts'
import { rows, type Goal } from './rows.ts'
import type { Run } from './runs.ts'

export interface Pair {
  round: number
  /** The run that is compared, and the one that it is compared with. */
  run: Run
  base: Run
}

export interface Ratio {
  /** Of the medians. */
  ratio: number
  /** Of the pairs. */
  least: number
  most: number
  value: number
  baseValue: number
}

/** Beyond this share of the machine a run says more of others than of the system. */
export const MAX_FOREIGN_SHARE = 0.4

/** With more memory free than this the page cache was not full: some systems give its pages up by themselves. */
export const MAX_STEADY_FREE_MB = 1500

const steadyRows = new Set(rows.filter(({ state }) => state === 'steady').map(({ name }) => name))

/** How much of the machine was for neither the system nor its load. */
export function shareOfOthers({ foreignShare, stolenShare = 0 }: Run): number {
  return foreignShare + stolenShare
}

function isSound(run: Run): boolean {
  const { row, freeMemoryMb } = run
  return shareOfOthers(run) <= MAX_FOREIGN_SHARE && (freeMemoryMb <= MAX_STEADY_FREE_MB || !steadyRows.has(row))
}

/** The pairs of two systems in a row, and how many were dropped. */
export function pairRuns(
  runs: readonly Run[],
  row: string,
  system: Run['system'],
  base: Run['system'],
): { pairs: Pair[]; dropped: number } {
  const ofRow = runs.filter(run => run.row === row)
  const all = ofRow
    .filter(run => run.system === system)
    .flatMap(run => {
      const other = ofRow.find(each => each.system === base && each.round === run.round)
      return other === undefined ? [] : [{ round: run.round, run, base: other }]
    })
  const pairs = all.filter(({ run, base }) => isSound(run) && isSound(base))
  return { pairs, dropped: all.length - pairs.length }
}

/** Undefined if no pair has the figure. */
export function ratioOf(pairs: readonly Pair[], figure: Figure): Ratio | undefined {
  const values = pairs.flatMap(({ run, base }) => {
    const [value, baseValue] = [valueOf(run, figure), valueOf(base, figure)]
    return value === undefined || baseValue === undefined || baseValue === 0 ? [] : [{ value, baseValue }]
  })
  if (values.length === 0) return undefined
  const ratios = values.map(({ value, baseValue }) => value / baseValue)
  const value = medianOf(values.map(each => each.value))
  const baseValue = medianOf(values.map(each => each.baseValue))
  return { ratio: value / baseValue, least: Math.min(...ratios), most: Math.max(...ratios), value, baseValue }
}

/** Of the runs of a system in a row, without those that others disturbed; undefined if none has the figure. */
export function medianFigure(runs: readonly Run[], row: string, system: Run['system'], figure: Figure): number | undefined {
  const values = runs
    .filter(run => run.row === row && run.system === system && isSound(run))
    .flatMap(run => valueOf(run, figure) ?? [])
  return values.length === 0 ? undefined : medianOf(values)
}

/** What a system, sluice unless named, has reached of a goal, and whether that is enough; undefined if it was not measured. */
export function checkGoal(
  runs: readonly Run[],
  row: string,
  goal: Goal,
  system: Run['system'] = 'sluice',
): { reached: number; isMet: boolean } | undefined {
  const reached =
    goal.of === 'ratio'
      ? ratioOf(pairRuns(runs, row, system, 'kafka').pairs, goal.figure)?.ratio
      : medianFigure(runs, row, system, goal.figure)
  if (reached === undefined) return undefined
  return { reached, isMet: reached <= (goal.atMost ?? Infinity) && reached >= (goal.atLeast ?? -Infinity) }
}
