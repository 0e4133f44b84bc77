/**
 * `npm run test:agents [-- NAME …]`: agents that people run, and a real server. A run of everything writes docs/agents.md; one of some
 * agents prints their rows.
 *
 *     --quick      those that are there within a minute, and the tests of files of their own
 *     --failures   what agents do when things go wrong, which writes the other tables of the page
 *
 * Agents are installed or built below .cache/agents when they are first needed. One that cannot be had is left out, with the reason.
 * That is no failure: the tests of sluice must run on machines that cannot have every agent.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { agentsUnderTest } from '../dist/test/agents/agents-under-test.js'
import { idOf } from '../dist/test/agents/configured.js'

const directory = 'dist/test/agents'
/** Those that run every agent, and those that are about one thing. */
const generic = ['delivery', 'failures']
const files = readdirSync(directory)
  .filter(file => file.endsWith('.agent.js'))
  .map(file => file.replace(/\.agent\.js$/, ''))
  .filter(file => !generic.includes(file))
const about = Object.fromEntries(agentsUnderTest.map(agent => [idOf(agent), describeAgent(agent)]))
const known = [...new Set([...Object.keys(about), ...files])]

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    failures: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
})
const unknown = positionals.filter(name => !known.includes(name))
if (values.help) {
  const lines = known.map(name => `  ${name.padEnd(22)}${about[name] ?? 'a test of its own'}`)
  console.log(['usage: npm run test:agents [-- [--quick] [--failures] NAME …]', '', ...lines].join('\n'))
} else if (unknown.length > 0) {
  console.error(`There are no tests with ${unknown.join(', ')}; there are tests with ${known.join(', ')}.`)
  process.exitCode = 1
} else process.exitCode = await run(values, positionals)

function describeAgent({ how, isQuick, isHeavy, isLibrary }) {
  return [how, isQuick && '--quick', isHeavy && 'only if named', isLibrary && '--failures alone']
    .filter(word => word !== undefined && word !== false)
    .join(', ')
}

/** A name stands for all variants of the agent; one that is heavy has to be named itself. */
function isAsked(agent, names) {
  return names.includes(idOf(agent)) || (agent.isHeavy !== true && (names.length === 0 || names.includes(agent.name)))
}

async function run({ quick, failures }, names) {
  const agents = agentsUnderTest
    .filter(({ isQuick }) => isQuick || !quick)
    .filter(agent => isAsked(agent, names))
    .map(idOf)
  const own = failures ? [] : files.filter(file => names.length === 0 || names.includes(file))
  const chosen = [...(agents.length > 0 ? [failures ? 'failures' : 'delivery'] : []), ...own]
  if (chosen.length === 0) {
    console.error(`None of ${names.join(', ')} is in this run.`)
    return 1
  }
  const isAll = !quick && names.length === 0
  const env = {
    ...process.env,
    SLUICE_AGENTS: agents.join(),
    ...(isAll && { SLUICE_AGENTS_WRITE: failures ? 'failures' : 'deliveries' }),
  }
  const mocha = ['node_modules/mocha/bin/mocha.js', '--config', 'test/agents/.mocharc.json']
  const paths = chosen.map(name => join(directory, `${name}.agent.js`))
  const child = spawn(process.execPath, [...mocha, ...paths], { stdio: 'inherit', env })
  process.on('SIGINT', () => {})
  process.on('SIGTERM', () => child.kill('SIGTERM'))
  const [code] = await once(child, 'close')
  if (isAll && code === 0) {
    copyFileSync(join('.cache', 'agents', 'results.json'), join('test', 'agents', 'results.json'))
    copyFileSync(join('.cache', 'agents', 'agents.md'), join('docs', 'agents.md'))
  } else if (isAll) console.log('docs/agents.md stays as it is: not all tests have passed')
  return code ?? 1
}
