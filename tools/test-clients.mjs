/**
 * `npm run test:clients [-- NAME …]`: real Kafka clients of many languages and versions, and a real server. A run of everything
 * writes docs/clients.md; one of some clients prints their rows.
 *
 * Clients are installed below .cache/clients when they are first needed. One that cannot be installed is left out, with the reason.
 * Tests that need something of one client only are files of their own in test/clients, and can be named too.
 */
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { clients } from '../dist/test/clients/clients.js'

const directory = 'dist/test/clients'
const files = readdirSync(directory)
  .filter(file => file.endsWith('.client.js'))
  .map(file => file.replace(/\.client\.js$/, ''))
const known = [...clients.map(({ name }) => name), ...files.filter(name => name !== 'matrix')]
const asked = process.argv.slice(2)
const unknown = asked.filter(name => !known.includes(name))
if (asked.includes('--help') || asked.includes('-h')) {
  const about = Object.fromEntries(clients.map(({ name, library, version }) => [name, `${library} ${version}`]))
  const lines = known.map(name => `  ${name.padEnd(28)}${about[name] ?? 'a test of its own'}`)
  console.log(['usage: npm run test:clients [-- NAME …]', '', ...lines].join('\n'))
} else if (unknown.length > 0) {
  console.error(`There is no client ${unknown.join(', ')}; there are ${known.join(', ')}.`)
  process.exitCode = 1
} else {
  const askedClients = asked.filter(name => !files.includes(name))
  const chosen = files.filter(
    name => asked.length === 0 || asked.includes(name) || (name === 'matrix' && askedClients.length > 0),
  )
  const mocha = ['node_modules/mocha/bin/mocha.js', '--config', 'test/clients/.mocharc.json']
  const paths = chosen.map(name => join(directory, `${name}.client.js`))
  const env = { ...process.env, ...(askedClients.length > 0 && { SLUICE_CLIENTS: askedClients.join() }) }
  process.exitCode = spawnSync(process.execPath, [...mocha, ...paths], { stdio: 'inherit', env }).status ?? 1
}
