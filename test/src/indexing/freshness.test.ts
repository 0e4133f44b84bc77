import assert from 'node:assert/strict'
import { Registry } from 'prom-client'
import { addCountedDurations } from '../../../src/base/metrics.ts'
import { Freshness, FRESHNESS_BUCKETS } from '../../../src/indexing/freshness.ts'
import { makeBlock } from '../store/fixture.ts'

const NOW = 1_700_000_000_000

function blockOf(...agesMs: number[]) {
  return makeBlock(agesMs.map(age => ({ receivedMs: NOW - age })))
}

describe('the freshness of logs', () => {
  it('is counted by row, each in the smallest bucket that it fits, and told once', () => {
    const freshness = new Freshness()
    freshness.add(blockOf(0, 50, 51, 300, 300, 1001, 60_000, 60_001, 1e9, -5000), NOW)
    const { counts, sum } = freshness.take()
    const expected = new Map<number, number>([[0.05, 3], [0.1, 1], [0.3, 2], [1.5, 1], [60, 1]]) // prettier-ignore
    assert.deepEqual(counts, [...FRESHNESS_BUCKETS.map(le => expected.get(le) ?? 0), 2])
    assert.equal(sum.toFixed(3), (1_000_000 + 60 + 60.001 + 1.001 + 0.6 + 0.101).toFixed(3))
    assert.deepEqual(freshness.take(), { counts: counts.map(() => 0), sum: 0 })
  })

  it('is a histogram for Prometheus', async () => {
    const registry = new Registry()
    const count = addCountedDurations(registry, { name: 'some', help: 'Of a test.', buckets: [0.5, 1] })
    count([3, 2, 1], 4.5)
    count([0, 1, 0], 1)
    assert.equal(
      await registry.metrics(),
      `# HELP sluice_some_seconds Of a test.
# TYPE sluice_some_seconds histogram
sluice_some_seconds_bucket{le="0.5"} 3
sluice_some_seconds_bucket{le="1"} 6
sluice_some_seconds_bucket{le="+Inf"} 7
sluice_some_seconds_sum 5.5
sluice_some_seconds_count 7
`,
    )
  })
})
