/** Which runs there are, in which order: row by row, round by round, the systems in turns. */
import type { Row } from './rows.ts'
import type { Run } from './runs.ts'

export interface PlannedRun {
  row: Row
  round: number
  system: Run['system']
}

const BARE_ROUNDS = 3

/**
 * Rows that need the same servers and the same memory stand together, so that both change seldom. Those that have servers of their own come
 * last, when there are no others.
 */
export function sortRows(rows: readonly Row[]): Row[] {
  const rank = ({ kind, state, keyKind }: Row): number =>
    (kind === 'load' ? 0 : 4) + (keyKind === 'rsa' ? 2 : 0) + (state === 'steady' ? 1 : 0)
  return [...rows].sort((a, b) => rank(a) - rank(b))
}

/**
 * The runs of a row. Kafka that syncs each append has one in all, since it takes long and says little more each time; the limit has one in
 * each round, beside sluice's, and the bare path in the first three.
 */
export function planRow(row: Row, rounds: number, systems: readonly Run['system'][]): PlannedRun[] {
  const all = [...systems, ...limitsOf(row)]
  return Array.from({ length: rounds }, (_, index) => index + 1).flatMap(round =>
    all
      .filter(system => system !== 'kafka-synced' || (round === 1 && row.kind === 'load'))
      .filter(system => system !== 'bare' || round <= BARE_ROUNDS)
      .map(system => ({ row, round, system })),
  )
}

function limitsOf({ limitBytes, hasBarePath }: Row): Run['system'][] {
  return [...(limitBytes === undefined ? [] : (['limit'] as const)), ...(hasBarePath ? (['bare'] as const) : [])]
}
