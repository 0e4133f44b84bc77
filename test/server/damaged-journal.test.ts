/**
 * Files of the journal that were damaged while no server ran: what was acknowledged is never skipped without a word.
 */
import assert from 'node:assert/strict'
import { cp, open, readdir, readFile, rename, rm, truncate } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { nodeFiles } from '../../src/base/files.ts'
import type { Checkpoint } from '../../src/journal/checkpoint.ts'
import { SegmentReader } from '../../src/journal/reader.ts'
import { listSegments } from '../../src/journal/segments.ts'
import { RawClient } from '../support/raw-client.ts'
import { hasProc, Server } from '../support/server.ts'
import { until } from '../support/wait.ts'

const RECORDS = 30
const RECORD_BYTES = 100_000
/** Smaller than all of them together, so that some of them are in segments behind which others lie. */
const settings = { journal: { segmentBytes: '1 MiB' } }

/** A group of the journal: the write of one record. */
interface Written {
  file: string
  offset: number
  length: number
  /** Whether the newest checkpoint lies behind it. */
  isCheckpointed: boolean
  /** Whether another group of the same file lies behind it. */
  isFollowed: boolean
}

describe('a journal that was damaged while no server ran', function () {
  let server: Server
  let journal: string
  let copy: string
  let groups: Written[]
  let password: string

  before(async function () {
    // The indexer is found through /proc.
    if (!hasProc) return this.skip()
    server = await Server.start({ settings })
    journal = join(server.data, 'journal')
    copy = join(server.directory, 'journal.copy')
    await server.createLogstore('demo/logs', { shards: 1 })
    password = await server.createKey('demo')
    // An indexer that stands still: everything is acknowledged, and in the journal only.
    process.kill(await until('an indexer', () => server.findPid('indexer')), 'SIGSTOP')
    const client = await RawClient.login(server, 'demo', password)
    for (let record = 0; record < RECORDS; record++) {
      const value = `${record} ${'x'.repeat(RECORD_BYTES)}`
      const [answer] = await client.produce([{ topic: 'logs', batch: { records: [{ value }] } }])
      assert.equal(answer?.errorCode, 0)
    }
    client.close()
    await killAll()
    await cp(journal, copy, { recursive: true })
    groups = await readGroups()
  })

  after(() => server?.remove())

  afterEach(async () => {
    if (server.isRunning) await killAll()
    await rm(journal, { recursive: true })
    // Each test has tables of its own.
    await rm(join(server.data, 'clickhouse'), { recursive: true, force: true })
    await cp(copy, journal, { recursive: true })
  })

  async function killAll(): Promise<void> {
    server.killNow(['indexer', 'engine'])
    await server.kill('SIGKILL')
    await until('the end of all processes', () => server.processes.length === 0)
  }

  async function readGroups(): Promise<Written[]> {
    const newest = (await readdir(journal))
      .filter(name => /^checkpoint-\d+\.json$/.test(name))
      .sort()
      .at(-1)!
    const [line] = (await readFile(join(journal, newest), 'utf8')).split('\n')
    const { durable } = JSON.parse(line!) as Checkpoint
    const found: Written[] = []
    const segments = await listSegments(nodeFiles, journal)
    for (const [index, segment] of segments.entries()) {
      const reader = await SegmentReader.open(nodeFiles, segment)
      const end = segments[index + 1]?.base ?? Infinity
      for (let place = reader.firstPlace; place.position < end;) {
        const group = await reader.read(place, end)
        if ('problem' in group) break
        const isFollowed = group.end.position < end && !('problem' in (await reader.read(group.end, end)))
        const isCheckpointed = group.end.position <= durable.position
        const offset = place.position - segment.base
        found.push({ file: segment.path, offset, length: group.bytes.length, isCheckpointed, isFollowed })
        place = group.end
      }
      await reader.close()
    }
    assert.equal(found.length, RECORDS)
    return found
  }

  async function change(file: string, position: number, alter: (bytes: Buffer) => void, length = 1): Promise<void> {
    const handle = await open(file, 'r+')
    const bytes = Buffer.alloc(length)
    await handle.read(bytes, 0, length, position)
    alter(bytes)
    await handle.write(bytes, 0, length, position)
    await handle.close()
  }

  const damages: Record<string, (group: Written) => Promise<void>> = {
    'a bit that has flipped': ({ file, offset, length }) =>
      change(file, offset + Math.floor(length / 2), bytes => void (bytes[0]! ^= 4)),
    'a stretch that was overwritten with zeros': ({ file, offset }) => change(file, offset, bytes => bytes.fill(0), 4096),
    'a stretch that was overwritten with another': ({ file, offset }) =>
      change(file, offset + 20_000, bytes => bytes.fill('other'), 50_000),
  }

  for (const [damage, make] of Object.entries(damages))
    it(`by ${damage} behind the checkpoint keeps the server from starting, which says where`, async () => {
      const group = groups.findLast(({ isCheckpointed, isFollowed }) => !isCheckpointed && isFollowed)
      assert(group !== undefined, 'there is no group behind the checkpoint and before another one')
      await make(group)
      const refusal = await server.restart().then(
        () => 'it started',
        (error: Error) => error.message,
      )
      const [, position, file] =
        /^the server ended with 1: sluice: the journal is damaged: .+ at byte (\d+) of (.+); it was/.exec(refusal) ?? []
      assert.equal(file, group.file, refusal)
      assert(Number(position) >= group.offset && Number(position) < group.offset + group.length, refusal)
      assert(!refusal.includes('\n'), refusal)
    })

  const cuts: typeof damages = {
    'a stretch that was overwritten with another': damages['a stretch that was overwritten with another']!,
    'the end of its file that is cut off': ({ file, offset }) => truncate(file, offset + 20_000),
  }
  for (const [damage, make] of Object.entries(cuts))
    it(`by ${damage} before the checkpoint is indexed up to that place, and the server says why not further`, async () => {
      const index = groups.findIndex(({ isCheckpointed, isFollowed }, at) => at > 2 && isCheckpointed && isFollowed)
      const group = groups[index]!
      await make(group)
      await server.restart()
      const log = await until('a line that says where', () =>
        server.log.findLast(({ msg }) => msg === 'the journal cannot be read; what was acknowledged stays in it'),
      )
      assert.match(JSON.stringify(log), new RegExp(`byte \\d+ of [^"]*${basename(group.file)}`))
      await until('a server that is not ready', async () => {
        const { status, text } = await server.get('/readyz')
        return status === 503 && text.includes('the journal is damaged')
      })
      await server.waitForRows('demo/logs', index)
      assert.equal(await server.countRows('demo/logs'), index)
    })

  it('is repaired without the log that is damaged, and then has every other one once', async () => {
    const index = groups.findLastIndex(({ isCheckpointed, isFollowed }) => !isCheckpointed && isFollowed)
    await damages['a bit that has flipped']!(groups[index]!)
    await assert.rejects(server.restart(), /"sluice journal repair"/)
    const unasked = await server.cli('journal', 'repair')
    assert.equal(unasked.code, 1)
    assert.match(unasked.stderr, /Add --yes to agree/)
    assert.match(unasked.stdout, new RegExp(`^ {2}LOST: demo/logs, shard 0: offsets ${index} to ${index} \\(1 log\\)$`, 'm'))
    assert.match(await server.run('journal', 'repair', '--yes'), new RegExp(`^repaired: ${RECORDS - 1} entries with`, 'm'))
    assert.equal(await server.run('journal', 'repair', '--yes'), 'nothing is damaged, and nothing was changed')

    await server.restart()
    const locked = await server.cli('journal', 'repair', '--yes')
    assert.equal(locked.code, 1)
    assert.match(locked.stderr, /is in use by sluice serve/)
    const client = await RawClient.login(server, 'demo', password)
    const [answer] = await client.produce([{ topic: 'logs', batch: { records: [{ value: 'later' }] } }])
    assert.equal(answer?.errorCode, 0)
    client.close()
    await server.waitForRows('demo/logs', RECORDS)
    const rows = await server.query<{ number: string }>(
      'demo/logs',
      "SELECT splitByChar(' ', content)[1] AS number FROM log ORDER BY _entry",
    )
    const sent = Array.from({ length: RECORDS }, (_, record) => String(record))
    assert.deepEqual(
      rows.map(({ number }) => number),
      [...sent.filter((_, record) => record !== index), 'later'],
    )
  })

  it('has everything when it is whole again', async () => {
    await server.restart()
    await server.waitForRows('demo/logs', RECORDS)
    assert.equal(await server.countRows('demo/logs'), RECORDS)
  })
})

describe('a journal that does not hold what the tables do', () => {
  let server: Server
  let password: string

  beforeEach(async () => {
    server = await Server.start({ settings })
    await server.createLogstore('demo/logs', { shards: 1 })
    password = await server.createKey('demo')
    await send('first', 20)
    await server.waitForRows('demo/logs', 20)
  })

  afterEach(() => server.remove())

  async function send(name: string, records: number): Promise<void> {
    const client = await RawClient.login(server, 'demo', password)
    for (let record = 0; record < records; record++) {
      const [answer] = await client.produce([{ topic: 'logs', batch: { records: [{ value: `${name} ${record}` }] } }])
      assert.equal(answer?.errorCode, 0)
    }
    client.close()
  }

  const changes: Record<string, (directory: string) => Promise<void>> = {
    'that was moved aside': directory => rename(directory, `${directory}.aside`),
    'whose last file lost its end': async directory => {
      const segments = (await readdir(directory)).filter(name => /^\d+\.segment$/.test(name)).sort()
      // Before the first checkpoint of the interval: the one at the start says nothing of what came then.
      await truncate(join(directory, segments.at(-1)!), 10 * 4096)
    },
  }

  for (const [name, change] of Object.entries(changes))
    it(`and ${name} is told of, and new logs are not taken for those that are there`, async () => {
      await server.kill('SIGKILL')
      await change(join(server.data, 'journal'))
      await server.restart()
      await send('second', 5)
      await until('a server that is not ready', async () => {
        const { text } = await server.get('/readyz')
        return text.includes('the table of logstore "logs" in project "demo" holds logs of shard 0 up to offset 19')
      })
      assert.equal(await server.countRows('demo/logs'), 20)
      await server.control('DELETE', '/v1/projects/demo/logstores/logs')
      await server.createLogstore('demo/logs', { shards: 1 })
      await send('third', 5)
      await server.waitForRows('demo/logs', 5)
      await server.whenReady()
      const rows = await server.query<{ content: string }>('demo/logs', 'SELECT content FROM log ORDER BY _entry')
      assert.deepEqual(
        rows.map(({ content }) => content),
        Array.from({ length: 5 }, (_, record) => `third ${record}`),
      )
    })
})
