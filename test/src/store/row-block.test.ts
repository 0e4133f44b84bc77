import assert from 'node:assert/strict'
import { RowBlock } from '../../../src/store/row-block.ts'
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
    block.append(makeRow(1, { shard: 2, offset: 10, entry: 5 }))
    block.append(makeRow(2, { shard: 1, offset: 3, entry: 6 }))
    block.append(makeRow(3, { shard: 2, offset: 11, entry: 7 }))
    assert.equal(block.rows, 3)
    assert.equal(block.firstEntry, 5)
    assert.equal(block.lastEntry, 7)
    assert.equal(block.bytes, block.encoded.length)
    assert.deepEqual([...block.highestOffsets].toSorted(), [
      [1, 3],
      [2, 11],
    ])
  })

  it('is as new after it was cleared', () => {
    const block = new RowBlock()
    block.append(makeRow(1, { shard: 2, entry: 5, content: Buffer.alloc(1000, 'x') }))
    block.clear()
    assert.deepEqual([block.rows, block.bytes, block.firstEntry, block.lastEntry, block.highestOffsets.size], [0, 0, 0, 0, 0])
    const row = makeRow(9)
    block.append(row)
    const fresh = new RowBlock()
    fresh.append(row)
    assert.deepEqual(block.encoded, fresh.encoded)
    assert.equal(block.firstEntry, 9)
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
})
