/**
 * The embedded ClickHouse: a child process with a server of its own, its files in the data directory.
 *
 *     DIRECTORY/            mode 0700
 *       config.xml          settings, written at each start
 *       users.xml           users with the hashes of their passwords, mode 0600, written at each start
 *       data/               ClickHouse's own
 *       engine.log          what the engine has to say; at most three files of 10 MB
 *
 * Passwords are made anew for each `Engine` and are kept in memory only. What must stay true: a crash, a leak or a kill of the
 * engine costs freshness of search and nothing else; it is started again and the new address is told to `onConnection`.
 */
import { randomBytes } from 'node:crypto'
import { chmod, mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Child } from '../base/child.ts'
import { type SluiceError, sluiceError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import type { StoreConnection } from './connection.ts'
import { formatEngineConfig, formatEngineUsers, type EngineUsers } from './engine-config.ts'
// Only the types: an import that is left in the JavaScript would run the engine in this process.
import type { FromEngine, ToEngine } from './engine-main.ts'

export interface EngineOptions {
  /** Where the engine keeps its files; made if it is missing. */
  directory: string
  /** Memory for queries, merges and caches, in bytes; at least 100 MB. */
  memoryBytes?: number
  log: Log
  /** Where the engine answers from now on, or undefined from the moment it ended. */
  onConnection?: (connection: StoreConnection | undefined) => void
  /** How long the start waits for an engine that a killed predecessor left behind, which ends by itself. */
  lockTimeoutMs?: number
}

export type EngineState =
  | { name: 'stopped' }
  | { name: 'starting' }
  | { name: 'ready' }
  /** It ended and will be started again. */
  | { name: 'down'; reason: string }

/** How many of the engine's last lines are kept to find its own words in. */
const keptLines = 20

/** Reasons that pass: a predecessor that is about to end, a port that somebody else took between the search and the start. */
const passingReason = /Another server instance|Address already in use/

export class Engine {
  readonly #options: EngineOptions
  readonly #users: EngineUsers = {
    username: 'sluice',
    password: randomBytes(24).toString('base64url'),
    queryUsername: 'sluice_query',
    queryPassword: randomBytes(24).toString('base64url'),
  }
  readonly #child: Child<ToEngine, FromEngine>
  #state: EngineState = { name: 'stopped' }
  /** Set exactly while the state is ready. */
  #connection: StoreConnection | undefined
  /** The last lines that the running process wrote. */
  #lines: string[] = []
  /** The caller of `start`, until the engine was ready for the first time or gave up. */
  #starting: { resolve: (connection: StoreConnection) => void; reject: (error: Error) => void; deadline: number } | undefined

  constructor(options: EngineOptions) {
    this.#options = options
    this.#child = new Child<ToEngine, FromEngine>({
      name: 'engine',
      entry: new URL('./engine-main.js', import.meta.url),
      log: options.log,
      onStart: () => this.#handleStart(),
      onMessage: ({ url }) => this.#handleReady(url),
      onOutput: line => this.#handleOutput(line),
      onEnd: reason => this.#handleEnd(reason),
    })
  }

  get state(): EngineState {
    return this.#state
  }

  /** Where it answers; undefined unless it is ready. */
  get connection(): StoreConnection | undefined {
    return this.#connection
  }

  /** The engine's process, undefined while none runs. */
  get pid(): number | undefined {
    return this.#child.pid
  }

  /** Starts the engine and resolves when it answers; rejects with ENGINE_FAILED, and stays stopped, if it ends before. */
  async start(): Promise<StoreConnection> {
    await this.#writeFiles().catch((error: Error) => {
      throw this.#failure(error.message, error)
    })
    const { promise, resolve, reject } = withResolvers<StoreConnection>()
    this.#starting = { resolve, reject, deadline: performance.now() + (this.#options.lockTimeoutMs ?? 12_000) }
    this.#child.start()
    return promise
  }

  /** Stops the engine in an orderly way; requests under way are given two seconds. It cannot be started again. */
  async stop(): Promise<void> {
    await this.#child.stop()
    this.#state = { name: 'stopped' }
  }

  async #writeFiles(): Promise<void> {
    const { directory, memoryBytes = 400_000_000 } = this.#options
    // The engine says nothing if it cannot make its own directory.
    await mkdir(join(directory, 'data'), { recursive: true, mode: 0o700 })
    await chmod(directory, 0o700)
    const usersFile = join(directory, 'users.xml')
    const config = formatEngineConfig({ memoryBytes, usersFile, logFile: join(directory, 'engine.log') })
    await writePrivate(join(directory, 'config.xml'), config)
    await writePrivate(usersFile, formatEngineUsers(this.#users, memoryBytes))
  }

  #handleStart(): void {
    const { directory } = this.#options
    const { username, password } = this.#users
    this.#state = { name: 'starting' }
    this.#lines = []
    this.#child.send({ dataDirectory: join(directory, 'data'), configFile: join(directory, 'config.xml'), username, password })
  }

  #handleReady(url: string): void {
    this.#state = { name: 'ready' }
    this.#connection = { url, ...this.#users }
    this.#options.onConnection?.(this.#connection)
    this.#starting?.resolve(this.#connection)
    this.#starting = undefined
  }

  #handleOutput(line: string): void {
    this.#lines.push(line)
    if (this.#lines.length > keptLines) this.#lines.shift()
  }

  #handleEnd(end: string): void {
    const reason = findProblem(this.#lines) ?? `it ${end}`
    this.#state = { name: 'down', reason }
    if (this.#connection !== undefined) {
      this.#connection = undefined
      this.#options.onConnection?.(undefined)
    }
    if (this.#starting === undefined) return
    if (passingReason.test(reason) && performance.now() < this.#starting.deadline) return
    const { reject } = this.#starting
    this.#starting = undefined
    void this.stop().then(() => reject(this.#failure(reason)))
  }

  #failure(problem: string, cause?: unknown): SluiceError {
    return sluiceError('ENGINE_FAILED', { problem, log: join(this.#options.directory, 'engine.log') }, cause)
  }
}

/** The engine's own words among its last lines, without the code before them. */
function findProblem(lines: string[]): string | undefined {
  const line = lines.findLast(line => line.includes('Exception: '))
  return line?.slice(line.lastIndexOf('Exception: ') + 'Exception: '.length).trim()
}

/** Writes a file that only its owner may read, whatever the mode of one that was there. */
async function writePrivate(path: string, content: string): Promise<void> {
  await rm(path, { force: true })
  await writeFile(path, content, { mode: 0o600 })
}

function withResolvers<Value>() {
  let resolve!: (value: Value) => void
  let reject!: (error: Error) => void
  const promise = new Promise<Value>((onResolve, onReject) => {
    resolve = onResolve
    reject = onReject
  })
  return { promise, resolve, reject }
}
