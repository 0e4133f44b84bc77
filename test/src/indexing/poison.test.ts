/**
 * Logs that their table refuses are stored with the reason, whatever ends the indexer in between, and hold nobody up.
 */
import assert from 'node:assert/strict'
import type { Journal } from '../../../src/journal/journal.ts'
import { MYSQL, newFiles, NGINX, openJournal, take } from '../journal/fixtures.ts'
import { MemoryTables, pass, passUntil, send, startIndexer, useClock } from './fixtures.ts'

const LOGS = Array.from({ length: 24 }, (_, log) => (log % 7 === 3 ? `poison ${log}` : `log ${log}`))

describe('logs that their table refuses', () => {
  useClock()

  /** Logs in entries of three, in two shards by turns. */
  async function fill(journal: Journal): Promise<void> {
    for (let log = 0; log < LOGS.length; log += 3)
      await take(journal, { shard: (log / 3) % 2, values: LOGS.slice(log, log + 3) }).durable.promise
  }

  it('come to the same whichever insert ends the indexer', async () => {
    let ends = 0
    for (let call = 0, isThere = true; isThere; call++) {
      const files = newFiles()
      const journal = await openJournal(files)
      const tables = new MemoryTables()
      tables.poison = 'poison'
      await fill(journal)
      let inserts = 0
      let isDead = false
      tables.onInsert = () => {
        if (inserts++ === call) isDead = true
      }
      const first = startIndexer(files, journal, tables.connect(() => isDead), { isDead: () => isDead }) // prettier-ignore
      await pass(60_000, () => isDead || tables.rows(NGINX).length === LOGS.length)
      await pass(1000)
      isThere = isDead
      if (isDead) ends++
      // What it does from now on reaches nobody.
      isDead = true
      void first.indexer.stop(0)
      await pass(3000)
      tables.onInsert = () => {}
      const second = startIndexer(files, journal, tables.connect())
      await passUntil('every log', () => tables.rows(NGINX).length >= LOGS.length)
      assert.deepEqual(tables.contents(NGINX), LOGS)
      for (const { content, error } of tables.rows(NGINX)) assert.equal(error !== '', content.includes('poison'))
      await Promise.all([second.indexer.stop(0), pass(2000)])
      await journal.close()
    }
    assert(ends > 10, `there are many inserts, not ${ends}`)
  })

  it('hold up no other logstore for long, and no log of their own for ever', async () => {
    const files = newFiles()
    const journal = await openJournal(files)
    const tables = new MemoryTables()
    tables.poison = 'poison'
    const store = tables.connect()
    const { insert } = store
    store.insert = async (logstore, ...rest) => {
      if (logstore.id === NGINX) await new Promise(resolve => setTimeout(resolve, 1000))
      return insert(logstore, ...rest)
    }
    const running = startIndexer(files, journal, store)
    const sent = Array.from({ length: 40 }, (_, log) => `poison ${log} ${'x'.repeat(1_000_000)}`)
    for (const value of sent) await send(journal, running.indexer, NGINX, value)
    await send(journal, running.indexer, MYSQL, 'other')
    await passUntil('the log of the other', () => tables.rows(MYSQL).length === 1)
    assert(tables.rows(NGINX).length < sent.length / 2, `${tables.rows(NGINX).length} were stored before`)
    await passUntil('every log', () => tables.rows(NGINX).length >= sent.length)
    assert.deepEqual(tables.contents(NGINX), sent)
    await Promise.all([running.indexer.stop(0), pass(2000)])
    await journal.close()
  })
})
