import assert from 'node:assert/strict'
import { install, type Clock } from '@sinonjs/fake-timers'
import type { Log } from '../../../src/base/log.ts'
import { RefusalLog } from '../../../src/kafka/refusal-log.ts'

const MINUTES = 60_000

describe('RefusalLog', () => {
  let clock: Clock
  let lines: { message: string; source: string; problem?: string }[]
  let refusals: RefusalLog

  beforeEach(() => {
    clock = install({ toFake: ['performance'] })
    lines = []
    const info = (details: { source: string; problem?: string }, message: string) => lines.push({ message, ...details })
    refusals = new RefusalLog({ info } as unknown as Log)
  })

  afterEach(() => clock.uninstall())

  function tell(source: string, message = 'no such logstore', clientId = 'agent'): void {
    refusals.tell({ clientId, source }, { project: 'demo', topic: 'logs', message })
  }

  it('tells the same of the same client once in five minutes', () => {
    for (let second = 0; second < 299; second++) {
      tell('192.0.2.1')
      clock.tick(1000)
    }
    assert.equal(lines.length, 1)
    clock.tick(1000)
    tell('192.0.2.1')
    assert.equal(lines.length, 2)
  })

  it('tells of another client, another address and another reason', () => {
    tell('192.0.2.1')
    tell('192.0.2.1', 'no such logstore', 'other')
    tell('192.0.2.1', 'no right')
    tell('192.0.2.2')
    tell('2001:db8::1')
    tell('2001:db8::2')
    assert.equal(lines.length, 6)
  })

  it('gives a source twenty lines, says that there are no more, and begins again after five minutes', () => {
    // An IPv6 network is one source, whichever of its addresses is used.
    for (let n = 0; n < 100; n++) tell(`2001:db8::${n % 7}`, `no logstore ${n}`)
    assert.equal(lines.length, 21)
    assert.match(lines[20]!.message, /no more refusals of this source are told for 5 minutes/)
    tell('192.0.2.1')
    assert.equal(lines.length, 22)
    clock.tick(5 * MINUTES)
    tell('2001:db8::1')
    assert.equal(lines.length, 23)
  })

  it('forgets the oldest of more than a thousand sources', () => {
    for (let n = 0; n < 1001; n++) tell(`192.0.${n >> 8}.${n & 255}`)
    lines = []
    tell('192.0.0.1')
    assert.equal(lines.length, 0)
    tell('192.0.0.0')
    assert.equal(lines.length, 1)
  })
})
