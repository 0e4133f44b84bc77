/**
 * kcat, and with it librdkafka, which most agents send with that are not written in Java or Go: codecs, idempotence, metadata, and
 * what it is told when it is refused.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { Server } from '../support/server.ts'
import { cacheDirectory } from './chosen.ts'
import { installKcat } from './drivers/kcat.ts'
import type { Installation } from './installation.ts'

interface Outcome {
  code: number | null
  stdout: string
  stderr: string
}

describe('kcat', () => {
  let server: Server
  let password: string
  let logstores = 0
  let installation: Installation

  before(async function () {
    try {
      installation = await installKcat(cacheDirectory())
    } catch (error) {
      process.stdout.write(`    skipped: ${(error as Error).message}\n`)
      this.skip()
    }
    server = await Server.start()
    await server.createLogstore('demo/first')
    password = await server.createKey('demo')
    await writeFile(join(server.directory, 'ca.pem'), server.ca)
    await server.whenReady()
  })

  after(() => server?.remove())

  /** Runs kcat as the access key of project "demo"; `settings` go over those of the login. */
  async function kcat(args: string[], settings: Record<string, string> = {}): Promise<Outcome> {
    const properties = {
      'security.protocol': 'SASL_SSL',
      'ssl.ca.location': join(server.directory, 'ca.pem'),
      'sasl.mechanism': 'PLAIN',
      'sasl.username': 'demo',
      'sasl.password': password,
      // So that what cannot be delivered is given up before the test is.
      ...(args.includes('-P') && { 'message.timeout.ms': '15000' }),
      ...settings,
    }
    const options = Object.entries(properties).flatMap(([name, value]) => ['-X', `${name}=${value}`])
    return run(['-b', `localhost:${server.port()}`, ...options, ...args])
  }

  async function run(args: string[]): Promise<Outcome> {
    const { program, env } = installation
    const child = spawn(program, args, {
      cwd: server.directory,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    // A kcat that hangs, or complains without end, is to be a test that fails and not a process that is left.
    const timer = setTimeout(() => child.kill('SIGKILL'), 60_000)
    let complaintBytes = 0
    child.stderr.on('data', (chunk: Buffer) => (complaintBytes += chunk.length) > 1_000_000 && child.kill('SIGKILL'))
    const closed = once(child, 'close') as Promise<[number | null]>
    const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), closed])
    clearTimeout(timer)
    return { code, stdout, stderr }
  }

  async function makeLogstore(): Promise<string> {
    const name = `sent-${++logstores}`
    await server.createLogstore(`demo/${name}`)
    return name
  }

  /** Lines as they come in files: JSON, plain text, other scripts, spaces at the end, a long one. */
  async function writeLines(): Promise<{ file: string; lines: string[] }> {
    const lines = Array.from({ length: 2000 }, (_, index) =>
      JSON.stringify({ level: index % 7 === 0 ? 'warn' : 'info', message: `line ${index}`, index }),
    )
    lines.push(
      'plain text, "quoted" \\ and with a tab\there',
      'Grüße aus Köln, 你好, 🙂',
      'spaces at the end   ',
      'x'.repeat(100_000),
    )
    const file = join(server.directory, 'lines.log')
    await writeFile(file, `${lines.join('\n')}\n`)
    return { file, lines }
  }

  async function assertStored(logstore: string, lines: string[]): Promise<void> {
    await server.waitForRows(`demo/${logstore}`, lines.length)
    const rows = await server.query<{ bytes: string; _client: string; _error: string }>(
      `demo/${logstore}`,
      'SELECT hex(content) AS bytes, _client, _error FROM log ORDER BY _entry, _offset',
    )
    const stored = rows.map(({ bytes }) => Buffer.from(bytes, 'hex').toString())
    // Two partitions are two streams: between them there is no order.
    assert.deepEqual(stored.sort(), [...lines].sort())
    assert.deepEqual([...new Set(rows.map(row => `${row._client} ${row._error}`))], ['rdkafka '])
  }

  for (const codec of ['none', 'gzip', 'snappy', 'lz4', 'zstd'])
    for (const idempotent of [false, true])
      it(`sends a file with codec ${codec}${idempotent ? ' and idempotence' : ''}, every line byte for byte`, async function () {
        const logstore = await makeLogstore()
        const { file, lines } = await writeLines()
        const settings = { 'enable.idempotence': String(idempotent), 'compression.codec': codec }
        const { code, stderr } = await kcat(['-P', '-t', logstore, '-l', file], settings)
        // How librdkafka was built decides.
        if (/Unsupported compression|not available|not built/i.test(stderr)) this.skip()
        assert.equal(code, 0, stderr)
        await assertStored(logstore, lines)
      })

  it('sends in order to one partition', async () => {
    const logstore = await makeLogstore()
    const { file, lines } = await writeLines()
    const { code, stderr } = await kcat(['-P', '-t', logstore, '-p', '1', '-l', file], { 'enable.idempotence': 'true' })
    assert.equal(code, 0, stderr)
    await server.waitForRows(`demo/${logstore}`, lines.length)
    const rows = await server.query<{ content: string }>(`demo/${logstore}`, 'SELECT content FROM log ORDER BY _entry, _offset')
    assert.deepEqual(
      rows.map(({ content }) => content),
      lines,
    )
  })

  it('lists one broker, where it came to, and the logstores it may write to', async () => {
    await server.createLogstore('other/hidden')
    const { code, stdout, stderr } = await kcat(['-L', '-J'])
    assert.equal(code, 0, stderr)
    const { brokers, topics } = JSON.parse(stdout) as {
      brokers: { name: string }[]
      topics: { topic: string; partitions: object[] }[]
    }
    assert.deepEqual(
      brokers.map(({ name }) => name),
      [`localhost:${server.port()}`],
    )
    const names = topics.map(({ topic }) => topic)
    assert(names.includes('first') && !names.includes('hidden'), names.join())
    assert.equal(topics.find(({ topic }) => topic === 'first')?.partitions.length, 2)
  })

  it('is told that a wrong password may not write', async () => {
    const { file } = await writeLines()
    const { code, stderr } = await kcat(['-P', '-t', 'first', '-l', file], { 'sasl.password': 'nobody#knows-this-one' })
    assert.notEqual(code, 0)
    assert.match(stderr, /Broker: Topic authorization failed/)
  })

  it('is told that a topic is unknown', async () => {
    const { file } = await writeLines()
    const { code, stderr } = await kcat(['-P', '-t', 'no-such-logstore', '-l', file])
    assert.notEqual(code, 0)
    assert.match(stderr, /Unknown topic or partition|Local: Unknown topic|Message timed out/)
  })

  it('is told that it cannot consume, and does not wait for ever', async () => {
    const { code, stderr } = await kcat(['-C', '-t', 'first', '-p', '0', '-o', 'beginning'])
    assert.notEqual(code, 0)
    assert.match(stderr, /Broker: Topic authorization failed/)
  })

  it('is told that it cannot consume as a group', async () => {
    const { code, stderr } = await kcat(['-G', 'some-group', 'first'])
    assert.notEqual(code, 0)
    assert.match(stderr, /logs cannot be consumed over Kafka: query them instead/)
  })
})
