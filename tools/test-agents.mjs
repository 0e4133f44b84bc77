/**
 * `npm run test:agents [-- NAME …]`: the tests in test/agents/, each with an agent that people run, and a real server.
 *
 * An agent that is missing is installed where that is one command; where it is not, its tests are left out and the reason is
 * said. That is no failure: the tests of sluice must run on machines that cannot have every agent.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** By name: the program, its Debian package, and where else it comes from. */
const agents = {
  kcat: { program: 'kcat', debian: 'kcat', elsewhere: 'brew install kcat, or https://github.com/edenhill/kcat' },
}

const directory = 'dist/test/agents'
const known = readdirSync(directory)
  .filter(file => file.endsWith('.agent.js'))
  .map(file => file.replace(/\.agent\.js$/, ''))
const asked = process.argv.slice(2)
const unknown = asked.filter(name => !known.includes(name))
if (unknown.length > 0) {
  console.error(`There are no tests with ${unknown.join(', ')}; there are tests with ${known.join(', ')}.`)
  process.exit(1)
}

const skipped = []
const files = []
for (const name of asked.length > 0 ? asked : known) {
  const reason = provide(agents[name])
  if (reason === undefined) files.push(join(directory, `${name}.agent.js`))
  else skipped.push(`${name}: skipped, ${reason}`)
}
let status = 0
if (files.length > 0) {
  const mocha = ['node_modules/mocha/bin/mocha.js', '--config', 'test/agents/.mocharc.json', ...files]
  status = spawnSync(process.execPath, mocha, { stdio: 'inherit' }).status ?? 1
}
for (const line of skipped) console.log(line)
process.exitCode = status

/** Sees to it that the agent is there; returns the reason if it cannot be. */
function provide({ program, debian, elsewhere }) {
  if (isInstalled(program)) return undefined
  if (!isInstalled('apt-get')) return `${program} is not installed: ${elsewhere}`
  const isRoot = process.getuid() === 0
  if (!isRoot && !isInstalled('sudo')) return `${program} is not installed: as root, apt-get install ${debian}`
  // Without a terminal sudo could only wait for a password that nobody types.
  const prefix = isRoot ? [] : process.stdin.isTTY ? ['sudo'] : ['sudo', '-n']
  const install = [...prefix, 'apt-get', 'install', '--yes', '--no-install-recommends', debian]
  console.log(`${program} is not installed. Running: ${install.join(' ')}`)
  if (!run(install)) {
    // The lists of packages may be missing, as they are in containers.
    run([...prefix, 'apt-get', 'update'])
    run(install)
  }
  return isInstalled(program) ? undefined : `apt-get did not install ${debian}, and says why above`
}

function run([command, ...args]) {
  return (
    spawnSync(command, args, { stdio: ['inherit', 2, 2], env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } }).status ===
    0
  )
}

function isInstalled(program) {
  return (process.env.PATH ?? '').split(delimiter).some(path => existsSync(join(path, program)))
}
