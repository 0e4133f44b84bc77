/** `npm run docs`: writes the pages about agents, docs/agents/NAME.md and docs/errors.md, from the descriptions in src/agents. */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { format, resolveConfig } from 'prettier'
import { errorName } from '../protocol/error-codes.ts'
import type { Agent, Target } from '../src/agents/agent.ts'
import { agents } from '../src/agents/agents.ts'
import { causeNames, causes, otherRefusals } from '../src/agents/causes.ts'

const example: Omit<Target, 'isTrusted'> = {
  host: 'logs.example.com',
  port: 10012,
  project: 'web',
  logstore: 'nginx',
  ca: '/etc/sluice/ca.pem',
  placeholder: 'YOUR-ACCESS-KEY-ID#YOUR-ACCESS-KEY-SECRET',
}

const writesSecret = '`--secret-stdin` writes the secret into the configuration.'

const note = '<!-- Written by `npm run docs` from src/agents: change those, not this page. -->'

/** All pages, by their paths. */
export async function makeAgentPages(): Promise<Map<string, string>> {
  const pages = new Map(agents.map(agent => [join('docs', 'agents', `${agent.name}.md`), formatAgent(agent)]))
  pages.set(join('docs', 'errors.md'), formatErrors())
  const options = { ...(await resolveConfig('docs/errors.md')), parser: 'markdown' }
  for (const [path, markdown] of pages) pages.set(path, await format(markdown, options))
  return pages
}

function formatAgent(agent: Agent): string {
  const isTrusted = agent.security === 'none'
  const target = isTrusted ? { ...example, isTrusted, host: '127.0.0.1', port: 9092 } : { ...example, isTrusted }
  return `${note}

# ${agent.title}

${capitalize(agent.about)}.

## Configuration

    sluice agent-config ${agent.name} web/nginx

prints this, with the host, port and CA of your server. It goes to: ${agent.file}.

\`\`\`${agent.language}
${agent.configure(target)}\`\`\`

${isTrusted ? agent.password : `The password is the access key, \`ID#SECRET\`. ${agent.password} ${writesSecret}`}
${agent.variant === undefined ? '' : formatVariant(agent.language, agent.variant, target)}
## What is kept

${agent.keeps.map(line => `- ${line}`).join('\n')}

## How to see that it works

${agent.check}

## When it does not

${agent.then}

${causeNames
  .filter(name => agent.says[name] !== undefined)
  .map(name => formatMistake({ says: agent.says[name]!, ...causes[name] }))
  .join('\n')}
${(agent.mistakes ?? []).map(formatMistake).join('\n')}

[errors.md](../errors.md) has what all agents have in common.
`
}

function formatVariant(language: string, { title, about, configure }: NonNullable<Agent['variant']>, target: Target): string {
  return `\n### ${title}\n\n${about}\n\n\`\`\`${language}\n${configure(target)}\`\`\`\n`
}

function formatMistake({ says, cause, fix }: { says: string; cause: string; fix: string }): string {
  return `- \`${says.replaceAll('`', "'")}\`\n\n  ${cause} ${fix}\n`
}

function formatErrors(): string {
  const common = causeNames.map(name => {
    const { title, cause, fix } = causes[name]
    const bySays = new Map<string, Agent[]>()
    for (const agent of agents) {
      const says = agent.says[name]
      if (says !== undefined) bySays.set(says, [...(bySays.get(says) ?? []), agent])
    }
    const rows = [...bySays].map(([says, those]) => {
      const links = those.map(agent => `[${agent.title}](agents/${agent.name}.md)`)
      return `| ${links.join(', ')} | \`${says.replaceAll('`', "'").replaceAll('|', '\\|')}\` |`
    })
    return `## ${title}\n\n${cause}\n\n${fix}\n\n| agent | what it says |\n| --- | --- |\n${rows.join('\n')}\n`
  })
  const others = otherRefusals.map(([code, situation, fix]) => `| ${code} ${errorName(code)} | ${situation} | ${fix} |`)
  return `${note}

# Errors

What agents say when logs do not arrive, why, and what to do. Some say nothing: then the log of the server does. A line \`a client is
refused\` has the project, the logstore, the client id and the address, and the problem with what to do; the same is told once in five
minutes. \`sluice doctor\` looks at ports and certificates, and \`sluice dump\` records what goes over the wire.

${common.join('\n')}
## Others

| answer | when | what to do |
| --- | --- | --- |
${others.join('\n')}

[protocol.md](protocol.md#refusals) has all answers with their exact conditions.
`
}

function capitalize(text: string): string {
  // Names of plugins stay as they are written.
  return /^(a|the|other) /.test(text) ? text[0]!.toUpperCase() + text.slice(1) : text
}

if (process.argv[1] === import.meta.filename) {
  const pages = await makeAgentPages()
  const directory = join('docs', 'agents')
  mkdirSync(directory, { recursive: true })
  for (const name of readdirSync(directory)) if (!pages.has(join(directory, name))) rmSync(join(directory, name))
  for (const [path, markdown] of pages) writeFileSync(path, markdown)
  console.log(`Written: ${[...pages.keys()].join(', ')}`)
}
