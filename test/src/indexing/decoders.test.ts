/** Which decoder reads the logs of a logstore after a change. */
import assert from 'node:assert/strict'
import { Decoders } from '../../../src/indexing/decoders.ts'
import { makeLogstore } from '../store/fixture.ts'

describe('the decoder of a logstore', () => {
  const logstore = makeLogstore({ id: 'one', masks: [{ pattern: 'a', replacement: 'b' }] })

  it('is the same while format and masks are, also where the logstore is another object', () => {
    const decoders = new Decoders()
    const decoder = decoders.get(logstore)
    assert.equal(decoders.get(logstore), decoder)
    assert.equal(decoders.get({ ...structuredClone(logstore), retentionDays: 7 }), decoder)
    assert.notEqual(decoders.get({ ...logstore, id: 'two' }), decoder)
  })

  it('is another with another format or other masks', () => {
    const decoders = new Decoders()
    const decoder = decoders.get(logstore)
    const changed = decoders.get({ ...logstore, masks: [] })
    assert.notEqual(changed, decoder)
    assert.equal(changed.masker, undefined)
    assert.notEqual(decoders.get({ ...logstore, masks: [], format: { name: 'text' } }), changed)
  })
})
