import assert from 'node:assert/strict'
import { Chunks } from '../../protocol/chunks.ts'
import { crc32c } from '../../protocol/records/crc32c.ts'
import { inPieces } from './fixtures.ts'
import { forRandom } from './random.ts'

const alphabet = Buffer.from('abcdefghijklmnopqrstuvwxyz')

describe('chunks', () => {
  it('leaves out empty pieces and adds up the length', () => {
    const chunks = Chunks.of(Buffer.from('ab'), Buffer.alloc(0), Buffer.from('c'))
    assert.equal(chunks.pieces.length, 2)
    assert.equal(chunks.length, 3)
    assert.equal(chunks.toBuffer().toString(), 'abc')
  })

  it('slices into views of the same memory', () => {
    const bytes = Buffer.from(alphabet)
    const slice = inPieces(bytes, 4).slice(3, 9)
    assert.deepEqual(slice.pieces.map(String), ['d', 'efgh', 'i'])
    bytes[3] = 0x44
    assert.equal(slice.toBuffer().toString(), 'Defghi')
    assert.equal(inPieces(bytes, 4).slice(5, 5), Chunks.empty)
  })

  it('joins only what lies in several pieces', () => {
    const single = Chunks.of(alphabet)
    assert.equal(single.toBuffer(), alphabet)
    assert.equal(single.view(2, 3).buffer, alphabet.buffer)
    assert.equal(inPieces(alphabet, 4).view(2, 7).toString(), 'cdefghi')
    assert.equal(Chunks.empty.toBuffer().length, 0)
    assert.equal(Chunks.empty.view(0, 0).length, 0)
  })

  it('refuses positions outside', () => {
    const chunks = inPieces(alphabet, 4)
    for (const [start, end] of [
      [-1, 3],
      [3, 2],
      [20, 27],
      [NaN, 3],
    ] as const) {
      assert.throws(() => chunks.slice(start, end), RangeError)
      assert.throws(() => chunks.crc32c(start, end), RangeError)
    }
    assert.throws(() => chunks.view(20, 7), RangeError)
    assert.throws(() => chunks.uint8At(26), RangeError)
    assert.throws(() => chunks.writeInt64(19, 1), RangeError)
  })

  it('answers the same in any pieces and in any order of questions', () => {
    forRandom(200, random => {
      const chunks = inPieces(Buffer.from(alphabet), 1 + random.below(9))
      for (let question = 0; question < 20; question++) {
        const start = random.below(26)
        const end = start + random.below(27 - start)
        const expected = alphabet.subarray(start, end)
        assert.equal(chunks.uint8At(start), alphabet[start])
        assert.deepEqual(chunks.view(start, end - start), Buffer.from(expected))
        assert.deepEqual(chunks.slice(start, end).toBuffer(), Buffer.from(expected))
        assert.equal(chunks.crc32c(start, end), crc32c(expected))
      }
    })
  })

  it('continues a checksum from a seed', () => {
    const chunks = inPieces(alphabet, 5)
    assert.equal(chunks.crc32c(7, 26, chunks.crc32c(0, 7)), crc32c(alphabet))
  })

  it('writes an int64 in place, also across pieces', () => {
    for (const pieceBytes of [1, 3, 26]) {
      const bytes = Buffer.from(alphabet)
      inPieces(bytes, pieceBytes).writeInt64(6, 1234567890123456)
      const expected = Buffer.from(alphabet)
      expected.writeBigInt64BE(1234567890123456n, 6)
      assert.deepEqual(bytes, expected)
    }
  })

  it('costs each piece a few steps when a run of many pieces is gone through', () => {
    // Looking at every position of a hundred thousand pieces takes minutes if each look-up starts at the beginning.
    const chunks = inPieces(Buffer.alloc(100_000, 1), 1)
    let sum = 0
    for (let position = 0; position < chunks.length - 8; position++) {
      sum += chunks.view(position, 8)[7]! + chunks.uint8At(position)
    }
    assert.equal(sum, 2 * (chunks.length - 8))
  }).timeout(5000)
})
