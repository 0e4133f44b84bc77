import assert from 'node:assert/strict'
import { Room, type RoomOptions } from '../../../src/ingest/room.ts'

const GiB = 2 ** 30

function roomWith(facts: { journal?: number; free?: number | undefined; parked?: number; reserve?: number }): Room {
  const options: RoomOptions = {
    journalBytes: () => facts.journal ?? 0,
    maxJournalBytes: 10 * GiB,
    freeBytes: () => ('free' in facts ? facts.free : 1000 * GiB),
    reserveBytes: facts.reserve ?? GiB,
    parkedBytes: logstoreId => (logstoreId === 'broken' ? (facts.parked ?? 0) : 0),
    maxParkedBytes: GiB,
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
})
