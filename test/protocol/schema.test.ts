import assert from 'node:assert/strict'
import { message } from '../../protocol/message.ts'
import { ProtocolError } from '../../protocol/protocol-error.ts'
import {
  array,
  between,
  bytes,
  type InputOf,
  int16,
  int32,
  nullable,
  nullableString,
  secret,
  since,
  string,
  struct,
  tagged,
  type ValueOf,
} from '../../protocol/schema.ts'

/** A bit of everything: version 0 is classic, 1 has more fields, 2 is flexible. */
const sample = message(
  'Sample',
  { apiKey: 4711, versions: [0, 3], flexibleFrom: 2 },
  {
    name: nullable(string, 1),
    count: since(1, int16, 7),
    old: between(0, 1, int32, -1),
    items: since(1, array({ id: int32, note: since(3, nullableString) })),
    numbers: nullable(array(int16), 3),
    token: since(3, secret(bytes)),
    hint: tagged(1, 2, string, 'none'),
    place: tagged(0, 3, struct({ x: since(3, int16, -1), y: since(3, int16, -1) })),
  },
)
type Sample = ValueOf<typeof sample>

const hex = (digits: string): Buffer => Buffer.from(digits.replaceAll(' ', ''), 'hex')
const encoded = (value: InputOf<typeof sample>, version: number): string => sample.encode(value, version).toString('hex')

describe('schema', () => {
  it('reads the fields of a version and gives the others their defaults, always in the same shape', () => {
    const value = sample.decode(hex('0001 61 00000005 00000001 0009'), 0)
    const expected: Sample = {
      name: 'a',
      count: 7,
      old: 5,
      items: [],
      numbers: [9],
      token: Buffer.alloc(0),
      hint: 'none',
      place: { x: -1, y: -1 },
    }
    assert.deepEqual(value, expected)
    assert.deepEqual(Object.keys(value), Object.keys(expected))
  })

  it('writes the defaults of what is left out and ignores what the version does not have', () => {
    assert.equal(encoded({ name: 'a', numbers: [] }, 0), '000161' + 'ffffffff' + '00000000')
    assert.equal(encoded({ name: null, numbers: [], count: 1 }, 1), 'ffff' + '0001' + 'ffffffff' + '00000000' + '00000000')
    assert.equal(
      encoded({ name: 'a', numbers: [], items: [{ id: 1 }], hint: 'x', place: { x: 5 } }, 0),
      encoded({ name: 'a', numbers: [] }, 0),
    )
    assert.equal(encoded({ name: 'a', numbers: [], count: undefined }, 1), encoded({ name: 'a', numbers: [], count: 7 }, 1))
  })

  it('shares defaults that nobody can change', () => {
    const value = sample.decode(hex('0000 00000005 00000000'), 0)
    assert.throws(() => (value.items as unknown[]).push(1), TypeError)
    assert.throws(() => Object.assign(value.place, { x: 1 }), TypeError)
  })

  it('tells null from empty, in the versions that allow null', () => {
    const flexible = sample.decode(hex('00 0007 01 00 01 00'), 3)
    assert.equal(flexible.name, null)
    assert.equal(flexible.numbers, null)
    assert.deepEqual(flexible.items, [])
    assert.deepEqual(sample.decode(hex('01 0007 01 01 01 00'), 3).numbers, [])
    assert.throws(() => sample.decode(hex('01 0007 01 00 00'), 2), /numbers .*null where null is not allowed/)
    assert.throws(() => sample.decode(hex('ffff 00000000 00000000'), 0), /name .*null where null is not allowed/)
    assert.throws(() => encoded({ name: null, numbers: [] }, 0), /Sample\(0\)\.name: null is not allowed/)
    assert.throws(() => encoded({ name: '', numbers: null }, 2), /Sample\(2\)\.numbers: null is not allowed/)
  })

  it('names the field that cannot be encoded', () => {
    const wrong = (value: unknown): (() => string) => {
      return () => encoded(value as InputOf<typeof sample>, 3)
    }
    assert.throws(wrong({ name: 'a' }), /Sample\(3\)\.numbers: it has no default/)
    assert.throws(wrong({ name: 'a', numbers: 5 }), /Sample\(3\)\.numbers: an array is needed/)
    assert.throws(wrong({ name: 'a', numbers: [40000] }), /Sample\(3\)\.numbers: /)
    assert.throws(wrong({ name: 'a', numbers: [], items: [{}] }), /Sample\(3\)\.items\[\]\.id: it has no default/)
    assert.throws(wrong({ name: 'a', numbers: [], items: null }), /Sample\(3\)\.items: null is not allowed/)
    assert.throws(wrong({ name: 'a', numbers: [], place: { x: 40000 } }), /Sample\(3\)\.place\.x: /)
    assert.throws(() => encoded({ name: 'a', numbers: [] }, 4), RangeError)
    assert.throws(() => sample.decode(Buffer.alloc(0), -1), RangeError)
  })

  it('names the field that cannot be decoded', () => {
    assert.throws(() => sample.decode(hex('00 0007 02 00000001 7f 0000'), 3), {
      name: 'ProtocolError',
      message: 'Sample(3).items[].note at byte 9: 126 bytes are announced or needed, 2 are left',
    })
  })

  it('refuses bytes after the last field', () => {
    assert.throws(() => sample.decode(hex('0000 00000005 00000000 00'), 0), /Sample\(0\) at byte 10: 1 bytes are left/)
  })

  it('believes the length of an array only if its least elements fit in', () => {
    // Two structures of five bytes each, the id and an empty set of tags, are announced; nine bytes are there.
    assert.throws(() => sample.decode(hex('00 0007 03 00000001 00 00000002'), 2), /an array of 2 elements, 9 bytes are left/)
  })

  it('sends tagged fields only if they are not the default, in the order of their tags', () => {
    const before = '0000' + '07' + '01' + '01' + '01'
    assert.equal(encoded({ name: null, numbers: [] }, 3), before + '00')
    assert.equal(encoded({ name: null, numbers: [], hint: 'none', place: { x: -1, y: -1 } }, 3), before + '00')
    assert.equal(
      encoded({ name: null, numbers: [], hint: 'x', place: { x: 2 } }, 3),
      before + '02' + '0005' + '0002ffff00' + '0102' + '0278',
    )
    assert.equal(encoded({ name: 'a', numbers: [], place: { x: 2 } }, 2), '0261' + '0007' + '01' + '01' + '00')
  })

  it('reads known tagged fields and skips the others', () => {
    const value = sample.decode(hex('00 0007 01 01 01 03 00 05 0001 0002 00 01 02 0278 c801 03 aabbcc'), 3)
    assert.deepEqual(value.place, { x: 1, y: 2 })
    assert.equal(value.hint, 'x')
    // Tag 0 came with version 3: in version 2 it is unknown.
    assert.deepEqual(sample.decode(hex('01 0007 01 01 01 00 05 0001 0002 00'), 2).place, { x: -1, y: -1 })
    // A size that does not fit the value.
    assert.throws(() => sample.decode(hex('00 0007 01 01 01 01 01 03 0278 00'), 3), ProtocolError)
  })

  it('prints the fields of a version, without secrets', () => {
    const value = sample.decode(sample.encode({ name: 'a', numbers: [1], token: Buffer.from('hunter2') }, 3), 3)
    assert.deepEqual(sample.printable(value, 3), {
      name: 'a',
      count: 7,
      items: [],
      numbers: [1],
      token: '(secret)',
      hint: 'none',
      place: { x: -1, y: -1 },
    })
    assert.deepEqual(sample.printable(value, 0), { name: 'a', old: -1, numbers: [1] })
  })
})
