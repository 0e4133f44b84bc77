/**
 * `npm run test:update`: plays the golden conversations of test/golden and writes their transcripts anew. Whoever runs it reviews the
 * difference: it is what clients will see.
 */
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const directory = 'test/golden'
const before = readTranscripts()
const mocha = ['node_modules/mocha/bin/mocha.js', '--no-config', '--timeout', '60000', 'dist/test/golden/golden.test.js']
const { status } = spawnSync(process.execPath, mocha, { stdio: 'inherit', env: { ...process.env, SLUICE_UPDATE: '1' } })
const changed = [...readTranscripts()].filter(([name, content]) => before.get(name) !== content).map(([name]) => name)
console.log(
  changed.length === 0 ? 'No transcript has changed.' : `Changed, to be reviewed (git diff ${directory}): ${changed.join(', ')}`,
)
process.exitCode = status ?? 1

function readTranscripts() {
  const names = readdirSync(directory).filter(name => name.endsWith('.txt'))
  return new Map(names.map(name => [name, readFileSync(join(directory, name), 'utf8')]))
}
