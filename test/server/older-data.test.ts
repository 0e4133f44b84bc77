/** Every data directory that an earlier version has left must open; `tools/make-data-fixture.ts` made them. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { crc32c } from '../../protocol/records/crc32c.ts'
import { nodeFiles as files } from '../../src/base/files.ts'
import { silentLog } from '../../src/base/log.ts'
import { Authenticator } from '../../src/catalog/authenticator.ts'
import { openCatalog, type Catalog } from '../../src/catalog/catalog.ts'
import { NEWEST_CATALOG_FORMAT } from '../../src/catalog/catalog-file.ts'
import { decodeSegmentHeader, encodeSegmentHeader } from '../../src/journal/format.ts'
import { listJournal } from '../../src/journal/inspection.ts'
import { Journal } from '../../src/journal/journal.ts'
import { ProducerIds } from '../../src/journal/producer-ids.ts'
import { JournalReader } from '../../src/journal/reader.ts'
import { verifyJournal } from '../../src/journal/verification.ts'
import { writeOf } from '../src/journal/fixtures.ts'
import { dataFixtures, unpackData, type DataContents } from '../support/data-fixture.ts'
import { makeDirectory, removeDirectory } from '../support/server.ts'

describe('an older data directory', () => {
  let data: string
  let directory: string
  let contents: DataContents

  const openJournal = (): Promise<Journal> =>
    Journal.open({
      files,
      directory,
      segmentBytes: 2 ** 20,
      maxStreams: 1000,
      checkpointIntervalMs: 2 ** 30,
      log: silentLog,
      // Producers are forgotten a day after their last batch.
      now: () => contents.nowMs,
    })

  const openItsCatalog = (): Promise<Catalog> => openCatalog({ files, directory: data, defaults: { region: 'local' } })

  /** A file of the journal whose name is like this. */
  const find = (pattern: RegExp): string =>
    join(
      directory,
      readdirSync(directory).findLast(name => pattern.test(name))!,
    )

  const unpack = async (name: string): Promise<void> => {
    data = await makeDirectory()
    directory = join(data, 'journal')
    contents = unpackData(name, data)
  }

  afterEach(() => removeDirectory(data))

  for (const name of dataFixtures) {
    describe(name, () => {
      beforeEach(() => unpack(name))

      it('holds every entry, read from the first segment on', async () => {
        const journal = await openJournal()
        const reader = new JournalReader({ files, directory, from: { position: 0, entry: 0, chain: 0 } })
        const entries: object[] = []
        for (let group; (group = await reader.next(journal.readLimit)) !== undefined;)
          for (const { records, batches: _, bytes: _bytes, seed: _seed, ...entry } of group.entries)
            entries.push({ ...entry, sha256: createHash('sha256').update(records.toBuffer()).digest('hex') })
        await reader.close()
        await journal.close()
        assert.deepEqual(entries, contents.entries)
      })

      it('knows the next offset of every shard, what is indexed, and whose journal it is', async () => {
        const journal = await openJournal()
        const offsets = Object.keys(contents.nextOffsets).map(shard => {
          const [logstoreId = '', number] = shard.split('/')
          return [shard, journal.nextOffset(logstoreId, Number(number))]
        })
        assert.deepEqual(Object.fromEntries(offsets), contents.nextOffsets)
        assert.equal(journal.durableEntries, contents.entries.length)
        assert.deepEqual([journal.indexed, journal.id], [contents.indexed, contents.journalId])
        await journal.close()
      })

      it('knows the last batch of every producer, and takes only the one behind it', async () => {
        const journal = await openJournal()
        assert(contents.streams.length > 2)
        for (const { stream, epoch, firstSequence, count, shard, baseOffset } of contents.streams) {
          const { producerId, ...place } = stream
          const send = (baseSequence: number) =>
            journal.append(
              writeOf({
                ...place,
                shard,
                values: Array.from({ length: count }, () => 'again'),
                producer: { producerId, producerEpoch: epoch, baseSequence },
              }),
            )
          const again = send(firstSequence)
          assert(typeof again !== 'string')
          assert.deepEqual([again.isDuplicate, again.baseOffset, again.shard], [true, baseOffset, shard])
          assert.equal(send((firstSequence + count + 5) % 2 ** 31), 'OUT_OF_ORDER_SEQUENCE')
          const next = send((firstSequence + count) % 2 ** 31)
          assert(typeof next !== 'string' && !next.isDuplicate)
        }
        await journal.close()
      })

      it('gives no producer id again', async () => {
        const producerIds = await ProducerIds.open({ files, directory })
        assert.equal(await producerIds.next(), contents.reservedProducerIds)
      })

      it('has the projects, logstores and access keys that it had', async () => {
        const catalog = await openItsCatalog()
        assert.deepEqual([catalog.listProjects(), catalog.listDeletedLogstores()], [contents.projects, contents.deletedLogstores])
        // Later formats know more of a logstore; what this one said is as it was.
        assert.deepEqual(
          catalog.listLogstores().map((logstore, index) => ({ ...logstore, ...contents.logstores[index] })),
          catalog.listLogstores(),
        )
        const authenticator = new Authenticator({ catalog })
        for (const { project, id, logstores } of contents.accessKeys) {
          const accessKey = await authenticator.verify(project, id, contents.secret)
          assert.deepEqual(accessKey?.logstores, logstores)
        }
      })

      it('is whole to whoever verifies it, before it is opened and after', async () => {
        const catalog = await openItsCatalog()
        const verify = async () =>
          verifyJournal({
            files,
            journal: await listJournal(files, directory),
            isLogstore: id => catalog.findLogstoreById(id) !== undefined,
          })
        const before = await verify()
        await (await openJournal()).close()
        const after = await verify()
        for (const { damages, entries, checkpoints } of [before, after])
          assert.deepEqual([damages, entries, checkpoints], [[], contents.entries.length, 2])
      })
    })
  }

  describe('of the next version', () => {
    beforeEach(() => unpack(dataFixtures.at(-1)!))

    it('is refused for a segment of it', async () => {
      const path = find(/\.segment$/)
      const content = readFileSync(path)
      const header = decodeSegmentHeader(content)
      assert(header !== undefined && 'formatVersion' in header)
      const raised = encodeSegmentHeader({ ...header, formatVersion: header.formatVersion + 1 })
      writeFileSync(path, Buffer.concat([raised, content.subarray(raised.length)]))
      await assert.rejects(openJournal(), newer('JOURNAL_FORMAT', path))
      await assert.rejects(listJournal(files, directory), newer('JOURNAL_FORMAT', path))
    })

    it('is refused for a checkpoint of it', async () => {
      const path = find(/^checkpoint/)
      const checkpoint = JSON.parse(readFileSync(path, 'utf8').split('\n')[0]!) as { version: number }
      const body = Buffer.from(JSON.stringify({ ...checkpoint, version: checkpoint.version + 1 }))
      writeFileSync(path, `${body.toString()}\n${crc32c(body).toString(16).padStart(8, '0')}\n`)
      await assert.rejects(openJournal(), newer('JOURNAL_FORMAT', path))
    })

    it('is refused for a catalog of it', async () => {
      const path = join(data, 'catalog.json')
      const catalog = JSON.parse(readFileSync(path, 'utf8')) as object
      writeFileSync(path, JSON.stringify({ ...catalog, format: NEWEST_CATALOG_FORMAT + 1 }))
      await assert.rejects(openItsCatalog(), newer('CATALOG_FORMAT', path))
    })
  })
})

/** The error that names the file and both versions, and says what to do. */
function newer(code: string, path: string): (error: Error & { code?: string }) => boolean {
  return ({ code: found, message }) => {
    assert.equal(found, code)
    assert(message.includes(path), message)
    assert.match(message, /has format version \d+, this sluice reads up to \d+: start the newer sluice that wrote it$/)
    return true
  }
}
