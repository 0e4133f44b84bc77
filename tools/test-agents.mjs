/**
 * `npm run test:agents [-- NAME …]`: the tests in test/agents/, each with an agent that people run, and a real server. A run of
 * everything writes docs/agents.md; one of some agents prints their rows.
 *
 * An agent that is missing is unpacked below .cache/agents from the packages of Debian. It is not installed: the machine keeps
 * the log daemon that it has, and two of them stand side by side. Where there is no apt-get, the tests of the agent are left out and
 * the reason is said. That is no failure: the tests of sluice must run on machines that cannot have every agent.
 */
import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** By name: the program, its Debian packages, and where else it comes from. */
const agents = {
  collectd: { program: 'collectd', debian: ['collectd-core'], elsewhere: 'https://collectd.org' },
  kcat: { program: 'kcat', debian: ['kcat'], elsewhere: 'brew install kcat, or https://github.com/edenhill/kcat' },
  rsyslog: { program: 'rsyslogd', debian: ['rsyslog', 'rsyslog-kafka'], elsewhere: 'https://www.rsyslog.com' },
  'syslog-ng': {
    program: 'syslog-ng',
    debian: ['syslog-ng-core', 'syslog-ng-mod-rdkafka'],
    elsewhere: 'https://www.syslog-ng.com',
  },
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

mkdirSync(join('.cache', 'agents'), { recursive: true })
const skipped = {}
const files = []
for (const name of asked.length > 0 ? asked : known) {
  const reason = provide(name, agents[name])
  if (reason === undefined) files.push(join(directory, `${name}.agent.js`))
  else skipped[name] = `skipped: ${reason}`
}
/** Becomes docs/agents.md if all tests pass. */
const page = join('.cache', 'agents', 'page.md')
let status = 0
if (files.length > 0) {
  const mocha = ['node_modules/mocha/bin/mocha.js', '--config', 'test/agents/.mocharc.json', ...files]
  const env = {
    ...process.env,
    SLUICE_AGENTS_SKIPPED: JSON.stringify(skipped),
    ...(asked.length === 0 && { SLUICE_AGENTS_PAGE: page }),
  }
  status = spawnSync(process.execPath, mocha, { stdio: 'inherit', env }).status ?? 1
  if (asked.length === 0 && status === 0) copyFileSync(page, join('docs', 'agents.md'))
}
for (const [name, reason] of Object.entries(skipped)) console.log(`${name} ${reason}`)
process.exitCode = status

/** Sees to it that the agent is there; returns the reason if it cannot be. */
function provide(name, { program, debian, elsewhere }) {
  if (!isOnPath('apt-get')) return isOnPath(program) ? undefined : `${program} is not installed: ${elsewhere}`
  const root = join('.cache', 'agents', name)
  if (existsSync(join(root, 'complete'))) return undefined
  let missing = listMissing(debian)
  if (missing === undefined) {
    // The lists of packages may be missing, as they are in containers.
    run(['apt-get', 'update'])
    missing = listMissing(debian)
  }
  if (missing === undefined) return `apt-get knows no ${debian.join(' and ')}; as root, apt-get update may help`
  if (missing.length === 0) return undefined
  console.log(`${debian.join(' and ')}: unpacking ${missing.join(', ')} below ${root}`)
  const packages = join(root, 'packages')
  mkdirSync(packages, { recursive: true })
  if (!run(['apt-get', 'download', '--quiet', ...missing], packages)) return 'apt-get downloads no packages, and says why above'
  for (const file of readdirSync(packages))
    if (!run(['dpkg-deb', '--extract', join(packages, file), root])) return `${file} is damaged`
  writeFileSync(join(root, 'complete'), '')
  return undefined
}

/** Those of some packages, and of what they need, that the machine does not have; undefined if apt-get does not know them. */
function listMissing(debian) {
  const { status, stdout } = spawnSync('apt-get', ['install', '--simulate', '--no-install-recommends', ...debian], {
    encoding: 'utf8',
  })
  return status === 0 ? [...stdout.matchAll(/^Inst (\S+)/gm)].map(([, name]) => name) : undefined
}

function run([command, ...args], cwd = '.') {
  return spawnSync(command, args, { cwd, stdio: ['ignore', 2, 2] }).status === 0
}

function isOnPath(program) {
  return (process.env.PATH ?? '').split(delimiter).some(path => existsSync(join(path, program)))
}
