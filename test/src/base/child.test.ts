import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { pino } from 'pino'
import { Child, type ChildOptions } from '../../../src/base/child.ts'

const childModule = new URL('../../../src/base/child.js', import.meta.url).href

describe('Child', () => {
  let directory: string
  let child: Child<unknown, unknown> | undefined
  let logged: Record<string, unknown>[]
  let ends: string[]
  let lines: string[]
  let messages: unknown[]

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sluice child '))
  })

  after(() => rm(directory, { recursive: true }))

  beforeEach(() => {
    logged = []
    ends = []
    lines = []
    messages = []
  })

  afterEach(async () => {
    child?.kill()
    await child?.stop()
    child = undefined
  })

  async function createChild(source: string, options: Partial<ChildOptions<unknown>> = {}): Promise<Child<unknown, unknown>> {
    const entry = join(directory, `${Math.random()}.mjs`)
    await writeFile(entry, `import { runAsChild } from '${childModule}'\n${source}`)
    child = new Child<unknown, unknown>({
      name: 'test',
      entry: pathToFileURL(entry),
      log: pino({ level: 'debug' }, { write: (line: string) => logged.push(JSON.parse(line) as Record<string, unknown>) }),
      onMessage: message => messages.push(message),
      onOutput: line => lines.push(line),
      onEnd: reason => ends.push(reason),
      ...options,
    })
    return child
  }

  const echo = `
    const send = runAsChild({ onMessage: message => send({ echo: message, pid: process.pid }), onEnd: () => process.exit(0) })`

  it('passes messages both ways, in order, and other lines to onOutput', async () => {
    await createChild(`${echo}\nconsole.log('plain'); console.error('error')`)
    child!.start()
    for (let number = 0; number < 3; number++) child!.send({ number, text: 'line\nbreak' })
    await until(() => messages.length === 3 && lines.length === 2)
    assert.deepEqual(
      messages.map(message => (message as { echo: unknown }).echo),
      [0, 1, 2].map(number => ({ number, text: 'line\nbreak' })),
    )
    assert.deepEqual(lines.toSorted(), ['error', 'plain'])
  })

  it('is started again when it ends, after waits that double up to a bound, and is told everything anew', async () => {
    let starts = 0
    await createChild(`${echo}\nsetTimeout(() => process.exit(3), 1)`, {
      minBackoffMs: 5,
      maxBackoffMs: 20,
      onStart: () => (starts += 1),
    })
    child!.start()
    await until(() => ends.length === 5)
    assert.equal(starts, 5)
    assert.equal(ends[0], 'exited with code 3')
    assert.deepEqual(waits().slice(0, 4), [5, 10, 20, 20])
  })

  it('begins the back-off anew after a process that ran well', async () => {
    await createChild('process.exit(1)', { minBackoffMs: 5, steadyMs: 0 })
    child!.start()
    await until(() => ends.length === 4)
    assert.deepEqual(waits().slice(0, 3), [5, 5, 5])
  })

  it('is started again after a kill', async () => {
    await createChild(echo, { minBackoffMs: 5, onStart: () => child!.send('hello') })
    child!.start()
    await until(() => messages.length === 1)
    child!.kill()
    await until(() => messages.length === 2)
    assert.deepEqual(ends, ['was ended by SIGKILL'])
    const [first, second] = messages as { pid: number }[]
    assert.notEqual(first!.pid, second!.pid)
  })

  it('ends by itself when it is stopped, and is not started again', async () => {
    let starts = 0
    await createChild(`${echo}\nconsole.log('up')`, { minBackoffMs: 1, onStart: () => (starts += 1) })
    child!.start()
    await until(() => lines.includes('up'))
    await Promise.all([child!.stop(), child!.stop()])
    assert.equal(child!.pid, undefined)
    child!.start()
    await delay(50)
    assert.deepEqual(ends, ['exited with code 0'])
    assert.equal(starts, 1)
    assert.deepEqual(waits(), [])
  })

  it('is not started again when it is stopped between two processes', async () => {
    let starts = 0
    await createChild('process.exit(1)', { minBackoffMs: 100, onStart: () => (starts += 1) })
    child!.start()
    await until(() => ends.length === 1)
    await child!.stop()
    await delay(200)
    assert.equal(starts, 1)
  })

  it('is terminated if it does not end when its input does', async () => {
    await createChild(`process.stdin.resume(); setInterval(() => {}, 1000); console.log('up')`, { stopTimeoutMs: 50 })
    child!.start()
    await until(() => lines.includes('up'))
    await child!.stop()
    assert.deepEqual(ends, ['was ended by SIGTERM'])
  })

  it('is killed if it does not end when it is terminated', async () => {
    await createChild(`process.on('SIGTERM', () => {}); setInterval(() => {}, 1000); console.log('up')`, { stopTimeoutMs: 50 })
    child!.start()
    await until(() => lines.includes('up'))
    await child!.stop()
    assert.deepEqual(ends, ['was ended by SIGKILL'])
  })

  it('kills itself if it does not manage to end in time', async () => {
    await createChild(
      `runAsChild({ onMessage() {}, onEnd() {}, endDeadlineMs: 50 }); setInterval(() => {}, 1000); console.log('up')`,
      {
        stopTimeoutMs: 30_000,
      },
    )
    child!.start()
    await until(() => lines.includes('up'))
    await child!.stop()
    assert.deepEqual(ends, ['was ended by SIGKILL'])
  })

  it('is killed if it does not read what it is sent', async () => {
    await createChild(`setInterval(() => {}, 1000); console.log('up')`, { minBackoffMs: 60_000 })
    child!.start()
    await until(() => lines.includes('up'))
    const message = 'x'.repeat(1024 * 1024)
    for (let sent = 0; sent < 32 && ends.length === 0; sent++) child!.send(message)
    await until(() => ends.length === 1)
    assert.deepEqual(ends, ['was ended by SIGKILL'])
  })

  it('drops messages while no process runs', async () => {
    await createChild(echo)
    child!.send('before')
    child!.start()
    child!.send('after')
    await until(() => messages.length === 1)
    assert.equal((messages[0] as { echo: string }).echo, 'after')
  })

  it('reports a process that cannot be started, and tries again', async () => {
    await createChild(echo, { minBackoffMs: 5, onStart: () => child!.send('hello') })
    const { execPath } = process
    process.execPath = join(directory, 'missing')
    try {
      child!.start()
      await until(() => ends.length === 2)
      assert.match(ends[0]!, /could not be started: .*ENOENT/)
      assert.equal(messages.length, 0)
    } finally {
      process.execPath = execPath
    }
    await until(() => messages.length === 1)
  })

  it('ends when its parent is killed', async () => {
    const entry = join(directory, 'leaf.mjs')
    await writeFile(entry, `import { runAsChild } from '${childModule}'\n${echo}\nsetInterval(() => {}, 1000)`)
    const parentFile = join(directory, 'parent.mjs')
    await writeFile(
      parentFile,
      `import { Child } from '${childModule}'
       const log = { debug() {}, warn() {} }
       const child = new Child({ name: 'leaf', entry: new URL('./leaf.mjs', import.meta.url), log,
         onStart: () => child.send(1), onMessage: ({ pid }) => console.log(pid) })
       child.start()`,
    )
    // The child has the parent's standard error: it is at its end when both are gone.
    const parent = spawn(process.execPath, [parentFile], { stdio: ['ignore', 'pipe', 'pipe'] })
    const standardError = text(parent.stderr)
    const [line] = (await once(createInterface({ input: parent.stdout }), 'line')) as [string]
    assert(process.kill(Number(line), 0))
    parent.kill('SIGKILL')
    assert.equal(await standardError, '')
  })

  function waits(): unknown[] {
    return logged.filter(({ restartInMs }) => restartInMs !== undefined).map(({ restartInMs }) => restartInMs)
  }
})

/** Waits for a condition; that it never comes is told by the test's own time limit. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await delay(5)
}
