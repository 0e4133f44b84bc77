/** Installs and builds the drivers of clients and agents, once. */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

interface Build {
  /** The directory to build in, removed before. */
  directory: string
  /** What is copied there, as paths below test/clients/drivers or `from`. */
  sources: readonly string[]
  from?: string
  /** What is written there, by name. */
  files?: Record<string, string>
  /** What is run there. */
  commands: readonly (readonly [string, ...string[]])[]
  env?: Record<string, string>
}

/** Sources are not compiled, so they stand in `test` and not in `dist`. */
const clientDrivers = sourcesOf('clients/drivers')

/** The path of a directory below `test`. */
export function sourcesOf(directory: string): string {
  return fileURLToPath(new URL(`../../../test/${directory}`, import.meta.url))
}

/** Enough for a slow network: what is downloaded is some 50 MB. */
const COMMAND_TIMEOUT_MS = 15 * 60_000

/**
 * Builds a driver, unless that was done before with the very same sources, files and commands. What those depend on is pinned in
 * them, so a driver that is there is the one that would be built.
 */
export async function build({ directory, sources, from = clientDrivers, files = {}, commands, env = {} }: Build): Promise<void> {
  const read = sources.map(source => readFile(join(from, source), 'utf8'))
  const inputs = JSON.stringify([await Promise.all(read), files, commands])
  // Written last: a build that was interrupted is begun anew.
  const stamp = join(directory, '.built')
  if (existsSync(stamp) && (await readFile(stamp, 'utf8')) === inputs) return
  await rm(directory, { recursive: true, force: true })
  await mkdir(directory, { recursive: true })
  for (const source of sources) await copyFile(join(from, source), join(directory, basename(source)))
  for (const [name, content] of Object.entries(files)) await writeFile(join(directory, name), content)
  for (const command of commands) await run(command, { directory, env })
  await writeFile(stamp, inputs)
}

async function run([program, ...args]: readonly [string, ...string[]], { directory, env }: { directory: string; env: object }) {
  const options = { cwd: directory, env: { ...process.env, ...env }, timeout: COMMAND_TIMEOUT_MS, maxBuffer: 64 * 1024 * 1024 }
  await promisify(execFile)(program, args, options).catch(
    (error: Error & { code?: unknown; stdout?: string; stderr?: string }) => {
      if (error.code === 'ENOENT') throw new Error(`${program} is not installed`)
      // Maven writes its errors to standard output.
      const output = `${error.stdout ?? ''}${error.stderr ?? ''}`.trim()
      throw new Error(`${program} ${args.join(' ')} failed: ${output === '' ? error.message : output}`)
    },
  )
}
