/**
 * A journal that answers before the sync: `journal.sync: interval`.
 */
import assert from 'node:assert/strict'
import type { JournalOptions } from '../../../src/journal/journal.ts'
import { Random } from '../../protocol/random.ts'
import type { MemoryFiles, Operation } from '../../support/memory-files.ts'
import { until } from '../../support/wait.ts'
import { clientIds, faultOnce, forSeeds, newFiles, openJournal, readAll, store, take, turns } from './fixtures.ts'

const soon: Partial<JournalOptions> = { sync: 'interval', syncIntervalMs: 1 }
const never: Partial<JournalOptions> = { sync: 'interval', syncIntervalMs: 2 ** 30 }

const isSegmentSync = ({ kind, path }: Operation): boolean => kind === 'sync' && /\d{16}\.segment$/.test(path)

describe('a journal with sync: interval', () => {
  it('answers before the sync, and shows nobody what is not synced', async () => {
    const files = newFiles()
    const journal = await openJournal(files, never)
    await store(journal, { clientId: 'a' })
    assert.equal(journal.durableEntries, 0)
    assert.deepEqual(await readAll(files, journal), [])
  })

  it('shows what was written once it is synced', async () => {
    const files = newFiles()
    const journal = await openJournal(files, soon)
    await store(journal, { clientId: 'a' })
    await until('the sync', () => journal.durableEntries === 1)
    assert.deepEqual(await clientIds(files, journal), ['a'])
    await journal.close()
  })

  it('has everything after an orderly end', async () => {
    const files = newFiles()
    const journal = await openJournal(files, never)
    for (const clientId of ['a', 'b', 'c']) await store(journal, { clientId, values: ['x'.repeat(20_000)] })
    await journal.close()
    const after = files.cutPower()
    assert.deepEqual(await clientIds(after, await openJournal(after)), ['a', 'b', 'c'])
  })

  it('has everything after its process was killed, and keeps it from then on', async () => {
    await forSeeds(20, async seed => {
      const files = newFiles(seed)
      const journal = await openJournal(files, never)
      for (const clientId of ['a', 'b', 'c']) await store(journal, { clientId, values: ['x'.repeat(5000)] })
      const killed = files.kill()
      const next = await openJournal(killed)
      assert.deepEqual(await clientIds(killed, next), ['a', 'b', 'c'])
      const after = killed.cutPower()
      assert.deepEqual(await clientIds(after, await openJournal(after)), ['a', 'b', 'c'])
    })
  })

  it('loses nothing but the end of what it answered to a power cut, and goes on', async () => {
    await forSeeds(60, async seed => {
      const random = new Random(seed)
      let files = newFiles(seed)
      let kept: string[] = []
      for (let life = 0; life < 4; life++) {
        const journal = await openJournal(files, random.below(2) === 0 ? soon : never)
        const sent: string[] = []
        for (let count = random.below(12); count > 0; count--) {
          const clientId = `${life}-${String(count).padStart(2, '0')}`
          await store(journal, { clientId, values: ['x'.repeat(random.below(9000))] })
          sent.push(clientId)
          if (random.below(4) === 0) await new Promise(resolve => setTimeout(resolve, 3))
          if (random.below(8) === 0) await journal.checkpoint()
        }
        const synced = journal.durableEntries
        files = files.cutPower()
        const ids = await clientIds(files, await openJournal(files))
        const all = [...kept, ...sent]
        assert.deepEqual(ids, all.slice(0, ids.length))
        assert(ids.length >= synced, `${synced} were synced, ${ids.length} are there`)
        kept = ids
      }
    })
  })

  it('goes back to what is synced when a sync fails, says so, and goes on', async () => {
    const files = newFiles()
    const journal = await openJournal(files, soon)
    await store(journal, { clientId: 'a' })
    await until('the sync', () => journal.durableEntries === 1)
    faultOnce(files, isSegmentSync, { fail: 'EIO', reached: 'none' })
    await store(journal, { clientId: 'lost' })
    await until('the failure', () => journal.problem !== undefined)
    const { baseOffset } = await store(journal, { clientId: 'b' })
    assert.equal(baseOffset, 1)
    assert.equal(journal.problem, undefined)
    await until('the sync', () => journal.durableEntries === 2)
    assert.deepEqual(await clientIds(files, journal), ['a', 'b'])
    await assertKept(files, ['a', 'b'])
  })

  it('refuses what waits behind a write that fails, and keeps what was answered before it', async () => {
    const files = newFiles()
    const journal = await openJournal(files, never)
    await store(journal, { clientId: 'a' })
    faultOnce(files, ({ kind, path }) => kind === 'write' && /\d{16}\.segment$/.test(path), { fail: 'EIO' })
    const failing = take(journal, { clientId: 'b' })
    await assert.rejects(failing.durable.promise, { code: 'STORAGE_FAILED' })
    await turns(20)
    assert.equal(journal.durableEntries, 1)
    await assertKept(files, ['a'])
  })
})

async function assertKept(files: MemoryFiles, ids: string[]): Promise<void> {
  const after = files.cutPower()
  assert.deepEqual(await clientIds(after, await openJournal(after)), ids)
}
