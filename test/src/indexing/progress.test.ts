import assert from 'node:assert/strict'
import { Chunks } from '../../../protocol/chunks.ts'
import type { FromIndexer } from '../../../src/indexing/messages.ts'
import { IndexingProgress } from '../../../src/indexing/progress.ts'
import type { Indexed } from '../../../src/journal/checkpoint.ts'
import { MYSQL, NGINX } from '../journal/fixtures.ts'

const NOW = 1_700_000_000_000

/** Everything before an entry is settled. */
function indexed(entry: number, { stored = {}, parked = {} }: Partial<Indexed> = {}): Indexed {
  return { place: { position: entry * 4096, entry, chain: 0 }, stored, parked }
}

describe('the progress of indexing', () => {
  let progress: IndexingProgress
  let nextOffsets: Map<number, number>
  let nextEntry: number

  /** A server that begins with the entry 100; the shards of the logstore have this many logs from before. */
  function start(before: Indexed, offsets: [number, number][] = []): void {
    nextEntry = 100
    progress = new IndexingProgress({ indexed: before, firstEntry: nextEntry })
    nextOffsets = new Map(offsets)
  }

  function add(shard: number, recordCount: number, receivedMs = NOW, logstoreId = NGINX): void {
    const baseOffset = nextOffsets.get(shard) ?? 0
    nextOffsets.set(shard, baseOffset + recordCount)
    const origin = { receivedMs, source: '', clientId: '', accessKeyId: '', jsonTopic: false, partition: 0 }
    const records = Chunks.of(Buffer.alloc(100 * recordCount))
    progress.add({ number: nextEntry++, logstoreId, shard, baseOffset, recordCount, ...origin, records })
  }

  function hear(place: number, storedEntry: number, offsets: [number, number][], parked: Indexed['parked'] = {}): void {
    const message: FromIndexer = {
      kind: 'indexed',
      indexed: indexed(place, { stored: { [NGINX]: storedEntry }, parked }),
      rows: 1,
      freshness: { counts: [], sum: 0 },
      offsets: { [NGINX]: offsets },
    }
    progress.hear(message)
  }

  const lag = () => progress.lagOf(NGINX, nextOffsets, NOW + 5000)

  it('knows of every log that comes while it looks', () => {
    start(indexed(100))
    assert.deepEqual(lag(), { rows: 0, bytes: 0, ageMs: 0 })
    add(0, 3)
    add(1, 2, NOW + 1000)
    add(0, 1, NOW + 2000)
    assert.deepEqual(lag(), { rows: 6, bytes: 600, ageMs: 5000 })
    // A block has ended in the middle of the second write.
    hear(101, 100, [[0, 3], [1, 1]]) // prettier-ignore
    assert.deepEqual(lag(), { rows: 2, bytes: 300, ageMs: 4000 })
    hear(103, 102, [[0, 4], [1, 2]]) // prettier-ignore
    assert.deepEqual(lag(), { rows: 0, bytes: 0, ageMs: 0 })
    assert.deepEqual([progress.rows, progress.lastEntryOf(NGINX)], [2, 102])
  })

  it('goes by what was taken before if all of it was stored', () => {
    start(indexed(100), [[0, 50], [1, 7]]) // prettier-ignore
    assert.deepEqual(lag(), { rows: 0, bytes: 0, ageMs: 0 })
    add(0, 3)
    assert.deepEqual(lag(), { rows: 3, bytes: 300, ageMs: 5000 })
  })

  it('says nothing of logs from before until it knows what is stored of them', () => {
    start(indexed(90), [[0, 50], [1, 7]]) // prettier-ignore
    add(0, 3)
    assert.deepEqual(lag(), { rows: null, bytes: null, ageMs: null })
    hear(95, 92, [[0, 20], [1, 2]]) // prettier-ignore
    assert.deepEqual(lag(), { rows: 33 + 5, bytes: null, ageMs: null })
    hear(98, 97, [[0, 50], [1, 7]]) // prettier-ignore
    assert.deepEqual(lag(), { rows: 3, bytes: 300, ageMs: 5000 })
  })

  it('knows it as well when the indexer has come past them', () => {
    start(indexed(90), [[0, 50]])
    add(0, 3)
    hear(100, -1, [])
    assert.deepEqual(lag(), { rows: 3, bytes: 300, ageMs: 5000 })
  })

  it('does not take logs that are parked for stored', () => {
    const parked = { [NGINX]: { part: 1, position: 0, entry: 95, chain: 0 } } as unknown as NonNullable<Indexed['parked']>
    start(indexed(90), [[0, 50]])
    progress.hear({ kind: 'parked', logstoreId: NGINX, bytes: 5000 })
    hear(100, -1, [], parked)
    add(0, 3)
    assert.deepEqual(lag(), { rows: null, bytes: null, ageMs: null })
    assert.equal(progress.parkedBytesOf(NGINX), 5000)
    hear(100, 95, [[0, 50]], parked)
    assert.deepEqual(lag(), { rows: 3, bytes: 300, ageMs: 5000 })
    start(indexed(100, { parked }), [[0, 50]])
    assert.deepEqual(lag().rows, null)
    progress.hear({ kind: 'parked', logstoreId: NGINX, bytes: 0 })
    assert.deepEqual(lag().rows, 0)
  })

  it('holds little of many writes, and counts too much of at most a few of them', () => {
    start(indexed(100))
    for (let write = 0; write < 10_000; write++) add(0, 1, NOW + write / 10)
    assert.deepEqual(lag(), { rows: 10_000, bytes: 1_000_000, ageMs: 5000 })
    hear(5100, 5099, [[0, 5000]])
    const { rows, bytes, ageMs } = lag()
    assert.equal(rows, 5000)
    assert(bytes! >= 500_000 && bytes! < 550_000, `${bytes}`)
    assert(ageMs! >= 4500 && ageMs! < 4550, `${ageMs}`)
  })

  it('forgets writes whose numbers are given again', () => {
    start(indexed(100))
    add(0, 1)
    add(0, 1)
    nextEntry = 101
    nextOffsets.set(0, 1)
    add(0, 5)
    assert.deepEqual(lag(), { rows: 6, bytes: 600, ageMs: 5000 })
  })

  it('has the problems of the indexer that runs, and that of the journal until it is read', () => {
    start(indexed(100))
    for (const logstoreId of [NGINX, MYSQL, '']) progress.hear({ kind: 'problem', logstoreId, problem: `of ${logstoreId}` })
    progress.hear({ kind: 'problem', logstoreId: MYSQL, problem: null })
    assert.deepEqual([...progress.problems.keys()], [NGINX, ''])
    progress.handleEnd()
    assert.deepEqual([...progress.problems.keys()], [''])
    hear(100, -1, [])
    assert.deepEqual([...progress.problems.keys()], [])
  })
})
