/** Merges of tables with many columns, of which two run at a time: each has to leave enough of the engine's memory to the other. */
import assert from 'node:assert/strict'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { createClient } from '@clickhouse/client'
import { silentLog } from '../../../src/base/log.ts'
import { Engine } from '../../../src/store/engine.ts'
import { until } from '../../support/wait.ts'
import { makeDirectory } from './fixture.ts'

const TABLES = ['p_wide.one', 'p_wide.other']
/** As Filebeat's logs have fields. */
const COLUMNS = 100
const ROWS = 4000
const INSERTS = 13

describe('Merges of tables with a hundred columns', () => {
  it('come to an end, two at a time, within the memory of the engine', async () => {
    const directory = await makeDirectory()
    const engine = new Engine({ directory, log: silentLog })
    const { url, username, password } = await engine.start()
    const client = createClient({ url, username, password })
    try {
      await client.command({ query: 'CREATE DATABASE p_wide' })
      const columns = Array.from({ length: COLUMNS }, (_, column) => `c${column} String`)
      for (const table of TABLES)
        await client.command({ query: `CREATE TABLE ${table} (${columns.join()}) ENGINE = MergeTree ORDER BY c0` })
      const values = Array.from({ length: ROWS }, () => columns.map(() => Math.random().toString(36).slice(2, 10)))
      for (let insert = 0; insert < INSERTS; insert++)
        await Promise.all(TABLES.map(table => client.insert({ table, values, format: 'JSONCompactEachRow' })))
      const query = 'SELECT count() AS parts, sum(rows) AS rows FROM system.parts WHERE active GROUP BY table'
      await until('merged parts', async () => {
        const tables = await (await client.query({ query, format: 'JSONEachRow' })).json<{ parts: string; rows: string }>()
        assert.deepEqual(
          tables.map(({ rows }) => Number(rows)),
          TABLES.map(() => INSERTS * ROWS),
        )
        return tables.every(({ parts }) => Number(parts) < INSERTS / 2)
      })
      assert.doesNotMatch(await readFile(join(directory, 'engine.log'), 'utf8'), /merge_task|MEMORY_LIMIT_EXCEEDED/)
    } finally {
      await client.close()
      await engine.stop()
      await rm(directory, { recursive: true })
    }
  })
})
