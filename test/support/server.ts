/**
 * A whole server for tests: `sluice serve` as a process of its own, on a temporary directory and free ports.
 *
 * Nothing of it may outlive the tests. Its processes are known by their working directory, which is the temporary directory and
 * which they pass on to their children; what a test leaves running is ended after the last test, or when the process exits.
 * With SLUICE_TEST_LOG set, the servers' log lines are printed as they come.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, readlinkSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { makeCertificates } from '../../certs/development.ts'
import { until } from './wait.ts'

export interface ServerOptions {
  /** Settings as in the configuration file; ports that are not named are free ones. */
  settings?: Record<string, unknown>
  /** The data directory below the temporary one, made with its parents. */
  data?: string
  /** Names that the development certificate is for, beside those of this machine. */
  hosts?: string[]
  /** Variables of the environment, beside those of this process. */
  env?: Record<string, string>
  /** Called with the data directory, which is there and empty, before the server starts for the first time. */
  prepare?: (data: string) => Promise<void>
  /** Where the temporary directory is made, in place of the system's own. */
  parent?: string
  /** The Node that runs the server, in place of this one. */
  node?: string
}

/** How a command ended. */
export interface Outcome {
  code: number | null
  stdout: string
  stderr: string
}

export interface LogLine extends Record<string, unknown> {
  msg?: string
  reason?: string
}

interface ServerInfo {
  pid: number
  listeners: Record<string, { host: string; port: number }>
  http: { host: string; port: number }
  ca: string | null
}

export type Role = 'serve' | 'indexer' | 'engine'

const main = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url))

/** Whether processes can be looked at as these tests do it. */
export const hasProc = process.platform === 'linux'

/** Directories that are in use, for the end. */
const directories = new Set<string>()

/** A temporary directory that is removed after the tests, with all processes that work in it. */
export async function makeDirectory(prefix = 'sluice ', parent = tmpdir()): Promise<string> {
  const directory = realpathSync(await mkdtemp(join(parent, prefix)))
  directories.add(directory)
  return directory
}

export async function removeDirectory(directory: string): Promise<void> {
  for (const { pid } of processesIn(directory)) killNow(pid)
  if (hasProc) await until('the end of all processes', () => processesIn(directory).length === 0)
  await rm(directory, { recursive: true, force: true, maxRetries: 50 })
  directories.delete(directory)
}

// The fuzzer runs without mocha.
globalThis.after?.(async () => {
  for (const directory of directories) await removeDirectory(directory)
})

// Without a handler the process would end with no 'exit'. Mocha has its own for SIGINT.
for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1))

process.on('exit', () => {
  for (const directory of directories) {
    for (const { pid } of processesIn(directory)) killNow(pid)
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 })
  }
})

/** Runs a command of sluice to its end. */
export async function runSluice(
  args: readonly string[],
  { directory, input = '' }: { directory: string; input?: string },
): Promise<Outcome> {
  const child = spawn(process.execPath, [main, ...args], { cwd: directory, stdio: ['pipe', 'pipe', 'pipe'] })
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  const closed = once(child, 'close') as Promise<[number | null]>
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), closed])
  return { code, stdout, stderr }
}

export class Server {
  readonly directory: string
  readonly data: string
  /** What the server and its children have logged, through all restarts. */
  readonly log: LogLine[] = []
  #options: ServerOptions
  #process: ChildProcess | undefined
  #info: ServerInfo | undefined
  #ca = Buffer.alloc(0)

  private constructor(directory: string, options: ServerOptions) {
    this.directory = directory
    this.data = join(directory, options.data ?? 'data')
    this.#options = options
  }

  /** Starts a server; resolves when it takes logs. */
  static async start(options: ServerOptions = {}): Promise<Server> {
    const server = new Server(await makeDirectory('sluice ', options.parent), options)
    await mkdir(dirname(server.data), { recursive: true })
    if (options.prepare !== undefined) {
      await mkdir(server.data)
      await options.prepare(server.data)
    }
    if (options.hosts !== undefined) await makeCertificates({ directory: join(server.data, 'certs'), hosts: options.hosts })
    try {
      await server.#start()
    } catch (error) {
      await removeDirectory(server.directory)
      throw error
    }
    return server
  }

  get isRunning(): boolean {
    return this.#process !== undefined
  }

  get pid(): number {
    return this.#running.pid
  }

  get ca(): Buffer {
    return this.#ca
  }

  get configFile(): string {
    return join(this.directory, 'sluice.yaml')
  }

  get infoFile(): string {
    return join(this.data, 'sluice.json')
  }

  /** The port of a listener by its name, also of a trusted one; or that of the HTTP API. */
  port(listener = 'internet'): number {
    return listener === 'http' ? this.#running.http.port : this.#running.listeners[listener]!.port
  }

  /** The process of a part, undefined while there is none. Linux only. */
  findPid(role: Role): number | undefined {
    return this.processes.find(found => found.role === role)?.pid
  }

  /** All processes that there are of this server, also those that have lost their parent. Linux only. */
  get processes(): { pid: number; role: Role | undefined }[] {
    return processesIn(this.directory)
  }

  /**
   * Sends a signal to the server, or kills another part; resolves when that process is gone, with its exit code. After SIGKILL of the
   * server its children may live on for a moment.
   */
  async kill(signal: NodeJS.Signals = 'SIGKILL', role: Role = 'serve'): Promise<number | null> {
    if (role !== 'serve') {
      const pid = await until(`a running ${role}`, () => this.findPid(role))
      process.kill(pid, signal)
      await until(`the end of the ${role}`, () => this.processes.every(found => found.pid !== pid))
      return null
    }
    const child = this.#process
    if (child === undefined) throw new Error('the server does not run')
    // The children have the server's standard error too, and close it as the last of them ends.
    const ended = once(child, signal === 'SIGKILL' ? 'exit' : 'close') as Promise<[number | null]>
    child.kill(signal)
    const [code] = await ended
    this.#process = undefined
    return code
  }

  /** Sends SIGKILL to all processes of these parts that there are; waits for nothing. Linux only. */
  killNow(roles: readonly Role[]): void {
    for (const { pid, role } of this.processes) if (role !== undefined && roles.includes(role)) killNow(pid)
  }

  /**
   * Starts the server on the same data and ports, after it was killed, or after it was stopped here; with other settings if given.
   * Rejects with what it says if it does not start.
   */
  async restart(settings?: Record<string, unknown>): Promise<void> {
    if (this.#process !== undefined) await this.kill('SIGTERM')
    if (settings !== undefined) this.#options = { ...this.#options, settings }
    await this.#start()
  }

  /** Ends the server in order, and removes its directory. */
  async remove(): Promise<void> {
    if (this.#process !== undefined) await this.kill('SIGTERM')
    await removeDirectory(this.directory)
  }

  /** Ends all processes of the server and leaves its directory where it is, to be looked at after the tests. */
  abandon(): void {
    directories.delete(this.directory)
    for (const { pid } of this.processes) killNow(pid)
    this.#process = undefined
  }

  /** Runs a command on the server's data directory. */
  cli(...args: string[]): Promise<Outcome> {
    return runSluice([...args, '--data', this.data], { directory: this.directory })
  }

  /** As `cli`, but the command has to succeed; what it printed, without the last line break. */
  async run(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.cli(...args)
    if (code !== 0) throw new Error(`sluice ${args.join(' ')} ended with ${code}: ${stderr}`)
    return stdout.trimEnd()
  }

  /** Asks the control socket what a command would ask: a command of its own for each question would take most of the tests' time. */
  async control<Answer = unknown>(method: string, path: string, body?: unknown): Promise<Answer> {
    const answer = await this.#control(method, path, body)
    return (answer === '' ? undefined : JSON.parse(answer)) as Answer
  }

  /** The rows of a query, as `sluice query --json` prints them. */
  async query<Row>(logstore: string, sql: string): Promise<Row[]> {
    const [project, name] = logstore.split('/')
    const lines = await this.#control('POST', `/v1/projects/${project}/logstores/${name}/query`, { sql, format: 'json' })
    return lines
      .split('\n')
      .filter(line => line !== '')
      .map(line => JSON.parse(line) as Row)
  }

  async countRows(logstore: string): Promise<number> {
    const [row] = await this.query<{ rows: number }>(logstore, 'SELECT count() AS rows FROM log')
    return Number(row?.rows ?? 0)
  }

  /** Resolves once a logstore holds as many rows; that it holds more is for the caller to find. */
  async waitForRows(logstore: string, rows: number): Promise<void> {
    let found = 0
    await until(`${rows} rows in ${logstore}`, async () => {
      // While the engine starts again there is no answer.
      found = await this.countRows(logstore).catch(() => found)
      return found >= rows
    }).catch((error: Error) => {
      throw new Error(`${error.message}, ${found} are there`)
    })
  }

  /** Makes a logstore, and its project if it is missing. */
  async createLogstore(logstore: string, options: { shards?: number; region?: string } = {}): Promise<{ id: string }> {
    const [project, name] = logstore.split('/')
    const projects = await this.control<{ name: string }[]>('GET', '/v1/projects')
    if (!projects.some(found => found.name === project))
      await this.control('POST', '/v1/projects', { name: project, region: options.region })
    return this.control('POST', `/v1/projects/${project}/logstores`, { name, shards: options.shards })
  }

  /** Makes an access key; the password of who uses it. */
  async createKey(project: string, key: { id?: string; secret?: string; logstores?: string[] } = {}): Promise<string> {
    const made = await this.control<{ accessKeyId: string; accessKeySecret: string }>('POST', `/v1/projects/${project}/keys`, key)
    return `${made.accessKeyId}#${made.accessKeySecret}`
  }

  /** Gets a page of the HTTP port. */
  async get(path: string): Promise<{ status: number; text: string }> {
    const answer = await fetch(`http://127.0.0.1:${this.port('http')}${path}`)
    return { status: answer.status, text: await answer.text() }
  }

  async whenReady(): Promise<void> {
    await until('a server that is ready', async () => (await this.get('/readyz')).status === 200)
  }

  get #running(): ServerInfo {
    if (this.#info === undefined) throw new Error('the server has not started')
    return this.#info
  }

  async #start(): Promise<void> {
    // Nothing is waited for before there is a process: whoever calls may want to kill it.
    writeFileSync(this.configFile, JSON.stringify(this.#settings()))
    const args = [main, 'serve', '--config', this.configFile, '--data', this.data]
    const env = { ...process.env, ...this.#options.env }
    const { node = process.execPath } = this.#options
    const child = spawn(node, args, { cwd: this.directory, env, stdio: ['ignore', 'ignore', 'pipe'] })
    this.#process = child
    const other: string[] = []
    const lines = createInterface({ input: child.stderr }).on('line', line => {
      if (process.env['SLUICE_TEST_LOG'] !== undefined) process.stderr.write(`${line}\n`)
      try {
        this.log.push(JSON.parse(line) as LogLine)
      } catch {
        other.push(line)
      }
    })
    const read = once(lines, 'close')
    const info = await until('a server that takes logs', async () => {
      // A server that ended by itself has ended its children too; what it said is there to its last line.
      if (child.exitCode !== null) await read
      const ending = child.exitCode ?? child.signalCode
      if (ending !== null) return new Error(`the server ended with ${ending}: ${other.join('\n')}`)
      const found = await readFile(this.infoFile, 'utf8').catch(() => undefined)
      if (found === undefined) return undefined
      const parsed = JSON.parse(found) as ServerInfo
      // Another process id is that of a server that was killed.
      return parsed.pid === child.pid ? parsed : undefined
    })
    if (info instanceof Error) {
      this.#process = undefined
      throw info
    }
    this.#info = info
    if (info.ca !== null) this.#ca = await readFile(info.ca)
  }

  /** Ports stay what they were at the first start, as those of a server in use do. */
  #settings(): Record<string, unknown> {
    const { listeners = {}, ...settings } = (this.#options.settings ?? {}) as { listeners?: Record<string, object> }
    const port = (name: 'internet' | 'intranet' | 'http') => (this.#info === undefined ? 0 : this.port(name))
    const { trusted } = listeners as { trusted?: { name: string; port: number }[] }
    const keepPort = (one: { name: string; port: number }) => ({
      ...one,
      port: this.#info?.listeners[one.name]?.port ?? one.port,
    })
    return {
      http: { port: port('http') },
      ...settings,
      listeners: {
        ...listeners,
        ...(trusted !== undefined && { trusted: trusted.map(keepPort) }),
        internet: { port: port('internet'), ...listeners.internet },
        intranet: { port: port('intranet'), ...listeners.intranet },
      },
    }
  }

  #control(method: string, path: string, body?: unknown): Promise<string> {
    return new Promise((resolve, reject) => {
      const payload = body === undefined ? undefined : JSON.stringify(body)
      const headers = payload === undefined ? {} : { 'content-type': 'application/json' }
      const sent = request({ socketPath: join(this.data, 'sluice.sock'), method, path, headers }, answer => {
        text(answer).then(content => {
          if (answer.statusCode! < 400) resolve(content)
          else reject(new Error(`${method} ${path}: ${content}`))
        }, reject)
      })
      sent.on('error', reject)
      sent.end(payload)
    })
  }
}

function processesIn(directory: string): { pid: number; role: Role | undefined }[] {
  if (!hasProc) return []
  const found: { pid: number; role: Role | undefined }[] = []
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    try {
      if (readlinkSync(`/proc/${name}/cwd`) !== directory) continue
      found.push({ pid: Number(name), role: roleOf(readFileSync(`/proc/${name}/cmdline`, 'latin1')) })
    } catch {
      // It has ended.
    }
  }
  return found
}

function roleOf(command: string): Role | undefined {
  if (command.startsWith('sluice engine')) return 'engine'
  if (command.includes('indexing/main.js')) return 'indexer'
  return command.includes('\0serve\0') ? 'serve' : undefined
}

function killNow(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended.
  }
}
