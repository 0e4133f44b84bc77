/** Parked files that are damaged, and repaired: what can be read of them is stored, once and in order. */
import assert from 'node:assert/strict'
import { silentLog } from '../../../src/base/log.ts'
import { BLOCK_BYTES } from '../../../src/journal/format.ts'
import {
  findDamages,
  planRepair,
  repairJournal,
  SET_ASIDE,
  type Repair,
  type RepairOptions,
} from '../../../src/journal/repair.ts'
import type { MemoryFiles } from '../../support/memory-files.ts'
import { MemoryTables, PARKED, pass, passUntil, send, startIndexer, useClock } from '../indexing/fixtures.ts'
import { DIRECTORY, MYSQL, newFiles, NGINX, openJournal, SEGMENT_BYTES } from './fixtures.ts'

const PARTS = 3
const LOGS = 4

const optionsFor = (files: MemoryFiles): RepairOptions => ({
  files,
  directory: DIRECTORY,
  segmentBytes: SEGMENT_BYTES,
  shards: new Map([NGINX, MYSQL].map(id => [id, 1])),
  log: silentLog,
})

const valueOf = (log: number): string => `log ${log} ${'x'.repeat(3000)}`
const partPaths = (files: MemoryFiles): string[] =>
  files.paths.filter(path => path.startsWith(PARKED) && path.endsWith('.parked'))

/** A server that was killed while a logstore was parked: in each part some logs, and one in the journal. One is the last of a checkpoint. */
async function killedServer(checkpointedLog = PARTS * LOGS - 1): Promise<MemoryFiles> {
  const files = newFiles()
  const tables = new MemoryTables()
  tables.broken.set(NGINX, 'not ours')
  const journal = await openJournal(files, { segmentBytes: 4 * SEGMENT_BYTES })
  for (let part = 0; part < PARTS; part++) {
    const { indexer } = startIndexer(files, journal, tables.connect())
    for (let log = 0; log < LOGS; log++) {
      await send(journal, indexer, NGINX, valueOf(LOGS * part + log))
      await pass(20_000, () => journal.unindexedBytes === 0)
      if (LOGS * part + log === checkpointedLog) await journal.checkpoint()
    }
    await Promise.all([indexer.stop(0), pass(2000)])
    assert.equal(journal.unindexedBytes, 0)
  }
  const { indexer } = startIndexer(files, journal, tables.connect(), { isDead: () => true })
  await send(journal, indexer, NGINX, valueOf(PARTS * LOGS))
  assert.equal(partPaths(files).length, PARTS)
  return files.kill()
}

describe('repairing parked files', function () {
  this.timeout(120_000)
  useClock()

  let killed: MemoryFiles
  let files: MemoryFiles

  before(async () => {
    killed = await killedServer()
    assert.deepEqual(await findDamages({ ...optionsFor(killed), isLogstore: () => true }), [])
  })

  beforeEach(() => {
    files = killed.copy()
  })

  /** Repairs and starts what a server starts, with a table that can be written. Resolves with the logs that are lost. */
  async function repairAndStore(damaged: string): Promise<{ lost: number[]; repair: Repair }> {
    const found = await findDamages({ ...optionsFor(files), isLogstore: () => true })
    assert(
      found.some(({ file }) => file === damaged),
      'the damage is found',
    )
    const planned = await planRepair(optionsFor(files))
    const repair = await repairJournal(optionsFor(files))
    // What was parked after the last checkpoint is found only when files may be changed.
    assert(planned.salvaged.entries >= repair.salvaged.entries)
    assert.deepEqual({ ...repair, salvaged: planned.salvaged }, planned)
    assert.deepEqual(await findDamages({ ...optionsFor(files), isLogstore: () => true }), [])
    const journal = await openJournal(files)
    const tables = new MemoryTables()
    const running = startIndexer(files, journal, tables.connect())
    await passUntil('no parked files', () => partPaths(files).length === 0)
    await send(journal, running.indexer, NGINX, 'later')
    await passUntil('what comes later', () => tables.contents(NGINX).includes('later'))
    await Promise.all([running.indexer.stop(0), pass(2000)])
    await journal.close()
    assert.equal(files.openFiles, 0)
    const all = Array.from({ length: PARTS * LOGS + 1 }, (_, log) => log)
    const stored = new Set(tables.contents(NGINX))
    const lost = all.filter(log => !stored.has(valueOf(log)))
    assert.deepEqual(tables.contents(NGINX), [...all.filter(log => !lost.includes(log)).map(valueOf), 'later'])
    return { lost, repair }
  }

  function flip(path: string, position: number): void {
    files.alter(path, content => {
      content[position]! ^= 1
      return content
    })
  }

  it('loses no more than the entry that a bit has flipped in', async () => {
    for (const [part, path] of partPaths(killed).entries())
      for (let log = 0; log < LOGS; log++) {
        files = killed.copy()
        const content = files.peek(path)
        flip(path, content.indexOf(valueOf(LOGS * part + log)) + 100)
        const damaged = files.peek(path)
        const { lost, repair } = await repairAndStore(path)
        assert.deepEqual(lost, [LOGS * part + log])
        const between = [log === 0 ? null : lost[0]! - 1, log === LOGS - 1 ? null : lost[0]! + 1]
        assert.deepEqual(
          repair.parked.map(({ file, between }) => ({ file, between })),
          [{ file: path, between: [between] }],
        )
        assert(files.peek(path + SET_ASIDE).equals(damaged), 'the damaged file is kept')
      }
  })

  it('loses nothing with the header of a part', async () => {
    for (const path of partPaths(killed)) {
      files = killed.copy()
      flip(path, 20)
      assert.deepEqual((await repairAndStore(path)).lost, [])
    }
  })

  it('goes on behind a stretch that was overwritten, and behind where a part was cut off', async () => {
    for (const [part, path] of partPaths(killed).entries())
      for (const isCut of [false, true]) {
        files = killed.copy()
        files.alter(path, content => {
          if (isCut) return content.subarray(0, 2 * BLOCK_BYTES)
          content.subarray(2 * BLOCK_BYTES, 3 * BLOCK_BYTES).fill('other')
          return content
        })
        const { lost } = await repairAndStore(path)
        assert.equal(lost.length, isCut ? LOGS - 1 : 1)
        assert(lost.every(log => log > LOGS * part && log < LOGS * (part + 1)))
      }
  })

  it('keeps what was parked after the last checkpoint', async () => {
    for (const log of [4, 5]) {
      files = await killedServer(6)
      const path = partPaths(files)[1]!
      flip(path, files.peek(path).indexOf(valueOf(log)) + 100)
      assert.deepEqual((await repairAndStore(path)).lost, [log])
    }
  })

  it('goes on without a part that is missing', async () => {
    for (const [part, path] of partPaths(killed).entries()) {
      // A part that is not there at the front is one that was stored.
      if (part === 0) continue
      files = killed.copy()
      await files.remove(path)
      const before = partPaths(files)[part - 1]!
      const { lost } = await repairAndStore(part === PARTS - 1 ? path : before)
      assert.deepEqual(
        lost,
        Array.from({ length: LOGS }, (_, log) => LOGS * part + log),
      )
    }
  })

  it('loses nothing more when the power goes at any of its calls', async () => {
    const [, path] = partPaths(killed)
    for (let call = 1, isThere = true; isThere; call++) {
      files = killed.copy()
      flip(path!, files.peek(path!).indexOf(valueOf(LOGS + 1)) + 100)
      isThere = false
      let calls = 0
      await new Promise<void>((resolve, reject) => {
        files.intercept = () => {
          if (++calls !== call) return undefined
          isThere = true
          resolve()
          return { hang: true }
        }
        repairJournal(optionsFor(files)).then(() => resolve(), reject)
      })
      files = files.cutPower()
      await repairJournal(optionsFor(files))
      const journal = await openJournal(files)
      const tables = new MemoryTables()
      const { indexer } = startIndexer(files, journal, tables.connect())
      await passUntil('no parked files', () => partPaths(files).length === 0)
      await Promise.all([indexer.stop(0), pass(2000)])
      await journal.close()
      const logs = Array.from({ length: PARTS * LOGS + 1 }, (_, log) => log)
      assert.deepEqual(tables.contents(NGINX), logs.filter(log => log !== LOGS + 1).map(valueOf), `call ${call}`)
    }
  })
})
