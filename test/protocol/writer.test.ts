import assert from 'node:assert/strict'
import { Writer } from '../../protocol/writer.ts'

/** What a few calls write, in hexadecimal. */
function written(write: (writer: Writer) => void, flexible = false): string {
  const writer = new Writer()
  writer.flexible = flexible
  write(writer)
  return writer.finish().toString('hex')
}

describe('writer', () => {
  it('writes lengths as the version has them', () => {
    assert.equal(
      written(w => w.string('hi')),
      '00026869',
    )
    assert.equal(
      written(w => w.string('hi'), true),
      '036869',
    )
    assert.equal(
      written(w => w.nullableString(null)),
      'ffff',
    )
    assert.equal(
      written(w => w.nullableString(null), true),
      '00',
    )
    assert.equal(
      written(w => w.arrayLength(-1)),
      'ffffffff',
    )
    assert.equal(
      written(w => w.arrayLength(127), true),
      '8001',
    )
  })

  it('grows as needed and keeps what it has', () => {
    const writer = new Writer(1)
    for (let i = 0; i < 1000; i++) writer.int32(i)
    const bytes = writer.finish()
    assert.equal(bytes.length, 4000)
    assert.ok(Array.from({ length: 1000 }, (_, i) => bytes.readInt32BE(4 * i) === i).every(Boolean))
  })

  it('writes a size over a gap', () => {
    const writer = new Writer()
    writer.int32(0)
    writer.string('hi')
    writer.patchInt32(0, writer.length - 4)
    assert.equal(writer.finish().toString('hex'), '0000000400026869')
  })

  it('writes a size of any length before its content', () => {
    for (const length of [0, 1, 127, 128, 20_000]) {
      const expected = new Writer()
      expected.uvarint(length)
      expected.raw(Buffer.alloc(length, 7))
      assert.equal(
        written(w => w.sized(() => w.raw(Buffer.alloc(length, 7)))),
        expected.finish().toString('hex'),
      )
    }
  })

  it('throws for what a type cannot hold', () => {
    for (const write of [
      (w: Writer) => w.int8(128),
      (w: Writer) => w.int16(32768),
      (w: Writer) => w.uint16(-1),
      (w: Writer) => w.int32(2 ** 31),
      (w: Writer) => w.uint32(2 ** 32),
      (w: Writer) => w.int64(2 ** 53),
      (w: Writer) => w.int64(1.5),
      (w: Writer) => w.varint(2 ** 31),
      (w: Writer) => w.varlong(2 ** 53),
      (w: Writer) => w.uvarint(-1),
      (w: Writer) => w.string('x'.repeat(32768)),
    ]) {
      assert.throws(() => written(write), RangeError)
    }
    for (const write of [
      (w: Writer) => w.string(null as unknown as string),
      (w: Writer) => w.bytes(null as unknown as Buffer),
      (w: Writer) => w.bytes('text' as unknown as Buffer),
      (w: Writer) => w.uuid('00'),
    ]) {
      assert.throws(() => written(write), TypeError)
    }
  })
})
