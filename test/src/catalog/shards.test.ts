import assert from 'node:assert/strict'
import type { Logstore } from '../../../src/catalog/model.ts'
import { changeShards, listShards, writableShards } from '../../../src/catalog/shards.ts'
import { makeLogstore } from '../store/fixture.ts'

function logstoreWith(shards: number, properties: Partial<Logstore> = {}): Logstore {
  return makeLogstore({ id: 'nginx', shards, partitions: shards, ...properties })
}

function refusalOf(act: () => unknown): string {
  try {
    act()
  } catch (error) {
    return (error as Error).message
  }
  return 'nothing'
}

describe('the shards of a logstore', () => {
  it('are added behind those there are, and partitions with them', () => {
    const { shards, partitions, retiredShards } = changeShards(logstoreWith(2), { add: 3 })
    assert.deepEqual({ shards, partitions, retiredShards }, { shards: 5, partitions: 5, retiredShards: [] })
  })

  it('are retired by a split, which adds two', () => {
    const split = changeShards(logstoreWith(3), { split: 1 })
    assert.deepEqual(writableShards(split), [0, 2, 3, 4])
    assert.equal(split.partitions, 4)
    assert.deepEqual(
      listShards(split).map(({ state }) => state),
      ['writable', 'retired', 'writable', 'writable', 'writable'],
    )
  })

  it('are retired by a merge, which adds one and takes no partition away', () => {
    const merged = changeShards(logstoreWith(3), { merge: [2, 0] })
    assert.deepEqual(writableShards(merged), [1, 3])
    assert.deepEqual({ retired: merged.retiredShards, partitions: merged.partitions }, { retired: [0, 2], partitions: 3 })
    assert.equal(changeShards(merged, { add: 1 }).partitions, 3)
    assert.equal(changeShards(merged, { add: 2 }).partitions, 4)
  })

  it('are never retired twice, and never those that there are not', () => {
    const split = changeShards(logstoreWith(2), { split: 0 })
    assert.match(
      refusalOf(() => changeShards(split, { split: 0 })),
      /shard 0 of logstore "nginx" is retired already/,
    )
    assert.match(
      refusalOf(() => changeShards(split, { merge: [1, 4] })),
      /shard 4 .* does not exist/,
    )
    assert.match(
      refusalOf(() => changeShards(split, { merge: [1, 1] })),
      /two different shards/,
    )
  })

  it('are bounded: 256 that take logs, 65,535 in all', () => {
    assert.equal(changeShards(logstoreWith(200), { add: 56 }).shards, 256)
    assert.match(
      refusalOf(() => changeShards(logstoreWith(200), { add: 57 })),
      /at most 256 shards .* make 257/,
    )
    assert.match(
      refusalOf(() => changeShards(logstoreWith(256), { split: 0 })),
      /at most 256/,
    )
    const old = logstoreWith(65_534, { retiredShards: Array.from({ length: 65_500 }, (_, shard) => shard), partitions: 100 })
    assert.equal(changeShards(old, { add: 1 }).shards, 65_535)
    assert.match(
      refusalOf(() => changeShards(old, { split: 65_533 })),
      /at most 65535 shards, retired ones among them/,
    )
    for (const add of [0, -1, 1.5])
      assert.match(
        refusalOf(() => changeShards(logstoreWith(2), { add })),
        /whole number from 1 on/,
      )
  })

  it('of a keyed logstore can only be added', () => {
    const keyed = logstoreWith(2, { mode: 'keyed' })
    assert.equal(changeShards(keyed, { add: 2 }).partitions, 4)
    assert.match(
      refusalOf(() => changeShards(keyed, { split: 0 })),
      /is keyed, so its shards cannot be split: producers would go on sending/,
    )
    assert.match(
      refusalOf(() => changeShards(keyed, { merge: [0, 1] })),
      /is keyed, so its shards cannot be merged/,
    )
  })
})
