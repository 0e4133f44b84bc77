/**
 * What it costs to bring logs from the journal into the store, and how fast they are found there:
 *
 *     npm run bench -- indexing [--format nginx,filebeat,text,xml,influx] [--level full,light,fields,none] [--rows N]
 *                               [--codec lz4|none] [--quick] [--json]
 *
 * For each format a journal is written once. For each level of the index the indexer's process reads it into a new engine; then
 * the same rows go into another new engine without sluice, in blocks of 50,000. CPU is given in seconds per gigabyte of logs, that of
 * the engine with all merges, and as a multiple of the engine's without sluice. Latencies are medians of seven warm runs; times
 * say nothing beyond the run they stand in, as a multiple of its scan of all logs they do. `--quick` takes a tenth of the logs.
 */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { indexLevels, type IndexLevel, type Logstore } from '../src/catalog/model.ts'
import { loadConfig } from '../src/config/load-config.ts'
import { makeDirectory, removeDirectory } from '../test/support/server.ts'
import { buildJournal, type BuiltJournal } from './indexing/journal.ts'
import { copyRows, countRows, indexJournal, openTable, type Cost, type IndexerCost } from './indexing/measure.ts'
import { measureQueries, type Latencies } from './indexing/queries.ts'
import { samples, type Sample } from './samples.ts'

const { values } = parseArgs({
  options: {
    format: { type: 'string', default: Object.keys(samples).join() },
    level: { type: 'string', default: indexLevels.join() },
    rows: { type: 'string' },
    codec: { type: 'string', default: 'lz4' },
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})
const formats = choose('--format', values.format, Object.keys(samples))
const levels = choose('--level', values.level, indexLevels)
const [codec] = choose('--codec', values.codec, ['lz4', 'none'])

const DAY_MS = 86_400_000
const QUICK_SHARE = 0.1

interface Row extends IndexerCost {
  format: string
  level: IndexLevel
  rows: number
  logBytes: number
  bare: Cost
  latencies: Latencies
}

const config = loadConfig()
/** Yesterday, so that no log is of the future. */
const beginMs = (Math.floor(Date.now() / DAY_MS) - 1) * DAY_MS
const rows: Row[] = []
// What is running ends with this process, and its files with it.
process.once('SIGINT', () => process.exit(130))
for (const format of formats) {
  const directory = await makeDirectory('sluice-bench-')
  rows.push(...(await measureFormat(directory, format)))
  await removeDirectory(directory)
}
if (values.json) for (const row of rows) console.log(JSON.stringify(row))
else {
  console.table(rows.map(formatCosts))
  for (const format of formats) printLatencies(rows.filter(row => row.format === format))
}

async function measureFormat(directory: string, format: string): Promise<Row[]> {
  const sample = samples[format]!
  const count = values.rows === undefined ? sample.rows * (values.quick ? QUICK_SHARE : 1) : Number(values.rows)
  const logstore = makeLogstore(format, sample)
  console.error(`${format}: a journal of ${count} logs …`)
  const journal = await buildJournal({
    directory: join(directory, 'journal'),
    config: config.journal,
    sample,
    logstore,
    rows: count,
    beginMs,
    isCompressed: codec === 'lz4',
  })
  const measured: Row[] = []
  for (const level of levels) measured.push(await measureLevel(directory, format, journal, { ...logstore, index: level }))
  return measured
}

async function measureLevel(directory: string, format: string, journal: BuiltJournal, logstore: Logstore): Promise<Row> {
  const { rows, logBytes } = journal
  const level = logstore.index
  const paths = [join(directory, 'engine'), join(directory, 'bare-engine')] as const
  const table = await openTable(paths[0], config.store, logstore)
  try {
    console.error(`${format}, ${level}: indexing …`)
    const cost = await indexJournal(journal, table, logstore)
    for (const problem of cost.problems) console.error(`  refused, and tried again: ${problem}`)
    const stored = await countRows(table)
    if (stored !== rows) throw new Error(`${stored} rows are stored of ${rows}`)
    console.error(`${format}, ${level}: queries …`)
    const latencies = await measureQueries(table.store, { sample: samples[format]!, logstore, rows, beginMs })
    console.error(`${format}, ${level}: the same rows without sluice …`)
    const bareTable = await openTable(paths[1], config.store, logstore)
    try {
      const bare = await copyRows(table, bareTable, journal)
      return { format, level, rows, logBytes, ...cost, bare, latencies }
    } finally {
      await bareTable.close()
    }
  } finally {
    await table.close()
    for (const path of paths) await rm(path, { recursive: true, force: true, maxRetries: 5 })
  }
}

function makeLogstore(name: string, { format, fields }: Sample): Logstore {
  return {
    id: '5e4d1a2b-0000-4000-8000-000000000001',
    project: 'bench',
    name,
    shards: 2,
    retiredShards: [],
    partitions: 2,
    mode: 'balanced',
    retentionDays: 30,
    maxBytes: null,
    format,
    masks: [],
    index: 'full',
    fields,
    removedFields: [],
    createdAt: new Date(beginMs).toISOString(),
  }
}

function formatCosts(row: Row): Record<string, string | number> {
  const { format, level, rows, logBytes, seconds, bare } = row
  const perGigabyte = (cpuSeconds: number): string => (cpuSeconds / (logBytes / 1e9)).toFixed(1)
  const percent = (bytes: number): string => `${((bytes / logBytes) * 100).toFixed(1)} %`
  const megabytes = (bytes: number): number => Math.round(bytes / 1e6)
  return {
    format,
    level,
    'bytes per log': Math.round(logBytes / rows),
    'rows/s': Math.round(rows / seconds),
    'MB/s': Math.round(logBytes / 1e6 / seconds),
    'engine, s/GB': perGigabyte(row.engineCpuSeconds),
    'bare engine, s/GB': perGigabyte(bare.engineCpuSeconds),
    ratio: (row.engineCpuSeconds / bare.engineCpuSeconds).toFixed(2),
    'sluice, s/GB': perGigabyte(row.indexerCpuSeconds),
    disk: percent(row.diskBytes),
    'engine, MB': megabytes(row.enginePeakBytes),
    'sluice, MB': megabytes(row.indexerPeakBytes),
    refused: row.problems.length,
  }
}

/** A line per query, with the milliseconds at each level and how much of a scan that is. */
function printLatencies(measured: readonly Row[]): void {
  const [first] = measured
  if (first === undefined) return
  console.log(`\nqueries of ${first.format}, ms (share of a scan of all logs)`)
  const table = Object.keys(first.latencies).map(query => {
    const cells = measured.map(({ level, latencies }): [string, string] => {
      const [ms, scanMs] = [latencies[query]!, latencies['scan']!]
      return [level, `${ms.toFixed(1)} (${(ms / scanMs).toFixed(2)})`]
    })
    return { query, ...Object.fromEntries(cells) }
  })
  console.table(table)
}

/** What a list with commas names, which must be among the known. */
function choose<Name extends string>(option: string, list: string, known: readonly Name[]): Name[] {
  return list.split(',').map(name => {
    const found = known.find(each => each === name)
    if (found !== undefined) return found
    console.error(`${option} takes ${known.join(', ')}, not "${name}"`)
    process.exit(1)
  })
}
