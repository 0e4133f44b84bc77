import assert from 'node:assert/strict'
import { ProducerIds } from '../../../src/journal/producer-ids.ts'
import { Random } from '../../protocol/random.ts'
import { DIRECTORY, faultOnce, forSeeds, newFiles, turns } from './fixtures.ts'

describe('producer ids', () => {
  it('are given once each, whenever the power goes and whatever fails', async () => {
    await forSeeds(30, async seed => {
      const random = new Random(seed)
      let files = newFiles(seed)
      await files.makeDirectory(DIRECTORY)
      const given: number[] = []
      for (let life = 0; life < 6; life++) {
        const ids = await ProducerIds.open({ files, directory: DIRECTORY })
        const crashAt = files.operations + 1 + random.below(20)
        files.intercept = ({ number }) =>
          number === crashAt ? { hang: true } : random.below(20) === 0 ? { fail: 'EIO' } : undefined
        for (let count = random.below(40); count > 0; count--) {
          for (let each = random.below(120); each > 0; each--)
            ids.next().then(
              id => given.push(id),
              () => {},
            )
          await turns(1)
        }
        assert.equal(new Set(given).size, given.length)
        files = random.below(3) === 0 ? files.kill() : files.cutPower()
      }
    })
  })

  it('begin at 0 and cost a write for many', async () => {
    const files = newFiles()
    await files.makeDirectory(DIRECTORY)
    const ids = await ProducerIds.open({ files, directory: DIRECTORY })
    let writes = 0
    files.intercept = ({ kind }) => {
      if (kind === 'write') writes++
      return undefined
    }
    assert.deepEqual(await Promise.all([ids.next(), ids.next(), ids.next()]), [0, 1, 2])
    for (let count = 3; count < 1000; count++) await ids.next()
    assert.equal(writes, 1)
    assert.equal(await ids.next(), 1000)
    assert.equal(writes, 2)
  })

  it('are refused while the disk fails, and given again when it does not', async () => {
    const files = newFiles()
    await files.makeDirectory(DIRECTORY)
    const ids = await ProducerIds.open({ files, directory: DIRECTORY })
    faultOnce(files, ({ kind }) => kind === 'sync', { fail: 'EIO' })
    await assert.rejects(ids.next(), { code: 'EIO' })
    assert.equal(await ids.next(), 0)
  })

  it('are not given when their file is damaged', async () => {
    const files = newFiles()
    await files.makeDirectory(DIRECTORY)
    files.alter(`${DIRECTORY}/producer-ids`, () => Buffer.from('\0\0\0\0'))
    await assert.rejects(ProducerIds.open({ files, directory: DIRECTORY }), { code: 'JOURNAL_DAMAGED' })
  })
})
