/**
 * What came of the tests with agents: tables at the end of a run, and docs/agents.md after a run of all. What is known is kept in
 * test/agents/results.json, so that a run of one kind of test keeps what those of the other kind have found.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { format, resolveConfig } from 'prettier'
import { agents } from '../../src/agents/agents.ts'
import { cacheDirectory } from './chosen.ts'
import { conditions, type ConditionName } from './conditions.ts'

interface Tested {
  /** As in src/agents, or the name of a library. */
  agent: string
  variant?: string | undefined
  version: string
}

export interface Delivery extends Tested {
  /** How much of it was the agent itself. */
  how: 'real' | 'emulated' | 'replayed'
  records: number
  rows: number
  /** Whether each row is the record that went in. */
  isSame: boolean
  /** What came of the records when the server was killed; absent where that was not tried. */
  killed?: string
}

/** What an agent does when something goes wrong. */
export interface Failure extends Tested {
  condition: ConditionName
  records: number
  rows: number
  lost: number
  twice: number
  /** In its own words, one line; empty if it says nothing. */
  printed: string
  verdict: string
}

/** An agent that was left out. */
interface Skipped extends Omit<Tested, 'version'> {
  reason: string
}

interface Results {
  deliveries: Delivery[]
  failures: Failure[]
  skipped: { deliveries: Skipped[]; failures: Skipped[] }
}

const RESULTS = join('test', 'agents', 'results.json')

/** What this run has found; it is of one of the two kinds. */
const found = { deliveries: [] as Delivery[], failures: [] as Failure[], skipped: [] as Skipped[] }

export function addDelivery(delivery: Delivery): void {
  found.deliveries.push(delivery)
}

export function addFailure(failure: Failure): void {
  found.failures.push(failure)
}

export function addSkipped({ name, variant }: { name: string; variant?: string | undefined }, reason: string): void {
  found.skipped.push({ agent: name, variant, reason })
}

const intro = `
<!-- Written by \`npm run test:agents\`: change that, not this page. -->

# Agents

\`sluice agent-config AGENT PROJECT/LOGSTORE\` prints the configuration with which an agent sends to a logstore, complete and with
the settings that lose nothing. Each agent has a page with the configuration, how to see that it works, and what it says when it does
not; [errors.md](errors.md) goes by the error. Other agents with a Kafka output work too: [clients.md](clients.md) has the libraries.

\`npm run test:agents\` runs agents with exactly what the command prints, against a real server, and compares each row with the
record that went in. Where it says so, the server is killed with SIGKILL in the middle of further records, and started again.
"emulated" is the Kafka client of the agent with the settings of the agent, "replayed" what the agent has once sent, byte for byte.
`

const failuresIntro = `
## What each agent does when things go wrong

\`npm run test:agents -- --failures\` repeats it: each agent, as it was configured above, is given records before something goes wrong,
while it does, and when all is well again. "lost" are those that are no rows when the agent has ended, though some agents keep them for
their next start, as their pages say. "twice" are the rows that there are too many; how many that are differs from run to run. What the agent printed is the first line of it that tells what is wrong. kafkajs stands for
applications that send with a library; it tries 30 times.
`

function formatDeliveries(deliveries: readonly Delivery[], skipped: readonly Skipped[], names: readonly string[]): string {
  const rows = names.flatMap(name => {
    const tested = deliveries
      .filter(({ agent }) => agent === name)
      .map(({ agent, variant, version, how, records, rows, isSame, killed = '' }) => {
        const verdict = isSame && rows === records ? 'the same' : 'not the same'
        return [linkTo(agent, variant), version, how, formatCount(records), formatCount(rows), verdict, killed]
      })
    const missing = skipped
      .filter(({ agent }) => agent === name)
      .map(({ agent, variant, reason }) => [linkTo(agent, variant), '', '', '', '', `skipped: ${reason}`, ''])
    const all = [...tested, ...missing]
    return all.length > 0 ? all : [[linkTo(name), '', '', '', '', 'not run', '']]
  })
  return formatTable(['agent', 'version', 'how', 'records', 'rows', 'row by row', 'server killed'], rows)
}

function formatFailures(failures: readonly Failure[], skipped: readonly Skipped[]): string {
  const missing = skipped.map(({ agent, variant, reason }) => [
    linkTo(agent, variant),
    ...['', '', '', '', '', ''],
    `skipped: ${reason}`,
  ])
  const head = ['agent', 'version', 'records', 'rows', 'lost', 'twice', 'what it printed', 'what came of it']
  return conditions
    .map(({ name, title, about }) => {
      const rows = failures
        .filter(({ condition }) => condition === name)
        .map(({ agent, variant, version, records, rows, lost, twice, printed, verdict }) => [
          linkTo(agent, variant),
          version,
          ...[records, rows, lost, twice].map(formatCount),
          printed === '' ? 'nothing' : `\`${printed.replaceAll('`', "'")}\``,
          verdict,
        ])
      return `### ${title}\n\n${about}\n\n${formatTable(head, [...rows, ...missing])}`
    })
    .join('\n\n')
}

function formatCount(count: number): string {
  return count.toLocaleString('en')
}

/** The title of an agent with a link to its page. */
function linkTo(name: string, variant?: string): string {
  const title = agents.find(agent => agent.name === name)?.title
  const link = title === undefined ? name : `[${title}](agents/${name}.md)`
  return variant === undefined ? link : `${link}, ${variant}`
}

function formatTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, head.map(() => '---'), ...rows].map(cells => cells.map(cell => cell.replaceAll('|', '\\|')).join(' | '))
  return lines.map(line => `| ${line} |`).join('\n')
}

async function formatAs(path: string, text: string): Promise<string> {
  return format(text, { ...(await resolveConfig(path)), filepath: path })
}

async function formatPage({ deliveries, failures, skipped }: Results): Promise<string> {
  const names = agents.map(({ name }) => name)
  const delivered = formatDeliveries(deliveries, skipped.deliveries, names)
  const failed = formatFailures(failures, skipped.failures)
  return formatAs('docs/agents.md', `${intro}\n${delivered}\n${failuresIntro}\n${failed}\n`)
}

after('the tables of agents', async () => {
  const { deliveries, failures, skipped } = found
  const kind = process.env['SLUICE_AGENTS_WRITE'] as keyof Results['skipped'] | undefined
  if (kind !== undefined) {
    const known = JSON.parse(readFileSync(RESULTS, 'utf8')) as Results
    const results = { ...known, [kind]: found[kind], skipped: { ...known.skipped, [kind]: skipped } }
    // tools/test-agents.mjs puts them where they belong if all tests have passed.
    writeFileSync(join(cacheDirectory(), 'results.json'), await formatAs(RESULTS, JSON.stringify(results)))
    writeFileSync(join(cacheDirectory(), 'agents.md'), await formatPage(results))
  }
  const names = new Set([...deliveries, ...skipped].map(({ agent }) => agent))
  if (names.size === 0 && failures.length === 0) return
  const tables = [
    failures.length === 0 && formatDeliveries(deliveries, skipped, [...names]),
    failures.length > 0 && formatFailures(failures, skipped),
  ]
  for (const table of tables) if (table !== false) process.stdout.write(`\n${await formatAs('docs/agents.md', table)}`)
})
