/**
 * Agents that Debian has packages of: the program of the machine, or else one that is unpacked below a directory. It is not
 * installed: the machine keeps the log daemon that it has, and two of them stand side by side. None of it needs root.
 */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { text } from 'node:stream/consumers'

export interface Packaged {
  /** Of the directory that it is unpacked to. */
  name: string
  program: string
  /** Of Debian. */
  packages: readonly string[]
  /** Where else it comes from. */
  elsewhere: string
}

export interface Installation {
  program: string
  /** Variables that the program needs to find its libraries. */
  env: NodeJS.ProcessEnv
  /** The directories that are there of one of the machine and of what was unpacked, the latter first. */
  find: (path: string) => string[]
}

/** Sees to it that the program is there; rejects with the reason if it cannot be. */
export async function install(directory: string, packaged: Packaged): Promise<Installation> {
  const { name, program, packages, elsewhere } = packaged
  const root = join(directory, name)
  if (isOnPath('apt-get') && !existsSync(join(root, 'complete'))) await unpack(root, packages)
  const roots = [root, '/'].filter(found => existsSync(found))
  const find = (path: string) => roots.flatMap(found => expand(found, path.split('/')))
  const places = ['usr/sbin', 'usr/bin', 'usr/local/bin'].flatMap(find)
  const found = [...places, ...pathsOfMachine()].map(place => join(place, program)).find(path => existsSync(path))
  if (found === undefined) throw new Error(`${program} is not installed: ${elsewhere}`)
  const unpacked = ['usr/lib/*-linux-gnu', 'lib/*-linux-gnu', `usr/lib/${name}`]
    .flatMap(find)
    .filter(path => path.startsWith(root))
  const env = { ...process.env, ...(unpacked.length > 0 && { LD_LIBRARY_PATH: unpacked.join(delimiter) }) }
  return { program: found, env, find }
}

/** The first number with points that the program prints of itself. */
export function readVersion({ program, env }: Installation, option: string): string {
  const printed = execFileSync(program, [option], { env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  return /\d+\.\d+(\.\d+)*/.exec(printed)?.[0] ?? 'unknown'
}

/** Unpacks those of the packages, and of what they need, that the machine does not have. */
async function unpack(root: string, packages: readonly string[]): Promise<void> {
  let missing = await listMissing(packages)
  if (missing === undefined) {
    // The lists of packages may be missing, as they are in containers.
    await run(['apt-get', 'update'])
    missing = await listMissing(packages)
  }
  if (missing === undefined) throw new Error(`apt-get knows no ${packages.join(' and ')}; as root, apt-get update may help`)
  if (missing.length === 0) return
  const downloaded = join(root, 'packages')
  mkdirSync(downloaded, { recursive: true })
  const { code, output } = await run(['apt-get', 'download', '--quiet', ...missing], downloaded)
  const [reason = 'it does not say why'] = output.split('\n').filter(line => line.startsWith('E: '))
  if (code !== 0) throw new Error(`apt-get does not download ${packages.join(' and ')}: ${reason}`)
  for (const file of readdirSync(downloaded)) {
    const { code } = await run(['dpkg-deb', '--extract', join(downloaded, file), root])
    if (code !== 0) throw new Error(`${file} is damaged`)
  }
  writeFileSync(join(root, 'complete'), '')
}

/** Undefined if apt-get does not know them. */
async function listMissing(packages: readonly string[]): Promise<string[] | undefined> {
  const { code, output } = await run(['apt-get', 'install', '--simulate', '--no-install-recommends', ...packages])
  return code === 0 ? [...output.matchAll(/^Inst (\S+)/gm)].map(([, name]) => name!) : undefined
}

async function run([program, ...args]: readonly [string, ...string[]], cwd = '.'): Promise<{ code: number; output: string }> {
  const child = spawn(program, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
  const closed = once(child, 'close') as Promise<[number | null]>
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), closed])
  return { code: code ?? 1, output: `${stdout}\n${stderr}` }
}

function isOnPath(program: string): boolean {
  return pathsOfMachine().some(path => existsSync(join(path, program)))
}

function pathsOfMachine(): string[] {
  return (process.env['PATH'] ?? '').split(delimiter)
}

/** What matches a path in which a name may have a `*`. */
function expand(directory: string, [name, ...rest]: string[]): string[] {
  if (name === undefined) return [directory]
  if (!name.includes('*')) return existsSync(join(directory, name)) ? expand(join(directory, name), rest) : []
  const pattern = new RegExp(`^${name.replaceAll('*', '.*')}$`)
  if (!existsSync(directory)) return []
  return readdirSync(directory)
    .filter(found => pattern.test(found))
    .flatMap(found => expand(join(directory, found), rest))
}
