import assert from 'node:assert/strict'
import { Turnstile, type Passenger } from '../../../src/base/turnstile.ts'

const LIMIT_BYTES = 1000

/** Passes when it is called, with what it has. */
class Request implements Passenger {
  readonly group: string
  readonly #turnstile: Turnstile
  readonly #bytes: number
  hasPassed = false

  constructor(turnstile: Turnstile, group: string, bytes: number) {
    this.#turnstile = turnstile
    this.group = group
    this.#bytes = bytes
  }

  come(): this {
    if (this.#turnstile.mayPass(this.group)) this.onTurn()
    else this.#turnstile.wait(this)
    return this
  }

  onTurn(): void {
    this.hasPassed = true
    this.#turnstile.enter(this.group, this.#bytes)
  }

  leave(): void {
    this.#turnstile.leave(this.group, this.#bytes)
  }
}

describe('Turnstile', () => {
  it('lets pass what fits, and then whoever comes first', () => {
    const turnstile = new Turnstile(LIMIT_BYTES)
    const requests = Array.from({ length: 5 }, () => new Request(turnstile, 'demo', 500).come())
    const passed = (): boolean[] => requests.map(({ hasPassed }) => hasPassed)
    assert.deepEqual(passed(), [true, true, false, false, false])
    requests[0]!.leave()
    assert.deepEqual(passed(), [true, true, true, false, false])
    assert.equal(turnstile.bytes, 1000)
  })

  it('lets one request of each group pass, however much there is of others', () => {
    const turnstile = new Turnstile(LIMIT_BYTES)
    for (let flood = 0; flood < 100; flood++) new Request(turnstile, 'flood', 400).come()
    const modest = new Request(turnstile, 'modest', 50).come()
    assert(modest.hasPassed)
    assert(!new Request(turnstile, 'modest', 50).come().hasPassed)
  })

  it('calls the group first that has the least behind it', () => {
    const turnstile = new Turnstile(LIMIT_BYTES)
    const first = Array.from({ length: 3 }, () => new Request(turnstile, 'flood', 400).come())
    const flood = Array.from({ length: 3 }, () => new Request(turnstile, 'flood', 400).come())
    const modest = [0, 1, 2].map(() => new Request(turnstile, 'modest', 50).come())
    assert.deepEqual(
      modest.map(({ hasPassed }) => hasPassed),
      [true, false, false],
    )
    first[0]!.leave()
    assert.deepEqual(
      [...modest, ...flood].map(({ hasPassed }) => hasPassed),
      [true, true, true, true, false, false],
    )
  })

  it('takes what is larger than its limit, by itself', () => {
    const turnstile = new Turnstile(LIMIT_BYTES)
    const large = new Request(turnstile, 'demo', 5000).come()
    const other = new Request(turnstile, 'demo', 10).come()
    assert.deepEqual([large.hasPassed, other.hasPassed], [true, false])
    large.leave()
    assert(other.hasPassed)
  })

  it('forgets who is gone', () => {
    const turnstile = new Turnstile(LIMIT_BYTES)
    const first = new Request(turnstile, 'demo', 5000).come()
    const gone = new Request(turnstile, 'demo', 10).come()
    turnstile.forget(gone)
    first.leave()
    assert(!gone.hasPassed)
    assert.equal(turnstile.bytes, 0)
  })
})
