/** What is replaced in records before anything else is done with them. */
import assert from 'node:assert/strict'
import { Masker } from '../../../src/decoding/masks.ts'
import type { Mask } from '../../../src/decoding/log-format.ts'
import { recordOf } from './fixtures.ts'

function mask(masks: Mask[], value: Buffer | string) {
  const masked = new Masker(masks).mask(recordOf(value))
  return { ...masked, value: masked.record.value }
}

function masked(pattern: string, replacement: string, value: string): string | undefined {
  return mask([{ pattern, replacement }], value).value?.toString()
}

describe('a mask', () => {
  it('replaces all that it matches', () => {
    assert.equal(masked('\\d+', '#', 'a1b22c'), 'a#b#c')
    assert.equal(masked('(?i)secret=\\S+', 'secret=***', 'Secret=a b SECRET=c'), 'secret=*** b secret=***')
    assert.equal(masked('é.', '', 'aéxü'), 'aü')
  })

  it('puts in groups by number and name, and whatever else is in the replacement as it is', () => {
    assert.equal(
      masked('(\\w+)@(?P<host>\\w+)', '$1 at ${host} ${2} $0 $$1 $ $x', 'bob@home'),
      'bob at home home bob@home $1 $ $x',
    )
    assert.equal(masked('a(b)?', '<$1>', 'a ab'), '<> <b>')
  })

  it('leaves every other byte as it is, also where it is no UTF-8', () => {
    const value = Buffer.from([0xff, 0x61, 0x31, 0xfe, 0x00, 0x31, 0xc3])
    assert.deepEqual(mask([{ pattern: '1', replacement: '##' }], value).value, Buffer.from([0xff, 0x61, 0x23, 0x23, 0xfe, 0x00, 0x23, 0x23, 0xc3])) // prettier-ignore
  })

  it('leaves what it does not match the same object', () => {
    const record = recordOf('nothing', { key: Buffer.from('key'), headers: [{ key: 'h', value: null }] })
    const { record: same, isMasked } = new Masker([{ pattern: '\\d', replacement: '' }]).mask(record)
    assert.equal(same, record)
    assert.equal(isMasked, false)
  })

  it('is applied to the key and to the values of headers too', () => {
    const header = { key: 'token', value: Buffer.from('t0ken') }
    const record = recordOf(null, { key: Buffer.from('k3y'), headers: [header, { key: 'n', value: null }] })
    const { record: changed, isMasked } = new Masker([{ pattern: '\\d', replacement: '#' }]).mask(record)
    assert.equal(isMasked, true)
    assert.deepEqual([changed.value, changed.key?.toString()], [null, 'k#y'])
    assert.deepEqual(changed.headers.map(({ key, value }) => [key, value?.toString()]), [['token', 't#ken'], ['n', undefined]]) // prettier-ignore
    assert.equal(header.value.toString(), 't0ken')
  })

  it('is applied to what the one before has left', () => {
    const masks = [{ pattern: 'a', replacement: 'b' }, { pattern: 'b', replacement: 'c' }] // prettier-ignore
    assert.equal(mask(masks, 'ab').value?.toString(), 'cc')
  })

  it('has its value withheld where that is too long, grows too much, or takes too long', () => {
    const long = Buffer.alloc(4 * 1024 * 1024 + 1, 'x')
    const growing = Buffer.alloc(3000, 'a')
    const quadratic = Buffer.alloc(200_000, 'a')
    for (const [pattern, replacement, value] of [
      ['y', '', long],
      ['a', 'x'.repeat(4096), growing],
      ['(?s)a.*b|a', '', quadratic],
    ] as const) {
      const { value: left, withheld } = mask([{ pattern, replacement }], value)
      assert.deepEqual([left, withheld], [null, 'value'], pattern)
    }
  })
})
