import assert from 'node:assert/strict'
import { RowBlock, SpareBuffers, type Row } from '../../../src/store/row-block.ts'
import { makeRow } from './fixture.ts'

describe('RowBlock', () => {
  it('encodes a row as RowBinary, column after column', () => {
    const block = new RowBlock()
    block.append({
      shard: 0x0102,
      offset: 2 ** 40 + 3,
      index: 5,
      entry: 6,
      timeMs: -1,
      receivedMs: 1_700_000_000_123,
      source: 'é',
      client: '',
      key: Uint8Array.of(0, 255),
      headers: [
        { key: 'a', value: null },
        { key: 'b', value: Uint8Array.of(7) },
      ],
      content: null,
      fields: '{}',
      tags: ['late', 'é'],
      error: 'bad',
    })
    const expected = [
      '0201', // _shard
      '0300000000010000', // _offset
      '05000000', // _index
      '0600000000000000', // _entry
      'ffffffffffffffff', // _time
      '7b68e5cf8b010000', // _received
      '02c3a9', // _source
      '00', // _client
      '0200ff', // _key
      '02' + '0161' + '00' + '0162' + '0107', // _headers
      '00', // content
      '027b7d', // _fields
      '02' + '046c617465' + '02c3a9', // _tags
      '03626164', // _error
    ]
    assert.equal(block.encoded.toString('hex'), expected.join(''))
  })

  it('knows what it holds', () => {
    const block = new RowBlock()
    assert.deepEqual([block.rows, block.bytes], [0, 0])
    const receivedMs = 2 ** 40 + 7
    block.append(makeRow(1, { shard: 65_535, offset: 2 ** 53 - 1, receivedMs }))
    block.append(makeRow(2, { shard: 1, offset: 3, index: 0, receivedMs: receivedMs + 1 }))
    block.append(makeRow(3, { shard: 1, offset: 3, index: 1, receivedMs: receivedMs + 1 }))
    block.append(makeRow(4, { shard: 2, offset: 3, receivedMs: receivedMs + 1 }))
    assert.equal(block.rows, 4)
    assert.equal(block.bytes, block.encoded.length)
    const rows = [0, 1, 2, 3]
    assert.deepEqual(
      rows.map(row => [block.shardAt(row), block.offsetAt(row)]),
      [[65_535, 2 ** 53 - 1], [1, 3], [1, 3], [2, 3]], // prettier-ignore
    )
    assert.deepEqual([...rows, 4].map(row => block.beginsOffset(row)), [true, true, false, true, true]) // prettier-ignore
  })

  it('has the same bytes in slices as in one piece, through slices of slices', () => {
    const block = new RowBlock()
    const rows = Array.from({ length: 20 }, (_, number) => makeRow(number, { content: Buffer.alloc(number * 7, number) }))
    for (const row of rows) block.append(row)
    const middle = block.slice(3, 17)
    assert.equal(middle.rows, 14)
    assert.equal(middle.offsetAt(0), 3)
    const pieces = [block.slice(0, 3), middle.slice(0, 5), middle.slice(5, 5), middle.slice(5, 14), block.slice(17, 20)]
    assert.deepEqual(Buffer.concat(pieces.map(({ encoded }) => encoded)), block.encoded)
    assert.deepEqual(
      pieces.map(piece => piece.rows),
      [3, 5, 0, 9, 3],
    )
  })

  it('knows when its rows were received, also of a slice and of a copy with errors', () => {
    const block = new RowBlock()
    for (const [entry, receivedMs] of [[1, 10], [1, 10], [1, 10], [2, 10], [3, 2 ** 41], [3, 2 ** 41]] as const) block.append(makeRow(0, { entry, receivedMs })) // prettier-ignore
    const rowsAt = (of: RowBlock) => of.arrivals().map(({ receivedMs, rows }) => [receivedMs, rows])
    assert.deepEqual(rowsAt(block), [[10, 3], [10, 1], [2 ** 41, 2]]) // prettier-ignore
    assert.deepEqual(rowsAt(block.withError('refused')), rowsAt(block))
    assert.deepEqual(rowsAt(block.slice(1, 5)), [[10, 2], [10, 1], [2 ** 41, 1]]) // prettier-ignore
    assert.deepEqual(rowsAt(block.slice(4, 5)), [[2 ** 41, 1]])
    assert.deepEqual(rowsAt(block.slice(2, 2)), [])
    assert.deepEqual(block.slice(1, 5).nextOffsets(), block.nextOffsets())
  })

  it('gives an error to every row that has none, and changes nothing else', () => {
    const block = new RowBlock()
    const expected = new RowBlock()
    for (const [number, error] of ['', 'bad', '', 'x'.repeat(300)].entries()) {
      block.append(makeRow(number, { timeMs: 1, receivedMs: 2, error }))
      expected.append(makeRow(number, { timeMs: 1, receivedMs: 2, error: error === '' ? 'refused: é' : error }))
    }
    const before = Buffer.from(block.encoded)
    const marked = block.withError('refused: é')
    assert.deepEqual(marked.encoded, expected.encoded)
    assert.equal(marked.rows, 4)
    assert.deepEqual(block.encoded, before)
  })

  it('knows the offset behind the last row of each shard', () => {
    const block = new RowBlock()
    assert.deepEqual([...block.nextOffsets()], [])
    for (const [shard, offset] of [[2, 10], [1, 3], [1, 3], [2, 11], [2, 12], [7, 0]] as const) block.append(makeRow(0, { shard, offset })) // prettier-ignore
    assert.deepEqual([...block.nextOffsets()].toSorted(), [[1, 4], [2, 13], [7, 1]]) // prettier-ignore
  })

  it('grows without touching what it holds', () => {
    const lengths = [0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152, 70_000]
    const block = new RowBlock()
    const parts = lengths.map((length, number) => {
      const row = makeRow(number, { content: Buffer.alloc(length, number + 1) })
      block.append(row)
      const alone = new RowBlock()
      alone.append(row)
      return Buffer.from(alone.encoded)
    })
    assert.equal(Buffer.compare(block.encoded, Buffer.concat(parts)), 0)
  })

  it('writes rows of one entry as if each stood alone, and the next entry, whatever differs, too', () => {
    const first = makeRow(1, { timeMs: 3, receivedMs: 4 })
    const changes: Partial<Row>[] = [
      {},
      { offset: 2 ** 40, index: 7, timeMs: -5, key: Buffer.from('key') },
      { content: Buffer.alloc(40_000, 'x') },
      { shard: 9 },
      { entry: 2 ** 33 },
      { receivedMs: 5 },
      { source: '::1' },
      { client: 'another' },
    ]
    const rows = changes.flatMap(change => [first, { ...first, ...change }, { ...first, ...change, offset: 3 }])
    const block = new RowBlock()
    const alone = rows.map(row => {
      block.append(row)
      const own = new RowBlock()
      own.append(row)
      return own.encoded
    })
    assert.equal(Buffer.compare(block.encoded, Buffer.concat(alone)), 0)
  })

  it('is the same in the memory of one that was released', () => {
    const spares = new SpareBuffers()
    const rows = Array.from({ length: 40 }, (_, number) => makeRow(number, { content: Buffer.alloc(50_000, number) }))
    const fill = () => {
      const block = new RowBlock(spares)
      for (const row of rows) block.append(row)
      return block
    }
    const first = fill()
    const { encoded } = first
    const expected = Buffer.from(encoded)
    first.release()
    encoded.fill(0xff)
    const second = fill()
    assert.equal(second.encoded.buffer, encoded.buffer)
    assert.equal(Buffer.compare(second.encoded, expected), 0)
  })
})
