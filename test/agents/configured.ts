/**
 * What an agent is set up with: what `sluice agent-config` prints, unchanged but for the directories of the machine, which are in the
 * temporary one.
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeDirectory, runSluice, type Server } from '../support/server.ts'
import type { AgentUnderTest, Setup } from './agent-under-test.ts'

export { AgentProcess } from './agent-process.ts'

/** The project of all logstores. */
export const PROJECT = 'demo'

/** The settings of a server that agents without TLS come to as well. */
export const listeners = { trusted: [{ name: 'trusted', port: 0, project: PROJECT, accessKeyId: 'trusted' }] }

/** What an agent is called where it is named: `telegraf-influx`. */
export function idOf({ name, variant }: Pick<AgentUnderTest, 'name' | 'variant'>): string {
  return variant === undefined ? name : `${name}-${variant}`
}

/** Makes a logstore and an access key, and writes the configuration of the agent to a file in a directory of its own. */
export async function configureAgent(
  server: Server,
  name: string,
  logstore: string,
  { isSecretWritten = false, isTrusted = false, isLibrary = false, format }: Partial<AgentUnderTest> = {},
): Promise<Setup> {
  await server.createLogstore(`${PROJECT}/${logstore}`)
  if (format !== undefined)
    await server.control('PATCH', `/v1/projects/${PROJECT}/logstores/${logstore}`, { format: { name: format } })
  const password = isTrusted ? await findTrustedKey(server) : await server.createKey(PROJECT)
  const directory = await makeDirectory('sluice-agent-')
  const printed = join(directory, 'printed')
  const setup = { directory, printed, password, logstore }
  if (isLibrary) {
    const access = { broker: `localhost:${server.port()}`, ca: server.ca.toString(), user: PROJECT }
    writeFileSync(printed, JSON.stringify(access))
    return setup
  }
  const [id, secret] = password.split('#') as [string, string]
  const login = ['--host', 'localhost', '--key', id, ...(isSecretWritten ? ['--secret-stdin'] : [])]
  const options = [...(isTrusted ? ['--listener', 'trusted'] : login), '--config', server.configFile, '--data', server.data]
  const args = ['agent-config', name, `${PROJECT}/${logstore}`, ...options]
  const { code, stdout, stderr } = await runSluice(args, { directory: server.directory, input: secret })
  assert.equal(code, 0, stderr)
  writeFileSync(printed, stdout.replaceAll('"/var/', `"${directory}/var/`))
  return setup
}

/** The key of the trusted listener, which all its clients share. */
async function findTrustedKey(server: Server): Promise<string> {
  const [id, secret] = ['trusted', 'secret-of-the-trusted-listener']
  const keys = await server.control<{ id: string }[]>('GET', `/v1/projects/${PROJECT}/keys`)
  return keys.some(key => key.id === id) ? `${id}#${secret}` : server.createKey(PROJECT, { id, secret })
}

/** The lines that agents are given: with quotes, backslashes, tabs and other scripts, each one of a kind. */
export function makeLines(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, index) => `line ${from + index} "quoted" C:\\path\tGrüße aus Köln, 你好`)
}

/** The number of such a line; undefined if it is none. */
export function numberOfLine(line: unknown): number | undefined {
  const found = /^line (\d+) /.exec(String(line))
  return found === null ? undefined : Number(found[1])
}

/** A line of so many bytes that no codec makes smaller than the server's limit. */
export function makeLargeLine(bytes: number): string {
  return randomBytes(Math.ceil((bytes * 3) / 4))
    .toString('base64')
    .slice(0, bytes)
}
