import assert from 'node:assert/strict'
import { Balancer } from '../../../src/ingest/balancer.ts'

describe('the balancer', () => {
  it('chooses the shard that has received the least, of those that it may', () => {
    const balancer = new Balancer(() => 0)
    const chosen: number[] = []
    for (const bytes of [10, 1, 1, 1]) {
      const shard = balancer.choose('nginx', [1, 4])
      balancer.add('nginx', shard, bytes)
      chosen.push(shard)
    }
    assert.deepEqual(chosen, [1, 4, 4, 4])
    assert.equal(balancer.choose('nginx', [1]), 1)
    assert.equal(balancer.choose('nginx', [1, 2, 4]), 2)
  })

  it('forgets with time what was received', () => {
    let now = 0
    const balancer = new Balancer(() => now)
    balancer.choose('nginx', [0, 1])
    balancer.add('nginx', 0, 1000)
    now = 100_000
    assert.equal(balancer.choose('nginx', [0, 1]), 1)
    balancer.add('nginx', 1, 10)
    assert.equal(balancer.choose('nginx', [0, 1]), 0)
  })
})
