import assert from 'node:assert/strict'
import { Quotas, type Quota } from '../../../src/ingest/quotas.ts'

describe('the quotas of projects', () => {
  let nowMs: number
  const quotas = (quota: Quota) => new Quotas({ quotaOf: () => quota, now: () => nowMs })
  const bytes = (count: number) => ({ bytes: count, requests: 0 })
  const aRequest = { bytes: 0, requests: 1 }

  beforeEach(() => {
    nowMs = 1_000_000
  })

  it('ask nothing of a project without one', () => {
    const none = quotas({})
    none.charge('web', bytes(1e12))
    assert.equal(none.debtMs('web'), 0)
    assert.equal(none.size, 0)
  })

  it("let a second's worth through at once, and ask for the rest in time", () => {
    const limited = quotas({ bytesPerSecond: 1000 })
    limited.charge('web', bytes(1000))
    assert.equal(limited.debtMs('web'), 0)
    limited.charge('web', bytes(500))
    assert.equal(limited.debtMs('web'), 500)
    nowMs += 200
    assert.equal(limited.debtMs('web'), 300)
  })

  it('let as much through in the long run as they say', () => {
    const limited = quotas({ bytesPerSecond: 1000 })
    let sent = 0
    for (const end = nowMs + 60_000; nowMs < end; nowMs += 10) {
      if (limited.debtMs('web') > 0) continue
      limited.charge('web', bytes(300))
      sent += 300
    }
    assert(Math.abs(sent - 61_000) <= 300, `${sent} bytes in a minute`)
  })

  it('count requests and bytes, whichever takes longer', () => {
    const limited = quotas({ bytesPerSecond: 1000, requestsPerSecond: 10 })
    for (let sent = 0; sent < 15; sent++) limited.charge('web', aRequest)
    assert.equal(limited.debtMs('web'), 500)
  })

  it('take what is paid for one of the two off the other as well, and ask for neither twice', () => {
    const limited = quotas({ bytesPerSecond: 1000, requestsPerSecond: 10 })
    for (let sent = 0; sent < 8; sent++) {
      limited.charge('web', aRequest)
      limited.charge('web', bytes(100))
    }
    assert.equal(limited.debtMs('web'), 0)
    limited.charge('web', bytes(700))
    assert.equal(limited.debtMs('web'), 500)
  })

  it('are of each project alone', () => {
    const limited = quotas({ bytesPerSecond: 1000 })
    limited.charge('web', bytes(1e6))
    assert.equal(limited.debtMs('other'), 0)
  })

  it('remember nobody who has paid', () => {
    const limited = quotas({ bytesPerSecond: 1000 })
    limited.charge('web', bytes(2000))
    nowMs += 3000
    assert.equal(limited.debtMs('web'), 0)
    assert.equal(limited.size, 0)
  })
})
