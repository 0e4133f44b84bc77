/** The process of an agent. None outlives the tests, also when they fail or are interrupted. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'

/** Longer than agents take to send what they have, where there is a server that takes it. */
const STOP_MS = 20_000

const running = new Set<ChildProcess>()

function killAll(): void {
  for (const child of running) child.kill('SIGKILL')
}

globalThis.after?.(killAll)
process.on('exit', killAll)

export class AgentProcess {
  readonly #child: ChildProcess
  #printed = ''

  /** `hasInput`: it is given its records by `write`, and ends at the end of them. */
  constructor(
    { program, env }: { program: string; env?: NodeJS.ProcessEnv },
    args: readonly string[],
    { directory, password, hasInput = false }: { directory: string; password?: string; hasInput?: boolean },
  ) {
    const child = spawn(program, args, {
      cwd: directory,
      env: { ...(env ?? process.env), ...(password !== undefined && { SLUICE_PASSWORD: password }) },
      stdio: [hasInput ? 'pipe' : 'ignore', 'pipe', 'pipe'],
    })
    this.#child = child
    running.add(child)
    child.once('exit', () => running.delete(child))
    child.once('error', error => {
      running.delete(child)
      this.#printed += error.message
    })
    const keep = (chunk: Buffer) => (this.#printed = (this.#printed + chunk.toString()).slice(-200_000))
    child.stdout?.on('data', keep)
    child.stderr?.on('data', keep)
    // Of a process that has ended; what becomes of the records shows that.
    child.stdin?.on('error', () => {})
  }

  /** The end of what it has printed. */
  get printed(): string {
    return this.#printed
  }

  get isRunning(): boolean {
    return running.has(this.#child)
  }

  /** Writes to its standard input; resolves when that has it, or when the process has ended. */
  async write(text: string): Promise<void> {
    const { stdin } = this.#child
    if (!this.isRunning || stdin === null) return
    await new Promise<void>(resolve => {
      this.#child.once('exit', () => resolve())
      stdin.write(text, () => resolve())
    })
  }

  /** Ends it in order, or by force when it takes too long. */
  async stop(): Promise<void> {
    if (!this.isRunning) return
    const ended = once(this.#child, 'exit')
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_MS)
    if (this.#child.stdin === null) this.#child.kill('SIGTERM')
    else this.#child.stdin.end()
    await ended
    clearTimeout(timer)
  }
}
