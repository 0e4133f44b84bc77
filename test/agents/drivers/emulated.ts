/**
 * Agents that cannot be had from a registry, made of their Kafka client and of what they do with it: a program sends what it reads
 * from its standard input, a record a line, as the output of the agent does with its settings.
 */
import assert from 'node:assert/strict'
import { AgentProcess } from '../agent-process.ts'
import type { Row, RunningAgent } from '../agent-under-test.ts'
import { makeLargeLine, makeLines, numberOfLine } from '../configured.ts'

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

export async function startEmulated({ command, args, directory, job, encode, fields }: Emulation): Promise<RunningAgent> {
  // The sources stay free of compiled files.
  const env = { ...process.env, PYTHONDONTWRITEBYTECODE: '1' }
  const agent = new AgentProcess({ program: command, env }, args, { directory, hasInput: true })
  const write = (lines: readonly string[]) => agent.write(lines.map(line => `${encode(line, new Date())}\n`).join(''))
  const parse = ({ content }: Row) => JSON.parse(content) as Record<string, unknown>
  await agent.write(`${JSON.stringify(job)}\n`)
  return {
    put: (from, to) => write(makeLines(from, to)),
    putLarge: bytes => write([makeLargeLine(bytes)]),
    numberOf: row => numberOfLine(parse(row)[fields.message]),
    assertSame(row, n) {
      const time = new Date(String(parse(row)[fields.time]))
      assert.deepEqual([row.content, row._error], [encode(makeLines(n, n + 1)[0]!, time), ''])
    },
    get printed() {
      return agent.printed
    },
    stop: () => agent.stop(),
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
