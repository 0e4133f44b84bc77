/**
 * Exports: all logs of a logstore whose `_time` lies in a range, in pieces that the engine can sort in its memory.
 *
 * A piece is a stretch of the time of arrival with about as many logs as are sorted at once, so that one piece after the other is
 * everything in the order of arrival, whatever the size. Parquet is the exception: such a file cannot be put together of pieces, so it
 * is one statement that sorts nothing. What must stay true: each log of the range that was in the table when the export was planned
 * is in exactly one piece.
 */
import type { ClickHouseClient } from '@clickhouse/client'
import type { Readable } from 'node:stream'
import { openAnswer } from './answer.ts'
import { tableNameOf, viewName, type LogstoreName } from './sql.ts'
import { userQueryId } from './views.ts'

/** By `_time`, in ms since 1970; from `sinceMs` to before `untilMs`. Null is no bound. */
export interface ExportRange {
  sinceMs: number | null
  untilMs: number | null
}

/** By `_received`, in ms since 1970; from `fromMs` to before `toMs`. */
export interface ExportPiece {
  fromMs: number
  toMs: number
  /** How many logs there were when it was planned. */
  rows: number
}

export type ExportFormat = 'ndjson' | 'csv' | 'parquet'

export interface ExportOptions {
  range: ExportRange
  format: ExportFormat
  /** All of the range if absent. */
  piece?: Omit<ExportPiece, 'rows'> | undefined
  /** Whether a CSV begins with the names of the columns. */
  hasHeader?: boolean
  signal?: AbortSignal | undefined
}

/** Sorting as many logs of the usual kinds fits into the memory of an engine with 400 MB; more are sorted on its disk. */
const PIECE_ROWS = 200_000

/** The earliest and the latest time that a column of times holds. */
const FIRST_MS = Date.UTC(1900, 0)
const LAST_MS = Date.UTC(2299, 0)

const inRange = '_time >= fromUnixTimestamp64Milli({since:Int64}) AND _time < fromUnixTimestamp64Milli({until:Int64})'
const inPiece = '_received >= fromUnixTimestamp64Milli({from:Int64}) AND _received < fromUnixTimestamp64Milli({to:Int64})'

/** The pieces in the order of arrival; none if there are no logs in the range. A minute is not divided. */
export async function planExport(client: ClickHouseClient, logstore: LogstoreName, range: ExportRange): Promise<ExportPiece[]> {
  const answer = await client.query({
    query: `
      SELECT toFloat64(min(minute)) * 60000 AS fromMs, (toFloat64(max(minute)) + 1) * 60000 AS toMs, toFloat64(sum(logs)) AS rows
      FROM (
        SELECT minute, logs, sum(logs) OVER (ORDER BY minute) AS logsUpToHere
        FROM (
          SELECT intDiv(toUnixTimestamp64Milli(_received), 60000) AS minute, count() AS logs
          FROM ${viewName} WHERE ${inRange} GROUP BY minute
        )
      )
      GROUP BY intDiv(logsUpToHere - 1, {rows:UInt32}) ORDER BY fromMs`,
    query_params: { ...rangeParams(range), rows: PIECE_ROWS },
    query_id: userQueryId(logstore.project),
    http_headers: { 'X-ClickHouse-Database': tableNameOf(logstore).viewDatabase },
    format: 'JSONEachRow',
  })
  return answer.json<ExportPiece>()
}

/** The logs of a piece in the order of arrival, with all columns as they are stored; as a stream that fails as `openAnswer` says. */
export async function openExport(
  clients: { service: ClickHouseClient; query: ClickHouseClient },
  logstore: LogstoreName,
  { range, format, piece, hasHeader = false, signal }: ExportOptions,
): Promise<Readable> {
  const condition = piece === undefined ? inRange : `${inRange} AND ${inPiece}`
  const order = piece === undefined ? '' : 'ORDER BY _entry, _offset, _index'
  return openAnswer(clients.service, clients, {
    query: `SELECT * FROM ${viewName} WHERE ${condition} ${order}`,
    query_params: { ...rangeParams(range), from: piece?.fromMs ?? 0, to: piece?.toMs ?? 0 },
    query_id: userQueryId(logstore.project),
    http_headers: {
      'X-ClickHouse-Database': tableNameOf(logstore).viewDatabase,
      'X-ClickHouse-Format': format === 'csv' && hasHeader ? 'CSVWithNames' : clickHouseFormats[format],
    },
    clickhouse_settings: exportSettings,
    signal,
  })
}

const clickHouseFormats: Record<ExportFormat, string> = { ndjson: 'JSONEachRow', csv: 'CSV', parquet: 'Parquet' }

const exportSettings = {
  date_time_output_format: 'iso',
  // A line that is no JSON would end the work of whoever reads it; other formats have every byte as it is.
  output_format_json_validate_utf8: 1,
  // What is written in parallel, and in large groups, is held in memory until then.
  output_format_parallel_formatting: 0,
  output_format_parquet_parallel_encoding: 0,
  output_format_parquet_row_group_size: '50000',
  output_format_parquet_row_group_size_bytes: '16777216',
  // Whoever reads may take a break.
  http_send_timeout: 3600,
} as const

function rangeParams({ sinceMs, untilMs }: ExportRange): { since: number; until: number } {
  const bounded = (ms: number): number => Math.min(Math.max(ms, FIRST_MS), LAST_MS)
  return { since: bounded(sinceMs ?? FIRST_MS), until: bounded(untilMs ?? LAST_MS) }
}
