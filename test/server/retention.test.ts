import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Server } from '../support/server.ts'
import { until } from '../support/wait.ts'

describe('the retention of a running server', () => {
  let server: Server

  before(async () => {
    server = await Server.start()
  })

  after(() => server?.remove())

  /** For how many days the tables of the embedded engine keep their rows, as their definitions say. */
  async function retentions(): Promise<string[]> {
    const directory = join(server.data, 'clickhouse', 'data', 'store')
    const names = await readdir(directory, { recursive: true }).catch(() => [])
    const definitions = names.filter(name => name.endsWith('.sql')).map(name => readFile(join(directory, name), 'utf8'))
    return (await Promise.all(definitions)).flatMap(text => /TTL _received \+ toIntervalDay\((\d+)\)/.exec(text)?.[1] ?? [])
  }

  it('reaches the table of a logstore at once, also if nothing was ever received', async () => {
    await server.createLogstore('demo/quiet')
    await until('a table', async () => (await retentions()).length === 1)
    assert.deepEqual(await retentions(), ['30'])
    await server.run('logstore', 'update', 'demo/quiet', '--retention', '7d', '--max-bytes', '1GB')
    await until('a shorter retention', async () => (await retentions())[0] === '7')
  })
})
