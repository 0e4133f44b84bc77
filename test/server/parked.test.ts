/**
 * Tables that somebody has spoilt: their logstores are parked, the others are searchable and the journal stays small; once the tables
 * are as they were, nothing is missing in them.
 */
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { ErrorCode } from '../../protocol/error-codes.ts'
import type { LogstoreStatus } from '../../src/http/status.ts'
import { silentLog } from '../../src/base/log.ts'
import { Engine } from '../../src/store/engine.ts'
import { SPARE_SEGMENTS } from '../../src/journal/journal.ts'
import { RawClient } from '../support/raw-client.ts'
import { hasProc, Server } from '../support/server.ts'
import { until } from '../support/wait.ts'

const SEGMENT_BYTES = 1024 * 1024
/** More than three times as much as the journal may keep. */
const ROUNDS = 12

describe('a server with tables that cannot be written', function () {
  this.timeout(180_000)

  let server: Server
  let password: string
  const broken = ['foreign', 'changed']
  const sent = new Map<string, string[]>([...broken, 'other'].map(logstore => [logstore, []]))

  before(async () => {
    server = await Server.start({
      settings: { journal: { segmentBytes: SEGMENT_BYTES, maxBytes: 4 * SEGMENT_BYTES, parkedBytes: 16 * SEGMENT_BYTES } },
    })
    for (const logstore of sent.keys()) await server.createLogstore(`demo/${logstore}`)
    password = await server.createKey('demo')
  })

  after(() => server?.remove())

  /** Sends a log, of about a tenth of a segment unless told otherwise, to each of these logstores. */
  async function send(client: RawClient, logstores = [...sent.keys()], bytes = SEGMENT_BYTES / 10): Promise<void> {
    let partitions = logstores.map(topic => {
      const values = sent.get(topic)!
      const value = `${topic} ${values.length} ${'x'.repeat(bytes)}`
      values.push(value)
      return { topic, batch: { records: [{ value }] } }
    })
    while (partitions.length > 0) {
      const answers = await client.produce(partitions)
      for (const { errorCode } of answers)
        assert(errorCode === ErrorCode.NONE || errorCode === ErrorCode.NOT_ENOUGH_REPLICAS, `${errorCode}`)
      // As producers do, while the journal is full for a moment.
      partitions = partitions.filter((_, index) => answers[index]!.errorCode !== ErrorCode.NONE)
    }
  }

  /** Does with the tables what an operator does, while the server is down. */
  async function operate(...statements: string[]): Promise<void> {
    await server.kill('SIGTERM')
    const engine = new Engine({ directory: join(server.data, 'clickhouse'), log: silentLog })
    const { url, username, password: key } = await engine.start()
    const headers = { 'X-ClickHouse-User': username, 'X-ClickHouse-Key': key }
    for (const body of statements) {
      const answer = await fetch(url, { method: 'POST', headers, body })
      assert(answer.ok, await answer.text())
    }
    await engine.stop()
    await server.restart()
  }

  const filesOf = (directory: string, pattern: RegExp): string[] =>
    readdirSync(join(server.data, directory)).filter(name => pattern.test(name))
  const segments = (): string[] => filesOf('journal', /^\d+\.segment$/)
  const parkedFiles = (): string[] => filesOf('journal/parked', /\.parked$/)
  const parkedBytes = async (): Promise<number> =>
    Number(/^sluice_parked_bytes (\d+)/m.exec((await server.get('/metrics')).text)?.[1])

  const statusOf = async (logstore: string): Promise<LogstoreStatus> =>
    JSON.parse(await server.run('status', `demo/${logstore}`, '--json')) as LogstoreStatus

  async function assertStored(logstore: string): Promise<void> {
    const values = sent.get(logstore)!
    await server.waitForRows(`demo/${logstore}`, values.length)
    const rows = await server.query<{ content: string }>(`demo/${logstore}`, 'SELECT content FROM log ORDER BY _entry')
    assert.deepEqual(
      rows.map(({ content }) => content.slice(0, 30)),
      values.map(value => value.slice(0, 30)),
    )
  }

  it('indexes the others, and gives up segments of the journal', async () => {
    let client = await RawClient.login(server, 'demo', password)
    await send(client)
    for (const logstore of sent.keys()) await assertStored(logstore)
    client.close()
    await operate(
      'DROP TABLE p_demo.`foreign` SYNC',
      'CREATE TABLE p_demo.`foreign` (a String) ENGINE = MergeTree ORDER BY a',
      'ALTER TABLE p_demo.changed MODIFY COLUMN _error String',
    )
    client = await RawClient.login(server, 'demo', password)
    for (let round = 0; round < ROUNDS; round++) {
      for (let tenth = 0; tenth < 4; tenth++) await send(client)
      await server.waitForRows('demo/other', sent.get('other')!.length)
      if (round === ROUNDS / 2 && hasProc) await server.kill('SIGKILL', 'indexer')
    }
    await until('parked files of both', () => new Set(parkedFiles().map(name => name.slice(0, 36))).size === broken.length)
    // A journal that nobody writes to is left as it is.
    await until('a small journal', async () => (await send(client, ['other'], 10), segments().length <= 3 + SPARE_SEGMENTS))
    client.close()
    const bytes = broken.flatMap(logstore => sent.get(logstore)!.slice(1)).join('').length
    // Less than a mebibyte of a logstore may not be told yet.
    await until('all of it parked', async () => (await parkedBytes()) > bytes - broken.length * 1024 * 1024)
    const { status, text } = await server.get('/readyz')
    assert.equal(status, 503)
    assert.match(text, /p_demo\.foreign was not made by this sluice/)
    assert.match(text, /_error/)
    assert.match(text, /^logs of demo\/foreign wait to be stored: /m)
    const foreign = await statusOf('foreign')
    assert.match(foreign.problem!, /was not made by this sluice .* rename or drop it/)
    assert.equal(foreign.lagRows, sent.get('foreign')!.length - 1)
    assert(foreign.parkedBytes > 0 && foreign.lagBytes! > 0 && foreign.lagMs! > 0)
    const other = await until('nothing behind', async () => {
      const status = await statusOf('other')
      return status.lagRows === 0 && status
    })
    assert.deepEqual([other.rows, other.parkedBytes, other.problem], [sent.get('other')!.length, 0, null])
    await assertStored('other')
  })

  it('has every log once when the tables are repaired', async () => {
    await operate('DROP TABLE p_demo.`foreign` SYNC', 'ALTER TABLE p_demo.changed MODIFY COLUMN _error LowCardinality(String)')
    // What was stored of it before was in the table that was dropped.
    sent.get('foreign')!.shift()
    const client = await RawClient.login(server, 'demo', password)
    await send(client)
    client.close()
    for (const logstore of sent.keys()) await assertStored(logstore)
    await until('the end of the parked files', () => parkedFiles().length === 0)
    assert.equal(await parkedBytes(), 0)
    await server.whenReady()
    for (const logstore of sent.keys()) {
      const { problem, lagRows, lagBytes } = await statusOf(logstore)
      assert.deepEqual({ problem, lagRows, lagBytes }, { problem: null, lagRows: 0, lagBytes: 0 }, logstore)
    }
  })

  it('refuses logs of a logstore that has parked as much as it may, and of no other', async () => {
    await operate('DROP TABLE p_demo.`foreign` SYNC', 'CREATE TABLE p_demo.`foreign` (a String) ENGINE = MergeTree ORDER BY a')
    await server.restart({ journal: { segmentBytes: SEGMENT_BYTES, parkedBytes: SEGMENT_BYTES } })
    const client = await RawClient.login(server, 'demo', password)
    const produce = async (topic: string) =>
      (await client.produce([{ topic, batch: { records: [{ value: 'x'.repeat(SEGMENT_BYTES / 10) }] } }]))[0]!
    const refused = await until('a refusal', async () => {
      const answer = await produce('foreign')
      return answer.errorCode !== ErrorCode.NONE && answer
    })
    assert.equal(refused.errorCode, ErrorCode.NOT_ENOUGH_REPLICAS)
    assert.match(refused.errorMessage ?? '', /journal\.parkedBytes \(1 MiB\)/)
    // What comes behind a refusal on its connection is refused as well, for a second.
    client.close()
    const other = await RawClient.login(server, 'demo', password)
    await send(other, ['other'])
    other.close()
  })
})
