import assert from 'node:assert/strict'
import { Chunks } from '../../protocol/chunks.ts'
import { ProtocolError } from '../../protocol/protocol-error.ts'
import { Reader } from '../../protocol/reader.ts'
import { Writer } from '../../protocol/writer.ts'
import { inPieces } from './fixtures.ts'
import { forRandom, type Random } from './random.ts'

const hex = (digits: string): Buffer => Buffer.from(digits.replaceAll(' ', ''), 'hex')
const reading = (digits: string, flexible = false): Reader => {
  const reader = new Reader(hex(digits))
  reader.flexible = flexible
  return reader
}

describe('reader', () => {
  it('reads integers at their limits', () => {
    const rows: [string, (reader: Reader) => number, number][] = [
      ['80', r => r.int8(), -128],
      ['7f', r => r.int8(), 127],
      ['ff', r => r.uint8(), 255],
      ['8000', r => r.int16(), -32768],
      ['7fff', r => r.int16(), 32767],
      ['ffff', r => r.uint16(), 65535],
      ['80000000', r => r.int32(), -2147483648],
      ['7fffffff', r => r.int32(), 2147483647],
      ['ffffffff', r => r.uint32(), 4294967295],
      ['ffffffffffffffff', r => r.int64(), -1],
      ['001fffffffffffff', r => r.int64(), Number.MAX_SAFE_INTEGER],
      ['ffe0000000000001', r => r.int64(), Number.MIN_SAFE_INTEGER],
      ['0000000100000000', r => r.int64(), 2 ** 32],
      ['ffffffff00000000', r => r.int64(), -(2 ** 32)],
      ['3ff8000000000000', r => r.float64(), 1.5],
    ]
    for (const [digits, read, expected] of rows) {
      for (const pieceBytes of [1, 3, 8]) {
        const reader = new Reader(inPieces(hex(digits), pieceBytes))
        assert.equal(read(reader), expected, digits)
        reader.end()
      }
    }
  })

  it('refuses an int64 that a number cannot hold, or saturates it where asked to', () => {
    for (const [digits, nearest] of [
      ['0020000000000000', Number.MAX_SAFE_INTEGER],
      ['0020000000000001', Number.MAX_SAFE_INTEGER],
      ['7fffffffffffffff', Number.MAX_SAFE_INTEGER],
      ['ffe0000000000000', Number.MIN_SAFE_INTEGER],
      ['8000000000000000', Number.MIN_SAFE_INTEGER],
    ] as const) {
      assert.throws(() => reading(digits).int64(), ProtocolError)
      assert.equal(reading(digits).int64Saturating(), nearest)
    }
    assert.equal(reading('ffffffffffffffff').int64Saturating(), -1)
  })

  it('reads varints of every length', () => {
    for (const [digits, unsigned, zigzag] of [
      ['00', 0, 0],
      ['01', 1, -1],
      ['7f', 127, -64],
      ['8001', 128, 64],
      ['ff7f', 16383, -8192],
      ['ffffffff07', 2147483647, -1073741824],
      ['feffffff0f', 4294967294, 2147483647],
      ['ffffffff0f', 4294967295, -2147483648],
      ['8000', 0, 0],
    ] as const) {
      assert.equal(reading(digits).uvarint(), unsigned)
      assert.equal(reading(digits).varint(), zigzag)
      assert.equal(reading(digits).varlong(), zigzag)
    }
  })

  it('reads varlongs, saturating', () => {
    for (const [digits, expected] of [
      ['808080808002', 2 ** 35],
      ['feffffffffffff1f', Number.MAX_SAFE_INTEGER],
      ['fdffffffffffff1f', Number.MIN_SAFE_INTEGER],
      ['ffffffffffffff1f', Number.MIN_SAFE_INTEGER],
      ['8080808080808020', Number.MAX_SAFE_INTEGER],
      ['feffffffffffffffff01', Number.MAX_SAFE_INTEGER],
      ['ffffffffffffffffff01', Number.MIN_SAFE_INTEGER],
    ] as const) {
      assert.equal(reading(digits).varlong(), expected, digits)
    }
  })

  it('refuses varints that are too long', () => {
    assert.throws(() => reading('808080808000').uvarint(), ProtocolError)
    assert.throws(() => reading('ffffffff10').varint(), ProtocolError)
    assert.throws(() => reading('8080808080808080808000').varlong(), ProtocolError)
    assert.throws(() => reading('80808080808080808002').varlong(), ProtocolError)
  })

  it('adapts lengths to flexible versions', () => {
    assert.equal(reading('0002 6869').string(), 'hi')
    assert.equal(reading('03 6869', true).string(), 'hi')
    assert.equal(reading('ffff').nullableString(), null)
    assert.equal(reading('00', true).nullableString(), null)
    assert.deepEqual(reading('00000002 6869').bytes(), Buffer.from('hi'))
    assert.deepEqual(reading('03 6869', true).bytes(), Buffer.from('hi'))
    assert.equal(reading('ffffffff').nullableBytes(), null)
    assert.equal(reading('00', true).nullableBytes(), null)
    assert.equal(reading('00000000').arrayLength(), 0)
    assert.equal(reading('01', true).arrayLength(), 0)
    assert.equal(reading('ffffffff').arrayLength(), -1)
    assert.equal(reading('00', true).arrayLength(), -1)
  })

  it('believes a hundred thousand elements in all arrays of a message, and no more', () => {
    const bytes = Buffer.alloc(200_000)
    bytes.writeInt32BE(60_000, 0)
    bytes.writeInt32BE(-1, 4)
    bytes.writeInt32BE(40_000, 8)
    bytes.writeInt32BE(1, 12)
    const reader = new Reader(bytes)
    assert.deepEqual([reader.arrayLength(), reader.arrayLength(), reader.arrayLength()], [60_000, -1, 40_000])
    assert.throws(() => reader.arrayLength(), /100001 elements in arrays, at most 100000 are taken/)
    assert.equal(reading('ffffffff').records(), null)
    assert.equal(reading('00', true).records(), null)
  })

  it('reads compact lengths of two bytes', () => {
    for (const length of [126, 127, 128, 16382, 16383, 16384]) {
      const writer = new Writer()
      writer.flexible = true
      const text = 'é'.repeat(length / 2) + 'x'.repeat(length % 2)
      writer.string(text)
      writer.records(Buffer.from(text))
      assert.equal(writer.length, 2 * (length + (length < 127 ? 1 : length < 16383 ? 2 : 3)))
      const reader = new Reader(writer.finish())
      reader.flexible = true
      assert.equal(reader.string(), text)
      assert.equal(reader.records()?.toBuffer().toString(), text)
    }
  })

  it('tells texts apart that have the length and the ends of one that was read before', () => {
    const texts = [
      'logs-a1',
      'logs-b1',
      'logs-a1',
      'löggen',
      'löhgen',
      'a',
      'b',
      'a',
      '',
      'x'.repeat(64),
      'x'.repeat(65),
      'x'.repeat(64),
    ]
    for (const text of [...texts, ...texts]) {
      const bytes = Buffer.from(text)
      const reader = new Reader(Buffer.concat([Buffer.of(0, bytes.length), bytes]))
      assert.equal(reader.string(), text)
      bytes.fill(0)
    }
  })

  it('refuses null where it is not allowed', () => {
    for (const flexible of [false, true]) {
      const digits = flexible ? '00' : 'ffffffff'
      assert.throws(() => reading(digits, flexible).string(), ProtocolError)
      assert.throws(() => reading(digits, flexible).bytes(), ProtocolError)
    }
  })

  it('refuses lengths that lie before it allocates by them', () => {
    const rows: [string, boolean, (reader: Reader) => unknown][] = [
      ['7fff 61', false, r => r.string()],
      ['fffe', false, r => r.nullableString()],
      ['ffffffff0f 61', true, r => r.string()],
      ['7fffffff 61', false, r => r.bytes()],
      ['80000000', false, r => r.nullableBytes()],
      ['7fffffff 61', false, r => r.records()],
      ['ffffffff0f 61', true, r => r.records()],
      ['00000002 61', false, r => r.arrayLength()],
      ['00000002 6161', false, r => r.arrayLength(2)],
      ['fffffffe', false, r => r.arrayLength()],
      ['61', false, r => r.skip(2)],
      ['61', false, r => r.raw(2)],
      ['61', false, r => r.chunks(2)],
      ['01 00 02 61', true, r => r.skipTaggedFields()],
      ['ffffffff0f', true, r => r.skipTaggedFields()],
    ]
    for (const [digits, flexible, read] of rows) {
      assert.throws(() => read(reading(digits, flexible)), ProtocolError, digits)
    }
  })

  it('gives records as views, never a copy', () => {
    const bytes = hex('00000005 6162636465')
    const one = new Reader(bytes).records()!
    assert.equal(one.pieces[0]!.buffer, bytes.buffer)
    const many = new Reader(inPieces(bytes, 2)).records()!
    assert.deepEqual(many.pieces.map(String), ['ab', 'cd', 'e'])
    bytes[4] = 0x41
    assert.equal(one.toBuffer().toString(), 'Abcde')
    assert.equal(many.toBuffer().toString(), 'Abcde')
    assert.equal(new Reader(hex('00000000')).records(), Chunks.empty)
  })

  it('goes on right after a field that straddles pieces', () => {
    const writer = new Writer()
    for (let i = 0; i < 10; i++) {
      writer.int32(i)
      writer.string('x'.repeat(i))
      writer.records(Buffer.alloc(i, i))
    }
    for (let pieceBytes = 1; pieceBytes < 20; pieceBytes++) {
      const reader = new Reader(inPieces(writer.finish(), pieceBytes))
      for (let i = 0; i < 10; i++) {
        assert.equal(reader.int32(), i)
        assert.equal(reader.string(), 'x'.repeat(i))
        const records = reader.records()!
        assert.deepEqual(records.toBuffer(), Buffer.alloc(i, i))
        assert.ok(records.pieces.every(piece => piece.length > 0))
        assert.equal(reader.position + reader.remaining, writer.length)
      }
      reader.end()
    }
  })

  it('says what and where, without the bytes', () => {
    const reader = reading('0000 0009 736563726574')
    reader.field = 'topicData[].name'
    reader.int16()
    assert.throws(() => reader.string(), {
      name: 'ProtocolError',
      message: 'topicData[].name at byte 4: 9 bytes are announced or needed, 6 are left',
    })
    assert.throws(() => reader.end(), { message: 'topicData[].name at byte 4: 6 bytes are left after the last field' })
  })

  it('skips tagged fields that nobody knows, and holds a known one to its size', () => {
    const digits = '03 00 01 aa 05 02 bbbb c801 00' // tags 0, 5 and 200
    const reader = reading(digits, true)
    reader.skipTaggedFields()
    reader.end()

    const seen: number[] = []
    reading(digits, true).taggedFields(tag => {
      seen.push(tag)
      return false
    })
    assert.deepEqual(seen, [0, 5, 200])

    const short = reading('01 00 04 00000001', true)
    assert.throws(
      () =>
        short.taggedFields(() => {
          short.int16()
          return true
        }),
      ProtocolError,
    )
  })

  it('reads back whatever the writer wrote, in any pieces', () => {
    forRandom(300, random => {
      const steps = Array.from({ length: 1 + random.below(30) }, () => randomStep(random))
      const writer = new Writer(1 + random.below(16))
      for (const step of steps) step.write(writer)
      const reader = new Reader(inPieces(writer.finish(), 1 + random.below(12)))
      for (const step of steps) assert.deepEqual(step.read(reader), step.value, step.name)
      reader.end()
    })
  })
})

interface Step {
  readonly name: string
  readonly value: unknown
  write(writer: Writer): void
  read(reader: Reader): unknown
}

/** A value of any type that reader and writer have a method for, of the same name. */
function randomStep(random: Random): Step {
  const text = 'aé€😀'.repeat(random.below(50))
  const bytes = random.bytes(random.below(200))
  const [method, value] = random.pick([
    ['int8', random.int(8)],
    ['uint8', random.below(2 ** 8)],
    ['int16', random.int(16)],
    ['uint16', random.below(2 ** 16)],
    ['int32', random.int(32)],
    ['uint32', random.below(2 ** 32)],
    ['int64', random.int(64)],
    ['float64', random.int(64) / 3],
    ['varint', random.int(32)],
    ['varlong', random.int(64)],
    ['uvarint', random.below(2 ** random.below(33))],
    ['bool', random.below(2) === 0],
    ['uuid', random.bytes(16).toString('hex')],
    ['string', text],
    ['nullableString', null],
    ['bytes', bytes],
    ['nullableBytes', null],
    ['records', null],
  ] as const)
  const flexible = random.below(2) === 0
  return {
    name: method,
    value,
    write(writer) {
      writer.flexible = flexible
      ;(writer[method] as (value: unknown) => void)(value)
    },
    read(reader) {
      reader.flexible = flexible
      return reader[method]()
    },
  }
}
