/**
 * Runs a task of this repository from any state of it: `node tools/run.mjs TASK [arguments]`.
 *
 *     node of the right version?  →  packages as package-lock.json says?  →  compiled as the sources say?  →  the task
 *
 * Each step is taken only if it is needed. This file must work before anything is installed, and must be understood by versions
 * of Node that are too old, to tell them so: nothing but Node's own modules, and no newer syntax than needed.
 */
import { spawn } from 'node:child_process'
import { chmodSync, existsSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** By name: what it is for, whether it needs the compiled code, and how it is run. */
const tasks = {
  build: { about: 'compile, if anything has changed', isBuilt: true, run: () => undefined },
  demo: { about: 'a server with sample logs, to look at', isBuilt: true, run: args => load('dist/tools/demo.js', args) },
  dev: { about: 'a server that starts anew when a source changes', isBuilt: true, run: dev },
  test: { about: 'all tests but those below', isBuilt: true, run: args => bin('mocha/bin/mocha.js', args) },
  'test:agents': {
    about: 'tests with agents that people run',
    isBuilt: true,
    run: args => load('tools/test-agents.mjs', args),
  },
  'test:clients': {
    about: 'tests with real Kafka clients of many languages and versions',
    isBuilt: true,
    run: args => load('tools/test-clients.mjs', args),
  },
  'test:crash': {
    about: 'a server whose processes are killed again and again',
    isBuilt: true,
    run: args => load('dist/test/crash/crash.js', args),
  },
  'test:fuzz': { about: 'a server under damaged requests', isBuilt: true, run: args => load('dist/test/fuzz/fuzz.js', args) },
  'test:soak': {
    about: 'a server under a mixed load for a long time, with restarts',
    isBuilt: true,
    run: args => load('dist/test/soak/soak.js', args),
  },
  'test:sim': {
    about: 'simulations of journal, ingest and indexer, by seeds',
    isBuilt: true,
    run: args => load('dist/test/sim/sim.js', args),
  },
  bench: {
    about: 'what things cost, measured; without a name, which measurements there are',
    isBuilt: true,
    run: args => load('tools/bench.mjs', args),
  },
  'test:update': {
    about: 'write the transcripts of test/golden anew, to be reviewed',
    isBuilt: true,
    run: () => load('tools/update-golden.mjs', []),
  },
  docs: {
    about: 'write the pages about agents anew',
    isBuilt: true,
    run: () => load('dist/tools/agent-docs.js', []),
  },
  'test:nodes': {
    about: 'all tests on several versions of Node',
    isBuilt: true,
    run: args => load('tools/test-nodes.mjs', args),
  },
  check: { about: 'check the types', run: () => bin('typescript/bin/tsc', ['--noEmit']) },
  lint: { about: 'check the style', run: lint },
}

process.chdir(root)
const [name, ...args] = process.argv.slice(2)
checkNode()
if (!Object.hasOwn(tasks, name || '')) {
  console.error(['usage: node tools/run.mjs TASK [arguments]', '', ...describeTasks()].join('\n'))
  process.exit(1)
}
await install()
if (tasks[name].isBuilt) await build()
const code = await tasks[name].run(args)
if (code !== undefined) process.exitCode = code

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major > 20 || (major === 20 && minor >= 19)) return
  console.error(
    `sluice needs Node 20.19 or newer, and this is Node ${process.versions.node}: install a newer one from https://nodejs.org`,
  )
  process.exit(1)
}

function describeTasks() {
  return Object.keys(tasks).map(task => `  ${task.padEnd(13)}${tasks[task].about}`)
}

/** npm writes its own copy of the lock file last, so that an installation that was interrupted is seen too. */
async function install() {
  const installed = modifiedMs('node_modules/.package-lock.json')
  if (installed >= modifiedMs('package-lock.json')) return
  // For people to read before the output of a command; commands themselves own standard output.
  console.error(
    installed === 0
      ? 'Installing packages, about 700 MB on disk with ClickHouse …'
      : 'Installing packages anew: package-lock.json has changed …',
  )
  const npm = process.env.npm_execpath
  const ci = ['ci', '--include=dev', '--no-audit', '--no-fund', '--no-update-notifier']
  const code = npm !== undefined && /\.c?js$/.test(npm) ? await run(process.execPath, [npm, ...ci]) : await run('npm', ci)
  if (code === 0) return
  fail(
    code,
    'The packages could not be installed; npm says why above. With the network and room on the disk in order, run the same command again.',
  )
}

async function build() {
  const sources = ['src', 'protocol', 'certs', 'test', 'bench', 'tools'].filter(directory => existsSync(directory))
  const newest = Math.max(modifiedMs('tsconfig.json'), modifiedMs('node_modules/.package-lock.json'), ...sources.map(newestMs))
  if (modifiedMs('dist/.built') < newest) {
    const startedAt = new Date()
    console.error('Compiling …')
    const code = await bin('typescript/bin/tsc', ['-p', '.'])
    if (code !== 0) fail(code, 'The sources do not compile; the compiler says why above.')
    removeStale('dist')
    writeFileSync('dist/.built', '')
    // What is changed while it is compiled is newer than this, and compiled the next time.
    utimesSync('dist/.built', startedAt, startedAt)
  }
  // The compiler gives no file the right to be run; npm links to this one as "sluice".
  chmodSync('dist/src/cli/main.js', 0o755)
}

/** Removes what was compiled from sources that are gone: a test that was deleted must not run on. */
function removeStale(directory) {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name)
    if (entry.isDirectory()) removeStale(path)
    else if (/\.js(\.map)?$/.test(path) && !existsSync(relative('dist', path).replace(/\.js(\.map)?$/, '.ts'))) rmSync(path)
  }
}

async function lint() {
  const code = await bin('eslint/bin/eslint.js', ['.'])
  return code === 0 ? bin('prettier/bin/prettier.cjs', ['--check', '--log-level=warn', '.']) : code
}

/** The compiler and the server side by side; Node starts the server anew when what it has loaded changes. */
async function dev(given) {
  const compiler = bin('typescript/bin/tsc', ['-p', '.', '--watch', '--preserveWatchOutput'])
  const server = run(process.execPath, ['--watch', '--enable-source-maps', 'dist/src/cli/main.js', 'serve', ...given])
  return Promise.race([compiler, server])
}

/** Runs a module of ours in this process: it alone decides what a signal means. */
async function load(path, given) {
  const file = join(root, ...path.split('/'))
  process.argv = [process.execPath, file, ...given]
  await import(pathToFileURL(file).href)
}

function bin(path, given) {
  return run(process.execPath, [join('node_modules', ...path.split('/')), ...given])
}

/** Resolves with the exit code of a command that has this process's terminal; it ends by the signals that this one gets. */
function run(command, given) {
  return new Promise(resolve => {
    const child = spawn(command, given, { stdio: 'inherit' })
    // Ctrl-C reaches the child by itself; this process only has to live until the child has ended.
    const isTerminal = process.stdin.isTTY === true
    process.on('SIGINT', () => isTerminal || child.kill('SIGINT'))
    process.on('SIGTERM', () => child.kill('SIGTERM'))
    child.once('error', error => {
      console.error(`${command} could not be started: ${error.message}`)
      resolve(1)
    })
    child.once('close', (status, signal) => resolve(signal === null ? status : 130))
  })
}

function fail(status, sentence) {
  // Whoever pressed Ctrl-C knows what happened.
  if (status !== 130) console.error(`\n${sentence}`)
  process.exit(status)
}

/** When a file was last changed; 0 if there is none. */
function modifiedMs(path) {
  return existsSync(path) ? statSync(path).mtimeMs : 0
}

/** When anything in a directory was last changed, removed or added; but not what benchmarks keep and what they measured. */
function newestMs(directory) {
  let newest = modifiedMs(directory)
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    if (entry.name === '.cache' || entry.name === 'results') continue
    const path = `${directory}${sep}${entry.name}`
    newest = Math.max(newest, entry.isDirectory() ? newestMs(path) : modifiedMs(path))
  }
  return newest
}
