/**
 * What a run has come to, as plain values: what the tally is made of, and what a later run goes on from.
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { anomalyKinds, type Anomaly, type AnomalyKind } from '../support/anomalies.ts'

/** What is killed: a part, all of them at once, or the server and then the next one while it starts. */
export const targets = ['server', 'indexer', 'engine', 'all', 'start'] as const
export type Target = (typeof targets)[number]

/** Of the records of one client. */
export interface ClientCounts extends Record<AnomalyKind, number> {
  sent: number
  acknowledged: number
  /** Rows. */
  stored: number
  /** Rows of a plain producer's records that were there already. */
  repeated: number
  /** Records that the client has given up, although it was told never to. */
  givenUp: number
}

export interface CrashState {
  seed: number
  /** Cycles whose outcome was verified. */
  cycles: number
  rounds: number
  seconds: number
  kills: Record<Target, number>
  /** Segments of the journal that were begun, and the longest that the server took to start. */
  segments: number
  slowestStartMs: number
  /** By the client's name. */
  clients: Record<string, ClientCounts>
  /** The first of them; all are counted with their clients. */
  anomalies: Anomaly[]
  /** What else went wrong, as sentences: a server that does not start, say. */
  failures: string[]
}

export const MAX_ANOMALIES = 50

export function newState(seed: number): CrashState {
  const kills = Object.fromEntries(targets.map(target => [target, 0])) as Record<Target, number>
  const counted = { cycles: 0, rounds: 0, seconds: 0, kills, segments: 0, slowestStartMs: 0 }
  return { seed, ...counted, clients: {}, anomalies: [], failures: [] }
}

export function countsOf(state: CrashState, client: string): ClientCounts {
  const none = { sent: 0, acknowledged: 0, stored: 0, repeated: 0, givenUp: 0, lost: 0, duplicate: 0, reordered: 0, unseen: 0 }
  return (state.clients[client] ??= none)
}

/** How much there is that must not be. */
export function countProblems(state: CrashState): number {
  const clients = Object.values(state.clients)
  const inClients = clients.reduce(
    (sum, counts) => sum + counts.givenUp + anomalyKinds.reduce((s, kind) => s + counts[kind], 0),
    0,
  )
  return inClients + state.failures.length
}

export function readState(path: string): CrashState | undefined {
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as CrashState) : undefined
}

export function writeState(path: string, state: CrashState): void {
  writeFileSync(`${path}.new`, `${JSON.stringify(state, null, 2)}\n`)
  renameSync(`${path}.new`, path)
}

/** For people: a table of the clients, and what was killed. */
export function formatState(state: CrashState): string {
  const columns = ['sent', 'acknowledged', 'stored', 'repeated', ...anomalyKinds, 'givenUp'] as const
  const titles = columns.map(column => (column === 'givenUp' ? 'given up' : column))
  const rows = Object.entries(state.clients).map(([name, counts]) => [
    name,
    ...columns.map(column => counts[column].toLocaleString('en')),
  ])
  const total = columns.map(column => Object.values(state.clients).reduce((sum, counts) => sum + counts[column], 0))
  const kills = targets.map(target => `${target} ${state.kills[target]}`).join(', ')
  return [
    ...alignColumns([['client', ...titles], ...rows, ['all', ...total.map(count => count.toLocaleString('en'))]]),
    '',
    `${state.cycles} cycles in ${Math.round(state.seconds)} s, verified ${state.rounds} times; killed: ${kills}`,
    `${state.segments} segments of the journal were begun; the slowest start took ${Math.round(state.slowestStartMs)} ms`,
    ...state.anomalies.map(
      ({ kind, topic, stream, number, detail }) => `${kind}: record ${number} of ${stream} in ${topic}; ${detail}`,
    ),
    ...state.failures,
    `${countProblems(state)} anomalies`,
  ].join('\n')
}

/** Words to the left, figures to the right. */
function alignColumns(table: readonly (readonly string[])[]): string[] {
  const widths = table[0]!.map((_, column) => Math.max(...table.map(row => row[column]!.length)))
  return table.map(row =>
    row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!))).join('  '),
  )
}
