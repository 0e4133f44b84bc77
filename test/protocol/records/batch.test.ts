import assert from 'node:assert/strict'
import { Chunks } from '../../../protocol/chunks.ts'
import { type BatchHeader, batchPayload, readBatchHeader, setBaseOffset } from '../../../protocol/records/batch.ts'
import { buildBatch } from '../../../protocol/records/build-batch.ts'
import { checkBatches } from '../../../protocol/records/check-batches.ts'
import { inPieces } from '../fixtures.ts'

describe('batch', () => {
  it('timestamps saturate where nanoseconds were sent by mistake', () => {
    const batch = buildBatch({ records: [{ value: 'a', timestamp: 1 }] })
    batch.writeBigInt64BE(1700000000000000000n, 27)
    batch.writeBigInt64BE(-(2n ** 63n), 35)
    const header = readBatchHeader(Chunks.of(batch), 0)
    assert.equal(header.baseTimestamp, Number.MAX_SAFE_INTEGER)
    assert.equal(header.maxTimestamp, Number.MIN_SAFE_INTEGER)
  })

  it('takes a base offset in place, outside the checksum, also across pieces', () => {
    for (const pieceBytes of [1, 5, 16384]) {
      const bytes = Buffer.concat([buildBatch({ records: [{ value: 'a' }] }), buildBatch({ records: [{ value: 'b' }] })])
      const chunks = inPieces(bytes, pieceBytes)
      const offsets = [7_000_000_000, 7_000_000_001]
      headersOf(chunks).forEach((header, index) => setBaseOffset(chunks, header, offsets[index]!))
      assert.deepEqual(
        headersOf(Chunks.of(bytes)).map(header => header.baseOffset),
        offsets,
      )
    }
  })

  it('gives its payload, without header and neighbours', () => {
    const batches = ['one', 'two'].map(value => buildBatch({ records: [{ value }] }))
    const chunks = inPieces(Buffer.concat(batches), 10)
    const payloads = headersOf(chunks).map(header => batchPayload(chunks, header).toBuffer())
    assert.deepEqual(
      payloads,
      batches.map(batch => batch.subarray(61)),
    )
  })
})

function headersOf(chunks: Chunks): readonly BatchHeader[] {
  const check = checkBatches(chunks)
  assert.ok('batches' in check)
  return check.batches
}
