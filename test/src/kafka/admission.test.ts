import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import { Networks } from '../../../src/base/networks.ts'
import { defaultLimits, type Limits } from '../../../src/config/limits.ts'
import type { Log } from '../../../src/base/log.ts'
import { Admission } from '../../../src/kafka/admission.ts'

const anywhere = { name: 'internet', networks: new Networks(['0.0.0.0/0', '::/0']) }

/** What admission sees of a client. */
class Client extends EventEmitter {
  readonly remoteAddress: string
  isDestroyed = false

  constructor(remoteAddress: string) {
    super()
    this.remoteAddress = remoteAddress
  }

  get socket(): Socket {
    return this as unknown as Socket
  }

  destroy(): void {
    if (this.isDestroyed) return
    this.isDestroyed = true
    this.emit('close')
  }
}

describe('Admission', () => {
  let warnings: { reason: string; refused: number }[] = []
  const log = { warn: (details: { reason: string; refused: number }) => warnings.push(details) } as unknown as Log

  beforeEach(() => {
    warnings = []
  })

  function open(limits: Partial<Limits>): Admission {
    return new Admission({ limits: { ...defaultLimits, ...limits }, log })
  }

  function enter(admission: Admission, address: string): Client | undefined {
    const client = new Client(address)
    assert.equal(admission.enter(client.socket, anywhere), !client.isDestroyed)
    return client.isDestroyed ? undefined : client
  }

  it('takes as many connections as its limit, and again when one has gone', () => {
    const admission = open({ connections: 2, connectionsPerSource: 2 })
    const first = enter(admission, '192.0.2.1')
    assert.ok(first && enter(admission, '192.0.2.2'))
    assert.equal(enter(admission, '192.0.2.3'), undefined)
    assert.match(warnings[0]!.reason, /there are 2 connections, see limits.connections/)
    first.destroy()
    assert.equal(admission.connections, 1)
    assert.ok(enter(admission, '192.0.2.3'))
  })

  it('takes no more from one source than its limit, unless its network is exempt', () => {
    const admission = open({ connectionsPerSource: 2, exemptNetworks: ['198.51.100.0/24'] })
    const taken = (addresses: string[]) => addresses.map(address => enter(admission, address) !== undefined)
    assert.deepEqual(taken(['192.0.2.1', '192.0.2.1', '192.0.2.1', '192.0.2.2']), [true, true, false, true])
    assert.deepEqual(taken(['2001:db8::1', '2001:db8::2', '2001:db8::3', '2001:db8:0:1::1']), [true, true, false, true])
    assert.deepEqual(taken(['198.51.100.1', '198.51.100.1', '198.51.100.1']), [true, true, true])
    assert.match(warnings[0]!.reason, /it has 2 connections, see limits.connectionsPerSource and limits.exemptNetworks/)
  })

  it('takes nobody from outside the networks of a listener', () => {
    const admission = open({})
    const client = new Client('192.0.2.1')
    assert.ok(!admission.enter(client.socket, { name: 'intranet', networks: new Networks(['10.0.0.0/8']) }))
    assert.ok(client.isDestroyed)
    assert.match(warnings[0]!.reason, /it is in none of the networks of listener intranet/)
  })

  it('counts all refusals and tells of them now and then', () => {
    const admission = open({ connections: 1, connectionsPerSource: 1 })
    for (let count = 0; count < 100; count++) enter(admission, '192.0.2.1')
    assert.equal(admission.refused, 99)
    assert.equal(warnings.length, 1)
  })

  describe('to TLS handshakes', () => {
    function begin(admission: Admission, address: string): { client: Client; hasBegun: () => boolean; over: () => void } {
      const client = enter(admission, address)!
      let hasBegun = false
      const { over } = admission.awaitTurn(client.socket, () => (hasBegun = true))
      return { client, hasBegun: () => hasBegun, over }
    }

    it('lets as many begin as its limit, and the next when one is over', () => {
      const admission = open({ handshakes: 4 })
      const all = [1, 2, 3, 4, 5, 6].map(last => begin(admission, `192.0.2.${last}`))
      const begun = () => all.map(({ hasBegun }) => hasBegun())
      assert.deepEqual(begun(), [true, true, true, true, false, false])
      assert.deepEqual(admission.handshakes, { underWay: 4, waiting: 2 })
      all[2]!.over()
      assert.deepEqual(begun(), [true, true, true, true, true, false])
      all[2]!.client.destroy()
      all[0]!.client.destroy()
      assert.deepEqual(begun(), [true, true, true, true, true, true])
      for (const { over } of all) over()
      assert.deepEqual(admission.handshakes, { underWay: 0, waiting: 0 })
    })

    it('keeps a source to its share, so that others do not wait for it', () => {
      const admission = open({ handshakes: 8 })
      const silent = Array.from({ length: 20 }, () => begin(admission, '192.0.2.1'))
      assert.equal(silent.filter(({ hasBegun }) => hasBegun()).length, 2)
      assert.ok(begin(admission, '192.0.2.2').hasBegun())
      silent[0]!.over()
      assert.equal(silent.filter(({ hasBegun }) => hasBegun()).length, 3)
    })

    it('gives sources turns where all places are taken', () => {
      const admission = open({ handshakes: 4, exemptNetworks: ['198.51.100.0/24'] })
      const fleet = Array.from({ length: 12 }, () => begin(admission, '198.51.100.1'))
      const other = begin(admission, '192.0.2.1')
      assert.equal(fleet.filter(({ hasBegun }) => hasBegun()).length, 4)
      fleet[0]!.over()
      fleet[1]!.over()
      assert.ok(other.hasBegun())
      assert.equal(fleet.filter(({ hasBegun }) => hasBegun()).length, 5)
    })

    it('forgets a client that has gone before its turn', () => {
      const admission = open({ handshakes: 1 })
      const first = begin(admission, '192.0.2.1')
      const gone = begin(admission, '192.0.2.2')
      const last = begin(admission, '192.0.2.3')
      gone.client.destroy()
      first.over()
      assert.ok(!gone.hasBegun() && last.hasBegun())
    })
  })
})
