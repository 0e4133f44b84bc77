/**
 * No log is lost in silence when batches are refused in the middle of what an idempotent producer has in flight: what librdkafka
 * reports of each log is compared with what is stored.
 *
 * On the success of a batch librdkafka reports all earlier ones of the partition as delivered, also one that was refused. So whatever
 * is sent behind a refused batch has to be refused too, until the refused one has come again; also when it was the first thing that
 * the server ever heard of the producer. SLUICE_SEED repeats the random cases.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import { ErrorCode } from '../../protocol/error-codes.ts'
import { silentLog } from '../../src/base/log.ts'
import { loadConfig } from '../../src/config/load-config.ts'
import { startSluice, type Running, type ServerInfo } from '../../src/sluice.ts'
import { Random } from '../protocol/random.ts'
import { makeDirectory, Server } from '../support/server.ts'
import { until } from '../support/wait.ts'
import { preparePython } from './python.ts'
import { FailingDisk } from './refused-batches/failing-disk.ts'
import { Proxy, type Fault } from './refused-batches/proxy.ts'
import { beginningOf, judge, type Log, type Report, type Stream } from './refused-batches/verdict.ts'

/** `givesUp`: what it does with a batch that was damaged, CORRUPT_MESSAGE, is to report it as failed; later versions send it again. */
const CLIENTS = [
  { version: '2.0.2', givesUp: true },
  { version: '2.6.1', givesUp: false },
  { version: '2.16.1', givesUp: false },
]
const IN_FLIGHT = 5
/**
 * Once as many messages of a partition are in flight as requests may be, librdkafka sends no further batch of an idempotent producer
 * there: it would wait for the answer to each larger batch, and nothing would be behind a refused one.
 */
const BATCH_MESSAGES = 2
/** Of each stream. */
const MESSAGES = 400
const SEED = Number(process.env['SLUICE_SEED'] ?? randomInt(2 ** 31))

type ChosenFault = Omit<Fault, 'isDamaged'>

interface Case {
  name: string
  partitions: number
  /** What is put behind the logstore's name for the topics. */
  variants: string[]
  choose(streams: readonly Stream[], random: Random): ChosenFault[]
}

const CASES: Case[] = [
  {
    name: 'one in the middle',
    partitions: 2,
    variants: [''],
    choose: ([stream]) => [{ ...stream!, n: MESSAGES / 2, batches: 1, behind: 'after the answer' }],
  },
  {
    name: "each partition's very first",
    partitions: 2,
    variants: [''],
    choose: streams => streams.map(stream => ({ ...stream, n: 0, batches: 1, behind: 'after the answer' })),
  },
  {
    name: 'the very first and others at random',
    partitions: 4,
    variants: [''],
    choose: chooseAtRandom,
  },
  {
    name: 'the very first and others at random, of two topics of one logstore',
    partitions: 2,
    variants: ['', '.json'],
    choose: chooseAtRandom,
  },
  {
    name: 'several in a row',
    partitions: 2,
    variants: [''],
    choose: ([first, second]) => [
      { ...first!, n: 0, batches: 3, behind: 'together' },
      { ...second!, n: MESSAGES / 2, batches: 5, behind: 'together' },
    ],
  },
]

/** The first batch of each stream, and some of those behind them, each only once: a client that gives it up does not send it again. */
function chooseAtRandom(streams: readonly Stream[], random: Random): ChosenFault[] {
  const first = streams.map(stream => ({ ...stream, n: 0 }))
  const later = new Map<string, Log>()
  while (later.size < 8) {
    const log = { ...random.pick(streams), n: 2 * BATCH_MESSAGES * (1 + random.below(MESSAGES / (2 * BATCH_MESSAGES) - 5)) }
    later.set(beginningOf(log), log)
  }
  return [...first, ...later.values()].map(log => ({ ...log, batches: 1, behind: random.pick(['together', 'after the answer']) }))
}

/** A server behind the proxy, on whose way to the disk, or before it, batches are refused. */
interface Bench {
  server: Server
  proxy: Proxy
  password: string
  /** Has the batches refused; from then on `missing` says how many have not been. */
  refuse(faults: readonly ChosenFault[]): void
  missing(): number
  refusedWith: ErrorCode
  close(): Promise<void>
}

async function openBench(): Promise<Bench> {
  const proxy = await Proxy.open(join(await makeDirectory('sluice proxy '), 'certs'))
  // What Metadata says must lead to the proxy too.
  const settings = { listeners: { internet: { advertised: { host: 'localhost', port: proxy.port } } } }
  const server = await Server.start({ settings })
  await server.createLogstore('demo/first')
  proxy.leadTo({ port: server.port(), ca: server.ca })
  return {
    server,
    proxy,
    password: await server.createKey('demo'),
    refuse: faults => proxy.begin(faults.map(fault => ({ ...fault, isDamaged: true }))),
    missing: () => proxy.missing,
    refusedWith: ErrorCode.CORRUPT_MESSAGE,
    async close() {
      await proxy.close()
      await server.remove()
    },
  }
}

/** The same with a server in this process, on the same data, whose disk fails. */
async function openFailingBench(): Promise<Bench & { restart(): Promise<void> }> {
  const bench = await openBench()
  const { server, proxy } = bench
  await server.kill('SIGTERM')
  const disk = new FailingDisk()
  const config = loadConfig({ file: server.configFile, data: server.data })
  let running: (Running & { info: ServerInfo }) | undefined = await startSluice(config, silentLog, disk.files)
  proxy.leadTo({ port: running.info.listeners.internet!.port, ca: server.ca })
  const stop = async (): Promise<void> => {
    await running?.close()
    running = undefined
  }
  return {
    ...bench,
    refuse(faults) {
      proxy.begin(faults.map(fault => ({ ...fault, isDamaged: false })))
      disk.begin(faults.map(({ batches, ...log }) => ({ content: beginningOf(log), writes: batches })))
    },
    missing: () => disk.missing,
    refusedWith: ErrorCode.KAFKA_STORAGE_ERROR,
    /** Has the server that people run take over. */
    async restart() {
      await stop()
      await server.restart()
    },
    async close() {
      await stop()
      await bench.close()
    },
  }
}

/** Sends to the streams what the driver sends, and returns what it was told. */
async function produce({ server, proxy, password }: Bench, python: string, streams: readonly Stream[]): Promise<Report> {
  const job = {
    bootstrap: `localhost:${proxy.port}`,
    ca: proxy.caFile,
    user: 'demo',
    password,
    streams,
    messages: MESSAGES,
    batchMessages: BATCH_MESSAGES,
    inFlight: IN_FLIGHT,
    timeoutMs: 60_000,
  }
  // In the server's directory, so that it does not outlive it.
  const child = spawn(python, [resolve('test/clients/drivers/python/refused_batches.py')], { cwd: server.directory })
  child.stdin.end(JSON.stringify(job))
  const closed = once(child, 'close') as Promise<[number | null]>
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), closed])
  assert.equal(code, 0, stderr)
  return JSON.parse(stdout) as Report
}

/** The rows of a logstore in the order of arrival, once all that the server has taken is there. */
async function readLogs(server: Server, logstore: string): Promise<Log[]> {
  await until('an index of everything that is durable', async () => {
    const { http } = JSON.parse(await readFile(server.infoFile, 'utf8')) as ServerInfo
    const metrics = await (await fetch(`http://127.0.0.1:${http.port}/metrics`)).text()
    return /^sluice_journal_unindexed_bytes 0$/m.test(metrics)
  })
  const rows = await server.query<{ content: string }>(logstore, 'SELECT content FROM log ORDER BY _entry, _offset')
  return rows.map(({ content }) => JSON.parse(content) as Log)
}

/** A run that was judged, to be judged again. */
interface Run {
  logstore: string
  report: Report
  /** Whether there is to be anything that was reported as failed. */
  isGivenUp: boolean
}

describe(`batches that are refused while others are in flight (SLUICE_SEED=${SEED})`, () => {
  let bench: Bench | undefined
  const runs: Run[] = []
  let logstores = 0

  /** Everything that was reported as delivered is there once, in order; what was reported as failed is not there. */
  async function assertNothingLost({ logstore, report, isGivenUp }: Run): Promise<void> {
    const { failed, ...wrong } = judge(report, await readLogs(bench!.server, logstore), MESSAGES)
    assert.deepEqual(wrong, { lost: [], repeated: [], disordered: [], unreported: [], storedAndFailed: [], fatal: [] })
    assert.equal(failed.length > 0, isGivenUp, failed.join())
  }

  function testAll(): void {
    for (const { version, givesUp } of CLIENTS)
      describe(`confluent-kafka ${version}`, () => {
        let python: string
        before(async function () {
          // Enough to download it over a slow network.
          this.timeout(30 * 60_000)
          const name = `confluent-kafka-${version}`
          try {
            python = await preparePython(join('.cache', 'clients', name), [`confluent-kafka==${version}`])
          } catch (error) {
            process.stdout.write(`        skipped, since ${name} could not be installed: ${(error as Error).message}\n`)
            this.skip()
          }
        })

        for (const { name, partitions, variants, choose } of CASES)
          it(name, async () => {
            const { server, proxy, refuse, missing, refusedWith } = bench!
            const logstore = `nginx-${++logstores}`
            await server.createLogstore(`demo/${logstore}`, { shards: partitions })
            const topics = variants.map(variant => logstore + variant)
            const streams = topics.flatMap(topic => Array.from({ length: partitions }, (_, partition) => ({ topic, partition })))
            refuse(choose(streams, new Random(SEED)))
            const report = await produce(bench!, python, streams)
            const run = { logstore: `demo/${logstore}`, report, isGivenUp: givesUp && refusedWith === ErrorCode.CORRUPT_MESSAGE }
            runs.push(run)
            await assertNothingLost(run)

            // It was not for nothing: everything was refused that was chosen, and others were behind it.
            assert.equal(missing(), 0)
            assert(proxy.sent.some(({ errorCode }) => errorCode === refusedWith))
            const behind = proxy.sent.filter(({ isBehindRefused }) => isBehindRefused)
            assert(behind.length > 0)
            assert(behind.every(({ errorCode }) => errorCode !== ErrorCode.NONE))
          })
      })
  }

  describe('because they were damaged on their way', () => {
    before(async () => (bench = await openBench()))
    after(() => bench?.close())

    testAll()
  })

  describe('because the disk fails', () => {
    let restart: () => Promise<void>

    before(async () => {
      const failing = await openFailingBench()
      bench = failing
      restart = failing.restart
      runs.length = 0
    })

    after(() => bench?.close())

    testAll()

    // In a suite of its own, which comes behind the others.
    describe('and the server is started again', () => {
      it('comes to the same end', async function () {
        if (runs.length === 0) this.skip()
        await restart()
        for (const run of runs) await assertNothingLost(run)
      })
    })
  })
})
