import assert from 'node:assert/strict'
import { pino } from 'pino'
import { Checkpoints } from '../../../src/journal/checkpoint.ts'
import { recoverJournal } from '../../../src/journal/recovery.ts'
import { DIRECTORY, newFiles, openJournal, segmentPaths, store } from './fixtures.ts'

describe('a start that has much to read', () => {
  it('tells the log how far it is, through all segments, and of how much', async () => {
    const files = newFiles()
    const journal = await openJournal(files)
    files.intercept = ({ path }) => (path.includes('checkpoint') ? { fail: 'EIO' } : undefined)
    for (let index = 0; index < 6; index++) await store(journal, { values: ['x'.repeat(12_000)] })
    const killed = files.kill()
    assert(segmentPaths(killed).length > 2)
    const lines: { readBytes?: number; upToBytes?: number; msg: string }[] = []
    const log = pino({}, { write: (line: string) => void lines.push(JSON.parse(line) as (typeof lines)[number]) })
    const checkpoints = new Checkpoints({ files: killed, directory: DIRECTORY })
    const recover = (progressMs: number) =>
      recoverJournal({
        files: killed.copy(),
        directory: DIRECTORY,
        checkpoints,
        maxStreams: 10,
        log,
        progressMs,
      })
    const { end } = await recover(0)
    const told = lines.filter(({ msg }) => msg === 'the journal is being read')
    assert.equal(told.length, 6)
    assert.equal(told.at(-1)!.readBytes, end.position)
    for (const { readBytes = 0, upToBytes = 0 } of told) assert(readBytes > 0 && readBytes <= upToBytes)
    lines.length = 0
    await recover(2 ** 30)
    assert.deepEqual(
      lines.map(({ msg }) => msg),
      ['the journal was read from its last checkpoint on'],
    )
  })
})
