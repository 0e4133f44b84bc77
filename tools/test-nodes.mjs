/**
 * `npm run test:nodes [-- VERSION …]`: all tests on each of several versions of Node, and a table of what came of it.
 *
 * The versions are installed into a temporary directory from npm's packages of Node. The package `node` itself would fetch the
 * one for this system in an install script, which npm may be told not to run; so that one is asked for directly.
 */
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'

/** The lines of Node with long-term support, and the one that will be next. */
const LINES = ['22', '24', '26']

const { platform, arch } = process
const nodePackage = `${platform === 'darwin' && arch === 'arm64' ? 'node-bin' : 'node'}-${platform}-${arch}`
const directory = mkdtempSync(join(tmpdir(), 'sluice-nodes-'))
process.on('exit', () => rmSync(directory, { recursive: true, force: true }))
// The tests hear it too, and end; then this does.
process.on('SIGINT', () => {})

const results = []
for (const version of process.argv.length > 2 ? process.argv.slice(2) : LINES) results.push(await test(version))
console.log(formatTable([['node', 'result', 'time'], ...results.map(({ row }) => row)]))
process.exitCode = results.every(({ isGood }) => isGood) ? 0 : 1

async function test(version) {
  const node = install(version)
  if (node === undefined) return { isGood: false, row: [version, 'could not be installed', ''] }
  const name = spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout.trim()
  console.log(`Node ${name}: the tests run …`)
  const startedAt = performance.now()
  const { code, output } = await run(node, ['node_modules/mocha/bin/mocha.js', '--no-color'], {
    PATH: `${dirname(node)}${delimiter}${process.env.PATH}`,
  })
  const summary = output.trimEnd().split('\n').at(-1)
  const failures = output.search(/^ +\d+ failing$/m)
  // What failed; all there is, if the tests did not even get so far as to say it.
  if (code !== 0) console.log(failures === -1 ? output : output.slice(failures))
  const result = /^\d+ passed/.test(summary) ? summary : `ended with ${code} before its end`
  return { isGood: code === 0, row: [name, result, `${Math.round((performance.now() - startedAt) / 1000)} s`] }
}

/** Returns the path of the program, or undefined if npm could not install it; npm has said why by then. */
function install(version) {
  const prefix = join(directory, version)
  console.log(`Installing ${nodePackage}@${version} …`)
  const npm = [
    'install',
    '--prefix',
    prefix,
    '--no-save',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
    `${nodePackage}@${version}`,
  ]
  if (spawnSync('npm', npm, { stdio: ['ignore', 'ignore', 'inherit'] }).status !== 0) return undefined
  return join(prefix, 'node_modules', nodePackage, 'bin', 'node')
}

function run(command, args, environment) {
  return new Promise(resolve => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...environment } })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', text => (output += text))
    child.once('error', error => (output += error.message))
    child.once('close', code => resolve({ code: code ?? 1, output }))
  })
}

function formatTable(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map(row => row[column].length)))
  return [
    '',
    ...rows.map(row =>
      row
        .map((cell, column) => cell.padEnd(widths[column]))
        .join('  ')
        .trimEnd(),
    ),
  ].join('\n')
}
