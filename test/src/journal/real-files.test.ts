import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { nodeFiles } from '../../../src/base/files.ts'
import { silentLog } from '../../../src/base/log.ts'
import { Journal } from '../../../src/journal/journal.ts'
import { ProducerIds } from '../../../src/journal/producer-ids.ts'
import { JournalReader } from '../../../src/journal/reader.ts'
import { BEGINNING, take } from './fixtures.ts'

describe('a journal on real files', () => {
  let parent: string

  beforeEach(() => {
    parent = mkdtempSync(join(tmpdir(), 'sluice journal '))
  })

  afterEach(() => rmSync(parent, { recursive: true }))

  const open = (directory: string): Promise<Journal> =>
    Journal.open({
      files: nodeFiles,
      directory,
      segmentBytes: 2 ** 18,
      maxStreams: 100,
      checkpointIntervalMs: 2 ** 30,
      log: silentLog,
    })

  async function readIds(
    directory: string,
    journal: Journal,
    from = BEGINNING,
  ): Promise<{ ids: string[]; reader: JournalReader }> {
    const reader = new JournalReader({ files: nodeFiles, directory, from })
    const ids: string[] = []
    for (let group; (group = await reader.next(journal.readLimit)) !== undefined;)
      ids.push(...group.entries.map(({ clientId }) => clientId))
    await reader.close()
    return { ids, reader }
  }

  it('stores, rolls over, recycles and opens again, in a directory with a space in its name', async () => {
    const directory = join(parent, 'a b', 'journal')
    let journal = await open(directory)
    let from = BEGINNING
    const read: string[] = []
    for (let index = 0; index < 60; index++) {
      await take(journal, { clientId: `w${index}`, values: ['x'.repeat(20_000)], pieceBytes: 1000 }).durable.promise
      if (index % 6 !== 5) continue
      const { ids, reader } = await readIds(directory, journal, from)
      read.push(...ids)
      from = reader.place
      journal.setIndexed({ place: from, stored: {} })
      await journal.checkpoint()
      if (index % 24 !== 23) continue
      await journal.close()
      journal = await open(directory)
    }
    assert.deepEqual(
      read,
      Array.from({ length: 60 }, (_, index) => `w${index}`),
    )
    const segments = (await nodeFiles.list(directory)).filter(name => name.endsWith('.segment'))
    assert(segments.length <= 4, segments.join())
    await journal.close()
  })

  it('stores a group of more pieces than one system call takes', async () => {
    const directory = join(parent, 'journal')
    const journal = await open(directory)
    const appended = Array.from({ length: 3000 }, (_, index) => take(journal, { clientId: `w${index}`, pieceBytes: 50 }))
    await Promise.all(appended.map(({ durable }) => durable.promise))
    await journal.close()
    const again = await open(directory)
    const { ids } = await readIds(directory, again)
    assert.deepEqual(
      ids,
      Array.from({ length: 3000 }, (_, index) => `w${index}`),
    )
    assert.equal(again.nextOffset(appended.length === 0 ? '' : '11111111-2222-4333-8444-555555555555', 0), 3000)
    await again.close()
  })

  it('gives out producer ids that no life before has given', async () => {
    const directory = join(parent, 'journal')
    await (await open(directory)).close()
    const first = await (await ProducerIds.open({ files: nodeFiles, directory })).next()
    const second = await (await ProducerIds.open({ files: nodeFiles, directory })).next()
    assert(second > first)
  })
})
