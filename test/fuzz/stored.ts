/**
 * Whether everything that was acknowledged is stored: from the offsets of the table, in a logstore of one shard.
 *
 * A batch has an offset for each of its records. If it cannot be read to its end, its last row has an `_error`, and the offsets behind
 * that row have none.
 */
import { until } from '../support/wait.ts'
import type { Server } from '../support/server.ts'
import type { Acknowledged } from './oracle.ts'

export interface AcknowledgedBy extends Acknowledged {
  /** The number of the case. */
  by: number
}

interface Row {
  offset: number
  isError: number
}

const PER_QUERY = 250_000

/** Rejects if a row is missing or there twice; resolves with the number of rows, and of those with an `_error`. */
export async function assertAcknowledged(
  server: Server,
  logstore: string,
  batches: readonly AcknowledgedBy[],
): Promise<{ rows: number; errors: number }> {
  // A resend was acknowledged with the offset of the first time.
  const expected = [...new Map(batches.map(batch => [batch.baseOffset, batch])).values()]
  expected.sort((a, b) => a.baseOffset - b.baseOffset)
  const last = expected.at(-1)?.baseOffset ?? -1
  if (last >= 0)
    await until(`the row at offset ${last} of ${logstore}`, async () => {
      const sql = `SELECT toInt32(count()) AS rows FROM log WHERE _offset >= ${last}`
      return ((await server.query<{ rows: number }>(logstore, sql))[0]?.rows ?? 0) > 0
    })
  const counts = { rows: 0, errors: 0 }
  let before = -1
  let index = 0
  let next = expected[0]?.baseOffset ?? Infinity
  for await (const { offset, isError } of readRows(server, logstore)) {
    counts.rows++
    if (isError) counts.errors++
    if (offset === before) throw new Error(`offset ${offset} of ${logstore} is there twice`)
    before = offset
    // Rows of batches whose answer nobody has seen are as good as none.
    if (offset < next) continue
    const { baseOffset, records, by } = expected[index]!
    if (offset > next) throw new Error(`case ${by}: offset ${next} of ${logstore} was acknowledged, and has no row`)
    const isEnd = isError !== 0 || offset === baseOffset + records - 1
    next = isEnd ? (expected[++index]?.baseOffset ?? Infinity) : next + 1
  }
  const missing = expected[index]
  if (missing !== undefined) throw new Error(`case ${missing.by}: offset ${next} of ${logstore} was acknowledged, and has no row`)
  return counts
}

/** All rows, by their offsets. */
async function* readRows(server: Server, logstore: string): AsyncGenerator<Row> {
  for (let after = -1; ;) {
    const rows = await server.query<Row>(
      logstore,
      `SELECT toFloat64(_offset) AS offset, _error != '' AS isError FROM log
      WHERE _offset > ${after} ORDER BY _offset LIMIT ${PER_QUERY} WITH TIES`,
    )
    yield* rows
    const last = rows.at(-1)
    if (last === undefined) return
    after = last.offset
  }
}
