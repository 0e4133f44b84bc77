/**
 * Compares what producers know with what a table holds, in the words of Jepsen:
 *
 *     lost       acknowledged, and not in the table
 *     duplicate  of an idempotent producer, and in the table twice; or any row that shares its place with another one
 *     reordered  of an idempotent producer's stream, and behind a later record of it; of any producer, inside one batch
 *     unseen     in the table, and nobody has sent it, or not with that content
 *
 * What a plain producer sends again may be there again: that is counted, and no anomaly.
 */
import { crc32 } from 'node:zlib'
import { valueOf, type RecordStream } from './record-stream.ts'
import type { Server } from './server.ts'

export const anomalyKinds = ['lost', 'duplicate', 'reordered', 'unseen'] as const
export type AnomalyKind = (typeof anomalyKinds)[number]

export interface Anomaly {
  kind: AnomalyKind
  topic: string
  /** The stream's name; that of the row's content, if nobody has sent it. */
  stream: string
  /** The record's number in its stream. */
  number: number
  /** What more there is to say, for the person who looks for the reason. */
  detail: string
}

export interface Row {
  entry: number
  shard: number
  offset: number
  index: number
  /** The beginning of the content: the stream's name and the record's number. */
  head: string
  /** CRC-32 of the content. */
  checksum: number
  error: string
}

export interface Comparison {
  anomalies: Anomaly[]
  /** By stream: rows of records that are there already, of producers for which that is no anomaly. */
  repeated: Map<string, number>
}

/** The rows of the entries from `from` on, in the order of arrival. */
export function readRows(server: Server, logstore: string, from: number): Promise<Row[]> {
  const sql = `SELECT toFloat64(_entry) AS entry, _shard AS shard, toFloat64(_offset) AS offset, _index AS index,
      substring(content, 1, 60) AS head, CRC32(content) AS checksum, _error AS error
    FROM log WHERE _entry >= ${from} ORDER BY _entry, _offset, _index`
  return server.query<Row>(logstore, sql)
}

/** Compares the streams of one logstore with the rows of all entries since the last comparison. The streams forget nothing. */
export function findAnomalies(topic: string, streams: readonly RecordStream[], rows: readonly Row[]): Comparison {
  const anomalies: Anomaly[] = []
  const repeated = new Map<string, number>()
  const byName = new Map(streams.map(stream => [stream.name, stream]))
  const seen = new Map(streams.map(({ name }) => [name, new Set<number>()]))
  const last = new Map(streams.map(({ name, lastStored }) => [name, { number: lastStored, entry: -1 }]))
  const places = new Set<string>()

  for (const row of rows) {
    const { name, number } = readHead(row.head)
    const found = (kind: AnomalyKind, detail = ''): unknown =>
      anomalies.push({ kind, topic, stream: name, number, detail: `${placeOf(row)}${detail}` })
    const place = `${row.shard} ${row.offset} ${row.index}`
    if (places.has(place)) found('duplicate', ', where another row stands')
    places.add(place)

    const stream = byName.get(name)
    const isSent = stream !== undefined && number < stream.sent && crc32(valueOf(name, number)) === row.checksum
    if (!isSent) {
      found('unseen', row.error === '' ? '' : `: ${row.error}`)
      continue
    }
    const numbers = seen.get(name)!
    const before = last.get(name)!
    if (number < stream.first || numbers.has(number)) {
      if (stream.promised === 'once') found('duplicate')
      else repeated.set(name, (repeated.get(name) ?? 0) + 1)
    } else if (number < before.number && (stream.promised === 'once' || before.entry === row.entry))
      found('reordered', `, behind record ${before.number}`)
    numbers.add(number)
    last.set(name, { number: stream.promised === 'once' ? Math.max(number, before.number) : number, entry: row.entry })
  }

  for (const stream of streams)
    for (let number = stream.first; number < stream.sent; number++)
      if (stream.isAcknowledged(number) && stream.promised !== 'none' && !seen.get(stream.name)!.has(number))
        anomalies.push({ kind: 'lost', topic, stream: stream.name, number, detail: '' })
  for (const stream of streams) stream.lastStored = last.get(stream.name)!.number
  return { anomalies, repeated }
}

function readHead(head: string): { name: string; number: number } {
  const [name = '', number = ''] = head.split(' ', 2)
  return { name, number: /^\d{1,15}$/.test(number) ? Number(number) : Number.NaN }
}

function placeOf({ entry, shard, offset, index }: Row): string {
  return `entry ${entry}, shard ${shard}, offset ${offset}, index ${index}`
}
