/**
 * An agent that runs with what `sluice agent-config` prints, unchanged but for the directories of the machine, which are in the
 * temporary one.
 */
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeDirectory, runSluice, type Server } from '../support/server.ts'
import { type Installation } from './installation.ts'

export interface Configured {
  /** Its name has no spaces, which some agents do not read in paths. */
  directory: string
  file: string
  /** For the environment of the agent. */
  password: string
}

/** Writes the configuration of an agent to a file, in a directory for what it needs. */
export async function configureAgent(
  server: Server,
  agent: string,
  logstore: string,
  { isSecretWritten = false } = {},
): Promise<Configured> {
  await server.createLogstore(logstore)
  const project = logstore.split('/')[0]!
  const password = await server.createKey(project)
  const [id, secret] = password.split('#') as [string, string]
  const options = ['--host', 'localhost', '--key', id, '--data', server.data, ...(isSecretWritten ? ['--secret-stdin'] : [])]
  const printed = await runSluice(['agent-config', agent, logstore, ...options], { directory: server.directory, input: secret })
  assert.equal(printed.code, 0, printed.stderr)
  const directory = await makeDirectory('sluice-agent-')
  const file = join(directory, 'printed')
  for (const path of ['var/spool/rsyslog', 'var/lib/syslog-ng']) mkdirSync(join(directory, path), { recursive: true })
  writeFileSync(file, printed.stdout.replaceAll('"/var/', `"${directory}/var/`))
  return { directory, file, password }
}

export class AgentProcess {
  readonly #child: ChildProcess
  #printed = ''

  constructor({ program, env }: Installation, args: readonly string[], options: { directory: string; password?: string }) {
    const { directory, password } = options
    this.#child = spawn(program, args, {
      cwd: directory,
      env: { ...env, ...(password !== undefined && { SLUICE_PASSWORD: password }) },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const keep = (chunk: Buffer) => (this.#printed = (this.#printed + chunk.toString()).slice(-20_000))
    this.#child.stdout?.on('data', keep)
    this.#child.stderr?.on('data', keep)
  }

  /** The end of what it has printed. */
  get printed(): string {
    return this.#printed
  }

  /** Ends it in order, or by force when it takes too long. */
  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const ended = once(this.#child, 'exit')
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 20_000)
    this.#child.kill('SIGTERM')
    await ended
    clearTimeout(timer)
  }
}

/** The lines that agents are given: with quotes, backslashes, tabs and other scripts, each one of a kind. */
export function makeLines(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, index) => `line ${from + index} "quoted" C:\\path\tGrüße aus Köln, 你好`)
}

/** The logs of a logstore as the JSON that agents sent. */
export async function readDocuments(server: Server, logstore: string): Promise<Record<string, unknown>[]> {
  const rows = await server.query<{ content: string; _error: string }>(logstore, 'SELECT content, _error FROM log')
  assert.deepEqual([...new Set(rows.map(row => row._error))], [''])
  return rows.map(({ content }) => JSON.parse(content) as Record<string, unknown>)
}
