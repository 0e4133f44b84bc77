/**
 * What CPU goes to on the way to the acknowledgement, under loads of `bench -- produce`, beside the bare path:
 *
 *     npm run bench -- profile [--rows 64k,16k,1k,1k-200,churn-ec] [--node PATH|24] [--quick] [--json]
 *
 * A sampling profiler looks 2,000 times a second where the process is, in the kernel too, while the load generator counts its
 * requests and its CPU. Needs Linux, `perf` with the right to use it, and Go. `--quick` looks for two seconds instead of ten. The results
 * are in bench/results/profile.json too.
 */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { checkCommand, runCommand } from './load/command.ts'
import { buildProgram } from './load/program.ts'
import { findNode, versionOf } from './load/node.ts'
import { cacheDirectory, resultsDirectory } from './load/paths.ts'
import type { ProfileRow } from './profile/rows.ts'
import { formatProfile } from './profile/section.ts'
import { sharesOf } from './profile/stacks.ts'
import { chooseRows, type Row } from './produce/rows.ts'
import { SETTLE_SECONDS, Systems } from './produce/systems.ts'
import { Progress } from './progress.ts'
import { writeResults } from './results.ts'

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '64k,16k,1k,1k-200,churn-ec' },
    node: { type: 'string', default: process.execPath },
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})
const SECONDS = values.quick ? 2 : 10
/** The load runs longer than it is looked at, at both ends. */
const MARGIN_SECONDS = 2
const SYSTEMS = ['sluice', 'bare'] as const
const samplesFile = join(cacheDirectory, 'perf.data')

process.once('SIGINT', () => process.exit(130))
await checkCommand('perf', ['--version'], 'to see where CPU goes (linux-tools, or perf, of the distribution)')
await buildProgram('generator')
// For the processes that are started: the profiler reads the names of what V8 has compiled from files, and walks the stack by its frames.
process.env['NODE_OPTIONS'] = '--perf-basic-prof --interpreted-frames-native-stack'
const rows = chooseRows(values.rows)
const eachSeconds = SECONDS + 2 * MARGIN_SECONDS
const progress = new Progress(SYSTEMS.length * (60 + rows.length * eachSeconds))
const node = await findNode(values.node)
const systems = new Systems({ rows, node, isQuick: values.quick, say: what => progress.begin(what, 45) })
const profile: ProfileRow[] = []
const pids = new Set<number>()
try {
  for (const row of rows) for (const system of SYSTEMS) profile.push(await measure(row, system))
} finally {
  await systems.close()
  for (const file of [samplesFile, ...[...pids].map(pid => `/tmp/perf-${pid}.map`)]) rmSync(file, { force: true })
}
const path = writeResults('profile', profile, values.quick, resultsDirectory, await versionOf(node))
if (values.json) for (const row of profile) console.log(JSON.stringify(row))
else console.log(formatProfile(profile))
console.error(`written to ${path}`)

async function measure(row: Row, system: ProfileRow['system']): Promise<ProfileRow> {
  const target = await systems.get(row, system)
  progress.begin(`${row.name}, ${system}`, eachSeconds)
  const loaded = systems.load(target, { ...row.load, warmup: SETTLE_SECONDS, duration: eachSeconds - SETTLE_SECONDS })
  await delay(1000 * MARGIN_SECONDS)
  const pid = target.pids[0]!
  pids.add(pid)
  await sample(pid)
  const { requests, servers } = await loaded
  const script = await runCommand('perf', ['script', '-i', samplesFile, '-F', 'ip,sym,dso', '--no-inline'])
  return {
    row: row.name,
    system,
    microsecondsPerRequest: (1e6 * servers[0]!.cpu_s) / requests,
    shares: sharesOf(script),
  }
}

/** Looks where a process is, in all of its threads. */
async function sample(pid: number): Promise<void> {
  const options = ['-e', 'cpu-clock', '-F', '2000', '--call-graph', 'fp', '-p', String(pid), '-o', samplesFile]
  await runCommand('perf', ['record', '-q', ...options, '--', 'sleep', String(SECONDS)])
}
