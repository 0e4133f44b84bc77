/**
 * How long it takes until a log that was sent is found, from the client's first byte to the answer of a query that has it:
 *
 *     npm run bench -- freshness [--logstores 1,10,100,300] [--seconds 20] [--json]
 *
 * A whole server, and one client that sends small batches at a moderate rate, to each logstore in turn. Once their tables are made a few
 * of the logstores are asked again and again what they have; the times are as exact as these questions are frequent. Beside them stands
 * what the server itself says, from the arrival of a log until it is stored, where it says it.
 */
import { parseArgs } from 'node:util'
import { measureFreshness, type Freshness } from './freshness/measure.ts'

const { values } = parseArgs({
  options: {
    logstores: { type: 'string', default: '1,10,100,300' },
    seconds: { type: 'string', default: '20' },
    json: { type: 'boolean', default: false },
  },
})
const seconds = Number(values.seconds)

const rows: Freshness[] = []
for (const count of values.logstores.split(',').map(Number)) {
  console.error(`${count} logstores …`)
  rows.push(await measureFreshness(count, seconds))
}

if (values.json) for (const row of rows) console.log(JSON.stringify(row))
else
  console.table(
    rows.map(row => ({
      logstores: row.logstores,
      'batches/s': Math.round(row.batchesPerSecond),
      found: row.found,
      'p50, ms': Math.round(row.p50Ms),
      'p99, ms': Math.round(row.p99Ms),
      'worst, ms': Math.round(row.worstMs),
      'server p50, ms': row.serverP50Ms ?? '',
      'server p99, ms': row.serverP99Ms ?? '',
    })),
  )
