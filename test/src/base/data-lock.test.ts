import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { openDataLock } from '../../../src/base/data-lock.ts'

/** Takes the lock, starts a child that outlives it, prints the child's process id and waits. */
const holderSource = `
  const { openDataLock } = await import(${JSON.stringify(new URL('../../../src/base/data-lock.js', import.meta.url).href)})
  const { spawn } = await import('node:child_process')
  openDataLock({ directory: process.argv[1], command: 'sluice serve' })
  const child = spawn('sleep', ['60'], { stdio: 'ignore', detached: true })
  console.log(child.pid)
  setInterval(() => {}, 60_000)
`

describe('the data lock', () => {
  let directory: string

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'sluice-lock-'))
  })

  afterEach(() => rmSync(directory, { recursive: true }))

  async function startHolder(): Promise<{ holder: ChildProcess; grandchild: number }> {
    const holder = spawn(process.execPath, ['--input-type=module', '--eval', holderSource, directory], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const [line] = (await once(holder.stdout!, 'data')) as [Buffer]
    return { holder, grandchild: Number(line.toString()) }
  }

  it('keeps a second process off and names the holder; ends when the holder is killed, though its child lives', async () => {
    const { holder, grandchild } = await startHolder()
    try {
      assert.throws(
        () => openDataLock({ directory, command: 'sluice project create' }),
        (error: Error & { code: string }) => {
          assert.equal(error.code, 'DATA_LOCKED')
          const named = `the data directory ${directory} is in use by sluice serve, process ${holder.pid} on ${hostname()} since 2`
          assert.ok(error.message.startsWith(named), error.message)
          return true
        },
      )
      holder.kill('SIGKILL')
      await once(holder, 'exit')
      process.kill(grandchild, 0)
      openDataLock({ directory, command: 'sluice serve' }).close()
    } finally {
      holder.kill('SIGKILL')
      process.kill(grandchild)
    }
  })

  it('refuses a second lock of the same process until the first is closed', () => {
    const lock = openDataLock({ directory, command: 'sluice serve' })
    assert.throws(() => openDataLock({ directory, command: 'sluice serve' }), { code: 'DATA_LOCKED' })
    lock.close()
    lock.close()
    openDataLock({ directory, command: 'sluice serve' }).close()
  })

  it('is not stopped by a file that a dead process left behind, whatever is in it', () => {
    writeFileSync(join(directory, 'lock'), `{"pid":${process.pid},"command":"sluice serve"}`)
    openDataLock({ directory, command: 'sluice serve' }).close()
    writeFileSync(join(directory, 'lock'), 'not a holder')
    openDataLock({ directory, command: 'sluice serve' }).close()
  })

  it('says that another process holds it when the holder has not written its name', () => {
    const lock = openDataLock({ directory, command: 'sluice serve' })
    writeFileSync(join(directory, 'lock'), '')
    assert.throws(() => openDataLock({ directory, command: 'sluice serve' }), /is in use by another process$/)
    lock.close()
  })
})
