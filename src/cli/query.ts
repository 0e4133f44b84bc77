/**
 * `sluice query`: read-only SQL over a logstore.
 */
import { pipeline } from 'node:stream/promises'
import { Command } from 'commander'
import { withControl } from './client.ts'
import { parseLogstoreName } from './logstore-argument.ts'
import { addPlaceOptions, configOf, type PlaceOptions } from './place.ts'

export function queryCommand(): Command {
  return addPlaceOptions(new Command('query'))
    .description('run read-only SQL over a logstore; in it the table is called log')
    .argument('<project/logstore>')
    .argument('[sql]', 'a SELECT of ClickHouse (default: the newest 100 logs)')
    .option('--json', 'print an object per line')
    .addHelpText(
      'after',
      `
Every log has the columns _time, _received, content, _key, _headers, _source, _client, _shard, _offset, _index, _entry and
_error. Fields of JSON logs that are listed are columns too (f_level); any other is JSONExtractString(content, 'a', 'b').

Examples:
  sluice query demo/logs
  sluice query demo/logs "SELECT toStartOfMinute(_time) AS minute, count() FROM log GROUP BY minute ORDER BY minute"
  sluice query demo/logs "SELECT content FROM log WHERE hasAllTokens(content, 'connection refused') LIMIT 10" --json`,
    )
    .action(async (name: string, sql: string | undefined, { json, ...place }: PlaceOptions & { json?: boolean }) => {
      const { path } = parseLogstoreName(name)
      await withControl(configOf(place), async control => {
        const answer = await control.stream('POST', `${path}/query`, { sql, format: json === true ? 'json' : 'table' })
        await pipeline(answer, process.stdout, { end: false })
      })
    })
}
