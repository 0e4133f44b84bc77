/** kcat, and with it librdkafka, which most agents send with that are not written in Java or Go: lines by its standard input. */
import assert from 'node:assert/strict'
import type { AgentUnderTest, Row } from '../agent-under-test.ts'
import { AgentProcess } from '../agent-process.ts'
import { makeLargeLine, makeLines, numberOfLine } from '../configured.ts'
import { install, readVersion, type Installation } from '../installation.ts'

/** kcat reads blocks of 1,024 bytes, and sends the lines of one when it is full. Lines that are empty are none. */
const fill = '\n'.repeat(1024)

export const kcat: AgentUnderTest = {
  name: 'kcat',
  how: 'real',
  isQuick: true,
  isSecretWritten: true,
  async prepare(directory) {
    const installation = await installKcat(directory)
    return {
      version: readVersion(installation, '-V'),
      start({ directory, printed, logstore }) {
        const args = ['-F', printed, '-P', '-E', '-t', logstore]
        const agent = new AgentProcess(installation, args, { directory, hasInput: true })
        const write = (lines: readonly string[]) => agent.write(lines.map(line => `${line}\n`).join('') + fill)
        return Promise.resolve({
          put: (from: number, to: number) => write(makeLines(from, to)),
          putLarge: (bytes: number) => write([makeLargeLine(bytes)]),
          numberOf: ({ content }: Row) => numberOfLine(content),
          assertSame: ({ content }: Row, n: number) => assert.equal(content, makeLines(n, n + 1)[0]),
          get printed() {
            return agent.printed
          },
          stop: () => agent.stop(),
        })
      },
    }
  },
}

export function installKcat(directory: string): Promise<Installation> {
  const elsewhere = 'brew install kcat, or https://github.com/edenhill/kcat'
  return install(directory, { name: 'kcat', program: 'kcat', packages: ['kcat'], elsewhere })
}
