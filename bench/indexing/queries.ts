/**
 * What people ask of their logs, and how long the answers take.
 */
import type { Logstore } from '../../src/catalog/model.ts'
import { fieldColumn } from '../../src/store/fields.ts'
import { quoteIdentifier, quoteString } from '../../src/store/sql.ts'
import type { Store } from '../../src/store/store.ts'
import type { Sample } from '../samples.ts'

const WARM_RUNS = 7

/** By the name of the query: the median of the warm runs, in milliseconds. */
export type Latencies = Record<string, number>

/** Asks about the logs of the day that begins at `beginMs`. */
export async function measureQueries(
  store: Store,
  options: { sample: Sample; logstore: Logstore; rows: number; beginMs: number },
): Promise<Latencies> {
  const latencies: Latencies = {}
  for (const [name, sql] of Object.entries(makeQueries(options))) {
    const times: number[] = []
    for (let run = 0; run <= WARM_RUNS; run++) {
      const startMs = performance.now()
      const answer = await store.query({ logstore: options.logstore, sql })
      for await (const _ of answer);
      // The first one reads what the others find in memory.
      if (run > 0) times.push(performance.now() - startMs)
    }
    latencies[name] = times.sort((a, b) => a - b)[Math.floor(WARM_RUNS / 2)]!
  }
  return latencies
}

function makeQueries({
  sample: { words, values },
  logstore,
  rows,
  beginMs,
}: {
  sample: Sample
  logstore: Logstore
  rows: number
  beginMs: number
}): Record<string, string> {
  const within = (fromHour: number, toHour: number): string =>
    `_time >= toDateTime(${beginMs / 1000 + fromHour * 3600}, 'UTC') AND _time < toDateTime(${beginMs / 1000 + toHour * 3600}, 'UTC')`
  const day = within(0, 24)
  const hour = within(12, 13)
  const count = (condition: string): string => `SELECT count() FROM log WHERE ${condition}`
  const has = (...texts: string[]): string => hasWords(logstore, texts.flatMap(tokensOf))
  const phrase = `${has(words.phrase)} AND positionCaseInsensitive(content, ${quoteString(words.phrase)}) > 0`
  const queries: Record<string, string> = {
    // What the others are compared with: reading every log.
    scan: 'SELECT sum(cityHash64(content)) FROM log',
    'histogram per minute': `SELECT toStartOfMinute(_time) AS minute, count() FROM log WHERE ${day} GROUP BY minute ORDER BY minute`,
    'newest 100 of an hour': `SELECT _time, content FROM log WHERE ${hour} ORDER BY _time DESC LIMIT 100`,
    'rare word': count(`${day} AND ${has(words.rare(Math.floor(rows / 2) + 1))}`),
    'common word': count(`${day} AND ${has(words.common)}`),
    'two words': count(`${day} AND ${has(...words.two)}`),
    phrase: count(`${day} AND ${phrase}`),
    tail: `SELECT content FROM log WHERE _shard = 0 AND _offset > ${Math.floor(rows / logstore.shards) - 100} ORDER BY _offset`,
  }
  const { equal, above, top, distinct } = values
  const text = (path: string[]): string => readField(logstore, path, 'String')
  if (equal !== undefined) {
    const condition = `${text(equal.path)} = ${quoteString(equal.value)}`
    queries['field = value, day'] = count(`${day} AND ${condition}`)
    queries['field = value, hour'] = count(`${hour} AND ${condition}`)
  }
  if (above !== undefined)
    queries['numeric range'] = count(`${day} AND ${readField(logstore, above.path, 'Float64')} > ${above.bound}`)
  if (top !== undefined) {
    const most = (when: string): string =>
      `SELECT ${text(top)} AS value, count() AS logs FROM log WHERE ${when} GROUP BY value ORDER BY logs DESC LIMIT 10`
    queries['top 10, day'] = most(day)
    queries['top 10, hour'] = most(hour)
  }
  if (distinct !== undefined) queries['count distinct'] = `SELECT uniq(${text(distinct)}) FROM log WHERE ${day}`
  return queries
}

/** Words as the index of the logstore's level finds them. */
function hasWords({ index }: Logstore, tokens: string[]): string {
  if (index === 'full') return `hasAllTokens(content, ${quoteString(tokens.join(' '))})`
  return tokens.map(token => `hasToken(lower(content), ${quoteString(token)})`).join(' AND ')
}

function tokensOf(text: string): string[] {
  return text
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter(token => token !== '')
}

/** The field's column, where the level has columns. */
function readField({ index }: Logstore, path: string[], type: string): string {
  if (index !== 'none') return quoteIdentifier(fieldColumn(path))
  return `JSONExtract(if(_fields = '', content, _fields), ${[...path, type].map(quoteString).join(', ')})`
}
