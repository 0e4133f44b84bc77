import assert from 'node:assert/strict'
import { setImmediate } from 'node:timers/promises'
import { Outcome, whenAllSettled } from '../../../src/base/outcome.ts'

describe('An outcome', () => {
  it('is told to all who wait, in their order, behind what is under way', async () => {
    const outcome = new Outcome()
    const told: string[] = []
    outcome.whenSettled(() => told.push('one'))
    outcome.whenSettled(() => told.push('other'))
    outcome.settle()
    told.push('under way')
    await setImmediate()
    assert.deepEqual(told, ['under way', 'one', 'other'])
  })

  it('is told at once when it is known', () => {
    for (const outcome of [Outcome.success, Outcome.of(new Error('the disk failed'))]) {
      let isTold = false
      outcome.whenSettled(() => (isTold = true))
      assert(isTold)
    }
  })

  it('has an error when it has failed, and not before', async () => {
    const outcome = new Outcome()
    const errors = [outcome.error]
    const rejected = assert.rejects(outcome.promise, /the disk failed/)
    const error = new Error('the disk failed')
    outcome.settle(error)
    errors.push(outcome.error)
    assert.deepEqual(errors, [undefined, error])
    await rejected
    await Outcome.success.promise
  })
})

describe('Several outcomes', () => {
  it('are told together, once, when the last of them is known', async () => {
    const outcomes = [new Outcome(), new Outcome(), Outcome.success]
    let times = 0
    whenAllSettled(outcomes, () => times++)
    outcomes[1]!.settle(new Error('the disk failed'))
    await setImmediate()
    assert.equal(times, 0)
    outcomes[0]!.settle()
    await setImmediate()
    assert.equal(times, 1)
  })

  it('are known at once if there are none', () => {
    let isTold = false
    whenAllSettled([], () => (isTold = true))
    assert(isTold)
  })
})
