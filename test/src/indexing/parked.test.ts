/**
 * A logstore whose table is broken is parked: it holds up no other, its entries wait in files of their own, and they are stored once
 * when the table is repaired.
 */
import assert from 'node:assert/strict'
import { sluiceError } from '../../../src/base/errors.ts'
import type { Journal } from '../../../src/journal/journal.ts'
import type { MemoryFiles } from '../../support/memory-files.ts'
import { faultOnce, MYSQL, newFiles, NGINX, openJournal, segmentPaths, take } from '../journal/fixtures.ts'
import { LOGSTORES, MemoryTables, PARKED, pass, passUntil, send, startIndexer, useClock, type Running } from './fixtures.ts'

describe('a logstore whose table cannot be written', () => {
  useClock()

  let files: MemoryFiles
  let journal: Journal
  let tables: MemoryTables
  let running: Running
  let sent: string[]

  beforeEach(async () => {
    files = newFiles()
    journal = await openJournal(files)
    tables = new MemoryTables()
    sent = []
  })

  afterEach(async () => {
    tables.broken.clear()
    await Promise.all([running.indexer.stop(0), pass(2000)])
    await journal.close()
    assert.equal(running.failure, undefined)
    assert.equal(files.openFiles, 0)
  })

  const start = (): Running => (running = startIndexer(files, journal, tables.connect()))

  /** Writes a log to the logstore that is broken. */
  async function sendNginx(value = `log ${sent.length} ${'x'.repeat(2000)}`): Promise<void> {
    sent.push(value)
    await send(journal, running.indexer, NGINX, value)
  }

  async function restart(): Promise<void> {
    await Promise.all([running.indexer.stop(0), pass(2000)])
    start()
  }

  const partPaths = (): string[] => files.paths.filter(path => path.startsWith(PARKED))
  const isStored = (): boolean => tables.contents(NGINX).length >= sent.length

  it('holds up no other logstore, nor the segments of the journal', async () => {
    start()
    tables.broken.set(NGINX, 'not ours')
    for (let log = 0; log < 60; log++) {
      await sendNginx()
      await send(journal, running.indexer, MYSQL, `other ${log} ${'y'.repeat(2000)}`)
      await pass(200)
      assert.equal(tables.contents(MYSQL).length > log - 4, true)
      await journal.checkpoint()
    }
    assert(journal.readLimit.position > 6 * 32 * 1024)
    assert(segmentPaths(files).length <= 4)
    assert.match(running.problems.get(NGINX)!, /it has no comment/)
    assert(running.parkedBytes.get(NGINX)! > 0)
    assert.deepEqual(tables.contents(NGINX), [])
  })

  for (const breakage of ['not ours', 'refuses'] as const)
    it(`has every log once and in order when its table is repaired (${breakage})`, async () => {
      start()
      await sendNginx()
      await passUntil('the first log', isStored)
      tables.broken.set(NGINX, breakage)
      // A block that waits is not parked while nobody waits for it.
      for (let log = 0; log < 20; log++) await sendNginx()
      await passUntil('a parked file', () => partPaths().length > 0)
      for (let log = 0; log < 20; log++) await sendNginx()
      await pass(30_000)
      tables.broken.delete(NGINX)
      for (let log = 0; log < 20; log++) {
        await sendNginx()
        await pass(400)
      }
      await passUntil('every log', isStored)
      await passUntil('the end of the parked files', () => partPaths().length === 0)
      assert.deepEqual(tables.contents(NGINX), sent)
      assert.deepEqual([...running.problems], [])
      assert.equal(running.parkedBytes.get(NGINX), 0)
      // From now on they go straight.
      await sendNginx()
      await passUntil('one more log', isStored)
      assert.deepEqual(partPaths(), [])
      assert.deepEqual([journal.unindexedBytes, journal.indexed.parked], [0, {}])
    })

  it('is not parked while the whole store is away', async () => {
    start()
    for (const { id } of LOGSTORES) tables.broken.set(id, 'away')
    for (let log = 0; log < 20; log++) await sendNginx()
    await send(journal, running.indexer, MYSQL, 'other')
    await pass(120_000)
    assert.deepEqual(partPaths(), [])
    tables.broken.clear()
    await passUntil('every log', isStored)
    assert.deepEqual(tables.contents(NGINX), sent)
  })

  it('is parked if others are stored although the error is one of a store that is away', async () => {
    start()
    await sendNginx()
    await passUntil('the first log', isStored)
    tables.broken.set(NGINX, 'away')
    await sendNginx()
    for (let log = 0; log < 200; log++) {
      await send(journal, running.indexer, MYSQL, 'other')
      await pass(100)
    }
    await passUntil('a parked file', () => partPaths().length > 0)
    tables.broken.clear()
    await passUntil('every log', isStored)
    assert.deepEqual(tables.contents(NGINX), sent)
  })

  it('goes on after a restart where it was', async () => {
    start()
    tables.broken.set(NGINX, 'not ours')
    for (let log = 0; log < 10; log++) await sendNginx()
    await passUntil('a parked file', () => partPaths().length > 0)
    await restart()
    for (let log = 0; log < 10; log++) await sendNginx()
    await pass(1000)
    // What it has found is told at once, and what has come since when it is worth a message.
    assert(running.parkedBytes.get(NGINX)! > 10 * 2000)
    tables.broken.clear()
    await restart()
    await passUntil('every log', isStored)
    await passUntil('the end of the parked files', () => partPaths().length === 0)
    assert.deepEqual(tables.contents(NGINX), sent)
  })

  it('begins another file after a write that failed, and has every log once', async () => {
    start()
    tables.broken.set(NGINX, 'not ours')
    for (const reached of ['none', 'some', 'all'] as const) {
      for (let log = 0; log < 5; log++) await sendNginx()
      await pass(1000)
      faultOnce(files, ({ kind, path }) => kind === 'write' && path.startsWith(PARKED), { fail: 'EIO', reached })
      for (let log = 0; log < 5; log++) await sendNginx()
      await pass(1000)
    }
    assert.equal(partPaths().length, 4)
    assert.match(running.problems.get(NGINX)!, /it has no comment/)
    assert.doesNotMatch(running.problems.get(NGINX)!, /EIO/)
    tables.broken.clear()
    await passUntil('every log', isStored)
    assert.deepEqual(tables.contents(NGINX), sent)
  })

  it('holds up no other while its files cannot be written either', async () => {
    start()
    tables.broken.set(NGINX, 'not ours')
    files.intercept = ({ kind, path }) => (kind === 'write' && path.startsWith(PARKED) ? { fail: 'ENOSPC' } : undefined)
    for (let log = 0; log < 5; log++) await sendNginx('x'.repeat(3_000_000))
    await send(journal, running.indexer, MYSQL, 'other')
    await passUntil('the log of the other', () => tables.contents(MYSQL).length === 1)
    assert.match(running.problems.get(NGINX)!, /ENOSPC/)
    const { position } = journal.indexed.place
    assert(position < 100_000, 'what is not parked stays in the journal')
    files.intercept = () => undefined
    tables.broken.clear()
    await passUntil('every log', isStored)
    assert.deepEqual(tables.contents(NGINX), sent)
  })

  it('stays parked, and says where, while a file is damaged; others go on', async () => {
    start()
    tables.broken.set(NGINX, 'not ours')
    for (let log = 0; log < 10; log++) await sendNginx()
    await passUntil('a parked file', () => partPaths().length > 0)
    await pass(1000)
    const [path] = partPaths()
    const whole = files.peek(path!)
    await Promise.all([running.indexer.stop(0), pass(2000)])
    files.alter(path!, content => {
      content[9000]! ^= 1
      return content
    })
    tables.broken.clear()
    start()
    await send(journal, running.indexer, MYSQL, 'other')
    await pass(30_000)
    assert.equal(tables.contents(MYSQL).length, 1)
    assert(running.problems.get(NGINX)!.includes(path!))
    assert.match(running.problems.get(NGINX)!, /at byte 8\d\d\d/)
    const before = tables.contents(NGINX).length
    await sendNginx()
    await pass(30_000)
    assert.deepEqual(tables.contents(NGINX), sent.slice(0, before))
    files.alter(path!, () => whole)
    await passUntil('every log', isStored)
    assert.deepEqual(tables.contents(NGINX), sent)
    assert.deepEqual([...running.problems], [])
  })

  it('is damaged if a file is cut that was reported as parked', async () => {
    start()
    tables.broken.set(NGINX, 'not ours')
    for (let log = 0; log < 10; log++) await sendNginx()
    await pass(1000)
    await Promise.all([running.indexer.stop(0), pass(2000)])
    const [path] = partPaths()
    files.alter(path!, content => content.subarray(0, 9000))
    tables.broken.clear()
    start()
    await pass(30_000)
    assert(running.problems.get(NGINX)!.includes(path!))
    assert.deepEqual(tables.contents(NGINX), sent.slice(0, tables.contents(NGINX).length))
  })

  it('loses its files with its table when it is deleted, and while nothing runs', async () => {
    start()
    tables.broken.set(NGINX, 'not ours')
    for (let log = 0; log < 10; log++) await sendNginx()
    await passUntil('a parked file', () => partPaths().length > 0)
    running.indexer.setCatalog([LOGSTORES[1]!], [LOGSTORES[0]!])
    await passUntil('the end of the table', () => running.dropped.length > 0)
    assert.deepEqual([partPaths(), [...running.problems]], [[], []])

    running.indexer.setCatalog(LOGSTORES, [])
    await sendNginx()
    await passUntil('a parked file', () => partPaths().length > 0)
    await Promise.all([running.indexer.stop(0), pass(2000)])
    running = startIndexer(files, journal, tables.connect(), { logstores: [LOGSTORES[1]!] })
    await passUntil('the end of the files', () => partPaths().length === 0)
  })

  it('holds up no other for ever while its inserts hang and are given up', async () => {
    const store = tables.connect()
    const { insert } = store
    let hangs = true
    store.insert = async (logstore, ...rest) => {
      if (!hangs || logstore.id !== NGINX) return insert(logstore, ...rest)
      await new Promise(resolve => setTimeout(resolve, 120_000))
      throw sluiceError('STORE_UNAVAILABLE', { problem: 'no answer in time' })
    }
    running = startIndexer(files, journal, store)
    for (let log = 0; log < 30; log++) await sendNginx('x'.repeat(1_000_000))
    await send(journal, running.indexer, MYSQL, 'other')
    await passUntil('the log of the other', () => tables.contents(MYSQL).length === 1)
    assert.deepEqual(tables.contents(NGINX), [])
    hangs = false
    await passUntil('every log', isStored)
    assert.deepEqual(tables.contents(NGINX), sent)
  })

  it('is stored without parking if an insert is slow', async () => {
    const store = tables.connect()
    const { insert } = store
    let release: () => void = () => {}
    store.insert = async (...args) => {
      await new Promise<void>(resolve => (release = resolve))
      return insert(...args)
    }
    running = startIndexer(files, journal, store)
    for (let log = 0; log < 30; log++) take(journal, { values: Array.from({ length: 5000 }, () => 'x') })
    await take(journal, { values: ['last'] }).durable.promise
    running.indexer.advance(journal.readLimit)
    await pass(60_000)
    assert.deepEqual(partPaths(), [])
    await passUntil('every log', () => (release(), tables.rows(NGINX).length === 150_001))
  })
})
