import assert from 'node:assert/strict'
import { MYSQL, newFiles, NGINX, openJournal } from '../journal/fixtures.ts'
import { LOGSTORES, MemoryTables, pass, send, startIndexer, useClock } from './fixtures.ts'

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
})
