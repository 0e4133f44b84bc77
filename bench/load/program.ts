/** The programs of the benchmarks that are in Go, each in a folder beside this file. */
import { readdirSync, statSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { checkCommand, runCommand } from './command.ts'
import { cacheDirectory, root } from './paths.ts'

const built = new Map<string, Promise<string>>()

/** Resolves with the path of the binary, which is compiled if its sources are newer. */
export function buildProgram(name: 'generator' | 'hold'): Promise<string> {
  let building = built.get(name)
  if (building === undefined) built.set(name, (building = build(name)))
  return building
}

async function build(name: string): Promise<string> {
  const sources = join(root, 'bench', 'load', name)
  const binary = join(cacheDirectory, name)
  const changedMs = Math.max(...readdirSync(sources).map(file => statSync(join(sources, file)).mtimeMs))
  if ((statSync(binary, { throwIfNoEntry: false })?.mtimeMs ?? 0) > changedMs) return binary
  await checkCommand('go', ['version'], `to build bench/load/${name} (Go 1.26 or newer)`)
  await mkdir(cacheDirectory, { recursive: true })
  await runCommand('go', ['build', '-buildvcs=false', '-o', binary, '.'], { cwd: sources })
  return binary
}
