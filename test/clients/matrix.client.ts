/**
 * Real Kafka clients against a real server: every codec, with idempotence and without, what is refused, and a server that is
 * killed. `npm run test:clients` runs it; SLUICE_CLIENTS has the names of the clients, separated by commas, and all if it is absent.
 */
import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { openProducer } from '../support/producer.ts'
import { Server } from '../support/server.ts'
import { until } from '../support/wait.ts'
import type { Job, Report } from './client.ts'
import { clients, isNewest } from './clients.ts'
import { formatPage, formatResults, refusals, shorten, type Refusal, type Result } from './page.ts'
import { runDriver, type Driver } from './run-driver.ts'

const RECORDS = 2_000
const TIMEOUT_MS = 60_000
/** Longer than the 30 s that librdkafka gives a topic it does not find: before that its user sees no more than a time-out. */
const REFUSAL_TIMEOUT_MS = 40_000
const REFUSED_RECORDS = 10
/** In which the journal is written. */
const BLOCK_BYTES = 4096
/** Some 30 MB, of which the first are in the journal when the server is killed. */
const KILL_RECORDS = 100_000
const KILL_AFTER_BYTES = 2_000_000
const KILL_TIMEOUT_MS = 120_000

const PAGE = 'docs/clients.md'
const asked = process.env['SLUICE_CLIENTS']?.split(',')
const chosen = clients.filter(({ name }) => asked?.includes(name) ?? true)

describe('real clients', () => {
  let server: Server
  let password: string
  let jobDefaults: Omit<Job, 'run'>
  let runs = 0
  const results: Result[] = []
  /** Tests of the clients that could be installed, and how many of them have passed. */
  let due = 0
  let passed = 0

  before(async () => {
    await mkdir('.cache/clients', { recursive: true })
    server = await Server.start()
    await server.createLogstore('demo/logs')
    await server.createLogstore('demo/other')
    password = await server.createKey('demo')
    const ca = join(server.directory, 'ca.pem')
    await writeFile(ca, server.ca)
    jobDefaults = {
      bootstrap: `localhost:${server.port()}`,
      ca,
      user: 'demo',
      password,
      topics: ['logs'],
      codec: 'none',
      idempotent: false,
      acks: 1,
      records: RECORDS,
      timeoutMs: TIMEOUT_MS,
    }
    await server.whenReady()
  })

  afterEach(function () {
    if (this.currentTest?.state === 'passed') passed++
  })

  after(async () => {
    await server?.remove()
    const skipped = results.filter(({ skipped }) => skipped !== undefined)
    for (const { client, skipped: reason } of skipped) process.stdout.write(`${client.name}: skipped, ${reason}\n`)
    if (asked !== undefined) process.stdout.write(`\n${await formatResults(results)}\n`)
    else if (results.length === chosen.length && passed === due) await writeFile(PAGE, await formatPage(results))
    else process.stdout.write(`${PAGE} stays as it is: not all tests have passed\n`)
  })

  for (const client of chosen) {
    describe(client.name, () => {
      const result: Result = { client, codecs: new Set(), idempotentCodecs: new Set(), refusals: new Map() }
      let tests = 0
      let driver: Driver
      /** They take as long as the clients' time-outs, so they run beside the other tests. */
      const refused = new Map<Refusal, Promise<{ run: string; report: Report }>>()

      before(async function () {
        // Enough to download compilers and libraries.
        this.timeout(30 * 60_000)
        results.push(result)
        process.stdout.write(`    ${client.name}: getting it ready …\n`)
        try {
          driver = await client.prepare(join(process.cwd(), '.cache', 'clients'))
        } catch (error) {
          result.skipped = `it could not be installed: ${shorten((error as Error).message.replace(/^.* failed: /, ''))}`
          this.skip()
        }
        due += tests
        const stranger = await server.createKey('demo', { logstores: ['other'] })
        const wrong: Record<Refusal, Partial<Job>> = {
          'wrong password': { password: `${password.split('#')[0]}#wrong` },
          'unknown topic': { topics: ['nowhere'] },
          'no right': { password: stranger },
        }
        for (const refusal of refusals) {
          const sending = send({ ...wrong[refusal], records: REFUSED_RECORDS, timeoutMs: REFUSAL_TIMEOUT_MS })
          sending.catch(() => {})
          refused.set(refusal, sending)
        }
      })

      async function send(settings: Partial<Job>): Promise<{ run: string; report: Report }> {
        const job = { ...jobDefaults, run: `${client.name} ${++runs}`, ...settings }
        return { run: job.run, report: await runDriver(driver, job, server.directory) }
      }

      async function assertDelivered(settings: Partial<Job>): Promise<void> {
        const before = await readJournal()
        const { run, report } = await send(settings)
        assert.deepEqual(report, { delivered: RECORDS, failed: 0, error: null })
        const after = await readJournal()
        // A write fills up a block at its end. Beside that, what was not compressed takes more than this.
        const bytes = after.bytes - before.bytes - (after.entries - before.entries) * BLOCK_BYTES
        if (settings.codec !== undefined && settings.codec !== 'none') assert(bytes < RECORDS * 200, 'the batches are compressed')
        const { rows, different } = await findStored(run)
        assert.equal(different, RECORDS)
        if (settings.idempotent === true) assert.equal(rows, RECORDS)
      }

      function test(title: string, run: () => Promise<void>): void {
        tests++
        it(title, run)
      }

      for (const codec of client.codecs) {
        test(`delivers with codec ${codec}`, async () => {
          await assertDelivered({ codec })
          result.codecs.add(codec)
        })
        if (client.isIdempotent)
          test(`delivers exactly once with codec ${codec} and idempotence`, async () => {
            await assertDelivered({ codec, idempotent: true, acks: -1 })
            result.idempotentCodecs.add(codec)
          })
      }

      // Java takes it for an error if both have the same topic id.
      test('delivers to both topics of a logstore, with acks = all', () =>
        assertDelivered({ topics: ['logs', 'logs.json'], acks: -1 }))

      for (const refusal of refusals)
        test(`is told: ${refusal}`, async () => {
          const { run, report } = await refused.get(refusal)!
          assert.equal(report.delivered, 0)
          assert.equal(report.failed, REFUSED_RECORDS)
          assert(report.error !== null && report.error !== '')
          assert.deepEqual(await findStored(run), { rows: 0, different: 0 })
          result.refusals.set(refusal, shorten(report.error))
        })

      if (client.isIdempotent && isNewest(client))
        test('loses nothing that was delivered and stores nothing twice when the server is killed', async () => {
          const before = await readJournal()
          let isSending = true
          const settings = { idempotent: true, acks: -1, records: KILL_RECORDS, timeoutMs: KILL_TIMEOUT_MS } as const
          const sending = send(settings).finally(() => (isSending = false))
          sending.catch(() => {})
          await until(
            'a part of the records',
            async () => !isSending || (await readJournal()).bytes > before.bytes + KILL_AFTER_BYTES,
          )
          await server.kill('SIGKILL')
          const wasSending = isSending
          await server.restart()
          await server.whenReady()
          const { run, report } = await sending
          assert(wasSending, `the driver ended before the server was killed: ${JSON.stringify(report)}`)
          assert.equal(report.delivered + report.failed, KILL_RECORDS)
          const { rows, different } = await findStored(run)
          assert.equal(rows, different, 'no record is stored twice')
          assert(different >= report.delivered, `${report.delivered} were delivered, ${different} are stored`)
          // Whether the client goes on trying until the server is back is a matter of its own time-outs, and of the machine.
          result.killed = 'nothing lost, nothing twice'
        })
    })
  }

  /** What is stored of a run, and will ever be stored of it if its driver has ended. */
  async function findStored(run: string): Promise<{ rows: number; different: number }> {
    await settle()
    return count(run)
  }

  async function count(run: string): Promise<{ rows: number; different: number }> {
    const [found] = await server.query<{ rows: string; different: string }>(
      'demo/logs',
      `SELECT toString(count()) AS rows, toString(uniqExact(JSONExtractInt(content, 'n'))) AS different
      FROM log WHERE JSONExtractString(content, 'run') = '${run}'`,
    )
    return { rows: Number(found?.rows), different: Number(found?.different) }
  }

  /** Resolves once a log that is sent now is in the table: the journal is indexed in order, so all that came before it is there too. */
  async function settle(): Promise<void> {
    const run = `settle ${++runs}`
    const producer = await openProducer(server, { project: 'demo', password })
    try {
      await producer.send({ topic: 'logs', messages: [{ value: JSON.stringify({ run, n: 0 }) }] })
    } finally {
      await producer.disconnect()
    }
    await until('a log that was sent after the others', async () => (await count(run)).rows > 0)
  }

  async function readJournal(): Promise<{ bytes: number; entries: number }> {
    const { text } = await server.get('/metrics')
    const [bytes, entries] = ['bytes', 'entries'].map(unit => {
      const found = new RegExp(`^sluice_journal_${unit}_total (\\S+)$`, 'm').exec(text)
      assert(found !== null)
      return Number(found[1])
    })
    return { bytes: bytes!, entries: entries! }
  }
})
