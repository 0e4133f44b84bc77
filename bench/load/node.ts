/** Other versions of Node, to measure sluice on. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { runCommand } from './command.ts'
import { cacheDirectory } from './paths.ts'

/** The path of a Node: a path as it is, a version (`24`) from npm, where it is fetched once. */
export async function findNode(wanted: string): Promise<string> {
  if (!/^[\d.]+$/.test(wanted)) return wanted
  const { platform, arch } = process
  // The package `node` would fetch this one in an install script, which npm may be told not to run.
  const name = `${platform === 'darwin' && arch === 'arm64' ? 'node-bin' : 'node'}-${platform}-${arch}`
  const prefix = join(cacheDirectory, `node-${wanted}`)
  const path = join(prefix, 'node_modules', name, 'bin', 'node')
  const npm = ['install', '--prefix', prefix, '--no-save', '--no-audit', '--no-fund', '--loglevel=error', `${name}@${wanted}`]
  if (!existsSync(path)) await runCommand('npm', npm)
  return path
}

export async function versionOf(node: string): Promise<string> {
  return (await runCommand(node, ['--version'])).trim()
}
