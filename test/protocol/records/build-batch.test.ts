import assert from 'node:assert/strict'
import { Chunks } from '../../../protocol/chunks.ts'
import { batchPayload } from '../../../protocol/records/batch.ts'
import { buildBatch, type BatchInput } from '../../../protocol/records/build-batch.ts'
import { checkBatches } from '../../../protocol/records/check-batches.ts'
import { Codec, decompress, isCompressor } from '../../../protocol/records/compression.ts'
import { readRecords } from '../../../protocol/records/records.ts'
import { type ExpectedBatch, readCases } from '../fixtures.ts'

/** Without what brokers write: leader epochs, attribute bits of theirs, and gaps where compaction took records. */
const isFromProducer = ({ attributes, partitionLeaderEpoch, recordCount, lastOffsetDelta }: ExpectedBatch): boolean =>
  (attributes & 0x68) === 0 && partitionLeaderEpoch === -1 && recordCount === lastOffsetDelta + 1

describe('buildBatch', () => {
  for (const { name, hex, expected } of readCases('batches')) {
    const batch = expected.batches![0]!
    if (!isFromProducer(batch)) continue
    it(`makes the bytes that Kafka makes: ${name}`, () => {
      assert.equal(buildBatch(inputOf(batch)).toString('hex'), hex)
    })
  }

  it('makes batches that are taken, with every codec', () => {
    const records = Array.from({ length: 100 }, (_, i) => ({
      timestamp: 1700000000000 + i,
      key: i % 2 === 0 ? null : `key ${i}`,
      value: `value ${i}`,
      headers: [{ key: 'data-parse-format', value: 'json' }],
    }))
    for (const codec of Object.values(Codec).filter(isCompressor)) {
      const chunks = Chunks.of(buildBatch({ records, codec, producerId: 7, producerEpoch: 1, baseSequence: 3 }))
      const check = checkBatches(chunks)
      assert.ok('batches' in check)
      const [header] = check.batches
      assert.ok(header)
      assert.equal(header.codec, codec)
      assert.deepEqual([header.producerId, header.producerEpoch, header.baseSequence], [7, 1, 3])
      const read = [...readRecords(header, decompress(codec, batchPayload(chunks, header).toBuffer(), 1e6))]
      assert.deepEqual(
        read.map(({ timestamp, key, value, headers }) => ({
          timestamp,
          key: key?.toString() ?? null,
          value: value?.toString(),
          headers: headers.map(header => ({ key: header.key, value: header.value?.toString() })),
        })),
        records,
      )
    }
  })

  it('does not pretend to know other codecs', () => {
    assert.throws(() => buildBatch({ records: [{ value: 'a' }], codec: 5 }), /batches are not built with codec 5/)
  })
})

function inputOf(batch: ExpectedBatch): BatchInput {
  const decode = (base64: string | null): Buffer | null => (base64 === null ? null : Buffer.from(base64, 'base64'))
  return {
    ...batch,
    records: batch.records!.map(({ timestamp, key, value, headers }) => ({
      timestamp,
      key: decode(key),
      value: decode(value),
      headers: headers.map(header => ({ key: header.key, value: decode(header.value) })),
    })),
  }
}
