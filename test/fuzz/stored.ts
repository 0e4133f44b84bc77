/**
 * Whether everything that was acknowledged is stored: from the offsets of the table, in a logstore of one shard.
 *
 * A batch has an offset for each of its records. If it cannot be read to its end, its last row has an `_error`, and the offsets behind
 * that row have none.
 */
import { until } from '../support/wait.ts'
import { type Server } from '../support/server.ts'
import { type Acknowledged } from './oracle.ts'

export interface AcknowledgedBy extends Acknowledged {
  /** The number of the case. */
  by: number
}

const PER_QUERY = 100_000
/** What is at an offset. */
const [NOTHING, ROW, ERROR] = [0, 1, 2]

/** Rejects if a row is missing or there twice; resolves with the number of rows, and of those with an `_error`. */
export async function assertAcknowledged(
  server: Server,
  logstore: string,
  batches: readonly AcknowledgedBy[],
): Promise<{ rows: number; errors: number }> {
  const last = batches.reduce((most, { baseOffset }) => Math.max(most, baseOffset), -1)
  let end = 0
  await until(`the row at offset ${last} of ${logstore}`, async () => {
    const sql = 'SELECT toFloat64(max(_offset)) + 1 AS end, count() > 0 AS isAny FROM log'
    const [found] = await server.query<{ end: number; isAny: number }>(logstore, sql)
    end = found?.isAny ? found.end : 0
    return end > last
  })
  const offsets = await readOffsets(server, logstore, end)
  for (const { baseOffset, records, by } of batches) {
    for (let offset = baseOffset; offset < baseOffset + records; offset++) {
      if (offsets.states[offset] === ERROR) break
      if (offsets.states[offset] !== ROW)
        throw new Error(`case ${by}: offset ${offset} of ${logstore} was acknowledged, and has no row`)
    }
  }
  return { rows: offsets.rows, errors: offsets.errors }
}

async function readOffsets(server: Server, logstore: string, end: number) {
  // A batch that ends in an error may have more offsets than rows.
  const states = new Uint8Array(end)
  let rows = 0
  let errors = 0
  for (let first = 0; first < end; first += PER_QUERY) {
    const sql = `SELECT toFloat64(_offset) AS offset, _error != '' AS isError FROM log
      WHERE _offset >= ${first} AND _offset < ${first + PER_QUERY}`
    for (const { offset, isError } of await server.query<{ offset: number; isError: number }>(logstore, sql)) {
      if (states[offset] !== NOTHING) throw new Error(`offset ${offset} of ${logstore} is there twice`)
      states[offset] = isError ? ERROR! : ROW!
      rows++
      if (isError) errors++
    }
  }
  return { states, rows, errors }
}
