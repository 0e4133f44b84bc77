/**
 * The files of parked entries: what was parked is read as it stood in the journal, and never less of it without a word.
 */
import assert from 'node:assert/strict'
import { silentLog } from '../../../src/base/log.ts'
import type { JournalEntry } from '../../../src/journal/format.ts'
import { ParkedEntries } from '../../../src/journal/parked-entries.ts'
import type { ParkedEnd } from '../../../src/journal/parked-file.ts'
import { Random } from '../../protocol/random.ts'
import { MemoryFiles } from '../../support/memory-files.ts'
import { DIRECTORY, NGINX, openJournal, readAll, store } from './fixtures.ts'

const PARKED = `${DIRECTORY}/parked`
const JOURNAL_ID = '99999999-2222-4333-8444-555555555555'

describe('the parked entries of a logstore', () => {
  let files: MemoryFiles
  let entries: JournalEntry[]

  beforeEach(async () => {
    files = new MemoryFiles({ chance: new Random(1), latency: () => Promise.resolve() })
    const journal = await openJournal(files)
    for (const length of [10, 3000, 1, 5000, 100])
      await store(journal, {
        values: ['x'.repeat(length), 'y'],
        clientId: `client ${length}`,
        shard: length % 3,
        jsonTopic: true,
      })
    entries = await readAll(files, journal)
    await journal.close()
  })

  function parkedEntries(reported: ParkedEnd | null | undefined, journalEntry = 0): ParkedEntries {
    return new ParkedEntries({
      files,
      directory: PARKED,
      journalId: JOURNAL_ID,
      logstoreId: NGINX,
      reported,
      journalEntry,
      log: silentLog,
    })
  }

  async function park(groups: readonly JournalEntry[][], reported: ParkedEnd | null = null): Promise<ParkedEnd> {
    const parked = parkedEntries(reported)
    await parked.open()
    for (const group of groups) await parked.append(group)
    await parked.close()
    return parked.end!
  }

  /** Everything that a later life finds; `problem` is why it stops. */
  async function readBack(
    reported: ParkedEnd | null | undefined,
    journalEntry = 0,
  ): Promise<{ entries: JournalEntry[]; problem?: string }> {
    const parked = parkedEntries(reported, journalEntry)
    await parked.open()
    const reader = parked.openReader(-1)
    const found: JournalEntry[] = []
    try {
      for (let next; (next = await reader.next()).length > 0;) found.push(...next)
      return { entries: found }
    } catch (error) {
      return { entries: found, problem: (error as Error).message }
    } finally {
      await reader.close()
    }
  }

  const partPath = (): string => files.paths.find(path => path.startsWith(PARKED))!

  it('are read as they stood in the journal', async () => {
    const end = await park([entries.slice(0, 3), entries.slice(3)])
    for (const reported of [end, null, undefined]) assert.deepEqual((await readBack(reported)).entries, entries)
  })

  it('go on in another part in each life', async () => {
    const end = await park([entries.slice(0, 2)])
    const last = await park([entries.slice(2)], end)
    assert.equal(files.paths.filter(path => path.startsWith(PARKED)).length, 2)
    assert.deepEqual((await readBack(last)).entries, entries)
  })

  it('are reported as damaged wherever a byte is wrong that matters', async () => {
    const end = await park([entries.slice(0, 3), entries.slice(3)])
    const whole = files.peek(partPath())
    let damages = 0
    for (let position = 0; position < whole.length; position += 3) {
      files.alter(partPath(), () => {
        const content = Buffer.from(whole)
        content[position]! ^= 0x55
        return content
      })
      const { entries: found, problem } = await readBack(end)
      assert.deepEqual(found, entries.slice(0, found.length))
      if (problem !== undefined) damages++
      assert(problem === undefined ? found.length === entries.length : problem.includes(partPath()), `byte ${position}`)
    }
    assert(damages > 2700, `${damages} bytes matter`)
  })

  it('are reported as damaged wherever the file is cut that was reported, and are cut themselves if it was not', async () => {
    const end = await park([entries.slice(0, 3), entries.slice(3)])
    const whole = files.peek(partPath())
    for (let length = 0; length < whole.length; length += 61) {
      files.alter(partPath(), () => whole.subarray(0, length))
      const reported = await readBack(end)
      assert.deepEqual(reported.entries, entries.slice(0, reported.entries.length))
      assert(reported.problem !== undefined || reported.entries.length === entries.length, `cut at ${length}`)
      const path = partPath()
      const unreported = await readBack(null)
      assert.deepEqual(unreported, { entries: entries.slice(0, unreported.entries.length) })
      files.alter(path, () => whole)
    }
  })

  it('are missed only if the journal has them no more, where no checkpoint tells of them and not one can be read', async () => {
    await park([entries])
    const whole = files.peek(partPath())
    for (const length of [0, 100, 4096, 4200]) {
      files.alter(partPath(), () => whole.subarray(0, length))
      const path = partPath()
      const { entries: found, problem } = await readBack(undefined, 3)
      assert.deepEqual(found, [])
      assert(problem!.includes(path))
      const parked = parkedEntries(undefined, 0)
      await parked.open()
      assert.deepEqual([parked.lastEntry, parked.end, partPath()], [-1, undefined, undefined])
      files.alter(path, () => whole)
    }
  })

  it('are not removed if their file belongs to another journal', async () => {
    await park([entries])
    const foreign = new ParkedEntries({
      files,
      directory: PARKED,
      journalId: NGINX,
      logstoreId: NGINX,
      reported: null,
      journalEntry: 0,
      log: silentLog,
    })
    await foreign.open()
    await assert.rejects(foreign.openReader(-1).next(), { code: 'PARKED_DAMAGED', message: /another journal/ })
    assert.notEqual(partPath(), undefined)
  })
})
