/**
 * What rows an entry of the journal becomes: every record one, and what cannot be read one too.
 */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { Chunks } from '../../../protocol/chunks.ts'
import { buildBatch, type RecordInput } from '../../../protocol/records/build-batch.ts'
import { ATTRIBUTES_POSITION, readBatchHeader } from '../../../protocol/records/batch.ts'
import { Codec } from '../../../protocol/records/compression.ts'
import { crc32c } from '../../../protocol/records/crc32c.ts'
import { Decoder } from '../../../src/decoding/decoder.ts'
import { rowsOf } from '../../../src/indexing/rows.ts'
import type { DecodedEntry } from '../../../src/journal/format.ts'
import type { Row } from '../../../src/store/row-block.ts'

const RECEIVED_MS = 1_700_000_000_000

describe('the rows of an entry', () => {
  it('are the records in order, numbered by their place', () => {
    const rows = read(entryOf(batchOf([value('a'), value('b')]), batchOf([value('c')])))
    assert.deepEqual(
      rows.map(({ offset, content, error }) => [offset, content?.toString(), error]),
      [
        [100, 'a', ''],
        [101, 'b', ''],
        [102, 'c', ''],
      ],
    )
  })

  it('leave out what the table has, also in the middle of a batch', () => {
    const entry = entryOf(batchOf([value('a'), value('b')]), batchOf([value('c')]))
    assert.deepEqual(
      [99, 100, 101, 102].map(stored => read(entry, stored).map(row => row.offset)),
      [[100, 101, 102], [101, 102], [102], []],
    )
  })

  it('have the time of arrival where the record has none', () => {
    const [row] = read(entryOf(batchOf([{ timestamp: -1, key: null, value: Buffer.from('a') }])))
    assert.equal(row?.timeMs, RECEIVED_MS)
  })

  it('keep nulls, keys and headers', () => {
    const headers = [{ key: 'h', value: null }]
    const [row] = read(entryOf(batchOf([{ timestamp: 1, key: Buffer.from([0, 255]), value: null, headers }])))
    assert.deepEqual([row?.key, row?.content, row?.headers], [Buffer.from([0, 255]), null, headers])
  })

  it('are one row with the bytes and the reason for a payload that cannot be decompressed', () => {
    const batch = batchOf([value('a'), value('b')], Codec.GZIP)
    batch.fill(0xff, 70)
    const rows = read(entryOf(sealed(batch)))
    assert.equal(rows.length, 1)
    assert.equal(rows[0]?.offset, 100)
    assert.deepEqual(rows[0]?.content, batch)
    assert.match(rows[0]?.error ?? '', /gzip/)
  })

  for (const codec of [Codec.NONE, Codec.GZIP])
    it(`have the batch in place of the last record where it holds more than it counts, codec ${codec}`, () => {
      const batch = batchOf([value('a'), value('b'), value('more')], codec)
      batch.writeInt32BE(1, 23)
      batch.writeInt32BE(2, 57)
      const rows = read(entryOf(sealed(batch)))
      assert.deepEqual(
        rows.map(({ offset }) => offset),
        [100, 101],
      )
      assert.equal(rows[0]?.content?.toString(), 'a')
      assert.deepEqual(rows[1]?.content, batch)
      assert.match(rows[1]?.error ?? '', /bytes are left after the last of 2 records/)
    })

  it('keep the good records before one that is broken, and the batch behind them', () => {
    const batch = batchOf([value('a'), value('b'), value('c')])
    // The length of the second record, behind the header and the first record of 8 bytes.
    batch[61 + 8] = 0x7f
    const rows = read(entryOf(sealed(batch), batchOf([value('d')])))
    assert.deepEqual(
      rows.map(({ offset, content, error }) => [
        offset,
        content?.equals(batch) === true ? 'batch' : content?.toString(),
        error !== '',
      ]),
      [
        [100, 'a', false],
        [101, 'batch', true],
        [103, 'd', false],
      ],
    )
  })

  it('are one row for a record that is larger than a row may be', () => {
    const batch = batchOf([{ timestamp: 1, key: null, value: Buffer.alloc(17 * 1024 * 1024) }], Codec.GZIP)
    const rows = read(entryOf(batch))
    assert.deepEqual([rows.length, rows[0]?.content?.length], [1, batch.length])
    assert.match(rows[0]?.error ?? '', /longer than 16777216 bytes/)
  })

  it('share the offset of their record and differ in their index, each with its own bytes', () => {
    const entry = entryOf(batchOf([value('[{"a":1},{"a":2}]'), value('{"a":3}')]))
    const places = (rows: ReturnType<typeof read>) =>
      rows.map(({ offset, index, content }) => [offset, index, content?.toString()])
    const expected = [
      [100, 0, '{"a":1}'],
      [100, 1, '{"a":2}'],
      [101, 0, '{"a":3}'],
    ]
    assert.deepEqual(places(read(entry)), expected)
    assert.deepEqual(places(read(entry, 100)), expected.slice(2))
  })

  it('are read as JSON where the topic or a header says so', () => {
    const text = new Decoder({ name: 'text' }, [])
    const array = Buffer.from('[{},{}]')
    const count = (headers: RecordInput['headers'], jsonTopic = false): number =>
      read({ ...entryOf(batchOf([{ timestamp: 1, key: null, value: array, headers: headers ?? [] }])), jsonTopic }, -1, text)
        .length
    assert.deepEqual(
      [
        count([]),
        count([], true),
        count([{ key: 'data-parse-format', value: Buffer.from('json') }]),
        count([{ key: 'data-parse-format', value: Buffer.from('xml') }]),
        count([{ key: 'data-parse-format', value: null }]),
      ],
      [1, 2, 2, 1, 1],
    )
  })

  it('have tags and fields of their own', () => {
    const logs = ['a=1 b=2', 'text', '<a>b</a>'].map(value)
    const [first, second, third] = read(entryOf(batchOf(logs)))
    assert.deepEqual([first?.fields, second?.fields, third?.fields], ['{"a":1,"b":2}', '', '{"a":"b"}'])
    assert.deepEqual([first?.tags, second?.tags], [['late'], ['late']])
  })

  describe('of a logstore that masks', () => {
    const decoder = new Decoder({ name: 'auto' }, [{ pattern: 's3cret', replacement: '***' }])

    it('are masked before they are read: value, fields, key and headers', () => {
      const headers = [{ key: 'h', value: Buffer.from('s3cret') }]
      const record = { timestamp: RECEIVED_MS, key: Buffer.from('s3cret'), value: Buffer.from('a=1 b="s3cret"'), headers }
      const [row] = read(entryOf(batchOf([record, value('plain')])), -1, decoder)
      assert.deepEqual(
        [row?.content?.toString(), row?.fields, row?.key?.toString(), row?.headers[0]?.value?.toString(), row?.tags],
        ['a=1 b="***"', '{"a":1,"b":"***"}', '***', '***', ['masked']],
      )
    })

    it('have no bytes of a batch that cannot be read, and say so', () => {
      const batch = batchOf([value('s3cret'), value('s3cret')])
      // The length of the second record.
      batch[61 + 13] = 0x7f
      const rows = read(entryOf(sealed(batch)), -1, decoder)
      assert.deepEqual(rows.map(({ content }) => content?.toString()), ['***', undefined]) // prettier-ignore
      assert.match(rows[1]?.error ?? '', /is broken.*; its bytes are withheld/)
      assert(!JSON.stringify(rows).includes('s3cret'))
    })

    it('have no bytes of a value that cannot be masked, and say so', () => {
      const [row] = read(
        entryOf(batchOf([{ timestamp: 1, key: null, value: Buffer.alloc(5 * 1024 * 1024, 's3cret') }])),
        -1,
        decoder,
      )
      assert.deepEqual([row?.content, row?.fields], [null, ''])
      assert.match(row?.error ?? '', /withheld: value/)
    })
  })
})

function value(text: string): RecordInput {
  return { timestamp: 1, key: null, value: Buffer.from(text) }
}

function batchOf(records: RecordInput[], codec: number = Codec.NONE): Buffer {
  return buildBatch({ records, codec } as Parameters<typeof buildBatch>[0])
}

/** A batch whose payload was changed, with the checksum made right again. */
function sealed(batch: Buffer): Buffer {
  batch.writeUInt32BE(crc32c(batch.subarray(ATTRIBUTES_POSITION)), 17)
  return batch
}

function entryOf(...buffers: Buffer[]): DecodedEntry {
  const records = Chunks.of(...buffers)
  const batches = []
  for (let position = 0; position < records.length; position += batches.at(-1)!.sizeInBytes)
    batches.push(readBatchHeader(records, position))
  const recordCount = batches.reduce((sum, batch) => sum + batch.recordCount, 0)
  const origin = { source: '127.0.0.1', clientId: 'test', accessKeyId: 'key' }
  const place = { logstoreId: randomUUID(), shard: 3, partition: 0, jsonTopic: false }
  return { number: 7, ...place, baseOffset: 100, recordCount, receivedMs: RECEIVED_MS, ...origin, records, batches }
}

/** The rows, copied: the generator fills one object again and again. */
function read(
  entry: DecodedEntry,
  storedOffset = -1,
  decoder = new Decoder({ name: 'auto' }, []),
): (Row & { content: Buffer | null })[] {
  return Array.from(rowsOf(entry, storedOffset, decoder), row => ({
    ...row,
    content: row.content === null ? null : Buffer.from(row.content),
  }))
}
