import assert from 'node:assert/strict'
import { MYSQL, newFiles, NGINX, openJournal } from '../journal/fixtures.ts'
import { LOGSTORES, MemoryTables, pass, passUntil, send, startIndexer, useClock } from './fixtures.ts'

describe('an indexer', () => {
  useClock()

  it('is done with the logs of a logstore that was deleted, without storing them', async () => {
    const files = newFiles()
    const journal = await openJournal(files)
    const tables = new MemoryTables()
    const logstores = LOGSTORES.filter(({ id }) => id === MYSQL)
    const { indexer } = startIndexer(files, journal, tables.connect(), { logstores })
    await send(journal, indexer, MYSQL, 'kept')
    await send(journal, indexer, NGINX, 'deleted')
    await pass(1000)
    assert.equal(journal.unindexedBytes, 0)
    assert.deepEqual(tables.contents(MYSQL), ['kept'])
    assert.deepEqual(tables.contents(NGINX), [])
    // Nothing else is read that would tell how far it has come.
    await send(journal, indexer, NGINX, 'deleted too')
    await pass(1000)
    assert.equal(journal.unindexedBytes, 0)
    await Promise.all([indexer.stop(0), pass(2000)])
    await journal.close()
  })

  it('lets the table follow its logstore before the next insert', async () => {
    const files = newFiles()
    const journal = await openJournal(files)
    const tables = new MemoryTables()
    const { indexer } = startIndexer(files, journal, tables.connect())
    await send(journal, indexer, NGINX, 'before')
    await passUntil('the log', () => tables.rows(NGINX).length === 1)
    const changed = (retentionDays: number) => LOGSTORES.map(logstore => ({ ...logstore, retentionDays }))
    tables.onInsert = rows => {
      if (rows[0]!.content.toString() === 'behind') assert.equal(tables.made.get(NGINX)!.retentionDays, 7)
    }
    indexer.setCatalog(changed(7), [])
    await send(journal, indexer, NGINX, 'behind')
    await passUntil('the next one', () => tables.rows(NGINX).length === 2)
    assert.deepEqual(tables.contents(NGINX), ['before', 'behind'])
    // One that is fed from parked files is another writer.
    tables.broken.set(NGINX, 'not ours')
    await send(journal, indexer, NGINX, 'parked')
    await pass(5000)
    indexer.setCatalog(changed(90), [])
    await pass(30_000)
    tables.broken.delete(NGINX)
    await passUntil('the parked one', () => tables.rows(NGINX).length === 3)
    assert.equal(tables.made.get(NGINX)!.retentionDays, 90)
    await Promise.all([indexer.stop(0), pass(2000)])
    await journal.close()
  })
})
