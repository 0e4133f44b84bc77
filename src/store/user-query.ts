/**
 * SQL that a person wrote, run with the query user's rights and inside one logstore's view database.
 *
 * Rights, limits and settings are the query user's and the server's to enforce; two things are done here. The function `file()`,
 * which no grant covers, is refused before the statement runs. And an answer that fails half-way ends with an error: HTTP has
 * sent its status by then, and ClickHouse writes what happened behind the rows.
 */
import { ClickHouseError, parseError, type ClickHouseClient } from '@clickhouse/client'
import { type Readable, Transform, type TransformCallback } from 'node:stream'
import { sluiceError } from '../base/errors.ts'
import { viewName } from './sql.ts'
import { queryError } from './store-error.ts'

/** What a person sees who asks for nothing in particular: the newest logs of the logstore. */
export const newestLogsSql =
  `SELECT _time, content, _key, _source, _client, _error FROM ${viewName} ` +
  'ORDER BY _received DESC, _entry DESC, _offset DESC, _index DESC LIMIT 100'

/**
 * Rejects with STORE_REFUSED if a statement calls the function `file()`, or is no statement at all.
 *
 * The table function of that name asks for a right; the scalar one asks for none and, in the embedded engine, returns any file
 * that the process may read. ClickHouse cannot be told to leave it out. So ClickHouse itself writes the statement in its plain
 * form, where names that need no quotes have none, every literal is in single quotes and comments are gone; there the call is found.
 */
export async function refuseFileFunction(client: ClickHouseClient, sql: string): Promise<void> {
  const plain = await plainForm(client, sql)
  const withoutLiterals = plain.replace(/'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`/gs, "''")
  if (/\bfile\s*\(|\bAPPLY\s*\(?\s*file\b/i.test(withoutLiterals))
    throw sluiceError('STORE_REFUSED', { problem: 'the function file() reads files of the server and may not be used' })
}

/** Rejects if `sql` is not one statement. What this cannot parse must not be run: nothing would be known of it. */
async function plainForm(client: ClickHouseClient, sql: string): Promise<string> {
  const query = 'SELECT formatQuerySingleLine({sql:String}) AS plain'
  try {
    const answer = await client.query({ query, query_params: { sql }, use_multipart_params: true, format: 'JSONEachRow' })
    const [row] = await answer.json<{ plain: string }>()
    return row?.plain ?? ''
  } catch (error) {
    // The message ends with the statement that sluice made of the person's.
    if (error instanceof ClickHouseError) error.message = error.message.split(': In scope SELECT formatQuery', 1)[0]!
    throw error
  }
}

/**
 * The bytes of an answer, as a stream that fails where ClickHouse says that it failed. `tag` is the answer's
 * X-ClickHouse-Exception-Tag: a text made anew for each answer, which stands behind the rows with the exception, so that no row
 * can be taken for one.
 */
export function createAnswerStream(source: Readable, tag: string | undefined): Readable {
  const marker = Buffer.from(`\r\n__exception__\r\n${tag}\r\n`)
  /** The end of what has come, which may be the beginning of the marker; after the marker all of it. */
  let held: Buffer = Buffer.alloc(0)
  let hasFailed = false
  let lost: Error | null = null

  function transform(this: Transform, chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    held = held.length === 0 ? chunk : Buffer.concat([held, chunk])
    if (hasFailed) return done()
    const start = held.indexOf(marker)
    hasFailed = tag !== undefined && start !== -1
    const end = hasFailed ? start : Math.max(0, held.length - marker.length)
    if (end > 0) this.push(held.subarray(0, end))
    held = held.subarray(end)
    done()
  }

  function flush(this: Transform, done: TransformCallback): void {
    if (!hasFailed && lost === null) return done(null, held)
    done(queryError(hasFailed ? parseError(held.subarray(marker.length).toString()) : lost))
  }

  const answer = new Transform({ transform, flush })
  // Not `pipeline`, which would drop what has not been read yet: after an exception ClickHouse cuts the connection, and that
  // would be heard of first.
  source.on('error', error => {
    lost = error
    answer.end()
  })
  answer.once('close', () => source.destroy())
  return source.pipe(answer)
}
