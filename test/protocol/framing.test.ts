import assert from 'node:assert/strict'
import { FrameReader } from '../../protocol/framing.ts'
import { ProtocolError } from '../../protocol/protocol-error.ts'
import { forRandom } from './random.ts'

const LIMIT = 1000

function frame(content: Buffer | string): Buffer {
  const bytes = Buffer.from(content as Buffer)
  const size = Buffer.alloc(4)
  size.writeInt32BE(bytes.length)
  return Buffer.concat([size, bytes])
}

function takeAll(reader: FrameReader): string[] {
  const frames: string[] = []
  for (let next = reader.next(); next; next = reader.next()) {
    assert.ok(next.pieces.every(piece => piece.length > 0))
    frames.push(next.toBuffer().toString('latin1'))
  }
  return frames
}

describe('frame reader', () => {
  it('gives a frame when its last byte is there, pushed byte by byte', () => {
    const reader = new FrameReader(LIMIT)
    const bytes = frame('hello')
    for (const [index, byte] of bytes.entries()) {
      assert.equal(reader.next(), undefined)
      assert.equal(reader.expectedBytes, index < 4 ? undefined : 5)
      reader.push(Buffer.of(byte))
    }
    assert.deepEqual(takeAll(reader), ['hello'])
    assert.equal(reader.bufferedBytes, 0)
    assert.equal(reader.expectedBytes, undefined)
  })

  it('gives frames whose prefix and content come apart', () => {
    const reader = new FrameReader(LIMIT)
    const large = 'x'.repeat(600)
    for (const content of [large, large]) {
      reader.push(frame(content).subarray(0, 4))
      reader.push(frame(content).subarray(4))
    }
    assert.deepEqual(takeAll(reader), [large, large])
  })

  it('gives many frames of one chunk in order', () => {
    const reader = new FrameReader(LIMIT)
    const contents = Array.from({ length: 5000 }, (_, i) => `frame ${i}`)
    reader.push(Buffer.concat(contents.map(frame)))
    assert.deepEqual(takeAll(reader), contents)
  })

  it('gives empty frames', () => {
    const reader = new FrameReader(LIMIT)
    reader.push(Buffer.concat([frame(''), frame('x'), frame('')]))
    assert.deepEqual(takeAll(reader), ['', 'x', ''])
  })

  it('cuts the same frames from any pieces', () => {
    forRandom(300, random => {
      const contents = Array.from({ length: random.below(12) }, () => random.bytes(random.below(random.pick([3, 40, LIMIT]))))
      const stream = Buffer.concat(contents.map(frame))
      const reader = new FrameReader(LIMIT)
      const frames: string[] = []
      let position = 0
      while (position < stream.length) {
        const chunk = stream.subarray(position, position + 1 + random.below(random.pick([2, 30, 1500])))
        position += chunk.length
        reader.push(Buffer.from(chunk))
        if (random.below(3) === 0) frames.push(...takeAll(reader))
      }
      frames.push(...takeAll(reader))
      assert.deepEqual(
        frames,
        contents.map(content => content.toString('latin1')),
      )
      assert.equal(reader.bufferedBytes, 0)
    })
  })

  it('does not copy or join large chunks', () => {
    const reader = new FrameReader(1e6)
    const bytes = frame(Buffer.alloc(100_000, 7))
    const chunks = [bytes.subarray(0, 16384), bytes.subarray(16384, 70_000), bytes.subarray(70_000)]
    for (const chunk of chunks) reader.push(chunk)
    const { pieces } = reader.next()!
    assert.deepEqual(
      pieces.map(piece => piece.byteOffset),
      [chunks[0]!.byteOffset + 4, chunks[1]!.byteOffset, chunks[2]!.byteOffset],
    )
    assert.ok(pieces.every(piece => piece.buffer === bytes.buffer))
  })

  it('copies small pieces together, so that single bytes do not cost a buffer each', () => {
    const reader = new FrameReader(1e6)
    const content = Buffer.from(Array.from({ length: 20_000 }, (_, i) => i % 251))
    for (const byte of frame(content)) reader.push(Buffer.of(byte))
    const taken = reader.next()!
    assert.deepEqual(taken.toBuffer(), content)
    assert.ok(taken.pieces.length < 10, `${taken.pieces.length} pieces`)
  })

  it('leaves frames that were given out alone when more arrives', () => {
    const reader = new FrameReader(LIMIT)
    for (const byte of frame('first')) reader.push(Buffer.of(byte))
    reader.push(Buffer.of(0))
    const first = reader.next()!
    for (const byte of frame('other').subarray(1)) reader.push(Buffer.of(byte))
    assert.deepEqual(takeAll(reader), ['other'])
    assert.equal(first.toBuffer().toString(), 'first')
  })

  it('takes time in proportion to the bytes, whatever the pieces', () => {
    const reader = new FrameReader(1e6)
    reader.push(frame(Buffer.alloc(500_000)).subarray(0, 4))
    const byte = Buffer.of(1)
    for (let i = 0; i < 500_000; i++) {
      assert.equal(reader.next(), undefined)
      reader.push(byte)
    }
    assert.equal(reader.next()?.length, 500_000)

    const small = frame('x')
    for (let i = 0; i < 200_000; i++) reader.push(Buffer.from(small))
    assert.equal(takeAll(reader).length, 200_000)
  }).timeout(10_000)

  it('counts the bytes that it holds', () => {
    const reader = new FrameReader(LIMIT)
    reader.push(frame('hello').subarray(0, 6))
    assert.equal(reader.bufferedBytes, 6)
    reader.next()
    assert.equal(reader.expectedBytes, 5)
    assert.equal(reader.bufferedBytes, 2)
    reader.push(Buffer.from('llo'))
    assert.equal(reader.bufferedBytes, 5)
    reader.next()
    assert.equal(reader.bufferedBytes, 0)
  })

  it('refuses a size beyond the limit or below zero as soon as its four bytes are there', () => {
    for (const size of [LIMIT + 1, 2147483647, -1, -2147483648]) {
      const reader = new FrameReader(LIMIT)
      const prefix = Buffer.alloc(4)
      prefix.writeInt32BE(size)
      reader.push(prefix.subarray(0, 3))
      assert.equal(reader.next(), undefined)
      reader.push(prefix.subarray(3))
      assert.throws(() => reader.next(), {
        name: 'ProtocolError',
        message: `a frame of ${size} bytes, the limit is ${LIMIT}`,
      })
    }
    const reader = new FrameReader(LIMIT)
    reader.push(frame(Buffer.alloc(LIMIT)))
    assert.equal(reader.next()?.length, LIMIT)
  })

  it('applies a new limit to the next frame, even if it has been pushed already', () => {
    const reader = new FrameReader(5)
    reader.push(Buffer.concat([frame('token'), frame('x'.repeat(500))]))
    assert.equal(reader.next()?.length, 5)
    reader.limitBytes = LIMIT
    assert.equal(reader.next()?.length, 500)
    reader.push(frame('x'.repeat(500)))
    reader.limitBytes = 499
    assert.throws(() => reader.next(), ProtocolError)
  })

  it('recognises other protocols', () => {
    for (const [bytes, hint] of [
      [Buffer.from('GET / HTTP/1.1\r\n'), /HTTP/],
      [Buffer.from('POST /api/logs HTTP/1.1\r\n'), /HTTP/],
      [Buffer.from('160301020001000', 'hex'), /TLS/],
    ] as const) {
      const reader = new FrameReader(100 * 1024 * 1024)
      reader.push(bytes)
      assert.throws(() => reader.next(), hint)
    }
  })
})
