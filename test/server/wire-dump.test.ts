/** Recordings of a running server, asked for by the command. */
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { ErrorCode } from '../../protocol/error-codes.ts'
import { apiVersionsRequest, apiVersionsResponse } from '../../protocol/messages/api-versions.ts'
import { saslAuthenticateRequest, saslAuthenticateResponse } from '../../protocol/messages/sasl-authenticate.ts'
import { saslHandshakeRequest, saslHandshakeResponse } from '../../protocol/messages/sasl-handshake.ts'
import { inspect } from '../../src/cli/inspect.ts'
import { openProducer } from '../support/producer.ts'
import { plainToken, RawClient } from '../support/raw-client.ts'
import { makeDirectory, runSluice, Server } from '../support/server.ts'
import { until } from '../support/wait.ts'

const main = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url))

/** `sluice dump --json` as a process. */
class Dump {
  readonly #process: ChildProcess
  readonly #told: Record<string, unknown>[] = []
  readonly #closed: Promise<[number | null]>

  private constructor(process: ChildProcess) {
    this.#process = process
    this.#closed = once(process, 'close') as Promise<[number | null]>
    createInterface({ input: process.stdout! }).on('line', line => this.#told.push(JSON.parse(line) as Record<string, unknown>))
  }

  /** Resolves once it records. */
  static async start(server: Server, ...args: string[]): Promise<Dump> {
    const child = spawn(process.execPath, [main, 'dump', '--json', '--data', server.data, ...args], {
      cwd: server.directory,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const dump = new Dump(child)
    await until('the beginning of a recording', () => dump.#told.some(({ recording }) => recording === true))
    return dump
  }

  /** The files so far. */
  get files(): string[] {
    return this.#told.flatMap(({ file }) => (typeof file === 'string' ? [file] : []))
  }

  /** The file of the client with this port. */
  waitForFile(port: number): Promise<string> {
    return until('a file', () => this.files.find(file => file.endsWith(`-${port}.jsonl`)))
  }

  /** What it says at the end. */
  async finish(signal?: NodeJS.Signals): Promise<Record<string, unknown>> {
    if (signal !== undefined) this.#process.kill(signal)
    const [code] = await this.#closed
    assert.equal(code, 0)
    return this.#told.at(-1)!
  }

  async kill(): Promise<void> {
    this.#process.kill('SIGKILL')
    await this.#closed
  }
}

async function inspected(file: string): Promise<string[]> {
  const lines: string[] = []
  for await (const line of inspect(file, { records: true, json: false })) lines.push(line)
  return lines
}

/** What happened on the connection, without what differs from time to time. */
async function titles(file: string): Promise<string[]> {
  return (await inspected(file))
    .filter(line => line.startsWith('#'))
    .map(line => line.replace(/^#\d+ +\+[\d.]+ s {2}/, '').replace(/(?:, \d+ ms after.*|, client "raw".*)$/, ''))
}

describe('sluice dump', () => {
  let server: Server
  let password: string
  let clients: RawClient[] = []

  before(async () => {
    server = await Server.start({ settings: { auth: { sessionMs: '1 h' } } })
    await server.createLogstore('demo/logs', { shards: 1 })
    await server.createLogstore('other/logs', { shards: 1 })
    password = await server.createKey('demo')
  })

  after(() => server?.remove())

  afterEach(() => {
    for (const client of clients) client.close()
    clients = []
  })

  async function open(): Promise<RawClient> {
    const client = await RawClient.connect(server)
    clients.push(client)
    return client
  }

  const batch = { records: [{ value: 'what was sent', key: 'a key', headers: [{ key: 'from', value: 'a header' }] }] }

  it('records a connection from its beginning to its end, for sluice inspect to print', async () => {
    const dump = await Dump.start(server)
    const client = await open()
    await client.authenticate('demo', password)
    await client.produce([{ topic: 'logs', batch }])
    client.close()
    const [file] = await until('a file', () => dump.files.length === 1 && dump.files)
    await until('the end of the connection', async () => (await readFile(file!, 'utf8').catch(() => '')).includes('"close"'))
    const { ended, files, frames, lostFrames } = await dump.finish('SIGINT')
    assert.deepEqual({ ended, files, frames, lostFrames }, { ended: 'stopped', files: 1, frames: 6, lostFrames: 0 })
    const said = await titles(file!)
    assert.match(said[0]!, /^connected, from 127\.0\.0\.1:\d+, at 2\S+Z, TLSv1\.3 \(TLS_\w+\), server name "localhost"$/)
    assert.deepEqual(said.slice(1), [
      '→ SaslHandshake request, version 1, correlation id 1',
      '← SaslHandshake response, version 1, correlation id 1',
      '→ SaslAuthenticate request, version 1, correlation id 2',
      '← SaslAuthenticate response, version 1, correlation id 2',
      '→ Produce request, version 8, correlation id 3',
      '← Produce response, version 8, correlation id 3',
      'closed by the client',
    ])
    const lines = (await inspected(file!)).join('\n')
    assert.match(lines, /base offset 0, 1 records, not compressed, checksum good, no producer id/)
    assert.match(lines, /no time, key a key: what was sent\n +header from: a header\n/)
    const modes = await Promise.all([stat(file!), stat(join(server.data, 'dumps'))])
    assert.deepEqual(
      modes.map(({ mode }) => mode & 0o777),
      [0o600, 0o700],
    )
  })

  it('joins a connection that is open already, and gives answers that were under way their requests', async () => {
    const client = await open()
    await client.authenticate('demo', password)
    const dump = await Dump.start(server, '--project', 'demo')
    await client.describe(['logs'])
    const [file] = await until('a file', () => dump.files.length === 1 && dump.files)
    await dump.finish('SIGTERM')
    const said = await titles(file!)
    assert.match(said[0]!, /^connected before the recording, /)
    assert.deepEqual(said.slice(1), [
      '→ Metadata request, version 9, correlation id 3',
      '← Metadata response, version 9, correlation id 3',
    ])
    assert.equal((await client.describe(['logs'])).topics[0]?.errorCode, ErrorCode.NONE)
  })

  it('records what producers of the project send, from an address, and nobody else', async () => {
    const none = await Dump.start(server, '--source', '192.0.2.1')
    await (await open()).authenticate('demo', password)
    assert.deepEqual([(await none.finish('SIGINT'))['files'], none.files], [0, []])
    const dump = await Dump.start(server, '--project', 'demo', '--source', '127.0.0.1')
    const otherPassword = await server.createKey('other')
    for (const [project, secret] of [
      ['other', otherPassword],
      ['demo', password],
    ] as const) {
      const producer = await openProducer(server, { project, password: secret })
      await producer.send({ topic: 'logs', messages: [{ value: `from ${project}` }] })
      await producer.disconnect()
    }
    await dump.finish('SIGINT')
    const printed = (await Promise.all(dump.files.map(inspected))).flat().join('\n')
    assert(printed.includes('from demo') && printed.includes('mechanism: "PLAIN"'))
    assert(!printed.includes('from other'))
  })

  it('ends when its bytes are full, and when its time is up', async () => {
    const full = await Dump.start(server, '--bytes', '2 KB')
    const client = await open()
    await client.authenticate('demo', password)
    for (let round = 0; round < 10; round++) await client.produce([{ topic: 'logs', batch }])
    const { ended, bytes } = await full.finish()
    assert(ended === 'bytes' && Number(bytes) <= 2000)
    const timed = await Dump.start(server, '--seconds', '0.1')
    assert.equal((await timed.finish())['ended'], 'time')
  })

  it('is refused while there is another, which ends with its command', async () => {
    const first = await Dump.start(server)
    const refused = await server.cli('dump')
    assert.deepEqual(refused, {
      code: 1,
      stdout: '',
      stderr: 'sluice: a dump is being recorded already; wait until it ends, or end it\n',
    })
    await first.kill()
    const second = await until('another recording', async () => {
      const outcome = await server.cli('dump', '--seconds', '0.01')
      return outcome.code === 0 && outcome
    })
    assert.match(
      second.stdout,
      /^recording to \S.+dumps for 0\.01 s, at most 100 MiB; Ctrl-C ends it\n(?:.+\n)*.*connections?, 0 frames.*; the time was up\n$/,
    )
  })

  it('needs a running server, and arguments that mean something', async () => {
    const directory = await makeDirectory()
    const alone = await runSluice(['dump', '--data', 'data'], { directory })
    assert.deepEqual(alone, {
      code: 1,
      stdout: '',
      stderr: 'sluice: "sluice dump" needs a running server, and none runs on this data directory\n',
    })
    const outcomes = await Promise.all([
      server.cli('dump', '--seconds', 'soon'),
      server.cli('dump', '--bytes', 'many'),
      server.cli('dump', '--source', 'localhost'),
      server.cli('dump', '--help'),
    ])
    assert.deepEqual(
      outcomes.map(({ code }) => code),
      [1, 1, 1, 0],
    )
    assert.match(outcomes[0].stderr, /It must be a number of seconds above 0/)
    assert.match(outcomes[1].stderr, /It must be a size, such as "100 MiB"/)
    assert.match(outcomes[2].stderr, /^sluice: source: it must be an IP address$/m)
    assert.match(outcomes[3].stdout, /The files hold the logs that are sent.+They never hold access keys/s)
  })

  describe('never holds a secret', () => {
    const USER = 'demo'
    /** Frames as they are, with their size. */
    const framed = (bytes: Buffer): Buffer => {
      const size = Buffer.alloc(4)
      size.writeInt32BE(bytes.length)
      return Buffer.concat([size, bytes])
    }
    const token = (): Buffer => plainToken(USER, password)
    const handshake = (client: RawClient, version = 1) =>
      client.call(saslHandshakeRequest, saslHandshakeResponse, version, { mechanism: 'PLAIN' })
    const authenticate = (client: RawClient, authBytes: Buffer, version = 1) =>
      client.call(saslAuthenticateRequest, saslAuthenticateResponse, version, { authBytes })
    const write = async (client: RawClient, bytes: Buffer) => {
      client.write(bytes)
      await client.waitForEnd()
    }

    /** Each talks on a connection of its own. */
    const conversations: Record<string, (client: RawClient) => Promise<unknown>> = {
      'in SaslAuthenticate 0 to 2': async client => {
        await handshake(client)
        await authenticate(client, token(), 0)
        await handshake(client)
        await authenticate(client, token(), 2)
        await handshake(client)
        await authenticate(client, Buffer.concat([Buffer.from(USER), token()]), 1)
      },
      'in a raw token': async client => {
        await handshake(client, 0)
        client.write(framed(token()))
        assert.equal((await client.receiveFrame()).length, 0)
        await client.describe(['logs'])
      },
      'in a raw token of a client that authenticates again': async client => {
        await client.authenticate(USER, password)
        await handshake(client, 0)
        client.write(framed(token()))
        assert.equal((await client.receiveFrame()).length, 0)
      },
      'in a raw token that is none': async client => {
        await handshake(client, 0)
        await write(client, framed(Buffer.from(`${USER}:${password}`)))
      },
      'in a token that is none': async client => {
        await handshake(client)
        const { errorCode } = await authenticate(client, Buffer.from(`${password}\0${password}\0${USER}\0${password}`))
        assert.equal(errorCode, ErrorCode.SASL_AUTHENTICATION_FAILED)
      },
      'in a SaslAuthenticate that is cut': async client => {
        await handshake(client)
        const whole = client.encode(saslAuthenticateRequest, 1, { authBytes: token() })
        await write(client, framed(whole.subarray(4, -1)))
      },
      'in a SaslAuthenticate with bytes too many': async client => {
        await handshake(client)
        const whole = client.encode(saslAuthenticateRequest, 1, { authBytes: Buffer.alloc(0) })
        await write(client, framed(Buffer.concat([whole.subarray(4), token()])))
      },
      'in a SaslHandshake with bytes too many': async client => {
        const whole = client.encode(saslHandshakeRequest, 1, { mechanism: 'PLAIN' })
        await write(client, framed(Buffer.concat([whole.subarray(4), token()])))
      },
      'in a SaslHandshake with bytes too many, of a client that has logged in': async client => {
        await client.authenticate(USER, password)
        const whole = client.encode(saslHandshakeRequest, 1, { mechanism: 'PLAIN' })
        await write(client, framed(Buffer.concat([whole.subarray(4), token()])))
      },
      'in a SaslAuthenticate without a handshake': client =>
        write(client, client.encode(saslAuthenticateRequest, 2, { authBytes: token() })),
      'in a SaslAuthenticate of a version that is not known': async client => {
        await handshake(client)
        const whole = client.encode(saslAuthenticateRequest, 1, { authBytes: token() })
        whole.writeInt16BE(9, 6)
        await write(client, whole)
      },
      'in a SaslAuthenticate behind the unknown fields of a newer version': async client => {
        await handshake(client)
        const whole = client.encode(saslAuthenticateRequest, 2, { authBytes: Buffer.alloc(0) })
        // One tagged field, number 7, in place of none.
        const fields = Buffer.concat([Buffer.from([1, 7, token().length]), token()])
        client.write(framed(Buffer.concat([whole.subarray(4, -1), fields])))
        await client.receive(saslAuthenticateResponse, 2)
      },
      'in a raw token without a handshake': client => write(client, framed(token())),
      'in a raw token where SaslAuthenticate is expected': async client => {
        await handshake(client)
        await write(client, framed(token()))
      },
      'in a raw token without a user': client => write(client, framed(Buffer.from(`\0\0${password}`))),
      'without a frame': client => write(client, Buffer.from(`AUTH PLAIN ${USER} ${password}\r\n`)),
      'in an unknown version of ApiVersions': async client => {
        const whole = client.encode(apiVersionsRequest, 0, {})
        whole.writeInt16BE(99, 6)
        client.write(framed(Buffer.concat([whole.subarray(4), token()])))
        assert.equal((await client.receive(apiVersionsResponse, 0)).value.errorCode, ErrorCode.UNSUPPORTED_VERSION)
      },
      'in a SaslAuthenticate of a client that has logged in': async client => {
        await client.authenticate(USER, password)
        await write(client, client.encode(saslAuthenticateRequest, 1, { authBytes: token() }))
      },
      'in a raw token of a client that has logged in': async client => {
        await client.authenticate(USER, password)
        await write(client, framed(token()))
      },
      'in a raw token without a user, of a client that has logged in': async client => {
        await client.authenticate(USER, password)
        await write(client, framed(Buffer.from(`\0\0${password}`)))
      },
      'of a key that is wrong': async client => {
        await handshake(client)
        await authenticate(client, plainToken(USER, `${password}${password}`))
        await client.describe(['logs'])
      },
    }

    /** Every way in which the bytes of a secret could stand in a file, from any four of its bytes on. */
    function findSecret(content: string): string | undefined {
      const secret = password.split('#')[1]!
      for (let from = 0; from + 4 <= secret.length; from++) {
        const part = secret.slice(from, from + 4)
        for (const encoded of [part, Buffer.from(part).toString('hex'), String(Buffer.from(part).readInt32BE())])
          if (content.toLowerCase().includes(encoded.toLowerCase())) return encoded
      }
      const [id] = password.split('#')
      return [id!, Buffer.from(id!).toString('hex')].find(encoded => content.toLowerCase().includes(encoded.toLowerCase()))
    }

    const recorded = new Map<string, string>()

    before(async () => {
      const dump = await Dump.start(server)
      for (const [name, talk] of Object.entries(conversations)) {
        const client = await open()
        const port = client.localPort
        await talk(client)
        client.close()
        recorded.set(name, await dump.waitForFile(port))
      }
      for (const file of recorded.values())
        await until('the end of the connection', async () => (await readFile(file, 'utf8').catch(() => '')).includes('"close"'))
      await dump.finish('SIGINT')
    })

    for (const name of Object.keys(conversations))
      it(`that comes ${name}`, async () => {
        const file = recorded.get(name)!
        const content = await readFile(file, 'utf8')
        assert.equal(findSecret(content), undefined, content)
        const [first] = await titles(file)
        assert.match(first!, /^connected, /)
      })

    it('nor its length', async () => {
      const contents: string[] = []
      for (const secret of ['short', 'a much longer secret than the other one is']) {
        const dump = await Dump.start(server)
        const files: string[] = []
        for (const version of [0, 1]) {
          const client = await open()
          files.push(await dump.waitForFile(client.localPort))
          await handshake(client, version)
          const bytes = plainToken(USER, `id#${secret}`)
          if (version === 1) await authenticate(client, bytes)
          else {
            client.write(framed(bytes))
            await client.receiveFrame()
          }
        }
        await dump.finish('SIGINT')
        const lines = (await Promise.all(files.map(file => readFile(file, 'utf8')))).join('').split('\n')
        contents.push(
          lines
            .filter(line => !line.includes('"open"'))
            .join('\n')
            .replaceAll(/"conn":\d+,"ms":\d+/g, ''),
        )
      }
      assert.equal(contents[0], contents[1])
    })
  })

  it('ends in order with the server', async () => {
    const stopped = await Server.start()
    const dump = await Dump.start(stopped)
    assert.equal(await stopped.kill('SIGTERM'), 0)
    assert.equal((await dump.finish())['ended'], 'stopped')
    await stopped.remove()
  })
})
