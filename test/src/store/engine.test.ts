import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { silentLog } from '../../../src/base/log.ts'
import type { StoreConnection } from '../../../src/store/connection.ts'
import { Engine } from '../../../src/store/engine.ts'
import { keepEngine } from '../../../src/store/kept-engine.ts'
import { Store } from '../../../src/store/store.ts'
import { insertRows, makeDirectory, makeLogstore, until } from './fixture.ts'

describe('Engine', () => {
  const logstore = makeLogstore({ id: 'nginx' })
  let directory: string
  let store: Store
  let connections: (StoreConnection | undefined)[]
  let engines: Engine[]

  before(async () => {
    directory = await makeDirectory()
  })

  after(() => rm(directory, { recursive: true }))

  beforeEach(() => {
    store = new Store()
    connections = []
    engines = []
  })

  afterEach(async () => {
    await store.close()
    await Promise.all(engines.map(engine => engine.stop()))
  })

  function createEngine(lockTimeoutMs?: number): Engine {
    const engine = new Engine({
      directory,
      log: silentLog,
      onConnection: connection => {
        connections.push(connection)
        store.connect(connection)
      },
      ...(lockTimeoutMs !== undefined && { lockTimeoutMs }),
    })
    engines.push(engine)
    return engine
  }

  it('answers when it has started and is gone when it has stopped', async () => {
    const engine = createEngine()
    assert.deepEqual(engine.state, { name: 'stopped' })
    const connection = await engine.start()
    assert.deepEqual(engine.state, { name: 'ready' })
    assert.deepEqual(connections, [connection])
    await store.ping()
    const pid = engine.pid!
    await engine.stop()
    assert.deepEqual(engine.state, { name: 'stopped' })
    assert.equal(engine.connection, undefined)
    assert.deepEqual(connections, [connection, undefined])
    assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' })
    await assert.rejects(fetch(`${connection.url}/ping`))
  })

  it('that is kept says why it does not start to whoever waits for it, and goes on trying', async () => {
    const path = join(directory, 'a file in its place')
    await writeFile(path, '')
    const kept = keepEngine({ directory: path, log: silentLog })
    await assert.rejects(kept.ready(), {
      code: 'STORE_UNAVAILABLE',
      message: /the embedded ClickHouse does not start: .*a file in its place/,
    })
    assert.match(kept.problem()!, /does not start/)
    await kept.close()
    await rm(path)
  })

  it('stops in an orderly way', async () => {
    const engine = createEngine()
    await engine.start()
    const pidFile = join(directory, 'data', 'status')
    assert(existsSync(pidFile))
    await engine.stop()
    // One that is killed leaves it behind.
    assert(!existsSync(pidFile))
  })

  it('keeps what was stored', async () => {
    const first = createEngine()
    await first.start()
    await insertRows(store, logstore, [{ offset: 7 }])
    await first.stop()
    await createEngine().start()
    assert.equal(await store.count(logstore), 1)
    assert.deepEqual(await store.highestOffsets(logstore), new Map([[0, 7]]))
    await store.dropLogstore(logstore)
  })

  it('is started again when it is killed, and has what was stored', async () => {
    const engine = createEngine()
    const first = await engine.start()
    await insertRows(store, logstore, [{ offset: 8 }])
    process.kill(engine.pid!, 'SIGKILL')
    await until(() => connections.length === 2)
    assert.deepEqual(engine.state, { name: 'down', reason: 'it was ended by SIGKILL' })
    await assert.rejects(store.count(logstore), { code: 'STORE_UNAVAILABLE' })
    await until(() => connections.length === 3)
    assert.equal(connections[1], undefined)
    assert.equal(connections[2]!.password, first.password)
    assert.deepEqual(engine.state, { name: 'ready' })
    assert.deepEqual(await store.highestOffsets(logstore), new Map([[0, 8]]))
    await insertRows(store, logstore, [{ offset: 9 }])
    assert.equal(await store.count(logstore), 2)
    await store.dropLogstore(logstore)
  })

  it('refuses a directory that another engine has, in the words of the engine', async () => {
    await createEngine().start()
    const second = new Engine({ directory, log: silentLog, lockTimeoutMs: 0 })
    await assert.rejects(second.start(), { code: 'ENGINE_FAILED', message: /already running/ })
    assert.deepEqual(second.state, { name: 'stopped' })
    assert.equal(second.pid, undefined)
  })

  it('says what is wrong with a directory that cannot be used', async () => {
    const file = join(directory, 'a file')
    await writeFile(file, '')
    const engine = new Engine({ directory: file, log: silentLog })
    await assert.rejects(engine.start(), { code: 'ENGINE_FAILED', message: /does not start: .*a file/ })
  })

  it('keeps its files private and its passwords out of them and of the process list', async () => {
    const engine = createEngine()
    const { password, queryPassword } = await engine.start()
    assert.equal((await stat(directory)).mode & 0o777, 0o700)
    for (const name of ['users.xml', 'config.xml']) {
      assert.equal((await stat(join(directory, name))).mode & 0o777, 0o600)
      const content = await readFile(join(directory, name), 'utf8')
      assert(!content.includes(password) && !content.includes(queryPassword))
    }
    if (process.platform === 'linux') {
      for (const name of ['cmdline', 'environ']) {
        const content = await readFile(`/proc/${engine.pid}/${name}`, 'utf8')
        assert(!content.includes(password) && !content.includes(queryPassword))
      }
    }
  })

  it('lets nobody in without a password, nor with that of an earlier engine', async () => {
    const first = createEngine()
    const { password } = await first.start()
    await first.stop()
    const { url } = await createEngine().start()
    const headers: Record<string, string>[] = [
      {},
      { 'X-ClickHouse-User': 'sluice' },
      { 'X-ClickHouse-User': 'sluice_query' },
      { 'X-ClickHouse-User': 'sluice', 'X-ClickHouse-Key': password },
    ]
    for (const one of headers)
      for (const body of ['SELECT 1', 'SYSTEM STOP LISTEN HTTP']) {
        const answer = await fetch(url, { method: 'POST', headers: { ...one, connection: 'close' }, body })
        assert.notEqual(answer.status, 200, `${JSON.stringify(Object.keys(one))} may ${body}`)
      }
    await store.ping()
  })

  it('ends with its parent, however that ends, and its directory is free for the next one', async () => {
    const parentFile = join(directory, 'parent.mjs')
    await writeFile(
      parentFile,
      `import { Engine } from ${JSON.stringify(new URL('../../../src/store/engine.js', import.meta.url))}
       const engine = new Engine({ directory: ${JSON.stringify(directory)}, log: { debug() {}, warn() {} } })
       console.log((await engine.start()).url)`,
    )
    const parent = spawn(process.execPath, [parentFile], { stdio: ['ignore', 'pipe', 'inherit'] })
    const [url] = (await once(createInterface({ input: parent.stdout }), 'line')) as [string]
    assert.equal((await fetch(`${url}/ping`, { headers: { connection: 'close' } })).status, 200)
    parent.kill('SIGKILL')
    await createEngine().start()
    await store.ping()
    await assert.rejects(fetch(`${url}/ping`))
  })
})
