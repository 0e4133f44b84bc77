import assert from 'node:assert/strict'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { loadConfig } from '../../../src/config/load-config.ts'
import { silentLog } from '../../../src/base/log.ts'
import { findServer, keepServer } from '../../../src/store/kept-server.ts'
import { makeDirectory } from './fixture.ts'

describe('findServer', () => {
  let directory: string

  before(async () => {
    directory = await makeDirectory()
  })

  after(() => rm(directory, { recursive: true }))

  const find = (settings: Record<string, unknown>) =>
    findServer(loadConfig({ overrides: { 'store.url': 'https://clickhouse:8443', 'store.queryPassword': 'q', ...settings } }))

  it('finds none where none is configured', async () => {
    assert.equal(await findServer(loadConfig()), undefined)
  })

  it('takes passwords from the settings, or from files without their last line feed', async () => {
    const file = join(directory, 'password')
    await writeFile(file, ' a password \n')
    const ca = join(directory, 'ca.pem')
    await writeFile(ca, 'a certificate\n')
    assert.deepEqual(await find({ 'store.passwordFile': file, 'store.tls.ca': ca, 'store.cluster': 'logs' }), {
      url: 'https://clickhouse:8443',
      username: 'sluice',
      password: ' a password ',
      queryUsername: 'sluice_query',
      queryPassword: 'q',
      ca: 'a certificate\n',
      cluster: 'logs',
    })
  })

  it('says which file cannot be read, or says nothing', async () => {
    const missing = join(directory, 'missing')
    await assert.rejects(find({ 'store.passwordFile': missing }), {
      code: 'CONFIG_INVALID',
      message: /^store\.passwordFile: .*missing/,
    })
    await assert.rejects(find({ 'store.password': 'p', 'store.tls.ca': missing }), { message: /^store\.tls\.ca: .*missing/ })
    const empty = join(directory, 'empty')
    await writeFile(empty, '\n')
    await assert.rejects(find({ 'store.passwordFile': empty }), { code: 'CONFIG_INVALID', message: /is empty$/ })
  })
})

describe('keepServer', () => {
  it('tells who waits why there is no answer, and nobody of an address that does not answer', async () => {
    const told: unknown[] = []
    const connection = { url: 'http://127.0.0.1:1', username: 'a', password: 'b', queryUsername: 'c', queryPassword: 'd' }
    const kept = keepServer({ connection, log: silentLog, onConnection: found => told.push(found) })
    await assert.rejects(kept.ready(), { code: 'STORE_UNAVAILABLE', message: /ECONNREFUSED/ })
    assert.match(kept.problem()!, /ECONNREFUSED/)
    await kept.close()
    assert.deepEqual(told, [])
  })
})
