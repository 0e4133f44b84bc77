import assert from 'node:assert/strict'
import { ByteBudget, type Account } from '../../../src/base/byte-budget.ts'
import { until } from '../../support/wait.ts'

const LIMIT_BYTES = 1_000_000

/** A connection that holds bytes of requests, of which some are not whole. */
class Holder implements Account {
  readonly #budget: ByteBudget
  readonly group: string
  heldBytes = 0
  unfinished = 0
  calls = 0
  isEvicted = false

  constructor(budget: ByteBudget, group = 'demo') {
    this.#budget = budget
    this.group = group
    budget.open(this)
  }

  hold(bytes: number, { unfinished = bytes } = {}): this {
    this.#budget.hold(this, bytes)
    this.heldBytes += bytes
    this.unfinished += unfinished
    return this
  }

  release(): void {
    const bytes = this.heldBytes
    this.heldBytes = this.unfinished = 0
    this.#budget.release(this, bytes)
  }

  onRoom(): void {
    this.calls++
  }

  onEvict(): void {
    this.isEvicted = true
    this.release()
    this.#budget.close(this)
  }

  unfinishedBytes(): number {
    return this.unfinished
  }
}

describe('ByteBudget', () => {
  it('is full when as much is held as its limit, and calls those who wait when it is not', () => {
    const budget = new ByteBudget(LIMIT_BYTES)
    const holder = new Holder(budget).hold(LIMIT_BYTES - 1)
    assert.ok(!budget.isFull)
    const other = new Holder(budget).hold(1)
    assert.ok(budget.isFull)
    budget.wait(other)
    assert.equal(other.calls, 0)
    holder.release()
    assert.equal(other.calls, 1)
    assert.equal(budget.heldBytes, 1)
    budget.release(other, 1)
    assert.equal(other.calls, 1)
  })

  it('calls no more of them at once than can receive something, first come first served', () => {
    const budget = new ByteBudget(LIMIT_BYTES)
    const holder = new Holder(budget).hold(LIMIT_BYTES)
    const waiting = Array.from({ length: 100 }, () => new Holder(budget))
    for (const account of waiting) budget.wait(account)
    budget.release(holder, 2 * 65_536)
    assert.deepEqual(
      waiting.map(({ calls }) => calls),
      waiting.map((_, index) => (index < 2 ? 1 : 0)),
    )
    for (const account of waiting) budget.close(account)
    holder.heldBytes -= 2 * 65_536
    holder.release()
    assert.equal(budget.heldBytes, 0)
  })

  it('gives room first to the group that holds the least, however many wait of another', () => {
    const budget = new ByteBudget(LIMIT_BYTES)
    const flood = new Holder(budget, 'flood').hold(LIMIT_BYTES - 1000)
    const waiting = Array.from({ length: 100 }, () => new Holder(budget, 'flood'))
    for (const account of waiting) budget.wait(account)
    const modest = new Holder(budget, 'modest').hold(1000)
    budget.wait(modest)
    budget.release(flood, 65_536)
    assert.equal(modest.calls, 1)
    assert(waiting.every(({ calls }) => calls === 0))
    budget.release(flood, 65_536)
    assert.equal(waiting[0]?.calls, 1)
  })

  it('ends the largest unfinished requests where nothing else can give room, and no others', async () => {
    const budget = new ByteBudget(LIMIT_BYTES, 1)
    const largest = new Holder(budget).hold(400_000)
    const larger = new Holder(budget).hold(350_000)
    const small = new Holder(budget).hold(200_000)
    const late = new Holder(budget).hold(50_000)
    budget.wait(late)
    await until('room', () => late.calls > 0)
    assert.deepEqual(
      [largest, larger, small, late].map(({ isEvicted }) => isEvicted),
      [true, true, false, false],
    )
  })

  it('waits for requests that are under way, which end by themselves', async () => {
    const budget = new ByteBudget(LIMIT_BYTES, 1)
    const underWay = new Holder(budget).hold(600_000, { unfinished: 0 })
    const unfinished = new Holder(budget).hold(400_000)
    const late = new Holder(budget)
    budget.wait(late)
    await new Promise(resolve => setTimeout(resolve, 20))
    assert.ok(!unfinished.isEvicted)
    assert.equal(late.calls, 0)
    underWay.release()
    assert.equal(late.calls, 1)
  })

  it('forgets who is closed', () => {
    const budget = new ByteBudget(LIMIT_BYTES)
    const holder = new Holder(budget).hold(LIMIT_BYTES)
    const gone = new Holder(budget)
    budget.wait(gone)
    budget.close(gone)
    holder.release()
    assert.equal(gone.calls, 0)
  })
})
