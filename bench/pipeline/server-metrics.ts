/** What a server says of itself in `/metrics`, as far as the way to the table goes. */
import type { Server } from '../../test/support/server.ts'

export interface ServerMetrics {
  indexedRows: number
  unindexedBytes: number
  journalEntries: number
  /** How many logs were stored within so many seconds of their arrival: by bound, the smallest first. */
  freshness: { seconds: number; count: number }[]
}

export async function readServerMetrics(server: Server): Promise<ServerMetrics> {
  const { text } = await server.get('/metrics')
  const figure = (name: string): number => Number(new RegExp(`^sluice_${name} (.*)$`, 'm').exec(text)?.[1] ?? NaN)
  const buckets = text.matchAll(/^sluice_freshness_seconds_bucket\{le="([^"]+)"\} (\d+)/gm)
  return {
    indexedRows: figure('indexed_rows_total'),
    unindexedBytes: figure('journal_unindexed_bytes'),
    journalEntries: figure('journal_entries_total'),
    freshness: [...buckets].map(([, le, count]) => ({ seconds: le === '+Inf' ? Infinity : Number(le), count: Number(count) })),
  }
}

/**
 * What a share of the logs took at most that were stored between two looks, in milliseconds. Between the bounds of a bucket they are
 * taken to be spread evenly; beyond the last bound it is infinite.
 */
export function freshnessMs(before: ServerMetrics, after: ServerMetrics, share: number): number {
  const counts = after.freshness.map(({ seconds, count }, index) => ({ seconds, count: count - before.freshness[index]!.count }))
  const wanted = share * (counts.at(-1)?.count ?? NaN)
  const index = counts.findIndex(({ count }) => count >= wanted)
  const bound = counts[index]
  if (bound === undefined) return NaN
  if (bound.seconds === Infinity) return Infinity
  const below = counts[index - 1] ?? { seconds: 0, count: 0 }
  const within = (wanted - below.count) / (bound.count - below.count)
  return (below.seconds + within * (bound.seconds - below.seconds)) * 1000
}
