import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { nodeFiles } from '../../../src/base/files.ts'
import { Authenticator } from '../../../src/catalog/authenticator.ts'
import { openCatalog, type Catalog } from '../../../src/catalog/catalog.ts'

describe('the authenticator', () => {
  let directory: string
  let catalog: Catalog

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'sluice-authenticator-'))
    catalog = await openCatalog({ files: nodeFiles, directory, defaults: { region: 'local' } })
    await catalog.createProject({ name: 'web' })
    await catalog.createAccessKey({ project: 'web', id: 'ID', secret: 'right-secret' })
  })

  afterEach(() => rmSync(directory, { recursive: true }))

  const key = () => catalog.findAccessKey('web', 'ID')

  /** An authenticator whose checks end when `answer` says so, and which counts them. */
  function createSlow(bounds: { maxVerdicts?: number; maxWaiting?: number } = {}) {
    const running: { secret: string; answer: (isRight: boolean) => void; fail: (error: Error) => void }[] = []
    const verify = (secret: string) =>
      new Promise<boolean>((answer, fail) => {
        running.push({ secret, answer, fail })
      })
    return { authenticator: new Authenticator({ catalog, verify, ...bounds }), running }
  }

  /** Lets everything go on that waits for nothing but its turn. */
  const settle = () => new Promise(setImmediate)

  it('knows the right secret of a key and no other, of no other key, of no other project', async () => {
    await catalog.createProject({ name: 'app' })
    await catalog.createAccessKey({ project: 'web', id: 'ID2', secret: 'other-secret' })
    const authenticator = new Authenticator({ catalog })
    for (let round = 1; round <= 2; round += 1) {
      assert.equal(await authenticator.verify('web', 'ID', 'right-secret'), key())
      assert.equal(await authenticator.verify('web', 'ID', 'wrong-secret'), undefined)
      assert.equal(await authenticator.verify('web', 'ID', ''), undefined)
      assert.equal(await authenticator.verify('web', 'ID2', 'right-secret'), undefined)
      assert.equal(await authenticator.verify('web', 'ID3', 'right-secret'), undefined)
      assert.equal(await authenticator.verify('app', 'ID', 'right-secret'), undefined)
      assert.equal(await authenticator.verify('none', 'ID', 'right-secret'), undefined)
    }
  })

  it('checks each credential once, right or wrong, also when many ask at the same time', async () => {
    const { authenticator, running } = createSlow()
    const asked = ['right', 'right', 'wrong', 'right'].map(secret => authenticator.verify('web', 'ID', secret))
    await settle()
    running[0]!.answer(true)
    await settle()
    running[1]!.answer(false)
    assert.deepEqual(await Promise.all(asked), [key(), key(), undefined, key()])
    assert.equal(await authenticator.verify('web', 'ID', 'right'), key())
    assert.equal(await authenticator.verify('web', 'ID', 'wrong'), undefined)
    assert.deepEqual(
      running.map(({ secret }) => secret),
      ['right', 'wrong'],
    )
  })

  it('runs one check at a time, in the order they were asked for', async () => {
    const { authenticator, running } = createSlow()
    const asked = ['a', 'b', 'c'].map(secret => authenticator.verify('web', 'ID', secret))
    for (let count = 1; count <= 3; count += 1) {
      await settle()
      assert.equal(running.length, count)
      running[count - 1]!.answer(count === 2)
    }
    assert.deepEqual(await Promise.all(asked), [undefined, key(), undefined])
  })

  it('says that it is busy, not that a secret is wrong, when too many checks wait; known verdicts are still given', async () => {
    const { authenticator, running } = createSlow({ maxWaiting: 1 })
    const known = authenticator.verify('web', 'ID', 'known')
    await settle()
    running[0]!.answer(true)
    await known
    const asked = ['a', 'b'].map(secret => authenticator.verify('web', 'ID', secret))
    await assert.rejects(authenticator.verify('web', 'ID', 'c'), { code: 'AUTHENTICATION_BUSY' })
    assert.equal(await authenticator.verify('web', 'ID', 'known'), key())
    for (const index of [1, 2]) {
      await settle()
      running[index]!.answer(false)
    }
    await Promise.all(asked)
    const later = authenticator.verify('web', 'ID', 'c')
    await settle()
    running[3]!.answer(true)
    assert.equal(await later, key())
  })

  it('forgets a verdict when the key is deleted or made again', async () => {
    const authenticator = new Authenticator({ catalog })
    assert.ok(await authenticator.verify('web', 'ID', 'right-secret'))
    await catalog.deleteAccessKey('web', 'ID')
    assert.equal(await authenticator.verify('web', 'ID', 'right-secret'), undefined)
    await catalog.createAccessKey({ project: 'web', id: 'ID', secret: 'new-secret' })
    assert.equal(await authenticator.verify('web', 'ID', 'right-secret'), undefined)
    assert.equal(await authenticator.verify('web', 'ID', 'new-secret'), key())
  })

  it('does not remember a check that failed, and goes on after it', async () => {
    const { authenticator, running } = createSlow()
    const asked = authenticator.verify('web', 'ID', 'right')
    const behind = authenticator.verify('web', 'ID', 'behind')
    await settle()
    running[0]!.fail(new Error('out of memory'))
    await assert.rejects(asked, /out of memory/)
    await settle()
    running[1]!.answer(false)
    assert.equal(await behind, undefined)
    const again = authenticator.verify('web', 'ID', 'right')
    await settle()
    running[2]!.answer(true)
    assert.equal(await again, key())
  })

  it('remembers the verdicts that are used and forgets the others, within its bound', async () => {
    const { authenticator, running } = createSlow({ maxVerdicts: 2 })
    /** The secrets that were checked, each of which is right, by asking for these in turn. */
    async function checkedOf(secrets: string[]): Promise<string[]> {
      const before = running.length
      for (const secret of secrets) {
        const asked = authenticator.verify('web', 'ID', secret)
        await settle()
        running.at(-1)?.answer(true)
        await asked
      }
      return running.slice(before).map(({ secret }) => secret)
    }
    assert.deepEqual(await checkedOf(['a', 'b', 'a', 'c', 'a', 'b', 'c']), ['a', 'b', 'c', 'b', 'c'])
  })
})
