import FakeTimers from '@sinonjs/fake-timers'
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { makeCertificates } from '../../../certs/development.ts'
import { nodeFiles } from '../../../src/base/files.ts'
import { judgeRoom } from '../../../src/cli/doctor-data.ts'
import { diagnose, type Finding } from '../../../src/cli/doctor.ts'
import { drawHistogram, judgeSyncs, measureSyncs, summarize } from '../../../src/cli/sync-latency.ts'
import { loadConfig } from '../../../src/config/load-config.ts'
import { dataFixtures, unpackData } from '../../support/data-fixture.ts'
import { makeDirectory, removeDirectory, runSluice } from '../../support/server.ts'

const YEAR_MS = 365 * 24 * 60 * 60 * 1000
const freePorts = { 'listeners.internet.port': 0, 'listeners.intranet.port': 0, 'http.port': 0 }

describe('sluice doctor', () => {
  let directory: string
  let data: string

  beforeEach(async () => {
    directory = await makeDirectory()
    data = join(directory, 'data')
    unpackData(dataFixtures.at(-1)!, data)
    chmodSync(data, 0o700)
  })

  afterEach(() => removeDirectory(directory))

  /** What one of the checks finds. */
  async function find(check: string, settings: Record<string, unknown> = {}): Promise<Finding[]> {
    const config = loadConfig({ data, overrides: { ...freePorts, ...settings } })
    const findings: Finding[] = []
    for await (const { check: _, ...finding } of diagnose(config, [check])) findings.push(finding)
    return findings
  }

  async function assertFinds(
    check: string,
    { verdict, says, settings }: { verdict: Finding['verdict']; says: RegExp; settings?: Record<string, unknown> },
  ): Promise<void> {
    const findings = await find(check, settings)
    assert(
      findings.some(found => found.verdict === verdict && says.test(found.says)),
      JSON.stringify(findings),
    )
  }

  it('says of each thing that it is in order, in a line, and succeeds', async () => {
    writeFileSync(
      join(directory, 'free.yaml'),
      JSON.stringify({ listeners: { internet: { port: 0 }, intranet: { port: 0 } }, http: { port: 0 } }),
    )
    const args = ['doctor', '--config', 'free.yaml', '--data', 'data']
    const [{ code, stdout, stderr }, json] = await Promise.all([
      runSluice(args, { directory }),
      runSluice([...args, '--json'], { directory }),
    ])
    assert.deepEqual([code, stderr, json.code], [0, '', 0], stdout)
    const checks = json.stdout.trimEnd().split('\n').map(line => (JSON.parse(line) as { check: string }).check) // prettier-ignore
    for (const check of [
      'node',
      'directory',
      'room',
      'file system',
      'sync',
      'catalog',
      'journal',
      'clock',
      'certificate',
      'server',
    ])
      assert(checks.includes(check), check)
    assert.match(stdout, /^ok +catalog +2 projects, 3 logstores, 2 access keys$/m)
    assert.match(stdout, /^ok +journal +2 segments, 1.2 MiB were not indexed at the last checkpoint$/m)
    assert.match(stdout, /^\w+ +sync +a write to disk takes .+\n +up to .+ █+ \d+$/m)
    assert(!existsSync(join(data, 'sync-probe')))
  })

  it('tells a directory that is still to be made', async () => {
    rmSync(data, { recursive: true })
    await assertFinds('directory', { verdict: 'ok', says: /does not exist yet: the server makes it$/ })
    assert(!existsSync(data))
  })

  it('warns of a directory that others can read', async () => {
    chmodSync(data, 0o750)
    await assertFinds('directory', { verdict: 'warning', says: /can be read by other users \(mode 0750\)/ })
  })

  it('finds too little room', () => {
    const says = ({ verdict, says }: Finding): string => `${verdict}: ${says}`
    assert.equal(
      says(judgeRoom({ freeBytes: 2 ** 38, totalBytes: 2 ** 40, segmentBytes: 2 ** 26 })),
      'ok: 256 GiB of 1 TiB are free',
    )
    assert.match(
      says(judgeRoom({ freeBytes: 2 ** 35, totalBytes: 2 ** 40, segmentBytes: 2 ** 26 })),
      /^warning: 32 GiB of 1 TiB are free: /,
    )
    assert.match(
      says(judgeRoom({ freeBytes: 2 ** 30, totalBytes: 2 ** 30, segmentBytes: 2 ** 30 })),
      /^problem: .+: the journal needs 4 GiB at least$/,
    )
  })

  it('finds a catalog and a journal of a newer version', async () => {
    const catalog = join(data, 'catalog.json')
    writeFileSync(catalog, readFileSync(catalog, 'utf8').replace(/"format": \d+/, '"format": 99'))
    await assertFinds('catalog', { verdict: 'problem', says: /catalog.json has format version 99/ })
  })

  it('finds a segment that is missing, and a checkpoint that cannot be read', async () => {
    const journal = join(data, 'journal')
    writeFileSync(
      join(
        journal,
        readdirSync(journal).find(name => name.startsWith('checkpoint'))!,
      ),
      'torn',
    )
    await assertFinds('journal', { verdict: 'warning', says: /^cannot be read: .+checkpoint/ })
    rmSync(join(journal, '0000000000000001.segment'))
    await assertFinds('journal', { verdict: 'problem', says: /^a segment that may not be indexed yet is missing/ })
  })

  it('finds a clock that is behind the journal', async () => {
    const journal = join(data, 'journal')
    await assertFinds('clock', { verdict: 'ok', says: /not before the newest checkpoint$/ })
    const later = Date.now() / 1000 + 7200.5
    for (const name of readdirSync(journal)) utimesSync(join(journal, name), later, later)
    await assertFinds('clock', { verdict: 'problem', says: /^it is (2\.0|2|120) (h|min) behind/ })
  })

  it('finds a port that is taken, and says who has it', async () => {
    const holder = createServer().listen(0)
    await once(holder, 'listening')
    const { port } = holder.address() as AddressInfo
    const says = new RegExp(
      `^port ${port} \\(the intranet listener\\) is taken.*; choose another one with the setting listeners.intranet.port$`,
    )
    await assertFinds('server', { verdict: 'problem', says, settings: { 'listeners.intranet.port': port } })
    holder.close()
    await once(holder, 'close')
    await assertFinds('server', {
      verdict: 'ok',
      says: new RegExp(`^ports that are free for it: intranet ${port}$`),
      settings: { 'listeners.intranet.port': port },
    })
  })

  it('finds an address that is not of this machine', async () => {
    await assertFinds('server', {
      verdict: 'problem',
      says: /^the http listener cannot be opened: .*EADDRNOTAVAIL/,
      settings: { 'http.host': '192.0.2.1', 'http.port': 10_013 },
    })
  })

  describe('looking at certificates', () => {
    let files: { cert: string; key: string }

    beforeEach(async () => {
      const { certFile, keyFile } = await makeCertificates({
        directory: join(directory, 'made'),
        hosts: ['logs.example.test', '::1'],
      })
      files = { cert: certFile, key: keyFile }
    })

    const settings = (tls: object, advertised?: object) => ({
      'listeners.internet.tls': tls,
      ...(advertised && { 'listeners.internet.advertised': advertised }),
    })

    it('says whom they are for and how long', async () => {
      await assertFinds('certificate', {
        verdict: 'ok',
        says: /server.pem \(internet\) is for logs.example.test, .+; it expires in \d+ days$/,
        settings: settings(files, { host: 'logs.example.test' }),
      })
      await assertFinds('certificate', {
        verdict: 'ok',
        says: /certs.server.pem \(internet and intranet\) is made at the next start$/,
      })
    })

    it('finds one that is not for the name that clients are told', async () => {
      await assertFinds('certificate', {
        verdict: 'problem',
        says: /is not for other.example.test, where clients are told to connect to/,
        settings: settings(files, { host: 'other.example.test' }),
      })
    })

    it('finds one that is missing, or has another key', async () => {
      await assertFinds('certificate', {
        verdict: 'problem',
        says: /none.pem \(internet\) cannot be used: ENOENT/,
        settings: settings({ ...files, cert: join(directory, 'none.pem') }),
      })
      await assertFinds('certificate', {
        verdict: 'problem',
        says: /and the key .+ca.key do not belong together$/,
        settings: settings({ ...files, key: join(directory, 'made', 'ca.key') }),
      })
    })

    it('finds one that has expired, that is about to, and that is not valid yet', async () => {
      for (const [aheadMs, verdict, says] of [
        [3 * YEAR_MS, 'problem', /; it expired \d+ days ago, and clients refuse it$/],
        [2.2 * YEAR_MS, 'warning', /; it expires in \d+ days$/],
        [-YEAR_MS, 'problem', /; it is not valid before /],
      ] as const) {
        const clock = FakeTimers.install({ now: Date.now() + aheadMs, toFake: ['Date'] })
        await assertFinds('certificate', { verdict, says, settings: settings(files) }).finally(() => clock.uninstall())
      }
    })
  })
})

describe('the time that a disk takes to sync', () => {
  it('is measured on a real file, which is gone afterwards', async () => {
    const directory = await makeDirectory()
    const { sortedMs, medianMs, worstMs } = await measureSyncs(nodeFiles, directory)
    assert.equal(sortedMs.length, 100)
    assert(sortedMs[0]! > 0 && medianMs >= sortedMs[0]! && worstMs >= medianMs)
    assert.deepEqual(readdirSync(directory), [])
    await removeDirectory(directory)
  })

  it('is a warning if a write that need not be on disk takes as long, or if it is long', () => {
    assert.match(
      judgeSyncs(summarize([0.004, 0.055, 30], [0.05])).says,
      /takes 55 µs .+, as long as one that need not be on disk \(50 µs\): the device does not really sync/,
    )
    assert.match(judgeSyncs(summarize([25, 26, 27], [0.05])).advice!, /SSD/)
    for (const ms of [0.08, 1, 15]) assert.equal(judgeSyncs(summarize([ms], [0.05])).advice, undefined, `${ms} ms`)
  })

  it('is drawn with a line for each doubling', () => {
    assert.deepEqual(drawHistogram(summarize([0.2, 0.2, 0.9], [0.1])), [
      `up to   250 µs  ${'█'.repeat(40)} 2`,
      'up to   500 µs  0',
      `up to  1000 µs  ${'█'.repeat(20)} 1`,
    ])
  })
})
