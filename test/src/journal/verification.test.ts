import assert from 'node:assert/strict'
import { crc32c } from '../../../protocol/records/crc32c.ts'
import type { Checkpoint } from '../../../src/journal/checkpoint.ts'
import { encodeSegmentHeader, GROUP_HEADER_BYTES, type SegmentHeader } from '../../../src/journal/format.ts'
import { listJournal, newestCheckpoint } from '../../../src/journal/inspection.ts'
import type { Journal } from '../../../src/journal/journal.ts'
import { listSegments, segmentPath } from '../../../src/journal/segments.ts'
import type { SavedState } from '../../../src/journal/state.ts'
import { verifyJournal } from '../../../src/journal/verification.ts'
import { Random } from '../../protocol/random.ts'
import type { MemoryFiles } from '../../support/memory-files.ts'
import {
  checkpointPaths,
  DIRECTORY,
  faultOnce,
  forSeeds,
  indexAll,
  isGroupWrite,
  MYSQL,
  newFiles,
  NGINX,
  openJournal,
  readGroups,
  segmentPaths,
  store,
  take,
  turns,
  verify,
} from './fixtures.ts'

const FIRST = segmentPath(DIRECTORY, 1)
const SECOND = segmentPath(DIRECTORY, 2)

/** A stopped journal of three segments: two entries in each of the first two, one in the last, of two shards in turn. */
async function stoppedJournal(): Promise<MemoryFiles> {
  const files = newFiles()
  const journal = await openJournal(files)
  for (let index = 0; index < 5; index++)
    await store(journal, {
      logstoreId: index % 2 === 0 ? NGINX : MYSQL,
      values: ['x'.repeat(12_000), 'y'],
      producer: { producerId: 7, producerEpoch: 0, baseSequence: 2 * Math.floor(index / 2) },
    })
  await journal.close()
  assert.equal(segmentPaths(files).length, 3)
  return files
}

function flip(files: MemoryFiles, path: string, position: number): void {
  files.alter(path, content => {
    content[position]! ^= 1
    return content
  })
}

/** Changes a checkpoint and makes its checksum right again. */
function alterCheckpoint(files: MemoryFiles, path: string, change: (checkpoint: Checkpoint) => void): void {
  files.alter(path, content => {
    const checkpoint = JSON.parse(content.toString('utf8').split('\n')[0]!) as Checkpoint
    change(checkpoint)
    const body = Buffer.from(JSON.stringify(checkpoint))
    return Buffer.concat([body, Buffer.from(`\n${crc32c(body).toString(16).padStart(8, '0')}\n`)])
  })
}

/** Changes the header of a segment and makes its checksum right again. */
async function alterHeader(files: MemoryFiles, path: string, change: (header: SegmentHeader) => object): Promise<void> {
  const segment = (await listSegments(files, DIRECTORY)).find(found => found.path === path)!
  const header = encodeSegmentHeader({ ...segment, ...change(segment) })
  files.alter(path, content => Buffer.concat([header, content.subarray(header.length)]))
}

const newest = (files: MemoryFiles): string => checkpointPaths(files).at(-1)!

describe('verifying a journal', () => {
  it('counts what is whole, compares both checkpoints, and says where the journal ends', async () => {
    const files = await stoppedJournal()
    const { end, bytes, ...found } = await verify(files)
    assert.deepEqual(found, {
      segments: 3,
      groups: 5,
      entries: 5,
      logs: 10,
      checkpoints: 2,
      damages: [],
      lostLogs: [],
      recycled: [],
    })
    assert(bytes > 5 * 12_000)
    assert.deepEqual(end, { file: segmentPath(DIRECTORY, 3), position: end!.position, entry: 5, isTorn: false })
    assert.equal(files.openFiles, 0)
  })

  it('tells a journal that was never written to from one that is missing', async () => {
    const files = newFiles()
    await (await openJournal(files)).close()
    assert.deepEqual((await verify(files)).damages, [])
    await files.remove(FIRST)
    assert.deepEqual(
      (await verify(files)).damages.map(({ problem }) => problem),
      ['a segment that may not be indexed yet is missing'],
    )
  })

  it('tells how far it is, up to the end', async () => {
    const files = await stoppedJournal()
    const told: number[] = []
    const journal = await listJournal(files, DIRECTORY)
    const onProgress = (readBytes: number, ofBytes: number): void => void told.push(readBytes / ofBytes)
    await verifyJournal({ files, journal, isLogstore: () => true, onProgress })
    assert.deepEqual(
      told,
      told.toSorted((a, b) => a - b),
    )
    assert.equal(told.at(-1), 1)
  })

  it('finds what a start finds, in the same words, wherever the byte is that is wrong', async () => {
    const files = newFiles()
    const journal = await openJournal(files)
    files.intercept = ({ path }) => (path.includes('checkpoint') ? { fail: 'EIO' } : undefined)
    for (let index = 0; index < 3; index++) await store(journal, { clientId: `w${index}` })
    const groups = await readGroups(files, journal.readLimit)
    const killed = files.kill()
    for (const [index, { begin }] of groups.entries()) {
      for (let at = 0; at < 220; at += 3) {
        const copy = killed.copy()
        flip(copy, FIRST, begin.position + at)
        const [found] = (await verify(copy)).damages
        const refusal = await openJournal(copy).then(
          () => undefined,
          (error: { code: string; details: object }) => error,
        )
        assert.equal(found === undefined, refusal === undefined, `byte ${at} of group ${index}`)
        if (found === undefined) continue
        const { file, position, problem } = found
        assert.deepEqual({ file, position, problem }, refusal!.details)
      }
    }
  })

  it('says which entries and logs are in a stretch that is damaged, and goes on behind it', async () => {
    const files = await stoppedJournal()
    const [first, second] = await readAllGroups(files)
    flip(files, FIRST, first!.begin.position + 5000)
    const { damages, lostLogs, entries } = await verify(files)
    assert.equal(entries, 4)
    assert.deepEqual(damages, [
      {
        file: FIRST,
        position: first!.begin.position + GROUP_HEADER_BYTES,
        problem: 'entry 0 has a batch whose checksum is wrong',
        end: second!.begin.position,
        entries: { first: 0, next: 1 },
      },
    ])
    assert.deepEqual(lostLogs, [{ logstoreId: NGINX, shard: 0, first: 0, next: 2 }])
  })

  it('learns from the next segment what was in one that cannot be read to its end', async () => {
    const files = await stoppedJournal()
    const last = (await readAllGroups(files))[1]!
    flip(files, FIRST, last.begin.position + 5000)
    const { damages, lostLogs, entries } = await verify(files)
    assert.equal(entries, 4)
    assert.deepEqual([damages.length, damages[0]!.entries], [1, { first: 1, next: 2 }])
    assert.deepEqual(lostLogs, [{ logstoreId: MYSQL, shard: 0, first: 0, next: 2 }])
  })

  it('learns from the checkpoint what was at the end of the journal', async () => {
    const files = await stoppedJournal()
    const last = (await readAllGroups(files)).at(-1)!
    const [, , third] = await listSegments(files, DIRECTORY)
    flip(files, third!.path, last.begin.position - third!.base + 5000)
    const { damages, lostLogs } = await verify(files)
    assert.deepEqual([damages.length, damages[0]!.entries], [1, { first: 4, next: 5 }])
    assert.deepEqual(lostLogs, [{ logstoreId: NGINX, shard: 0, first: 4, next: 6 }])
  })

  it('says what a segment held that is missing, or has no header', async () => {
    const ways = [(files: MemoryFiles) => files.remove(SECOND), async (files: MemoryFiles) => flip(files, SECOND, 20)]
    for (const damage of ways) {
      const files = await stoppedJournal()
      await damage(files)
      const { damages, lostLogs, entries } = await verify(files)
      assert.equal(entries, 3)
      const found = damages.find(({ file }) => file === SECOND)!
      assert.deepEqual(found.entries, { first: 2, next: 4 })
      assert.deepEqual(lostLogs, [
        { logstoreId: NGINX, shard: 0, first: 2, next: 4 },
        { logstoreId: MYSQL, shard: 0, first: 2, next: 4 },
      ])
    }
  })

  it('says that the disk does not give a stretch', async () => {
    const files = await stoppedJournal()
    files.intercept = ({ kind, path, length }) =>
      kind === 'read' && path === SECOND && length > 4096 ? { fail: 'EIO' } : undefined
    const { damages, entries } = await verify(files)
    assert.equal(entries, 3)
    assert.deepEqual(
      damages.map(({ file, problem, entries }) => ({ file, problem, entries })),
      [2, 3].map(first => ({ file: SECOND, problem: 'the disk cannot read (EIO)', entries: { first, next: first + 1 } })),
    )
  })

  const wrongStates: [string, (state: SavedState) => void, RegExp][] = [
    [
      'an offset that would be given twice',
      ({ nextOffsets }) => (nextOffsets[NGINX]!['0']! -= 1),
      /the next offset of shard 0 of logstore 1{8}/,
    ],
    ['a logstore that is missing', ({ nextOffsets }) => delete nextOffsets[MYSQL], /it does not know shard 0 of logstore f{8}/],
    ['a sequence that was not taken', ({ producers }) => (producers[0]!.taken.at(-1)![0] += 1), /what it says of producer 7/],
    ['an epoch that was not seen', ({ producers }) => (producers[1]!.epoch += 1), /what it says of producer 7/],
    ['a stream that never was', ({ producers }) => (producers[0]!.partition += 1), /what it says of producer 7 in partition 1/],
    ['a time that is too early', state => (state.receivedMs = 1), /the time of the last entry/],
  ]

  for (const [what, change, says] of wrongStates) {
    it(`finds ${what} in a checkpoint`, async () => {
      const files = await stoppedJournal()
      alterCheckpoint(files, newest(files), ({ state }) => void change(state))
      const { damages } = await verify(files)
      assert.deepEqual(
        damages.map(({ file, problem }) => [file, says.test(problem)]),
        [[newest(files), true]],
      )
    })

    it(`finds ${what} in the header of a segment`, async () => {
      const files = await stoppedJournal()
      const third = segmentPath(DIRECTORY, 3)
      await alterHeader(files, third, ({ state }) => {
        const saved = JSON.parse(state.toString()) as SavedState
        change(saved)
        // What follows must still lie where it lies.
        return { state: Buffer.from(JSON.stringify(saved).padEnd(state.length)) }
      })
      const { damages } = await verify(files)
      const [found] = damages
      assert.equal(found?.file, third)
      assert.match(found!.problem, says)
    })
  }

  it('takes no offence at what a checkpoint has forgotten or moved on', async () => {
    const files = await stoppedJournal()
    alterCheckpoint(files, newest(files), ({ state }) => {
      state.nextOffsets[NGINX]!['0']! += 1000
      delete state.nextOffsets[MYSQL]
      state.producers.pop()
      state.producers[0]!.taken.shift()
    })
    const journal = await listJournal(files, DIRECTORY)
    const { damages } = await verifyJournal({ files, journal, isLogstore: id => id === NGINX })
    assert.deepEqual(damages, [])
  })

  it('finds a checkpoint that stands where no group ends, or at another place than it says', async () => {
    for (const change of [{ position: -4096 }, { entry: 1 }, { chain: 1 }, { position: 4096 }]) {
      const files = await stoppedJournal()
      alterCheckpoint(files, newest(files), ({ durable }) => {
        for (const [name, by] of Object.entries(change) as [keyof typeof durable, number][]) durable[name] += by
      })
      const { damages } = await verify(files)
      assert.equal(damages.length, 1, JSON.stringify({ change, damages }))
    }
  })

  it('finds a checkpoint that cannot be read', async () => {
    const files = await stoppedJournal()
    const [older] = checkpointPaths(files)
    flip(files, older!, 10)
    const { damages } = await verify(files)
    assert.deepEqual(damages, [{ file: older, position: 0, problem: 'a checkpoint cannot be read' }])
  })

  it('calls no damage what a running server does meanwhile', async () => {
    await forSeeds(4, async seed => {
      const random = new Random(seed)
      const files = newFiles(seed)
      const journal = await openJournal(files)
      let isOver = false
      const verifying = (async () => {
        while (!isOver) {
          const found = await verify(files)
          assert.deepEqual({ damages: found.damages, lostLogs: found.lostLogs }, { damages: [], lostLogs: [] })
        }
      })()
      for (let step = 0; step < 60; step++) await work(files, journal, random)
      isOver = true
      await verifying
      await journal.close()
      assert.deepEqual((await verify(files)).damages, [])
    })
  })

  it('says which segments were given up before they were read', async () => {
    const files = newFiles()
    const journal = await openJournal(files)
    const fill = (): Promise<unknown> => store(journal, { values: ['x'.repeat(20_000)] })
    for (let index = 0; index < 6; index++) await fill()
    const listed = await listJournal(files, DIRECTORY)
    for (let index = 0; index < 3; index++) {
      await indexAll(files, journal)
      await journal.checkpoint()
      await fill()
    }
    const { recycled, damages } = await verifyJournal({ files, journal: listed, isLogstore: () => true })
    assert(recycled.includes(FIRST), recycled.join())
    assert.deepEqual(damages, [])
  })
})

/** Something that a server does. */
async function work(files: MemoryFiles, journal: Journal, random: Random): Promise<void> {
  const choice = random.below(12)
  if (choice === 0) await journal.checkpoint()
  else if (choice === 1) await indexAll(files, journal)
  else if (choice === 2) faultOnce(files, isGroupWrite, { fail: 'EIO' })
  else {
    const values = ['x'.repeat(random.pick([0, 100, 9000, 20_000]))]
    take(journal, { logstoreId: random.pick([NGINX, MYSQL]), shard: random.below(2), values })
  }
  // Now and then long enough for the directory to be listed.
  await turns(random.pick([0, 1, 5, 60]))
}

/** The groups of a journal that was closed in order. */
async function readAllGroups(files: MemoryFiles): ReturnType<typeof readGroups> {
  const { durable, segment } = newestCheckpoint(await listJournal(files, DIRECTORY))!
  return readGroups(files, { position: durable.position, segment })
}
