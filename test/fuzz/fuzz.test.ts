import assert from 'node:assert/strict'
import { join } from 'node:path'
import { runCampaign } from './campaign.ts'

describe('a server under damaged requests', () => {
  it('serves a healthy client, answers what can be answered, and keeps all that it acknowledged', async () => {
    const lines: string[] = []
    const report = (line: string): void => void lines.push(line)
    const { tally, failures } = await runCampaign({ seed: 1, cases: 300, failures: join('.cache', 'fuzz'), report })
    assert.deepEqual(failures, [])
    assert.equal(tally.cases, 300)
    // A fuzzer whose cases all fail in the same way finds nothing.
    for (const answer of ['Produce NONE', 'Produce CORRUPT_MESSAGE', 'Produce INVALID_RECORD', 'Metadata NONE'])
      assert(tally.answers.has(answer), `no answer is ${answer}:\n${tally}`)
    for (const ending of ['no protocol', 'before login', 'token', 'cut', 'handshake failed'])
      assert(tally.endings.has(ending), `no connection ended with: ${ending}\n${tally}`)
    assert(tally.rows.errors > 0, 'no damaged batch came as far as the indexer')
  })
})
