/**
 * `sluice export`: the logs of a time range, as NDJSON, CSV or Parquet.
 *
 * What must stay true: an export that is not complete is never taken for one that is. A file has another name until everything is in it
 * and on disk, and the exit status says failure from the beginning until then, however the process ends.
 */
import { once } from 'node:events'
import { open, rename } from 'node:fs/promises'
import { Command, InvalidArgumentError, Option } from 'commander'
import { SluiceError, sluiceError } from '../base/errors.ts'
import { parseMs } from '../config/units.ts'
import type { ExportFormat, ExportPiece } from '../store/export.ts'
import { withControl, type Control } from './client.ts'
import { parseLogstoreName } from './logstore-argument.ts'
import { formatCountOf, formatSize } from './output.ts'
import { addPlaceOptions, configOf, type PlaceOptions } from './place.ts'
import { describeLogs, Progress } from './progress.ts'

interface ExportCommandOptions extends PlaceOptions {
  since?: number
  until?: number
  format: ExportFormat
  output?: string
}

/** Where the bytes go. */
interface Output {
  /** Resolves when more may be written. */
  write(chunk: Buffer): Promise<void>
  /** Everything was written. */
  finish(): Promise<void>
}

export function exportCommand(): Command {
  return addPlaceOptions(new Command('export'))
    .description('write the logs of a time range to a file or to standard output, in the order of their arrival')
    .argument('<project/logstore>')
    .option('--since <time>', 'from this _time on: ISO 8601 (UTC, if it names no zone), or how long ago: 2h, 7d', parseTime)
    .option('--until <time>', 'before this _time, said alike', parseTime)
    .addOption(new Option('--format <format>', 'the form of the logs').choices(['ndjson', 'csv', 'parquet']).default('ndjson'))
    .option('--output <file>', 'the file; FILE.part until it is complete (default: standard output)')
    .addHelpText(
      'after',
      `
All columns are written as they are stored. Parquet is in no order: sort by _entry, _offset, _index.

Examples:
  sluice export web/nginx --since 2h > logs.ndjson
  sluice export web/nginx --since 2026-01-31 --until 2026-02-01 --format parquet --output january-31.parquet`,
    )
    .action(async (name: string, { since, until, format, output: file, ...place }: ExportCommandOptions) => {
      const { path } = parseLogstoreName(name)
      const range = { sinceMs: since ?? null, untilMs: until ?? null }
      if (since !== undefined && until !== undefined && since >= until)
        throw sluiceError('INVALID_ARGUMENT', { problem: '--since must be before --until' })
      if (file === undefined && format === 'parquet' && process.stdout.isTTY)
        throw sluiceError('INVALID_ARGUMENT', { problem: 'Parquet is not for a terminal: name a file with --output' })
      process.exitCode = 1
      const { rows, bytes } = await withControl(configOf(place), async control => {
        const pieces = await control.call<ExportPiece[]>('POST', `${path}/export/plan`, range)
        const output = file === undefined ? standardOutput : await openFile(file)
        // Parquet has an end that says where everything is, so it is not put together of pieces. And an empty CSV has a header.
        const isWhole = format === 'parquet' || pieces.length === 0
        const requests = isWhole ? [{ rows: sumRows(pieces), piece: undefined }] : toRequests(pieces)
        return writeAll(control, output, {
          url: `${path}/export`,
          rows: sumRows(pieces),
          requests: requests.map(({ rows, piece }, index) => ({
            rows,
            body: { ...range, format, piece, hasHeader: index === 0 },
          })),
        })
      })
      process.exitCode = 0
      console.error(`exported ${formatCountOf(rows, 'log')}, ${formatSize(bytes)}${file === undefined ? '' : `, to ${file}`}`)
    })
}

async function writeAll(
  control: Control,
  output: Output,
  { url, rows, requests }: { url: string; rows: number; requests: { rows: number; body: object }[] },
): Promise<{ rows: number; bytes: number }> {
  const progress = new Progress('exporting', process.stderr, describeLogs)
  let bytes = 0
  let rowsBefore = 0
  try {
    for (const request of requests) {
      const answer = await control.stream('POST', url, request.body)
      let lines = 0
      for await (const chunk of answer as AsyncIterable<Buffer>) {
        await output.write(chunk)
        bytes += chunk.length
        // A log of a CSV may have several.
        lines += countLines(chunk)
        progress.update(rowsBefore + Math.min(lines, request.rows), rows)
      }
      rowsBefore += request.rows
      progress.update(rowsBefore, rows)
    }
    await output.finish()
    return { rows, bytes }
  } catch (error) {
    if (error instanceof SluiceError || (error instanceof Error && 'syscall' in error)) throw error
    // What ClickHouse says in the middle of an answer ends the connection.
    const problem = "ClickHouse, or the server, ended its answer before it was complete; the server's log may say why"
    throw sluiceError('EXPORT_INCOMPLETE', { problem }, error)
  } finally {
    progress.end()
  }
}

function toRequests(pieces: readonly ExportPiece[]) {
  return pieces.map(({ fromMs, toMs, rows }) => ({ rows, piece: { fromMs, toMs } }))
}

function countLines(chunk: Buffer): number {
  let lines = 0
  for (let at = chunk.indexOf(0x0a); at !== -1; at = chunk.indexOf(0x0a, at + 1)) lines++
  return lines
}

function sumRows(pieces: readonly ExportPiece[]): number {
  return pieces.reduce((sum, { rows }) => sum + rows, 0)
}

const standardOutput: Output = {
  async write(chunk) {
    if (!process.stdout.write(chunk)) await once(process.stdout, 'drain')
  },
  async finish() {
    await new Promise<void>((resolve, reject) => process.stdout.write('', error => (error ? reject(error) : resolve())))
  },
}

/** Writes `FILE.part`, which becomes FILE at the end. */
async function openFile(path: string): Promise<Output> {
  const part = `${path}.part`
  const file = await open(part, 'w')
  return {
    async write(chunk) {
      await file.writeFile(chunk)
    },
    async finish() {
      await file.sync()
      await file.close()
      await rename(part, path)
    },
  }
}

/** ms since 1970. */
export function parseTime(text: string): number {
  const agoMs = /^\d+(\.\d+)?\s*[a-z]+$/i.test(text) ? parseMs(text) : undefined
  if (agoMs !== undefined) return Date.now() - agoMs
  const [, date, time = 'T00:00', zone = 'Z'] =
    /^(\d{4}-\d{2}-\d{2})([T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?)?(Z|[+-]\d{2}:?\d{2})?$/i.exec(text) ?? []
  const ms = Date.parse(`${date}${time.replace(' ', 'T')}${zone}`)
  if (Number.isNaN(ms)) throw new InvalidArgumentError('It must be a time such as 2026-01-31T10:00:00Z, or how long ago: 2h, 7d.')
  return ms
}
