/**
 * Makes a data directory of the present formats for test/fixtures, where it stays: every later version must open it. To be run once,
 * after a format's version was raised:
 *
 *     npm run build && node dist/tools/make-data-fixture.js test/fixtures/data-2
 *
 * The directory is what a killed server leaves: a catalog, producer ids, and a journal of two segments with entries behind its
 * last checkpoint. Each file is compressed, since segments are mostly zeros. Beside them lies `contents.json`: what was written,
 * as whoever wrote it knows it, to be compared with what is read.
 */
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { Chunks } from '../protocol/chunks.ts'
import { buildBatch } from '../protocol/records/build-batch.ts'
import { checkBatches } from '../protocol/records/check-batches.ts'
import { Codec } from '../protocol/records/compression.ts'
import { nodeFiles as files } from '../src/base/files.ts'
import { silentLog } from '../src/base/log.ts'
import { openCatalog } from '../src/catalog/catalog.ts'
import { Journal } from '../src/journal/journal.ts'
import { ProducerIds } from '../src/journal/producer-ids.ts'

/** The clock of the directory. Every entry is a second later than the one before. */
const START_MS = Date.UTC(2026, 0, 1)
const SECRET = 'not-a-secret-1234'

/** An entry as it is written, in the words of the journal. */
interface Input {
  logstore: string
  shard?: number
  partition?: number
  jsonTopic?: boolean
  /** Producer id, epoch and base sequence of an idempotent producer. */
  producer?: [number, number, number]
  codec?: number
  values: string[]
}

const filler = (character: string): string => character.repeat(300_000)

/** What is written before the first checkpoint, before the second one, and behind it. The second segment begins on the way. */
const beforeFirst: Input[] = [
  { logstore: 'web/nginx', values: ['one', 'two', 'three'] },
  { logstore: 'web/nginx', shard: 1, partition: 3, producer: [1, 0, 0], values: ['{"level":"info"}', '{"level":"warn"}'] },
  { logstore: 'web/mysql', partition: 1, jsonTopic: true, producer: [1, 0, 0], codec: Codec.GZIP, values: ['{"a":1}'] },
  { logstore: 'shop/orders', producer: [2, 5, 2_147_483_646], values: ['wraps', 'around', 'at', '2^31'] },
  { logstore: 'web/nginx', shard: 1, partition: 3, producer: [1, 0, 2], values: [filler('a')] },
  { logstore: 'web/nginx', values: [filler('b'), ''] },
  { logstore: 'web/gone', values: ['of a logstore that was deleted'] },
]
const beforeSecond: Input[] = [
  { logstore: 'web/nginx', values: [filler('c')] },
  { logstore: 'web/nginx', shard: 1, partition: 3, producer: [1, 0, 3], values: [filler('d')] },
]
const behindSecond: Input[] = [
  { logstore: 'web/mysql', producer: [3, 1, 0], values: ['in the second segment', 'ä ö ü 日本'] },
  { logstore: 'shop/orders', producer: [2, 6, 0], values: ['a new epoch'] },
]

const [target] = process.argv.slice(2)
if (target === undefined) throw new Error('which directory is to be made?')
const data = mkdtempSync(join(tmpdir(), 'sluice-fixture-'))
const directory = join(data, 'journal')

const catalog = await openCatalog({ files, directory: data, defaults: { region: 'local' } })
for (const project of ['web', 'shop']) await catalog.createProject({ name: project })
const ids = new Map<string, string>()
for (const [project, name] of [
  ['web', 'nginx'],
  ['web', 'mysql'],
  ['web', 'gone'],
  ['shop', 'orders'],
] as const)
  // prettier-ignore
  ids.set(`${project}/${name}`, (await catalog.createLogstore({ project, name })).id)
await catalog.createAccessKey({ project: 'web', id: 'KEY1', secret: SECRET, logstores: ['nginx', 'mysql'] })
await catalog.createAccessKey({ project: 'shop', id: 'KEY2', secret: SECRET })
await catalog.deleteLogstore('web', 'gone')

let seconds = 0
const journal = await Journal.open({
  files,
  directory,
  segmentBytes: 2 ** 20,
  maxStreams: 1000,
  checkpointIntervalMs: 2 ** 30,
  log: silentLog,
  now: () => START_MS + seconds * 1000,
})
const producerIds = await ProducerIds.open({ files, directory })
for (let given = 0; given < 4; given++) await producerIds.next()

const entries: object[] = []
const nextOffsets: Record<string, number> = {}
const streams: Record<string, object> = {}
for (const input of beforeFirst) await write(input)
journal.setIndexed({ place: { position: 0, entry: 0, chain: 0 }, stored: { [ids.get('web/nginx')!]: 1 } })
await journal.checkpoint()
for (const input of beforeSecond) await write(input)
await journal.checkpoint()
for (const input of behindSecond) await write(input)

rmSync(target, { recursive: true, force: true })
for (const folder of ['', 'journal']) {
  mkdirSync(join(target, folder), { recursive: true })
  for (const entry of readdirSync(join(data, folder), { withFileTypes: true }))
    if (entry.isFile() && entry.name !== 'next.segment')
      writeFileSync(
        join(target, folder, `${entry.name}.gz`),
        gzipSync(readFileSync(join(data, folder, entry.name)), { level: 9 }),
      )
}
const contents = {
  nowMs: START_MS + seconds * 1000,
  secret: SECRET,
  projects: catalog.listProjects(),
  logstores: catalog.listLogstores(),
  deletedLogstores: catalog.listDeletedLogstores(),
  accessKeys: ['web', 'shop'].flatMap(project =>
    catalog.listAccessKeys(project).map(({ id, logstores }) => ({ project, id, logstores })),
  ),
  journalId: journal.id,
  indexed: journal.indexed,
  reservedProducerIds: 1000,
  entries,
  nextOffsets,
  streams: Object.values(streams),
}
writeFileSync(join(target, 'contents.json'), `${JSON.stringify(contents, null, 2)}\n`)
await journal.close()
rmSync(data, { recursive: true })

/** Writes an entry, a group of its own, and notes what it is. */
async function write({ logstore, shard = 0, partition = 0, jsonTopic = false, producer, codec, values }: Input): Promise<void> {
  seconds++
  const bytes = buildBatch({
    records: values.map((value, index) => ({ value, key: index === 0 ? 'key' : null, timestamp: START_MS + index })),
    ...(codec !== undefined && { codec }),
    ...(producer !== undefined && { producerId: producer[0], producerEpoch: producer[1], baseSequence: producer[2] }),
  })
  const records = Chunks.of(bytes)
  const checked = checkBatches(records)
  if (!('batches' in checked)) throw new Error('a batch of the fixture is not sound')
  const origin = { logstoreId: ids.get(logstore)!, shard, partition, jsonTopic }
  const client = { source: `10.0.0.${seconds}`, clientId: `client-${seconds}`, accessKeyId: 'KEY1' }
  const appended = journal.append({ ...origin, ...client, records, batches: checked.batches })
  if (typeof appended === 'string') throw new Error(`a batch of the fixture was refused: ${appended}`)
  await appended.durable.promise
  const { baseOffset } = appended
  const shardKey = `${origin.logstoreId}/${shard}`
  nextOffsets[shardKey] = (nextOffsets[shardKey] ?? 0) + values.length
  const recordCount = values.length
  // With its base offset written into it.
  const sha256 = createHash('sha256').update(records.toBuffer()).digest('hex')
  const receivedMs = START_MS + seconds * 1000
  entries.push({ number: entries.length, ...origin, baseOffset, recordCount, receivedMs, ...client, sha256 })
  if (producer === undefined) return
  const [producerId, epoch, firstSequence] = producer
  const stream = { producerId, logstoreId: origin.logstoreId, jsonTopic, partition }
  streams[JSON.stringify(stream)] = { stream, epoch, firstSequence, count: recordCount, shard, baseOffset }
}
