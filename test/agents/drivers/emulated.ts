/**
 * Agents that cannot be had from a registry, made of their Kafka client and of what they do with it: a program sends what it reads
 * from its standard input, a record a line, as the output of the agent does with its settings.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { makeLines } from '../configured.ts'
import { type Row, type RunningAgent } from '../agent-under-test.ts'

export interface Emulation {
  command: string
  args: readonly string[]
  directory: string
  /** The first line that the program reads. */
  job: object
  /** The agent's codec: the record that becomes of a line of a log file. */
  encode: (line: string, time: Date) => string
  /** Where the codec has the line, and its time. */
  fields: { message: string; time: string }
}

/** Longer than a client needs to connect again; a program that cannot send what it has does not end. */
const STOP_MS = 30_000
const PRINTED_BYTES = 20_000

export function startEmulated({ command, args, directory, job, encode, fields }: Emulation): RunningAgent {
  const child = spawn(command, args, {
    cwd: directory,
    // The sources stay free of compiled files.
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  let printed = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (words: string) => (printed = (printed + words).slice(-PRINTED_BYTES)))
  child.stdin.on('error', () => {})
  child.stdin.write(`${JSON.stringify(job)}\n`)

  function write(lines: readonly string[]): Promise<void> {
    child.stdin.write(lines.map(line => `${encode(line, new Date())}\n`).join(''))
    return Promise.resolve()
  }

  function read(row: Row): { message: string; time: string } {
    const document = JSON.parse(row.content) as Record<string, unknown>
    return { message: String(document[fields.message]), time: String(document[fields.time]) }
  }

  return {
    put: (from, to) => write(makeLines(from, to)),
    putLarge: bytes => write(['x'.repeat(bytes)]),
    numberOf(row) {
      const found = /^line (\d+) /.exec(read(row).message)
      return found === null ? undefined : Number(found[1])
    },
    assertSame(row, n) {
      const [line] = makeLines(n, n + 1)
      assert.equal(row._error, '')
      assert.equal(row.content, encode(line!, new Date(read(row).time)))
    },
    get printed() {
      return printed
    },
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return
      const ended = once(child, 'close')
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
      child.stdin.end()
      await ended
      clearTimeout(timer)
    },
  }
}

/** Puts the variables of the environment where a configuration names them: `${NAME}`. */
export function expandVariables(text: string, variables: Readonly<Record<string, string>>): string {
  return text.replace(/\$\{(\w+)\}/g, (_, name: string) => {
    assert(name in variables, `nobody sets ${name}`)
    return variables[name]!
  })
}

/** Fails where a configuration has settings that the agent does not know, or that are not emulated. */
export function assertKnown(settings: object, known: readonly string[]): void {
  assert.deepEqual(
    Object.keys(settings).filter(name => !known.includes(name)),
    [],
  )
}
