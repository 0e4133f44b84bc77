import assert from 'node:assert/strict'
import { isNetwork, Networks, plainAddress, sourceOf } from '../../../src/base/networks.ts'

describe('networks', () => {
  for (const text of ['10.0.0.0/8', '192.0.2.7', '0.0.0.0/0', '::/0', '2001:db8::/32', '::1', 'fe80::1/64'])
    it(`takes ${text} for one`, () => assert.ok(isNetwork(text)))

  for (const text of [
    '',
    '10.0.0/8',
    '10.0.0.0/33',
    '10.0.0.0/-1',
    '10.0.0.0/',
    '10.0.0.0/8/8',
    '::/129',
    'localhost',
    '10.0.0.0/1e1',
  ])
    it(`takes ${JSON.stringify(text)} for none`, () => assert.ok(!isNetwork(text)))

  it('hold the addresses within them, and no others', () => {
    const networks = new Networks(['10.1.0.0/16', '192.0.2.7', '2001:db8::/32'])
    for (const address of ['10.1.255.255', '192.0.2.7', '2001:db8:ffff::1']) assert.ok(networks.has(address), address)
    for (const address of ['10.2.0.0', '192.0.2.8', '2001:db9::1', '', 'name']) assert.ok(!networks.has(address), address)
  })
})

describe('an address', () => {
  it('of IPv4 is plain also where an IPv6 socket reports it', () => {
    assert.equal(plainAddress('::ffff:192.0.2.7'), '192.0.2.7')
    assert.equal(plainAddress('2001:db8::1'), '2001:db8::1')
    assert.equal(plainAddress(undefined), '')
  })

  for (const [address, source] of [
    ['192.0.2.7', '192.0.2.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::9', '2001:db8:1:2::/64'],
    ['2001:db8::9', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['2001:db8:1::', '2001:db8:1:0::/64'],
  ] as const)
    it(`${address} counts as ${source}`, () => assert.equal(sourceOf(address), source))
})
