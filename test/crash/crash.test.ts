import assert from 'node:assert/strict'
import { hasProc } from '../support/server.ts'
import { runCampaign } from './campaign.ts'
import { formatState, newState } from './state.ts'

describe('a server that is killed again and again', function () {
  this.timeout(300_000)

  it('loses nothing, stores of idempotent producers nothing twice, and keeps their order', async function () {
    // The processes of a server are found through /proc.
    if (!hasProc) return this.skip()
    const state = newState(1)
    const lines: string[] = []
    await runCampaign({ state, cycles: 20, longestMs: 1000, mayInstall: false, report: line => void lines.push(line) })
    const tally = `${lines.join('\n')}\n${formatState(state)}`
    assert.deepEqual(state.failures, [], tally)
    assert.deepEqual(state.anomalies, [], tally)
    assert.equal(state.cycles, 20)
    // Clients that are not served find nothing.
    for (const [name, { acknowledged, givenUp }] of Object.entries(state.clients)) {
      assert(acknowledged > 0, `${name} had nothing acknowledged:\n${tally}`)
      assert.equal(givenUp, 0, tally)
    }
    // Each start begins one.
    const { server, all, start } = state.kills
    assert(state.segments > server + all + start, tally)
  })
})
