import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { openProducer } from '../support/producer.ts'
import { hasProc, makeDirectory, removeDirectory, runSluice, Server, type Outcome } from '../support/server.ts'
import { until } from '../support/wait.ts'

/** A failure: nothing on standard output, one line that says what is wrong on standard error. */
function assertFails({ code, stdout, stderr }: Outcome, says: RegExp): void {
  assert.deepEqual({ code, stdout }, { code: 1, stdout: '' }, stderr)
  assert.match(stderr, says)
  assert.equal(stderr.trimEnd().split('\n').length, 1, stderr)
}

function parseLines(text: string): Record<string, unknown>[] {
  return text
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line) as Record<string, unknown>)
}

/** Sends to a topic with a key that a command has printed. */
async function send(server: Server, password: string, topic: string, values: string[]): Promise<void> {
  const producer = await openProducer(server, { project: 'demo', password })
  await producer.send({ topic, messages: values.map(value => ({ value, partition: 0 })) })
  await producer.disconnect()
}

describe('the commands', () => {
  describe('on a data directory with a very long path', () => {
    let server: Server

    before(async function () {
      // Deeper than the path of a Unix socket may be long, which only Linux has a way around.
      if (!hasProc) this.skip()
      server = await Server.start({ data: join('x'.repeat(100), 'y'.repeat(100)) })
    })

    after(() => server?.remove())

    it('make a project, a logstore and a key that can be used at once, and query what was sent', async () => {
      await server.run('project', 'create', 'demo')
      await server.run('logstore', 'create', 'demo/logs')
      const password = await server.run('key', 'create', 'demo')
      assert.match(password, /^\w+#\w+$/)
      await send(server, password, 'logs', ['one', 'two'])
      const rows = await until('two rows', async () => {
        const found = parseLines(await server.run('query', 'demo/logs', 'SELECT content FROM log ORDER BY _offset', '--json'))
        return found.length > 1 && found
      })
      assert.deepEqual(rows, [{ content: 'one' }, { content: 'two' }])
    })
  })

  describe('beside a running server', () => {
    let server: Server
    let password: string

    before(async () => {
      server = await Server.start()
      await server.createLogstore('demo/logs')
      password = await server.createKey('demo', { id: 'known' })
    })

    after(() => server?.remove())

    it('print objects with --json', async () => {
      const [project, logstore, key, projects, logstores, keys] = await Promise.all([
        server.run('project', 'create', 'other', '--region', 'moon', '--json'),
        server.run('logstore', 'create', 'demo/more', '--shards', '3', '--retention', '7d', '--json'),
        server.run(
          'key',
          'create',
          'demo',
          '--id',
          'named',
          '--secret',
          'sixteen-letters-and-more',
          '--logstore',
          'logs',
          'more',
          '--json',
        ),
        server.run('project', 'list', '--json'),
        server.run('logstore', 'list', 'demo', '--json'),
        server.run('key', 'list', 'demo', '--json'),
      ])
      const { name, region } = JSON.parse(project) as Record<string, unknown>
      assert.deepEqual({ name, region }, { name: 'other', region: 'moon' })
      const { shards, retentionDays } = JSON.parse(logstore) as Record<string, unknown>
      assert.deepEqual({ shards, retentionDays }, { shards: 3, retentionDays: 7 })
      assert.deepEqual(JSON.parse(key), { accessKeyId: 'named', accessKeySecret: 'sixteen-letters-and-more' })
      assert(parseLines(projects).some(({ name }) => name === 'demo'))
      assert(parseLines(logstores).some(({ name }) => name === 'logs'))
      const listed = parseLines(keys)
      assert(listed.some(({ id }) => id === 'known'))
      assert(!keys.includes(password.split('#')[1]!) && listed.every(entry => !('secretHash' in entry)))
    })

    it('print tables and sentences without', async () => {
      const [projects, logstores, keys, empty] = await Promise.all([
        server.run('project', 'list'),
        server.run('logstore', 'list', 'demo'),
        server.run('key', 'list', 'demo'),
        server.run('query', 'demo/logs', 'SELECT 1 + 1 AS two FROM log'),
      ])
      assert.match(projects, /^name +region +createdAt\n(.+\n)*demo +local +2/)
      assert.match(logstores, /^name +shards +retentionDays +createdAt\nlogs +2 +30 +2/)
      assert.match(keys, /^id +logstores +createdAt\n(.+\n)*known +all +2/)
      assert.equal(empty, '')
    })

    it('read a secret from standard input', async () => {
      const args = ['key', 'create', 'demo', '--id', 'piped', '--secret-stdin', '--data', server.data]
      const { stdout } = await runSluice(args, { directory: server.directory, input: 'a-secret-of-its-own-42\n' })
      assert.equal(stdout, 'piped#a-secret-of-its-own-42\n')
      await send(server, stdout.trimEnd(), 'logs', ['piped'])
    })

    it('delete what they made', async () => {
      await server.createLogstore('brief/logs')
      await server.createKey('brief', { id: 'gone' })
      assert.equal(await server.run('key', 'delete', 'brief', 'gone'), 'access key "gone" of project "brief" is deleted')
      await server.control('DELETE', '/v1/projects/brief/logstores/logs')
      assert.equal(await server.run('project', 'delete', 'brief'), 'project "brief" is deleted')
      const projects = await server.control<{ name: string }[]>('GET', '/v1/projects')
      assert(projects.every(({ name }) => name !== 'brief'))
    })

    it('say in one sentence what is wrong, and fail', async () => {
      const failures: [string[], RegExp][] = [
        [['project', 'create', 'demo'], /^sluice: project "demo" exists already$/m],
        [['project', 'delete', 'demo'], /^sluice: project "demo" still has \d+ logstore\(s\); delete them first$/m],
        [
          ['logstore', 'create', 'nobody/logs'],
          /^sluice: project "nobody" does not exist; "sluice project create nobody" makes it$/m,
        ],
        [['logstore', 'create', 'demo'], /^sluice: "demo" does not name a logstore: write PROJECT\/LOGSTORE$/m],
        [
          ['key', 'create', 'demo', '--secret', 'x', '--secret-stdin'],
          /^sluice: give the secret with --secret or with --secret-stdin/,
        ],
        [
          ['query', 'demo/nothing'],
          /^sluice: logstore "nothing" does not exist in project "demo"; "sluice logstore create demo\/nothing" makes it$/m,
        ],
        [['query', 'demo/logs', 'SELEKT 1'], /^sluice: ClickHouse refused the statement: /],
        [['query', 'demo/logs', 'DROP TABLE log'], /^sluice: ClickHouse refused the statement: /],
      ]
      await Promise.all(failures.map(async ([args, says]) => assertFails(await server.cli(...args), says)))
    })

    it('explain options and names that they do not understand', async () => {
      const [shards, retention, command] = await Promise.all([
        server.cli('logstore', 'create', 'demo/odd', '--shards', 'many'),
        server.cli('logstore', 'create', 'demo/odd', '--retention', '1h'),
        server.cli('logstores', 'list', 'demo'),
      ])
      assert.deepEqual([shards.code, retention.code, command.code], [1, 1, 1])
      assert.match(shards.stderr, /argument 'many' is invalid\. It must be a whole number\./)
      assert.match(retention.stderr, /argument '1h' is invalid\. It must be a whole number of days/)
      assert.match(command.stderr, /unknown command 'logstores'\n\(Did you mean logstore\?\)/)
    })

    it('delete a logstore with its logs, and say how many; made again it is empty and another', async () => {
      const first = await server.createLogstore('demo/twice', { shards: 1 })
      await send(server, password, 'twice', ['a', 'b', 'c'])
      await server.waitForRows('demo/twice', 3)
      const refused = await server.cli('logstore', 'delete', 'demo/twice')
      assertFails(refused, /Logstore "demo\/twice" holds 3 logs; delete it with all of them\? Add --yes to agree\./)
      assert.equal(await server.run('logstore', 'delete', 'demo/twice', '--yes'), 'logstore "demo/twice" is deleted, with 3 logs')
      const second = await server.createLogstore('demo/twice', { shards: 1 })
      assert.notEqual(second.id, first.id)
      await send(server, password, 'twice', ['d'])
      await server.waitForRows('demo/twice', 1)
      const rows = await server.query('demo/twice', 'SELECT content, toInt32(_offset) AS offset FROM log')
      assert.deepEqual(rows, [{ content: 'd', offset: 0 }])
    })

    it('look into the journal while it is written, and find it whole', async () => {
      const { id } = await server.createLogstore('demo/looked', { shards: 1 })
      await send(server, password, 'looked', ['first log', 'second log'])
      const lines = parseLines(await server.run('journal', 'inspect', '--records', '--json'))
      const entry = lines.findLast(({ kind }) => kind === 'entry')
      assert.deepEqual([entry?.['logstoreId'], entry?.['logstore'], entry?.['recordCount']], [id, 'demo/looked', 2])
      assert.match(await server.run('journal', 'inspect', '--records'), /^ {4}\S+: second log$/m)
      let isOver = false
      const writing = (async () => {
        while (!isOver) await send(server, password, 'looked', ['x'.repeat(100_000)])
      })()
      const verified = await Promise.all([1, 2, 3].map(() => server.cli('journal', 'verify')))
      isOver = true
      await writing
      for (const { code, stdout, stderr } of verified) {
        assert.deepEqual([code, stderr], [0, ''], stdout)
        assert.match(stdout, /\nnothing is damaged\n$/)
      }
    })

    it('examine the running server', async () => {
      await server.whenReady()
      const findings = parseLines((await server.cli('doctor', '--json')).stdout).filter(({ check }) => check === 'server')
      assert.deepEqual(
        findings.map(({ verdict }) => verdict),
        ['ok', 'ok'],
      )
      assert.equal(
        findings[0]!['says'],
        `runs as process ${server.pid}; ports: internet ${server.port()}, intranet ${server.port('intranet')}, http ${server.port('http')}`,
      )
      assert.equal(findings[1]!['says'], 'takes logs and indexes them')
    })

    it('delete a logstore that is being written to', async () => {
      for (let round = 0; round < 5; round++) {
        await server.createLogstore('demo/busy', { shards: 1 })
        await send(server, password, 'busy', [`round ${round}`])
        await server.control('DELETE', '/v1/projects/demo/logstores/busy')
      }
      await server.createLogstore('demo/busy', { shards: 1 })
      await send(server, password, 'busy', ['last'])
      await server.waitForRows('demo/busy', 1)
      assert.deepEqual(await server.query('demo/busy', 'SELECT content FROM log'), [{ content: 'last' }])
      await server.restart()
      await server.waitForRows('demo/busy', 1)
      assert.deepEqual(await server.query('demo/busy', 'SELECT content FROM log'), [{ content: 'last' }])
    })
  })

  describe('without a server', () => {
    let directory: string

    before(async () => {
      directory = await makeDirectory()
    })

    after(() => removeDirectory(directory))

    const run = (...args: string[]) => runSluice([...args, '--data', 'data'], { directory })

    it('work on the data directory themselves, also several at the same time', async () => {
      assert.deepEqual(await run('project', 'list', '--json'), { code: 0, stdout: '', stderr: '' })
      const outcomes = await Promise.all(['one', 'two', 'three'].map(name => run('project', 'create', `demo-${name}`)))
      for (const { code, stderr } of outcomes) assert.deepEqual({ code, stderr }, { code: 0, stderr: '' })
      const { stdout } = await run('project', 'list', '--json')
      assert.deepEqual(parseLines(stdout).map(({ name }) => name).sort(), ['demo-one', 'demo-three', 'demo-two']) // prettier-ignore
    })

    it('query, and delete a logstore with its table', async () => {
      await run('logstore', 'create', 'demo-one/logs')
      const { stdout, stderr } = await run('query', 'demo-one/logs', 'SELECT count() AS logs FROM log', '--json')
      assert.deepEqual({ rows: parseLines(stdout), stderr }, { rows: [{ logs: 0 }], stderr: '' })
      const deleted = await run('logstore', 'delete', 'demo-one/logs', '--yes')
      assert.deepEqual(deleted, { code: 0, stdout: 'logstore "demo-one/logs" is deleted, with 0 logs\n', stderr: '' })
      const catalog = JSON.parse(await readFile(join(directory, 'data', 'catalog.json'), 'utf8')) as Record<string, unknown>
      assert.deepEqual(catalog['deletedLogstores'], [])
    })

    it('fail with a sentence', async () => {
      assertFails(await run('project', 'create', 'demo-one'), /^sluice: project "demo-one" exists already$/m)
      assertFails(await run('query', 'demo-one/nothing'), /^sluice: logstore "nothing" does not exist/)
    })

    it('make certificates, and keep those that are good', async () => {
      const args = ['certs', 'made', '--host', 'logs.example.test']
      const first = await runSluice([...args, '--json'], { directory })
      const made = JSON.parse(first.stdout) as {
        caFile: string
        certFile: string
        keyFile: string
        hosts: string[]
        isNew: boolean
      }
      assert(made.isNew && made.hosts.includes('logs.example.test') && made.hosts.includes('localhost'))
      for (const file of [made.caFile, made.certFile, made.keyFile]) assert(existsSync(file))
      assert.match((await runSluice(args, { directory })).stdout, /^the certificate for .+ is still good\n/)
      assertFails(
        await runSluice(['certs', 'made', '--host', 'not a host'], { directory }),
        /"not a host" is neither a DNS name nor/,
      )
    })

    it('refuse a setting that does not exist, and name the nearest', async () => {
      await writeFile(join(directory, 'wrong.yaml'), 'limits:\n  reqestBytes: 1 MiB\nhttp:\n  port: nine\n')
      const { code, stderr } = await run('serve', '--config', 'wrong.yaml')
      assert.equal(code, 1)
      assert.match(stderr, /limits\.reqestBytes is not a setting; did you mean limits\.requestBytes\?/)
      assert.match(stderr, /http\.port must be a whole number from 0 to 65535, not "nine"/)
    })

    it('name the port that is taken, who has it and the setting that changes it', async () => {
      const holder = createServer().listen(0)
      await new Promise(resolve => holder.once('listening', resolve))
      const { port } = holder.address() as AddressInfo
      const free = { internet: { port: 0 }, intranet: { port: 0 } }
      for (const [name, settings] of Object.entries({
        internet: { listeners: { ...free, internet: { port } }, http: { port: 0 } },
        intranet: { listeners: { ...free, intranet: { port } }, http: { port: 0 } },
        http: { listeners: free, http: { port, host: '0.0.0.0' } },
      })) {
        await writeFile(join(directory, 'taken.yaml'), JSON.stringify(settings))
        const { code, stdout, stderr } = await run('serve', '--config', 'taken.yaml')
        assert.deepEqual({ code, stdout }, { code: 1, stdout: '' })
        const says = stderr.split('\n').find(line => line.startsWith('sluice: ')) ?? ''
        const option = name === 'http' ? 'http.port' : `listeners.${name}.port`
        const by = hasProc ? ` by ".+" \\(process ${process.pid}\\)` : ''
        assert.match(
          says,
          new RegExp(`^sluice: port ${port} \\(the ${name} listener\\) is taken${by}; .+ the setting ${option}$`),
        )
        assert(!existsSync(join(directory, 'data', 'sluice.json')))
      }
      holder.close()
    })

    it('say that a certificate cannot be read', async () => {
      const listeners = { internet: { port: 0, tls: { cert: 'missing.pem', key: 'missing.key' } }, intranet: { enabled: false } }
      await writeFile(join(directory, 'tls.yaml'), JSON.stringify({ listeners, http: { port: 0 } }))
      const { code, stderr } = await run('serve', '--config', 'tls.yaml')
      assert.equal(code, 1)
      assert.match(stderr, /^sluice: certificate .+missing\.pem: /m)
    })

    it('do not start on a catalog that cannot be read', async () => {
      await mkdir(join(directory, 'broken'))
      await writeFile(join(directory, 'broken', 'catalog.json'), '{')
      const outcome = await runSluice(['project', 'list', '--data', 'broken'], { directory })
      assertFails(outcome, /^sluice: the catalog .+ cannot be read: it is not JSON; restore it from a backup$/m)
    })
  })
})
