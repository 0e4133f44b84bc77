/**
 * Sluice beside Apache Kafka, on this machine, under the same loads:
 *
 *     npm run bench -- produce [--rows NAME,…|all] [--systems kafka,kafka-synced,sluice] [--rounds 5] [--quick] [--node PATH|24]
 *                              [--resume] [--out FILE] [--list]
 *
 * Kafka as its release configures it acknowledges before the disk has anything; kafka-synced has `log.flush.interval.messages=1`; sluice
 * always syncs before it acknowledges. All have the same certificate, 8 partitions or shards, and one load generator, written in
 * Go. Each row is measured in rounds, the systems in turns within a round, and only runs of the same round are compared: what is
 * quoted is the ratio of medians, with the least and the greatest ratio of a pair. A pair is dropped where others used more than
 * 40 % of the machine. For large requests the limit is measured beside it: a TLS server in Node that throws everything away; and for those
 * with goals the bare path, a server in Node with nothing but what an acknowledgement needs.
 *
 * Sluice stores nothing (`store.discard`) unless a row is named "indexing". Rows named "steady" run with the page cache full, the
 * others with memory free. The machine must be quiet, and Linux; java, mvn and go are needed, Kafka is fetched from Maven Central.
 *
 * Without --rows, twelve rows take about an hour, and --list says which there are. --quick takes three minutes, measures one round and leaves
 * out what takes long; its numbers are not to be quoted. --node runs sluice on another Node: a path, or a version that npm has.
 * Each run goes into --out (bench/results/produce-nodeNN.jsonl) as it ends; --resume goes on where that file ends, as does
 * an --out that is there. At the end docs/performance.md is written; `npm run bench -- report` does that again.
 */
import { existsSync } from 'node:fs'
import { cpus, release, totalmem, type } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { runCommand } from './load/command.ts'
import { buildProgram } from './load/program.ts'
import { installKafka, KAFKA_VERSION } from './load/kafka.ts'
import { findNode, versionOf } from './load/node.ts'
import { PageCache } from './load/page-cache.ts'
import { cacheDirectory, resultsDirectory } from './load/paths.ts'
import { measure } from './produce/measure.ts'
import { planRow, sortRows } from './produce/plan.ts'
import { chooseRows, rows as allRows, type System } from './produce/rows.ts'
import { ResultFile, type Machine } from './produce/runs.ts'
import { Systems } from './produce/systems.ts'
import { formatSummary } from './produce/tables.ts'
import { writeReport } from './report/write.ts'

const { values } = parseArgs({
  options: {
    rows: { type: 'string' },
    systems: { type: 'string' },
    rounds: { type: 'string' },
    quick: { type: 'boolean', default: false },
    node: { type: 'string' },
    resume: { type: 'boolean', default: false },
    out: { type: 'string' },
    list: { type: 'boolean', default: false },
  },
})
const KNOWN_SYSTEMS: readonly System[] = ['kafka', 'kafka-synced', 'sluice']

if (values.list) for (const { name, about } of allRows) console.log(`${name.padEnd(20)}${about}`)
else
  await run().catch((error: Error) => {
    console.error(`The benchmark did not end: ${error.message}`)
    process.exitCode = 1
  })

async function run(): Promise<void> {
  const { quick: isQuick } = values
  const chosen = chooseRows(values.rows)
  // Filling the memory takes longer than all else of a quick run.
  const rows = sortRows(isQuick && values.rows === undefined ? chosen.filter(({ state }) => state === 'fresh') : chosen)
  const systems = chooseSystems(values.systems ?? (isQuick ? 'kafka,sluice' : KNOWN_SYSTEMS.join()))
  const rounds = Number(values.rounds ?? (isQuick ? 1 : 5))
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error('--rounds has to be a whole number from 1 on')
  const node = values.node === undefined ? process.execPath : await findNode(values.node)
  const machine = await describeMachine(node, isQuick)
  const name = `produce${isQuick ? '-quick' : ''}-node${/\d+/.exec(machine.node)![0]}.jsonl`
  const file = values.out ?? join(resultsDirectory, name)
  const results = new ResultFile(file, machine, values.resume || (values.out !== undefined && existsSync(file)))
  const plan = rows.flatMap(row => planRow(row, rounds, systems))
  const left = plan.filter(({ row, round, system }) => !results.has(row.name, round, system))

  process.once('SIGINT', () => process.exit(130))
  process.once('SIGTERM', () => process.exit(143))
  const say = (what: string): void => console.error(what)
  await buildProgram('generator')
  const serving = new Systems({ rows, node, isQuick, say })
  const memory = new PageCache(join(cacheDirectory, 'page-cache'))
  let busyMs = 0
  try {
    for (const [index, { row, round, system }] of left.entries()) {
      if (left[index - 1]?.row !== row)
        await serving.retain(
          left.slice(index).map(each => each.row),
          [...systems, 'limit', 'bare'],
        )
      // Before the memory is filled.
      if (row.kind === 'load') await serving.get(row, system)
      const startMs = performance.now()
      // What one server has left in memory would be written while another is measured, which waits for the same disk.
      await runCommand('sync', [])
      const freeMemoryMb = await memory.enter(row.state)
      const measured = await measure(serving, row, system, isQuick)
      results.add({ kind: 'run', row: row.name, round, system, at: new Date().toISOString(), freeMemoryMb, ...measured })
      busyMs += performance.now() - startMs
      const minutesLeft = ((busyMs / (index + 1)) * (left.length - index - 1)) / 60_000
      say(`${row.name}, round ${round}, ${system}: about ${Math.ceil(minutesLeft)} min left`)
    }
  } finally {
    await serving.close()
    await memory.close()
  }
  console.log(formatSummary({ machine, runs: results.runs }, rows))
  if (!isQuick) await writeReport()
  console.error(`\nAll of it is in ${file}${isQuick ? '' : ' and docs/performance.md'}.`)
}

function chooseSystems(names: string): System[] {
  const chosen = names.split(',') as System[]
  const unknown = chosen.find(name => !KNOWN_SYSTEMS.includes(name))
  if (unknown !== undefined) throw new Error(`--systems: "${unknown}" is none of ${KNOWN_SYSTEMS.join(', ')}`)
  return KNOWN_SYSTEMS.filter(name => chosen.includes(name))
}

async function describeMachine(node: string, isQuick: boolean): Promise<Machine> {
  return {
    kind: 'machine',
    startedAt: new Date().toISOString(),
    cpu: cpus()[0]!.model,
    cores: cpus().length,
    memoryGb: Math.round(totalmem() / 1e9),
    system: `${type()} ${release()}`,
    node: await versionOf(node),
    java: await installKafka(),
    kafka: KAFKA_VERSION,
    isQuick,
  }
}
