/** Where the programs of agents are: those of the machine, or what tools/test-agents.mjs has unpacked below .cache/agents. */
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { delimiter, join, resolve } from 'node:path'

export interface Installation {
  program: string
  /** Variables that the program needs to find its libraries. */
  env: NodeJS.ProcessEnv
  /** The directories that are there of one of the machine and of what was unpacked, the latter first. */
  find: (path: string) => string[]
}

export function findInstallation(agent: string, program: string): Installation {
  const roots = [resolve('.cache', 'agents', agent), '/'].filter(root => existsSync(root))
  const find = (path: string) => roots.flatMap(root => expand(root, path.split('/')))
  const places = ['usr/sbin', 'usr/bin', 'usr/local/bin'].flatMap(find)
  const found = [...places, ...(process.env['PATH'] ?? '').split(delimiter)]
    .map(place => join(place, program))
    .find(path => existsSync(path))
  if (found === undefined) throw new Error(`${program} is not installed; npm run test:agents -- ${agent} does that`)
  const unpacked = ['usr/lib/*-linux-gnu', 'lib/*-linux-gnu', `usr/lib/${agent}`]
    .flatMap(find)
    .filter(path => path.includes('.cache'))
  const env = { ...process.env, ...(unpacked.length > 0 && { LD_LIBRARY_PATH: unpacked.join(delimiter) }) }
  return { program: found, env, find }
}

/** The first number with points that the program prints of itself. */
export function readVersion({ program, env }: Installation, option: string): string {
  const printed = execFileSync(program, [option], { env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  return /\d+\.\d+(\.\d+)*/.exec(printed)?.[0] ?? 'unknown'
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
