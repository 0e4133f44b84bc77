import assert from 'node:assert/strict'
import { install } from '@sinonjs/fake-timers'
import { silentLog, type Log } from '../../../src/base/log.ts'
import { Room, type RoomOptions } from '../../../src/ingest/room.ts'

const GiB = 2 ** 30

interface Facts {
  journal?: number
  free?: number | undefined
  parked?: number
  reserve?: number
}

function roomWith(facts: Facts, log = silentLog): Room {
  const options: RoomOptions = {
    journalBytes: () => facts.journal ?? 0,
    maxJournalBytes: 10 * GiB,
    freeBytes: () => ('free' in facts ? facts.free : 1000 * GiB),
    reserveBytes: facts.reserve ?? GiB,
    parkedBytes: logstoreId => (logstoreId === 'broken' ? (facts.parked ?? 0) : 0),
    maxParkedBytes: GiB,
    log,
  }
  return new Room(options)
}

describe('the room for logs', () => {
  it('slows nobody down while there is enough', () => {
    assert.equal(roomWith({ journal: 7 * GiB, free: 2 * GiB }).slowness('nginx'), 0)
  })

  it('slows producers down the more the fuller the journal is', () => {
    assert.equal(roomWith({ journal: 7.5 * GiB }).slowness('nginx'), 0)
    assert.equal(roomWith({ journal: 8.75 * GiB }).slowness('nginx'), 0.5)
    assert.equal(roomWith({ journal: 12 * GiB }).slowness('nginx'), 1)
  })

  it('slows producers down between twice the reserve of the disk and the reserve', () => {
    assert.equal(roomWith({ free: 1.5 * GiB }).slowness('nginx'), 0.5)
    assert.equal(roomWith({ free: 0 }).slowness('nginx'), 1)
  })

  it('is none once the journal is full, and names the setting', () => {
    assert.match(roomWith({ journal: 10 * GiB }).problem() ?? '', /journal\.maxBytes \(10 GiB\)/)
    assert.equal(roomWith({ journal: 10 * GiB - 1 }).problem(), undefined)
  })

  it('is none once the disk has nothing but the reserve, and names the setting', () => {
    assert.match(roomWith({ free: GiB }).problem() ?? '', /journal\.reserveBytes \(1 GiB\)/)
    assert.equal(roomWith({ free: GiB + 1 }).problem(), undefined)
  })

  it('is as large as it likes where the file system does not tell, or nothing is reserved', () => {
    assert.equal(roomWith({ free: undefined }).problem(), undefined)
    assert.equal(roomWith({ free: 0, reserve: 0 }).problem(), undefined)
  })

  it('is none for a logstore that has parked too much, and for that one only', () => {
    const room = roomWith({ parked: GiB })
    assert.match(room.problem('broken') ?? '', /journal\.parkedBytes \(1 GiB\)/)
    assert.equal(room.problem('nginx'), undefined)
    assert.equal(room.problem(), undefined)
  })

  it('is told to the log when it ends and when it is back, once in ten seconds', () => {
    const clock = install({ toFake: ['performance'] })
    try {
      const lines: string[] = []
      const warn = ({ problem }: { problem: string }, message: string): unknown => lines.push(`${message}: ${problem}`)
      const info = (message: string): unknown => lines.push(message)
      const facts: Facts = { free: 2 * GiB }
      const room = roomWith(facts, { warn, info } as unknown as Log)
      const look = (free: number): string[] => {
        facts.free = free
        for (let times = 0; times < 100; times++) room.problem()
        return lines.splice(0)
      }
      assert.deepEqual(look(2 * GiB), [])
      const [told, ...more] = look(0)
      assert.match(told ?? '', /^producers are refused .*journal\.reserveBytes/)
      assert.deepEqual(more, [])
      clock.tick(9000)
      assert.deepEqual(look(2 * GiB), [])
      clock.tick(1000)
      assert.deepEqual(look(2 * GiB), ['there is room again, producers are not refused any more'])
      assert.deepEqual(look(0), [])
      clock.tick(10_000)
      assert.equal(look(0).length, 1)
    } finally {
      clock.uninstall()
    }
  })
})
