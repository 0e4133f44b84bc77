import { strict as assert } from 'node:assert'
import { Registry } from 'prom-client'
import { addDurations } from '../../../src/base/metrics.ts'

describe('metrics', () => {
  it('count durations in the first bucket that they fit into, and with all of a higher bound', async () => {
    const registry = new Registry()
    const count = addDurations(registry, { name: 'some', help: 'Of a test.' })
    for (const ms of [0, 0.1, 0.2, 1, 10_000, 10_001]) count(ms)
    assert.equal(
      await registry.metrics(),
      `# HELP sluice_some_seconds Of a test.
# TYPE sluice_some_seconds histogram
sluice_some_seconds_bucket{le="0.0001"} 2
sluice_some_seconds_bucket{le="0.0003"} 3
sluice_some_seconds_bucket{le="0.001"} 4
sluice_some_seconds_bucket{le="0.003"} 4
sluice_some_seconds_bucket{le="0.01"} 4
sluice_some_seconds_bucket{le="0.03"} 4
sluice_some_seconds_bucket{le="0.1"} 4
sluice_some_seconds_bucket{le="0.3"} 4
sluice_some_seconds_bucket{le="1"} 4
sluice_some_seconds_bucket{le="3"} 4
sluice_some_seconds_bucket{le="10"} 5
sluice_some_seconds_bucket{le="+Inf"} 6
sluice_some_seconds_sum 20.002299999999998
sluice_some_seconds_count 6
`,
    )
  })
})
