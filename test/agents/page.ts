/**
 * What came of the tests with agents: a table at the end of a run, and docs/agents.md after a run of all. It holds nothing that
 * differs between two runs of the same code with the same agents.
 */
import { writeFileSync } from 'node:fs'
import { format, resolveConfig } from 'prettier'
import { agents } from '../../src/agents/agents.ts'

export interface Delivery {
  /** As in src/agents. */
  agent: string
  version: string
  /** How much of it was the agent itself. */
  how: 'real' | 'emulated' | 'replayed'
  records: number
  rows: number
  /** Whether each row is the record that went in. */
  isSame: boolean
  /** What came of the records when the server was killed; absent where that was not tried. */
  killed?: string
}

const deliveries: Delivery[] = []

export function addDelivery(delivery: Delivery): void {
  deliveries.push(delivery)
}

const intro = `
<!-- Written by \`npm run test:agents\`: change that, not this page. -->

# Agents

\`sluice agent-config AGENT PROJECT/LOGSTORE\` prints the configuration with which an agent sends to a logstore, complete and with
the settings that lose nothing. Each agent has a page with the configuration, how to see that it works, and what it says when it does
not; [errors.md](errors.md) goes by the error. Other agents with a Kafka output work too: [clients.md](clients.md) has the libraries.

\`npm run test:agents\` runs agents with exactly what the command prints, against a real server, and compares each row with the
record that went in. Where it says so, the server is killed with SIGKILL in the middle, and started again.
`

/** Why agents were left out, by their names. */
function readSkipped(): Record<string, string> {
  return JSON.parse(process.env['SLUICE_AGENTS_SKIPPED'] ?? '{}') as Record<string, string>
}

function formatTable(names: readonly string[]): string {
  const rows = names.map(name => {
    const { title } = agents.find(agent => agent.name === name)!
    const link = `[${title}](agents/${name}.md)`
    const found = deliveries.find(({ agent }) => agent === name)
    if (found === undefined) return [link, '', '', '', '', readSkipped()[name] ?? 'not run', '']
    const { version, how, records, rows, isSame, killed = '' } = found
    const verdict = isSame && rows === records ? 'the same' : 'not the same'
    return [link, version, how, records.toLocaleString('en'), rows.toLocaleString('en'), verdict, killed]
  })
  const head = ['agent', 'version', 'how', 'records', 'rows', 'row by row', 'server killed']
  return [head, head.map(() => '---'), ...rows].map(cells => `| ${cells.join(' | ')} |`).join('\n')
}

async function formatMarkdown(markdown: string): Promise<string> {
  return format(markdown, { ...(await resolveConfig('docs/agents.md')), parser: 'markdown' })
}

after('the table of agents', async () => {
  const page = process.env['SLUICE_AGENTS_PAGE']
  if (page !== undefined) writeFileSync(page, await formatMarkdown(`${intro}\n${formatTable(agents.map(({ name }) => name))}\n`))
  const names = [...deliveries.map(({ agent }) => agent), ...Object.keys(readSkipped())]
  process.stdout.write(`\n${await formatMarkdown(formatTable(names))}`)
})
