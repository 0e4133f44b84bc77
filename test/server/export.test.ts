import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openProducer } from '../support/producer.ts'
import { hasProc, Server } from '../support/server.ts'
import { until } from '../support/wait.ts'

const LOGS = 60_000
const main = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url))

describe('sluice export', () => {
  let server: Server

  before(async () => {
    server = await Server.start()
    await server.createLogstore('demo/logs')
    await server.createLogstore('demo/empty')
    const producer = await openProducer(server, { project: 'demo', password: await server.createKey('demo') })
    for (let sent = 0; sent < LOGS; sent += 5000)
      await producer.send({
        topic: 'logs',
        messages: Array.from({ length: 5000 }, (_, index) => ({ value: `${sent + index} ${'x'.repeat(300)}`, partition: 0 })),
      })
    await producer.disconnect()
    await server.waitForRows('demo/logs', LOGS)
  })

  after(() => server?.remove())

  const path = (name: string): string => join(server.directory, name)

  it('writes every log once to standard output', async () => {
    const { code, stdout, stderr } = await server.cli('export', 'demo/logs', '--since', '1d')
    assert.equal(code, 0, stderr)
    const contents = stdout.trimEnd().split('\n').map(line => (JSON.parse(line) as { content: string }).content) // prettier-ignore
    assert.deepEqual(
      contents.map(content => Number(content.split(' ')[0])),
      Array.from({ length: LOGS }, (_, index) => index),
    )
    assert.match(stderr, /^exported 60,000 logs, \d+\.?\d* MiB\n$/)
  })

  it('writes a file, which replaces another one once it is complete', async () => {
    await writeFile(path('logs.csv'), 'what was there')
    await server.run('export', 'demo/logs', '--format', 'csv', '--output', path('logs.csv'))
    const lines = (await readFile(path('logs.csv'), 'utf8')).trimEnd().split('\n')
    assert.equal(lines.length, LOGS + 1)
    await server.run('export', 'demo/logs', '--format', 'parquet', '--output', path('logs.parquet'))
    assert.equal((await readFile(path('logs.parquet'))).toString('latin1', 0, 4), 'PAR1')
    assert(!existsSync(path('logs.csv.part')) && !existsSync(path('logs.parquet.part')))
  })

  it('writes nothing but a header where there are no logs', async () => {
    assert.equal(await server.run('export', 'demo/empty'), '')
    assert.match(await server.run('export', 'demo/empty', '--format', 'csv'), /^"_shard",.*$/)
    assert.equal(await server.run('export', 'demo/logs', '--since', '2020-01-01', '--until', '2020-01-02T10:00:00+02:00'), '')
  })

  it('says what is wrong with a time', async () => {
    const odd = await server.cli('export', 'demo/logs', '--since', 'yesterday')
    assert.match(odd.stderr, /It must be a time such as 2026-01-31T10:00:00Z, or how long ago: 2h, 7d/)
    const reverse = await server.cli('export', 'demo/logs', '--since', '1h', '--until', '2h')
    assert.match(reverse.stderr, /--since must be before --until/)
    assert.deepEqual([odd.code, reverse.code], [1, 1])
  })

  it('fails when nobody reads on, and when its file cannot be written', async () => {
    const child = spawn(process.execPath, [main, 'export', 'demo/logs', '--data', server.data], { cwd: server.directory })
    const closed = once(child, 'close') as Promise<[number | null]>
    await once(child.stdout, 'data')
    child.stdout.destroy()
    assert.equal((await closed)[0], 1)
    const { code, stderr } = await server.cli('export', 'demo/logs', '--output', path('missing/logs.ndjson'))
    assert.equal(code, 1)
    assert.match(stderr, /ENOENT/)
  })

  it('leaves a file that is called partial when it is interrupted, and no query', async function () {
    if (!hasProc) this.skip()
    const args = [main, 'export', 'demo/logs', '--data', server.data, '--output', path('cut.ndjson')]
    const child = spawn(process.execPath, args, { cwd: server.directory, stdio: 'ignore' })
    const closed = once(child, 'close')
    await until('a partial file', () => existsSync(path('cut.ndjson.part')))
    child.kill('SIGINT')
    await closed
    assert(!existsSync(path('cut.ndjson')))
  })

  it('fails with a sentence when ClickHouse ends in the middle', async function () {
    if (!hasProc) this.skip()
    const args = [main, 'export', 'demo/logs', '--data', server.data]
    const child = spawn(process.execPath, args, { cwd: server.directory })
    let stderr = ''
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
    const closed = once(child, 'close') as Promise<[number | null]>
    await once(child.stdout, 'data')
    // It is not read, so the answer waits in the middle.
    child.stdout.pause()
    await server.kill('SIGKILL', 'engine')
    child.stdout.resume()
    const [code] = await closed
    assert.equal(code, 1)
    assert.match(stderr, /^sluice: the export is not complete: ClickHouse, or the server, ended its answer/)
  })
})
