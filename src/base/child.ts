/**
 * A child process that is watched: started again when it ends, with back-off, and stopped in an orderly way.
 *
 * The two sides talk in lines of JSON, over the child's standard input and output. The open standard input is also the child's
 * lease: when it ends (`stop`, or the parent's death, however it came) the child ends by itself. What must stay true: no child
 * outlives its parent by more than `endDeadlineMs`, and none is started after `stop`.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import type { Log } from './log.ts'

export interface ChildOptions<FromChild> {
  /** What the log calls it. */
  name: string
  /** The compiled module that the child runs; it calls `runAsChild`. */
  entry: URL
  log: Log
  /** A process was started; the place to send it what it must know, for it knows nothing of its predecessor. */
  onStart?: () => void
  onMessage?: (message: FromChild) => void
  /** A line that the child wrote and that is no message. If absent, standard error is our own and other lines are dropped. */
  onOutput?: (line: string) => void
  /** The process has ended, or could not be started: why, as half a sentence. Called before the next one is started. */
  onEnd?: (reason: string) => void
  /** How long to wait before the first restart in a row; doubled each time up to `maxBackoffMs`. */
  minBackoffMs?: number
  maxBackoffMs?: number
  /** A process that ran for so long had started well: the back-off begins anew. */
  steadyMs?: number
  /** How long `stop` lets the child end by itself before it sends SIGTERM, and SIGKILL two seconds later. */
  stopTimeoutMs?: number
}

/**
 * How much may wait to be read by the child. Messages are small, so one that is behind by so much does not read at all; it is
 * killed, as its successor will be told everything anew.
 */
const maxUnreadBytes = 16 * 1024 * 1024

const termTimeoutMs = 2_000

export class Child<ToChild, FromChild> {
  readonly #options: Required<Pick<ChildOptions<FromChild>, 'minBackoffMs' | 'maxBackoffMs' | 'steadyMs' | 'stopTimeoutMs'>> &
    ChildOptions<FromChild>
  /** The running process; undefined before the start, between two processes and after the end. */
  #process: ChildProcess | undefined
  /** Resolves when the running process has ended. */
  #ended: Promise<void> = Promise.resolve()
  /** Set between two processes only. */
  #restartTimer: NodeJS.Timeout | undefined
  /** The wait before the next restart, unless the running process turns out steady. */
  #backoffMs: number
  /** Set by the first `stop`; from then on no process is started. */
  #stopping: Promise<void> | undefined

  constructor(options: ChildOptions<FromChild>) {
    this.#options = { minBackoffMs: 100, maxBackoffMs: 10_000, steadyMs: 30_000, stopTimeoutMs: 10_000, ...options }
    this.#backoffMs = this.#options.minBackoffMs
  }

  /** The process id, undefined while no process runs. */
  get pid(): number | undefined {
    return this.#process?.pid
  }

  start(): void {
    if (this.#process !== undefined || this.#stopping !== undefined) return
    const { name, entry, log, onStart, onOutput } = this.#options
    const startedAt = performance.now()
    const started = spawn(process.execPath, [fileURLToPath(entry)], {
      stdio: ['pipe', 'pipe', onOutput === undefined ? 'inherit' : 'pipe'],
      // A process group of its own: Ctrl-C in the terminal is for the parent, which stops its children when it is ready to.
      detached: true,
    })
    this.#process = started
    this.#ended = new Promise(resolve => {
      let hasEnded = false
      const end = (reason: string) => {
        // A process that could not be started may report both an error and a close.
        if (hasEnded) return
        hasEnded = true
        this.#handleEnd(reason, performance.now() - startedAt)
        resolve()
      }
      started.once('error', error => end(`could not be started: ${error.message}`))
      // Not 'exit': what the process wrote last is read by now.
      started.once('close', (code, signal) => end(signal === null ? `exited with code ${code}` : `was ended by ${signal}`))
    })
    if (started.pid === undefined) return
    log.debug({ child: name, childPid: started.pid }, 'child process started')
    this.#listen(started)
    onStart?.()
  }

  /** Sends a message to the running process; without one the message is dropped, for `onStart` tells the next one everything. */
  send(message: ToChild): void {
    const stdin = this.#process?.stdin
    if (stdin == null || !stdin.writable) return
    stdin.write(`${JSON.stringify(message)}\n`)
    if (stdin.writableLength > maxUnreadBytes) this.kill()
  }

  /** Ends the running process at once; another is started as after any end. */
  kill(): void {
    this.#process?.kill('SIGKILL')
  }

  /** Ends the process: its standard input first, signals later. Resolves when it is gone and no other will be started. */
  stop(): Promise<void> {
    return (this.#stopping ??= this.#stop())
  }

  async #stop(): Promise<void> {
    clearTimeout(this.#restartTimer)
    const stopped = this.#process
    if (stopped === undefined) return
    stopped.stdin?.end()
    if (await settlesWithin(this.#ended, this.#options.stopTimeoutMs)) return
    this.#options.log.warn({ child: this.#options.name }, 'the child process does not end when asked to, and is terminated')
    stopped.kill('SIGTERM')
    if (await settlesWithin(this.#ended, termTimeoutMs)) return
    stopped.kill('SIGKILL')
    await this.#ended
  }

  #listen({ stdin, stdout, stderr }: ChildProcess): void {
    const { onMessage, onOutput } = this.#options
    // Writing to a process that has just ended fails; its end is reported anyway.
    stdin?.on('error', () => {})
    if (stdout !== null)
      createInterface({ input: stdout }).on('line', line => {
        const message = parseMessage<FromChild>(line)
        if (message === undefined) onOutput?.(line)
        else onMessage?.(message)
      })
    if (stderr !== null) createInterface({ input: stderr }).on('line', line => onOutput?.(line))
  }

  #handleEnd(reason: string, ranMs: number): void {
    const { name, log, onEnd, minBackoffMs, maxBackoffMs, steadyMs } = this.#options
    this.#process = undefined
    onEnd?.(reason)
    if (this.#stopping !== undefined) return
    const waitMs = ranMs >= steadyMs ? minBackoffMs : this.#backoffMs
    this.#backoffMs = Math.min(2 * waitMs, maxBackoffMs)
    log.warn({ child: name, reason, restartInMs: waitMs }, 'the child process ended and is started again')
    this.#restartTimer = setTimeout(() => this.start(), waitMs)
  }
}

export interface RunAsChildOptions<ToChild> {
  /** A message of the parent, in the order they were sent. */
  onMessage: (message: ToChild) => void
  /** The parent wants this process to end, or is dead. Called once; then the process has `endDeadlineMs` to exit. */
  onEnd: () => void
  /** How long after the end of standard input this process kills itself. */
  endDeadlineMs?: number
}

/** The child's side: reads the parent's messages from standard input, and gives what sends messages to the parent. */
export function runAsChild<ToChild, FromChild>({
  onMessage,
  onEnd,
  endDeadlineMs = 9_000,
}: RunAsChildOptions<ToChild>): (message: FromChild) => void {
  const stdin: Readable = process.stdin
  const stdout: Writable = process.stdout
  const lines = createInterface({ input: stdin })
  lines.on('line', line => onMessage(JSON.parse(line) as ToChild))
  lines.once('close', () => {
    // A signal rather than an exit: native threads must not get a say in it.
    setTimeout(() => process.kill(process.pid, 'SIGKILL'), endDeadlineMs).unref()
    onEnd()
  })
  // A dead parent reads nothing; that it is dead is told by standard input.
  stdin.on('error', () => {})
  stdout.on('error', () => {})
  return message => void stdout.write(`${JSON.stringify(message)}\n`)
}

function parseMessage<Message>(line: string): Message | undefined {
  try {
    return JSON.parse(line) as Message
  } catch {
    return undefined
  }
}

/** True if the promise settles in time. */
async function settlesWithin(promise: Promise<void>, timeoutMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const timeout = new Promise<false>(resolve => {
    timer = setTimeout(() => resolve(false), timeoutMs)
  })
  try {
    return await Promise.race([promise.then(() => true), timeout])
  } finally {
    clearTimeout(timer)
  }
}
