import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo } from 'node:net'
import { appendFile, rename, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { Codec } from '../../protocol/records/compression.ts'
import { createInput, Sender, STDIN } from '../../src/push/inputs.ts'
import { Producer } from '../../src/push/producer.ts'
import { runSluice, Server, type Outcome } from '../support/server.ts'
import { until } from '../support/wait.ts'

const main = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url))

describe('sluice push', () => {
  let server: Server

  before(async () => {
    // Sessions are over again and again, and one project is slowed down and refused.
    const quotas = { projects: [{ project: 'limited', bytesPerSecond: 300_000 }] }
    server = await Server.start({ settings: { auth: { sessionMs: 1500 }, quotas } })
  })

  after(() => server?.remove())

  const path = (name: string): string => join(server.directory, name)

  function numbered(count: number, text = ''): string[] {
    return Array.from({ length: count }, (_, index) => `${index} ${text}`)
  }

  /** All logs in the order in which they came. */
  async function readContents(logstore: string, count: number): Promise<string[]> {
    await server.waitForRows(logstore, count)
    const rows = await server.query<{ content: string }>(logstore, 'SELECT content FROM log ORDER BY _entry, _offset, _index')
    return rows.map(({ content }) => content)
  }

  /** A push that goes on by itself; `outcome` resolves at its end, `said` is what it has said of trouble so far. */
  function start(...args: string[]): { child: ChildProcess; outcome: Promise<Outcome>; said: () => string } {
    const child = spawn(process.execPath, [main, 'push', ...args, '--data', server.data], { cwd: server.directory })
    let stdout = ''
    let stderr = ''
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
    const outcome = once(child, 'close').then(([code]) => ({ code: code as number | null, stdout, stderr }))
    return { child, outcome, said: () => stderr }
  }

  const push = (...args: string[]): Promise<Outcome> => server.cli('push', ...args)

  async function listKeys(project: string): Promise<unknown[]> {
    return server.control('GET', `/v1/projects/${project}/keys`)
  }

  /** A producer of this process, for what a command does not show. */
  async function openOwn(logstore: string): Promise<Producer> {
    await server.createLogstore(`own/${logstore}`)
    return Producer.open({
      destination: {
        host: 'localhost',
        port: server.port(),
        ca: server.ca,
        project: 'own',
        password: await server.createKey('own'),
      },
      logstore,
      codec: Codec.NONE,
      patienceMs: Infinity,
      onTrouble: () => {},
      onFailure: () => {},
    })
  }

  it('sends files, compressed ones too, in their order, with each codec, and leaves no key', async () => {
    await server.createLogstore('demo/files')
    const lines = numbered(3000, 'x'.repeat(100))
    await writeFile(path('a.log'), `${lines.slice(0, 1000).join('\n')}\n\n\r\n`)
    await writeFile(path('b.log.gz'), gzipSync(lines.slice(1000, 2000).join('\r\n')))
    await writeFile(path('c.log'), lines.slice(2000).join('\n'))
    const { code, stdout, stderr } = await push(
      'demo/files',
      path('a.log'),
      path('b.log.gz'),
      path('c.log'),
      '--batch-bytes',
      '10KiB',
    )
    assert.equal(code, 0, stderr)
    assert.match(stdout, /^sent 3,000 lines, 3\d\d KiB, in \d+ batches and /)
    assert.deepEqual(await readContents('demo/files', 3000), lines)
    assert.deepEqual(await listKeys('demo'), [])
  })

  for (const codec of ['none', 'gzip', 'snappy', 'lz4', 'zstd'])
    it(`compresses with ${codec}, or says what that takes`, async () => {
      const logstore = `demo/codec-${codec}`
      await server.createLogstore(logstore)
      const lines = numbered(100, 'y'.repeat(50))
      await writeFile(path('codec.log'), lines.join('\n'))
      const { code, stderr } = await push(logstore, path('codec.log'), '--codec', codec)
      const { zstdCompressSync } = process.getBuiltinModule('node:zlib') as { zstdCompressSync?: unknown }
      if (codec === 'zstd' && zstdCompressSync === undefined) {
        assert.match(stderr, /zstd takes Node\.js 22\.15 or newer, this is v\d+\.\S+: lz4 does without/)
        return
      }
      assert.equal(code, 0, stderr)
      assert.deepEqual(await readContents(logstore, 100), lines)
    })

  it('sends standard input, with an access key from the environment to a host, and prints JSON', async () => {
    await server.createLogstore('demo/stdin')
    const password = await server.createKey('demo', { logstores: ['stdin'] })
    const to = ['--host', 'localhost', '--port', String(server.port()), '--ca', join(server.data, 'certs', 'ca.pem')]
    const child = spawn(process.execPath, [main, 'push', 'demo/stdin', '--json', ...to], {
      cwd: server.directory,
      env: { ...process.env, SLUICE_ACCESS_KEY: password },
    })
    child.stdin.end('one\ntwo\r\n\nthree')
    const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)])
    assert.equal(stderr, '')
    const { seconds, ...summary } = JSON.parse(stdout) as { seconds: number }
    assert(seconds > 0)
    assert.deepEqual(summary, { lines: 3, bytes: 11, batches: 1, files: [{ file: '-', lines: 3, bytes: 11, position: 15 }] })
    assert.deepEqual(await readContents('demo/stdin', 3), ['one', 'two', 'three'])
  })

  it('sends what comes slowly without waiting for more', async () => {
    await server.createLogstore('demo/slow')
    const { child, outcome } = start('demo/slow')
    child.stdin!.write('first\nsec')
    assert.deepEqual(await readContents('demo/slow', 1), ['first'])
    child.stdin!.end('ond\n')
    assert.equal((await outcome).code, 0)
    assert.deepEqual(await readContents('demo/slow', 2), ['first', 'second'])
  })

  it('says what to do about a wrong key, a logstore that is not there and an authority that is not known', async () => {
    await server.createLogstore('demo/closed')
    await server.createLogstore('demo/open')
    await writeFile(path('one.log'), 'one\n')
    const password = await server.createKey('demo', { id: 'limited', logstores: ['open'] })
    const tryWith = (logstore: string, secret: string, ...options: string[]) =>
      runSluice(['push', logstore, path('one.log'), '--key', 'limited', '--secret-stdin', '--data', server.data, ...options], {
        directory: server.directory,
        input: `${secret}\n`,
      })
    const secret = password.split('#')[1]!
    const refused = [await tryWith('demo/closed', secret), await tryWith('demo/open', 'something-else')]
    for (const { code, stdout, stderr } of refused) {
      assert.match(
        stderr,
        /^sluice: access key "limited" may not write to demo\/\w+, or its secret is wrong; "sluice key list demo"/,
      )
      assert.deepEqual([code, stdout], [1, ''])
    }
    const missing = await push('demo/nowhere', path('one.log'))
    assert.match(missing.stderr, /^sluice: there is no logstore demo\/nowhere; "sluice logstore create demo\/nowhere" makes it/)
    const elsewhere = await push('nobody/nowhere', path('one.log'))
    assert.match(elsewhere.stderr, /^sluice: project "nobody" does not exist/)
    const untrusted = await tryWith('demo/open', secret, '--host', 'localhost', '--port', String(server.port()))
    assert.match(untrusted.stderr, /^sluice: the certificate of localhost:\d+ is not trusted: .*; --ca names the authority/)
    const nobody = await tryWith('demo/open', secret, '--host', 'localhost', '--port', '1')
    assert.match(nobody.stderr, /^sluice: no connection to localhost:1: /)
    assert.equal((await tryWith('demo/open', secret)).code, 0)
    assert.deepEqual(await readContents('demo/open', 1), ['one'])
    assert.deepEqual((await listKeys('demo')).length, 2)
  })

  it('refuses what cannot be sent', async function () {
    this.timeout(200_000)
    await server.createLogstore('demo/odd')
    const expectations: [string[], RegExp][] = [
      [[path('missing.log')], /ENOENT/],
      [[server.directory], /is a directory/],
      [['-', '-'], /standard input can be read once/],
      [['--follow'], /--follow is for files/],
      [['--key', 'a'], /--key ID and --secret-stdin go together/],
      [['--batch-bytes', '1'], /It must be a size from 1 KiB to 32 MiB/],
      [['--codec', 'rar'], /It must be one of none, gzip, snappy, lz4, zstd/],
      [['--port', '0'], /It must be a port/],
    ]
    for (const [args, message] of expectations) {
      const { code, stderr } = await push('demo/odd', ...args)
      assert.match(stderr, message)
      assert.equal(code, 1)
    }
    await writeFile(path('broken.gz'), gzipSync('one\ntwo\n').subarray(0, -9))
    assert.match(
      (await push('demo/odd', path('broken.gz'))).stderr,
      /broken\.gz cannot be decompressed as gzip: unexpected end of file/,
    )
    await server.createLogstore('demo/long')
    await writeFile(path('long.log'), `short\n${'z'.repeat(17 * 2 ** 20)}\nafter\n`)
    const { code, stdout, stderr } = await push('demo/long', path('long.log'))
    assert.match(stderr, /^sluice: line 2 of .*long\.log is longer than 16 MiB/)
    assert.match(stdout, /long\.log: 1 line, up to byte 6\n$/)
    assert.equal(code, 1)
    assert.deepEqual(await readContents('demo/long', 1), ['short'])
  })

  it('sends every line once, in order, through kills of the server', async function () {
    this.timeout(200_000)
    await server.createLogstore('demo/kills')
    const lines = numbered(400_000, 'k'.repeat(60))
    await writeFile(path('kills.log'), lines.join('\n'))
    const { outcome } = start('demo/kills', path('kills.log'), '--batch-bytes', '8KiB', '--json')
    for (let kill = 0; kill < 3; kill++) {
      await server.waitForRows('demo/kills', 2000 * (kill + 1))
      await server.kill('SIGKILL')
      await server.restart()
    }
    const { code, stdout, stderr } = await outcome
    assert.equal(code, 0, stderr)
    assert.match(stderr, /; trying again\n/)
    assert.equal((JSON.parse(stdout) as { lines: number }).lines, lines.length)
    assert.deepEqual(await readContents('demo/kills', lines.length), lines)
    assert.equal(await server.countRows('demo/kills'), lines.length)
  })

  it('stores nothing twice when a connection ends before its answers are read', async () => {
    await server.createLogstore('demo/cut')
    const lines = numbered(2000, 'c'.repeat(60))
    await writeFile(path('cut.log'), lines.join('\n'))
    let cuts = 0
    const proxy = createServer(client => {
      const upstream = connect(server.port(), '127.0.0.1')
      client.pipe(upstream).on('error', () => client.destroy())
      client.on('error', () => upstream.destroy())
      client.on('close', () => upstream.destroy())
      upstream.on('data', (piece: Buffer) => {
        // More than a login takes: this is the answer to a batch, which is stored.
        if (cuts === 0 && client.bytesRead > 4000) cuts++
        else if (!client.destroyed) return client.write(piece)
        client.destroy()
      })
    })
    await once(proxy.listen(0, '127.0.0.1'), 'listening')
    const port = String((proxy.address() as AddressInfo).port)
    const options = ['--host', '127.0.0.1', '--port', port, '--codec', 'none', '--batch-bytes', '1KiB']
    const ca = ['--ca', join(server.data, 'certs', 'ca.pem'), '--key', 'cut', '--secret-stdin']
    const secret = (await server.createKey('demo', { id: 'cut' })).split('#')[1]!
    const { child, outcome } = start('demo/cut', path('cut.log'), ...options, ...ca)
    child.stdin!.end(secret)
    const { code, stderr } = await outcome
    proxy.close()
    await server.control('DELETE', '/v1/projects/demo/keys/cut')
    assert.equal(code, 0, stderr)
    assert.equal(cuts, 1)
    assert.match(stderr, /; trying again\n/)
    assert.deepEqual(await readContents('demo/cut', lines.length), lines)
    assert.equal(await server.countRows('demo/cut'), lines.length)
  })

  it('stops at Ctrl-C, stores what was read, and says how far that is', async () => {
    await server.createLogstore('demo/stopped')
    const lines = numbered(500_000, 's'.repeat(60))
    const content = lines.join('\n')
    await writeFile(path('stopped.log'), content)
    const { child, outcome } = start('demo/stopped', path('stopped.log'), '--batch-bytes', '4KiB', '--json')
    await server.waitForRows('demo/stopped', 100)
    child.kill('SIGINT')
    const { code, stdout } = await outcome
    assert.equal(code, 130)
    const { lines: sent, files } = JSON.parse(stdout) as { lines: number; files: { position: number }[] }
    assert(sent > 0 && sent < lines.length)
    assert.equal(content.slice(0, files[0]!.position), `${lines.slice(0, sent).join('\n')}\n`)
    assert.deepEqual(await readContents('demo/stopped', sent), lines.slice(0, sent))
  })

  it('reads no more than it holds while the server is away, however slowly it comes', async function () {
    this.timeout(200_000)
    const producer = await openOwn('away')
    const signal = new AbortController().signal
    const sender = new Sender({ producer, batchBytes: 2 ** 20, signal })
    await server.kill('SIGKILL')
    let read = 0
    async function* slowly(): AsyncGenerator<Buffer> {
      for (; read < 25; read++) {
        yield Buffer.from(`${read}\n`)
        // Longer than a line waits for others: each is a batch.
        await setTimeout(300)
      }
    }
    const sent = sender.send(createInput(STDIN), Readable.from(slowly(), { highWaterMark: 1 }))
    await until('a full producer', () => producer.isFull)
    const readBefore = read
    await setTimeout(3000)
    assert(read <= readBefore + 3, `${read} lines were read, ${readBefore} before`)
    await server.restart()
    await sent
    await sender.flush()
    await producer.end()
    assert.deepEqual(
      await readContents('own/away', 25),
      numbered(25).map(line => line.trim()),
    )
  })

  it('gives up at Ctrl-C what no server takes', async function () {
    this.timeout(200_000)
    await server.createLogstore('demo/given-up')
    const { child, outcome, said } = start('demo/given-up')
    child.stdin!.write('stored\n')
    await server.waitForRows('demo/given-up', 1)
    await server.kill('SIGKILL')
    child.stdin!.write('lost\n')
    await until('trouble', () => said().includes('; trying again'))
    child.kill('SIGINT')
    const { code, stdout } = await outcome
    assert.equal(code, 1)
    assert.match(stdout, /^standard input: 1 line, up to byte 7$/m)
    await server.restart()
    assert.equal(JSON.stringify(await listKeys('demo')).includes('push-'), false)
  })

  it('sends no faster than the server takes it', async () => {
    await server.createLogstore('limited/logs')
    const lines = numbered(30_000, 'q'.repeat(70))
    await writeFile(path('limited.log'), lines.join('\n'))
    const { code, stdout, stderr } = await push(
      'limited/logs',
      path('limited.log'),
      '--codec',
      'none',
      '--json',
      '--batch-bytes',
      // More than the quota of three seconds: what comes behind it is refused, and sent again.
      '1MiB',
    )
    assert.equal(code, 0, stderr)
    assert.match(stderr, /^sluice: project "limited" sends more than its quota: .*; trying again\n/)
    assert((JSON.parse(stdout) as { seconds: number }).seconds > 3)
    assert.deepEqual(await readContents('limited/logs', lines.length), lines)
  })

  it('follows files that grow, are rotated, cut and come later', async () => {
    await server.createLogstore('demo/follow')
    await writeFile(path('app.log'), 'one\n')
    const { child, outcome } = start('demo/follow', '--follow', path('app.log'), path('later.log'))
    const has = (count: number) => readContents('demo/follow', count).then(found => found.sort())
    assert.deepEqual(await has(1), ['one'])
    await appendFile(path('app.log'), 'two\nthr')
    assert.deepEqual(await has(2), ['one', 'two'])
    await appendFile(path('app.log'), 'ee\n')
    await rename(path('app.log'), path('app.log.1'))
    await appendFile(path('app.log.1'), 'written late\n')
    await writeFile(path('app.log'), 'four\n')
    await writeFile(path('later.log'), 'other\n')
    assert.deepEqual(await has(6), ['four', 'one', 'other', 'three', 'two', 'written late'])
    await truncate(path('app.log'))
    await until('the cut to be seen', () => setTimeout(600, true))
    await appendFile(path('app.log'), 'five\n')
    assert.deepEqual(await has(7), ['five', 'four', 'one', 'other', 'three', 'two', 'written late'])
    child.kill('SIGINT')
    const { code, stdout, stderr } = await outcome
    assert.equal(code, 130)
    assert.equal(stderr, '')
    assert.match(stdout, /^sent 7 lines, .*\n.*app\.log: 6 lines, up to byte 5\n.*later\.log: 1 line, up to byte 6\n$/)
  })
})
