/**
 * Journals that are damaged in every way, and repaired: what can still be read is in its table once and in order, what is lost is told,
 * and whatever comes then gets offsets that nobody had.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import type { Files } from '../../../src/base/files.ts'
import { silentLog } from '../../../src/base/log.ts'
import { BLOCK_BYTES, encodeSegmentHeader, GROUP_HEADER_BYTES } from '../../../src/journal/format.ts'
import { listJournal, newestCheckpoint } from '../../../src/journal/inspection.ts'
import type { Journal } from '../../../src/journal/journal.ts'
import type { Group } from '../../../src/journal/reader.ts'
import { ProducerIds } from '../../../src/journal/producer-ids.ts'
import {
  findDamages,
  planRepair,
  repairJournal,
  SET_ASIDE,
  type Repair,
  type RepairOptions,
} from '../../../src/journal/repair.ts'
import { segmentPath, type Segment } from '../../../src/journal/segments.ts'
import type { MemoryFiles } from '../../support/memory-files.ts'
import { MemoryTables, pass, passUntil, startIndexer, useClock } from '../indexing/fixtures.ts'
import {
  checkpointPaths,
  DIRECTORY,
  MYSQL,
  newFiles,
  NGINX,
  openJournal,
  readGroups,
  SEGMENT_BYTES,
  segmentPaths,
  take,
  verify,
  writeOf,
} from './fixtures.ts'

const SHARDS = 2

const optionsFor = (files: Files): RepairOptions => ({
  files,
  directory: DIRECTORY,
  segmentBytes: SEGMENT_BYTES,
  shards: new Map([NGINX, MYSQL].map(id => [id, SHARDS])),
  log: silentLog,
})

/** A log that was acknowledged, and the write that took it. */
interface Sent {
  number: number
  logstoreId: string
  shard: number
  offset: number
  value: string
  sequence: number
}

/** A group, and the segment that it lies in. */
interface Written extends Group {
  segment: Segment
}

/** A journal whose server was killed, what its producers were told and what its tables hold. */
class Scene {
  files: MemoryFiles
  readonly tables: MemoryTables
  readonly sent: Sent[]
  readonly groups: Written[]

  constructor(files: MemoryFiles, tables = new MemoryTables(), sent: Sent[] = [], groups: Written[] = []) {
    this.files = files
    this.tables = tables
    this.sent = sent
    this.groups = groups
  }

  copy(): Scene {
    return new Scene(this.files.copy(), this.tables.copy(), [...this.sent], this.groups)
  }

  /** Has a producer's next log taken; the shard is one or the other. */
  append(journal: Journal, logstoreId: string, bytes: number): Promise<void> {
    const number = this.sent.length
    const shard = number % SHARDS
    const value = `log ${number} ${'x'.repeat(bytes)}`
    const sequence = this.sentTo(logstoreId).length
    const { baseOffset: offset, durable } = take(journal, { logstoreId, shard, ...writeFrom(value, sequence) })
    this.sent.push({ number, logstoreId, shard, offset, value, sequence })
    return durable.promise
  }

  sentTo(logstoreId: string): Sent[] {
    return this.sent.filter(sent => sent.logstoreId === logstoreId)
  }

  /** The numbers of the entries that are in no table. */
  get missing(): number[] {
    const stored = new Set([NGINX, MYSQL].flatMap(id => this.tables.contents(id)))
    return this.sent.filter(({ value }) => !stored.has(value)).map(({ number }) => number)
  }

  alter(path: string, change: (content: Buffer) => Buffer | void): void {
    this.files.alter(path, content => change(content) ?? content)
  }

  flip(path: string, position: number): void {
    this.alter(path, content => void (content[position]! ^= 4))
  }
}

function writeFrom(value: string, baseSequence: number) {
  return { values: [value], producer: { producerId: 7, producerEpoch: 0, baseSequence } }
}

/**
 * Some logs are in their tables, and the checkpoint says so; more came, in groups of one entry and of several, over several segments,
 * the second checkpoint somewhere between them.
 */
async function killedServer(): Promise<Scene> {
  const scene = new Scene(newFiles())
  const { files, tables } = scene
  const journal = await openJournal(files)
  for (let log = 0; log < 3; log++) await scene.append(journal, log === 1 ? MYSQL : NGINX, 100)
  const { indexer } = startIndexer(files, journal, tables.connect())
  await passUntil('the first logs', () => scene.missing.length === 0)
  await Promise.all([indexer.stop(0), pass(2000)])
  await journal.checkpoint()
  for (const bytes of [7000, 300, 9000, 200, 8000, 100, 12_000, 400, 300]) {
    const count = bytes < 1000 ? 3 : 1
    await Promise.all(Array.from({ length: count }, (_, at) => scene.append(journal, at === 1 ? MYSQL : NGINX, bytes)))
    await scene.append(journal, MYSQL, 50)
    if (bytes === 8000) await journal.checkpoint()
  }
  const begins = await readGroups(files, journal.readLimit)
  scene.files = files.kill()
  const { segments } = await listJournal(scene.files, DIRECTORY)
  for (const group of begins)
    scene.groups.push({ ...(group as Group), segment: segments.findLast(({ base }) => base <= group.begin.position)! })
  assert(segments.length >= 3)
  assert.deepEqual((await verify(scene.files)).damages, [])
  return scene
}

/** Repairs, starts what a server starts, and holds what must be so whatever was damaged. Resolves with what the repair says. */
async function repairAndCheck(scene: Scene): Promise<Repair> {
  const { files } = scene
  assert.notDeepEqual((await verify(files)).damages, [], 'it is damaged')
  const paths = files.paths.filter(path => segmentPaths(files).includes(path) || checkpointPaths(files).includes(path))
  const before = paths.map(path => files.peek(path))
  // Of what lies before every segment and checkpoint, only the numbers are known.
  const knownFrom = (await listJournal(files, DIRECTORY)).segments[0]?.firstEntry ?? 0
  const planned = await planRepair(optionsFor(files))
  const repair = await repairJournal(optionsFor(files))
  assert.deepEqual(repair, planned)
  assert.equal(files.openFiles, 0)
  for (const [index, path] of paths.entries()) assert(files.peek(path + SET_ASIDE).equals(before[index]!), `${path} is set aside`)
  await checkRepaired(scene, repair, knownFrom)
  return repair
}

async function checkRepaired(scene: Scene, { lost, lostLogs }: Pick<Repair, 'lost' | 'lostLogs'>, knownFrom = 0): Promise<void> {
  const { files, tables } = scene
  const { damages, checkpoints } = await verify(files)
  assert.deepEqual(damages, [])
  assert.equal(checkpoints, 2)

  const known = [...scene.sent]
  const journal = await openJournal(files)
  const running = startIndexer(files, journal, tables.connect())
  await pass(20_000, () => scene.missing.length === 0)
  for (const number of scene.missing) {
    assert(
      lost.some(({ first, next }) => number >= first && number < (next ?? Infinity)),
      `it says that entry ${number} is lost`,
    )
    const { logstoreId, shard, offset } = scene.sent[number]!
    const isTold = lostLogs.some(
      range => range.logstoreId === logstoreId && range.shard === shard && offset >= range.first && offset < range.next,
    )
    assert(isTold || number < knownFrom || lost.at(-1)!.next === null, `it says which logs are lost with entry ${number}`)
  }
  const missing = new Set(scene.missing)

  for (const logstoreId of [NGINX, MYSQL]) {
    const sent = known.filter(one => one.logstoreId === logstoreId)
    const salvaged = sent.findLast(({ number }) => !missing.has(number))!
    if (salvaged.sequence > sent.length - 4) {
      const again = journal.append(writeOf({ logstoreId, shard: 0, ...writeFrom(salvaged.value, salvaged.sequence) }))
      assert(typeof again !== 'string', again as string)
      assert.deepEqual([again.isDuplicate, again.baseOffset], [true, salvaged.offset])
    }
    for (let log = 0; log < 3; log++) await scene.append(journal, logstoreId, 10)
  }
  for (const { number, logstoreId, shard, offset } of scene.sent.slice(known.length))
    for (const one of known)
      if (one.logstoreId === logstoreId && one.shard === shard)
        assert(offset > one.offset, `log ${number} has an offset of its own`)
  running.indexer.advance(journal.readLimit)
  await passUntil('everything', () => scene.missing.length === missing.size)
  await Promise.all([running.indexer.stop(0), pass(2000)])
  await journal.close()
  assert.equal(running.failure, undefined)

  for (const logstoreId of [NGINX, MYSQL]) {
    const rows = tables.rows(logstoreId)
    assert.deepEqual(
      rows.map(({ content }) => content.toString()),
      scene
        .sentTo(logstoreId)
        .filter(({ number }) => !missing.has(number))
        .map(({ value }) => value),
      'every log that can be read is there once, in order',
    )
  }
  assert.equal(files.openFiles, 0)
}

/** The same files on a disk that does not give one block of one of them. */
function withBadBlock(files: MemoryFiles, path: string, start: number): Files {
  return {
    async open(name, options) {
      const file = await files.open(name, options)
      if (name !== path) return file
      return {
        ...file,
        async read(buffer, position, length = buffer.length) {
          if (position < start + BLOCK_BYTES && position + length > start)
            throw Object.assign(new Error('EIO: read'), { code: 'EIO', syscall: 'read' })
          return file.read(buffer, position, length)
        },
      }
    },
    rename: (from, to) => files.rename(from, to),
    remove: name => files.remove(name),
    list: directory => files.list(directory),
    makeDirectory: directory => files.makeDirectory(directory),
    syncDirectory: directory => files.syncDirectory(directory),
    readFile: name => files.readFile(name),
  }
}

describe('repairing a journal', function () {
  this.timeout(120_000)
  useClock()

  let killed: Scene
  let scene: Scene

  before(async () => {
    killed = await killedServer()
  })

  beforeEach(() => {
    scene = killed.copy()
  })

  /** Groups that are in no table. */
  const unindexed = (): Written[] => killed.groups.filter(({ begin }) => begin.entry >= 3)
  const offsetOf = ({ begin, segment }: Written): number => begin.position - segment.base

  it('loses of a group no more than the entry that a bit has flipped in', async () => {
    for (const group of unindexed().slice(0, -1)) {
      let offset = offsetOf(group) + GROUP_HEADER_BYTES
      for (const { bytes, number } of group.entries) {
        for (const at of [20, 70, bytes.length - 3]) {
          scene = killed.copy()
          scene.flip(group.segment.path, offset + at)
          const { lost } = await repairAndCheck(scene)
          assert.deepEqual(lost, [{ first: number, next: number + 1 }])
          assert.deepEqual(scene.missing, [number])
        }
        offset += bytes.length
      }
    }
  })

  it('loses nothing with the header of a group', async () => {
    for (const group of unindexed().slice(0, -1)) {
      scene = killed.copy()
      scene.flip(group.segment.path, offsetOf(group) + 20)
      assert.deepEqual((await repairAndCheck(scene)).lost, [])
      assert.deepEqual(scene.missing, [])
    }
  })

  it('goes on behind a stretch that was overwritten', async () => {
    for (const group of unindexed().slice(0, -3)) {
      scene = killed.copy()
      scene.alter(
        group.segment.path,
        content =>
          void content
            .subarray(offsetOf(group))
            .subarray(0, BLOCK_BYTES + 100)
            .fill('other'),
      )
      const { lost } = await repairAndCheck(scene)
      assert.equal(lost[0]!.first, group.begin.entry)
      assert(scene.missing.length > 0 && scene.missing.length <= 6, String(scene.missing))
    }
  })

  it('has what is in front of where a segment was cut off, and behind the segment', async () => {
    for (const group of unindexed().slice(0, -1)) {
      scene = killed.copy()
      scene.alter(group.segment.path, content => content.subarray(0, offsetOf(group) + 60))
      const { segments } = await listJournal(scene.files, DIRECTORY)
      if ((await verify(scene.files)).damages.length === 0) continue
      await repairAndCheck(scene)
      const next = segments.find(({ base }) => base > group.begin.position)?.firstEntry ?? scene.sent.length
      assert(scene.missing.every(number => number >= group.begin.entry && number < next))
    }
  })

  it('has everything but what a segment held that is missing, or whose generation cannot be read', async () => {
    const { segments } = await listJournal(killed.files, DIRECTORY)
    for (const [index, { path, firstEntry }] of segments.entries()) {
      const next = segments[index + 1]?.firstEntry ?? Infinity
      for (const isMissing of [true, false]) {
        scene = killed.copy()
        if (isMissing) await scene.files.remove(path)
        else scene.flip(path, 41)
        const { isInDoubt } = await repairAndCheck(scene)
        assert.equal(isInDoubt, next === Infinity)
        const entries = scene.sent.slice(0, killed.sent.length).map(({ number }) => number)
        assert.deepEqual(
          scene.missing,
          entries.filter(number => number >= Math.max(firstEntry, 3) && number < next),
        )
      }
    }
  })

  it('has everything where the header of a segment says something wrong, or several do', async () => {
    const paths = segmentPaths(killed.files)
    for (const damaged of [...paths.map(path => [path]), paths.slice(0, 2), paths.slice(-2), paths])
      for (const at of [0, 35, 50, 100]) {
        scene = killed.copy()
        for (const path of damaged) scene.flip(path, at)
        const { lost, isInDoubt } = await repairAndCheck(scene)
        assert.deepEqual([lost, isInDoubt, scene.missing], [[], false, []])
      }
  })

  it('needs no checkpoint, and then takes nothing for certain', async () => {
    const [, newest] = checkpointPaths(killed.files)
    for (const paths of [[newest!], checkpointPaths(killed.files)]) {
      scene = killed.copy()
      for (const path of paths) scene.flip(path, 100)
      const { lost, isInDoubt } = await repairAndCheck(scene)
      assert.deepEqual([lost, isInDoubt, scene.missing], [[], true, []])
    }
  })

  it('goes by the newer checkpoint, whatever became of the older one', async () => {
    scene.flip(checkpointPaths(scene.files)[0]!, 100)
    const { lost, isInDoubt } = await repairAndCheck(scene)
    assert.deepEqual([lost, isInDoubt, scene.missing], [[], false, []])
  })

  it('lets a producer go on whose last logs may be lost, and takes those again that it sends again', async () => {
    const last = await openJournal(scene.files)
    for (let log = 0; log < 2; log++) await scene.append(last, NGINX, 10)
    scene.files = scene.files.kill()
    await scene.files.remove(segmentPaths(scene.files).at(-1)!)
    await repairJournal(optionsFor(scene.files))
    const journal = await openJournal(scene.files)
    const sent = scene.sentTo(NGINX)
    const appendOnce = (sequence: number) =>
      journal.append(writeOf({ logstoreId: NGINX, ...writeFrom(sent[sequence]?.value ?? 'new', sequence) }))
    const outcomes = [-3, -1, 0, 2].map(behind => {
      const outcome = appendOnce(sent.length + behind)
      return typeof outcome === 'string' ? outcome : outcome.isDuplicate
    })
    assert.deepEqual(outcomes, [true, false, false, 'OUT_OF_ORDER_SEQUENCE'])
    await journal.close()
    const reopened = await openJournal(scene.files)
    assert.equal(reopened.append(writeOf({ logstoreId: NGINX, ...writeFrom('later', sent.length + 2) })), 'OUT_OF_ORDER_SEQUENCE')
    await reopened.close()
  })

  it('passes over blocks that the disk does not give', async () => {
    for (const group of unindexed().slice(0, -1)) {
      scene = killed.copy()
      const files = withBadBlock(scene.files, group.segment.path, offsetOf(group))
      const repair = await repairJournal(optionsFor(files))
      assert.deepEqual(repair.lost, [{ first: group.begin.entry, next: group.end.entry }])
      await checkRepaired(scene, repair)
    }
  })

  it('passes over a header that the disk does not give', async () => {
    const { segments } = await listJournal(killed.files, DIRECTORY)
    const [, { path, firstEntry }, { firstEntry: next }] = segments as [Segment, Segment, Segment]
    const repair = await repairJournal(optionsFor(withBadBlock(scene.files, path, 0)))
    assert.deepEqual(repair.lost, [{ first: firstEntry, next }])
    await checkRepaired(scene, repair)
  })

  it('gives ids to producers that nobody had when it is not known which were given', async () => {
    scene.files.alter(join(DIRECTORY, 'producer-ids'), () => Buffer.from('10x0\n'))
    const [damage] = await findDamages({ ...optionsFor(scene.files), isLogstore: () => true })
    assert.deepEqual(damage, { file: join(DIRECTORY, 'producer-ids'), position: 0, problem: 'it holds no number' })
    const { nextProducerId } = await repairJournal(optionsFor(scene.files))
    const ids = await ProducerIds.open({ files: scene.files, directory: DIRECTORY })
    assert.equal(await ids.next(), nextProducerId)
    assert(nextProducerId! > 1_000_000)
  })

  it('leaves out the segment of another journal', async () => {
    const other = newFiles(2)
    await (await openJournal(other)).close()
    const { segments } = await listJournal(scene.files, DIRECTORY)
    const path = segmentPath(DIRECTORY, segments.at(-1)!.number + 1)
    const stranger = segments.at(-1)!.number + 1
    const header = encodeSegmentHeader({ ...(await listJournal(other, DIRECTORY)).segments[0]!, number: stranger })
    scene.alter(path, () => header)
    const { lost, setAside } = await repairAndCheck(scene)
    assert.deepEqual([lost, scene.missing], [[], []])
    assert(setAside.includes(path))
  })

  it('refuses where nothing tells which offsets were given out, or whose journal it is', async () => {
    const refused = { code: 'JOURNAL_UNREPAIRABLE' }
    for (const path of checkpointPaths(scene.files)) scene.flip(path, 100)
    const [first, ...others] = segmentPaths(scene.files)
    const paths = scene.files.paths
    const foreign = scene.copy()
    const { segments } = await listJournal(foreign.files, DIRECTORY)
    foreign.alter(first!, content => {
      const header = encodeSegmentHeader({ ...segments[0]!, journalId: NGINX })
      return Buffer.concat([header, content.subarray(header.length)])
    })
    await assert.rejects(repairJournal(optionsFor(foreign.files)), refused)
    for (const path of [first!, ...others]) scene.flip(path, 50)
    await assert.rejects(repairJournal(optionsFor(scene.files)), refused)
    assert.deepEqual(scene.files.paths, paths)
  })

  it('is done again, and again, as often as there is damage', async () => {
    for (let time = 0; time < 3; time++) {
      const journal = await openJournal(scene.files)
      for (let log = 0; log < 4; log++) await scene.append(journal, NGINX, 5000)
      const { position, segment } = { position: journal.readLimit.position, segment: segmentPaths(scene.files).at(-1)! }
      await journal.checkpoint()
      scene.files = scene.files.kill()
      const { base } = (await listJournal(scene.files, DIRECTORY)).segments.at(-1)!
      scene.flip(segment, position - base - 3000)
      await repairJournal(optionsFor(scene.files))
    }
    const lost = { lost: [{ first: 0, next: null }], lostLogs: [] }
    await checkRepaired(scene, lost)
    assert.equal(scene.missing.length, 3)
  })

  /** Repairs until a call that never ends, and leaves what is there then. False if the repair came to its end before. */
  async function repairUntil(call: number, isPowerCut: boolean): Promise<boolean> {
    const { files } = scene
    let calls = 0
    const isCut = await new Promise<boolean>((resolve, reject) => {
      files.intercept = () => {
        if (++calls !== call) return undefined
        resolve(true)
        return { hang: true }
      }
      repairJournal(optionsFor(files)).then(() => resolve(false), reject)
    })
    scene.files = isPowerCut ? files.cutPower() : files.kill()
    return isCut
  }

  it('loses and doubles nothing more when the power goes at any of its calls', async () => {
    const group = unindexed()[2]!
    const damage = offsetOf(group) + GROUP_HEADER_BYTES + 70
    for (let call = 1, isThere = true; isThere; call++)
      for (const isPowerCut of [true, false]) {
        scene = killed.copy()
        scene.flip(group.segment.path, damage)
        isThere = await repairUntil(call, isPowerCut)
        try {
          if ((await verify(scene.files)).damages.length > 0) await repairJournal(optionsFor(scene.files))
          await checkRepaired(scene, { lost: [{ first: 0, next: null }], lostLogs: [] })
          assert.deepEqual(scene.missing, [group.begin.entry])
        } catch (error) {
          throw new Error(`call ${call}: ${(error as Error).message}`, { cause: error })
        }
      }
  })

  it('that came to no end is undone when the damaged file comes back, and finished or undone when a server starts without', async () => {
    const group = unindexed()[2]!
    const { path } = group.segment
    const sound = killed.files.peek(path)
    let repaired = 0
    for (let call = 1, isThere = true; isThere; call++) {
      scene = killed.copy()
      scene.flip(path, offsetOf(group) + GROUP_HEADER_BYTES + 70)
      isThere = await repairUntil(call, true)
      const { indexed } = newestCheckpoint(await listJournal(scene.files, DIRECTORY))!
      const isRepaired = indexed.place.entry > 3
      if (isRepaired) repaired++
      else scene.alter(path, () => sound)
      const journal = await openJournal(scene.files)
      const { indexer } = startIndexer(scene.files, journal, scene.tables.connect())
      const missing = isRepaired ? [group.begin.entry] : []
      await passUntil(`everything after call ${call}`, () => scene.missing.length === missing.length)
      assert.deepEqual(scene.missing, missing)
      await Promise.all([indexer.stop(0), pass(2000)])
      await journal.close()
      for (const id of [NGINX, MYSQL]) assert.equal(new Set(scene.tables.contents(id)).size, scene.tables.rows(id).length)
    }
    assert(repaired > 10)
  })
})
