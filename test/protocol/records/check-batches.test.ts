/**
 * What is taken and what is refused, beside what Kafka 3.9.1 answers to the same bytes.
 */
import assert from 'node:assert/strict'
import { Chunks } from '../../../protocol/chunks.ts'
import { ErrorCode } from '../../../protocol/error-codes.ts'
import { type BatchHeader, setBaseOffset } from '../../../protocol/records/batch.ts'
import { buildBatch } from '../../../protocol/records/build-batch.ts'
import { checkBatches } from '../../../protocol/records/check-batches.ts'
import { Codec, codecName } from '../../../protocol/records/compression.ts'
import { crc32c } from '../../../protocol/records/crc32c.ts'
import { inPieces, readCases, type RecordsCase, themes } from '../fixtures.ts'

type ErrorName = keyof typeof ErrorCode

const KAFKA_TAKES_ONE_BATCH = 'Kafka takes one batch per partition, we take several, all or none'
const KAFKA_DROPS_A_CUT_BATCH = 'Kafka drops what follows the last whole batch; the producer would take it for stored'
const KAFKA_WANTS_BASE_OFFSET_0 = 'the base offset is overwritten, so it does not matter what it was'
const KAFKA_LOOKS_INSIDE =
  'the records are not looked into before the acknowledgement; the indexer makes a row of the broken batch'
const KAFKA_TAKES_ONE_WRAPPER = 'Kafka wants a wrapper to be alone; nothing is unclear about one among messages'
const OFFSETS_DO_NOT_MATTER = 'Kafka computes offsets from the wrapper’s; here the place of a message gives its offset'
const LZ4_HEADER_CHECKSUM = 'the checksum of the frame’s header is not looked at in any format'
const KAFKA_FAILS = 'Kafka does not catch what goes wrong there and answers UNKNOWN_SERVER_ERROR, which clients take for final'

/** Where our answer is not the broker's, and why. */
const differences: Readonly<Record<string, readonly [ErrorName, reason: string]>> = {
  'base offset': ['NONE', KAFKA_WANTS_BASE_OFFSET_0],
  'base offset is not under the CRC': ['NONE', KAFKA_WANTS_BASE_OFFSET_0],
  'base offset is not 0': ['NONE', KAFKA_WANTS_BASE_OFFSET_0],
  transactional: ['INVALID_RECORD', 'there are no transactions here'],
  'good, bad, good': ['CORRUPT_MESSAGE', KAFKA_TAKES_ONE_BATCH],
  'two batches': ['NONE', KAFKA_TAKES_ONE_BATCH],
  'two batches both from 0': ['NONE', KAFKA_TAKES_ONE_BATCH],
  'three batches, one compressed': ['NONE', KAFKA_TAKES_ONE_BATCH],
  'second batch cut to 1 bytes': ['CORRUPT_MESSAGE', KAFKA_DROPS_A_CUT_BATCH],
  'second batch cut to 11 bytes': ['CORRUPT_MESSAGE', KAFKA_DROPS_A_CUT_BATCH],
  'second batch cut to 12 bytes': ['CORRUPT_MESSAGE', KAFKA_DROPS_A_CUT_BATCH],
  'second batch cut to 16 bytes': ['CORRUPT_MESSAGE', KAFKA_DROPS_A_CUT_BATCH],
  'second batch cut to 17 bytes': ['CORRUPT_MESSAGE', KAFKA_DROPS_A_CUT_BATCH],
  'second batch cut to 60 bytes': ['CORRUPT_MESSAGE', KAFKA_DROPS_A_CUT_BATCH],
  'second batch cut to 61 bytes': ['CORRUPT_MESSAGE', KAFKA_DROPS_A_CUT_BATCH],
  'second batch lacks its last byte': ['CORRUPT_MESSAGE', KAFKA_DROPS_A_CUT_BATCH],
  'only batch lacks its last byte': ['CORRUPT_MESSAGE', KAFKA_DROPS_A_CUT_BATCH],
  'length beyond the end': ['CORRUPT_MESSAGE', KAFKA_DROPS_A_CUT_BATCH],
  'length 2147483647': ['CORRUPT_MESSAGE', KAFKA_FAILS],
  'codec 5': ['UNSUPPORTED_COMPRESSION_TYPE', KAFKA_FAILS],
  'codec 6': ['UNSUPPORTED_COMPRESSION_TYPE', KAFKA_FAILS],
  'codec 7': ['UNSUPPORTED_COMPRESSION_TYPE', KAFKA_FAILS],
  'count and last offset delta too small': ['NONE', KAFKA_LOOKS_INSIDE],
  'bytes after the last record': ['NONE', KAFKA_LOOKS_INSIDE],
  'bytes after the last compressed record': ['NONE', KAFKA_LOOKS_INSIDE],
  'last record cut': ['NONE', KAFKA_LOOKS_INSIDE],
  'last compressed record cut': ['NONE', KAFKA_LOOKS_INSIDE],
  'compressed count too large': ['NONE', KAFKA_LOOKS_INSIDE],
  'compressed count too small': ['NONE', KAFKA_LOOKS_INSIDE],
  'not compressed though it says so': ['NONE', KAFKA_LOOKS_INSIDE],
  'compressed though it says not': ['NONE', KAFKA_LOOKS_INSIDE],
  'record length -1': ['NONE', KAFKA_LOOKS_INSIDE],
  'record length one too large': ['NONE', KAFKA_LOOKS_INSIDE],
  'record length one too small': ['NONE', KAFKA_LOOKS_INSIDE],
  'record length beyond the batch': ['NONE', KAFKA_LOOKS_INSIDE],
  'record length as a varint of six bytes': ['NONE', KAFKA_LOOKS_INSIDE],
  'record key longer than the record': ['NONE', KAFKA_LOOKS_INSIDE],
  'record value longer than the record': ['NONE', KAFKA_LOOKS_INSIDE],
  'record header count -1': ['NONE', KAFKA_LOOKS_INSIDE],
  'record header count too large': ['NONE', KAFKA_LOOKS_INSIDE],
  'record header count 2147483647': ['NONE', KAFKA_LOOKS_INSIDE],
  'record header key null': ['NONE', KAFKA_LOOKS_INSIDE],
  'record header count missing': ['NONE', KAFKA_LOOKS_INSIDE],
  'gzip zlib': ['NONE', KAFKA_LOOKS_INSIDE],
  'gzip raw deflate': ['NONE', KAFKA_LOOKS_INSIDE],
  'gzip bad data checksum': ['NONE', KAFKA_LOOKS_INSIDE],
  'gzip bad length': ['NONE', KAFKA_LOOKS_INSIDE],
  'gzip cut': ['NONE', KAFKA_LOOKS_INSIDE],
  'gzip cut in the trailer': ['NONE', KAFKA_LOOKS_INSIDE],
  'snappy xerial cut in a block': ['NONE', KAFKA_LOOKS_INSIDE],
  'snappy xerial negative length': ['NONE', KAFKA_LOOKS_INSIDE],
  'snappy raw lying length': ['NONE', KAFKA_LOOKS_INSIDE],
  'snappy raw bad copy': ['NONE', KAFKA_LOOKS_INSIDE],
  'snappy framing format': ['NONE', KAFKA_LOOKS_INSIDE],
  'snappy empty': ['NONE', KAFKA_LOOKS_INSIDE],
  'lz4 dependent blocks flag': ['NONE', KAFKA_LOOKS_INSIDE],
  'lz4 no end mark': ['NONE', KAFKA_LOOKS_INSIDE],
  'lz4 two frames': ['NONE', KAFKA_LOOKS_INSIDE],
  'lz4 broken header checksum': ['NONE', KAFKA_LOOKS_INSIDE],
  'lz4 wrong header checksum': ['NONE', KAFKA_LOOKS_INSIDE],
  'lz4 wrong block checksum': ['NONE', KAFKA_LOOKS_INSIDE],
  'lz4 block larger than the maximum': ['NONE', KAFKA_LOOKS_INSIDE],
  'lz4 cut in a block': ['NONE', KAFKA_LOOKS_INSIDE],
  'lz4 skippable frame first': ['NONE', KAFKA_LOOKS_INSIDE],
  'lz4 bare block': ['NONE', KAFKA_LOOKS_INSIDE],
  'zstd wrong checksum': ['NONE', KAFKA_LOOKS_INSIDE],
  'zstd cut': ['NONE', KAFKA_LOOKS_INSIDE],
  'zstd garbage after the frame': ['NONE', KAFKA_LOOKS_INSIDE],
  'zstd wrong magic': ['NONE', KAFKA_LOOKS_INSIDE],
  'zstd window of 2^28': ['NONE', KAFKA_LOOKS_INSIDE],
  'zstd window of 2^31': ['NONE', KAFKA_LOOKS_INSIDE],
  'another codec than it says': ['NONE', KAFKA_LOOKS_INSIDE],
  'format 0 codec 7': ['UNSUPPORTED_COMPRESSION_TYPE', KAFKA_FAILS],
  'format 1 codec 7': ['UNSUPPORTED_COMPRESSION_TYPE', KAFKA_FAILS],
  'format 0 key longer than the message': ['CORRUPT_MESSAGE', KAFKA_FAILS],
  'format 0 value longer than the message': ['CORRUPT_MESSAGE', KAFKA_FAILS],
  'format 1 key longer than the message': ['CORRUPT_MESSAGE', KAFKA_FAILS],
  'format 1 value longer than the message': ['CORRUPT_MESSAGE', KAFKA_FAILS],
  'format 1 lz4 broken header checksum': ['NONE', LZ4_HEADER_CHECKSUM],
  'format 1 wrapper offset too small': ['NONE', OFFSETS_DO_NOT_MATTER],
  'messages and a wrapper of format 1': ['NONE', KAFKA_TAKES_ONE_WRAPPER],
}

describe('checkBatches', () => {
  const met = new Set<string>()

  for (const theme of themes) {
    for (const records of readCases(theme)) {
      const ours = differences[records.name]?.[0] ?? (records.broker.error as ErrorName)
      if (differences[records.name]) met.add(records.name)
      it(`answers ${ours} to ${theme}: ${records.name}`, () => {
        for (const pieceBytes of [1, 13, 16384]) {
          const received = inPieces(Buffer.from(records.hex, 'hex'), pieceBytes)
          const check = checkBatches(received)
          if ('errorCode' in check) assert.match(check.message, /^[a-z].*[^.]$/)
          else if (records.expected.batches![0]!.magic < 2) assert.deepEqual(checkBatches(check.records), check)
          else {
            assert.equal(check.records, received)
            assertHeaders(check.batches, records)
          }
          assert.equal('batches' in check ? ErrorCode.NONE : check.errorCode, ErrorCode[ours])
        }
      })
    }
  }

  it('has met every case that is listed as a difference', () => {
    assert.deepEqual([...met].sort(), Object.keys(differences).sort())
  })

  it('refuses null like no batch', () => {
    assert.deepEqual(checkBatches(null), checkBatches(Chunks.empty))
  })

  it('says which batch is wrong, and what is to be done', () => {
    const good = buildBatch({ records: [{ value: 'a' }] })
    const bad = Buffer.from(good)
    bad[bad.length - 1]! ^= 1
    assert.deepEqual(checkBatches(Chunks.of(good, bad)), {
      errorCode: ErrorCode.CORRUPT_MESSAGE,
      message: `record batch at byte ${good.length}: its checksum is wrong, it was damaged on the way; send it again`,
      recordIndex: 1,
    })
  })

  it('names no record where the reason concerns all of them', () => {
    const bad = buildBatch({ records: [{ value: 'a' }, { value: 'b' }] })
    bad[bad.length - 1]! ^= 1
    const check = checkBatches(Chunks.of(bad))
    assert.equal('errorCode' in check && check.recordIndex, undefined)
  })

  it('refuses a batch of more than a million records, however few bytes it has', () => {
    const withCount = (count: number) => {
      const batch = buildBatch({ records: [{ value: 'a' }], codec: Codec.GZIP })
      batch.writeInt32BE(count - 1, 23)
      batch.writeInt32BE(count, 57)
      batch.writeUInt32BE(crc32c(batch.subarray(21)), 17)
      return checkBatches(Chunks.of(batch))
    }
    assert.ok('batches' in withCount(1_000_000))
    const check = withCount(1_000_001)
    assert.equal('errorCode' in check && check.errorCode, ErrorCode.MESSAGE_TOO_LARGE)
  })

  it('refuses a producer id that cannot have been given out', () => {
    const batch = buildBatch({ records: [{ value: 'a' }], producerId: Number.MAX_SAFE_INTEGER, baseSequence: 0 })
    assert.ok('batches' in checkBatches(Chunks.of(batch)))
    batch.writeBigInt64BE(2n ** 53n, 43)
    batch.writeUInt32BE(crc32c(batch.subarray(21)), 17)
    const check = checkBatches(Chunks.of(batch))
    assert.equal('errorCode' in check && check.errorCode, ErrorCode.INVALID_RECORD)
  })

  it('refuses more records than can fit, so that a small batch cannot use up offsets', () => {
    const batch = buildBatch({ records: [{ value: null }, { value: null }] }) // 7 bytes each, the least there is
    assert.ok('batches' in checkBatches(Chunks.of(batch)))
    batch.writeInt32BE(2, 23)
    batch.writeInt32BE(3, 57)
    batch.writeUInt32BE(crc32c(batch.subarray(21)), 17)
    const check = checkBatches(Chunks.of(batch))
    assert.match('message' in check ? check.message : '', /3 records do not fit/)
  })

  it('refuses no records, also if the last offset delta agrees', () => {
    const batch = buildBatch({ records: [{ value: null }] })
    batch.writeInt32BE(-1, 23)
    batch.writeInt32BE(0, 57)
    batch.writeUInt32BE(crc32c(batch.subarray(21)), 17)
    const check = checkBatches(Chunks.of(batch))
    assert.match('message' in check ? check.message : '', /its record count is 0/)
  })

  it('notices any byte that is changed behind the checksum, and any batch that is cut', () => {
    const batch = buildBatch({ records: [{ value: 'a' }, { value: 'bc', key: 'k' }] })
    for (let position = 21; position < batch.length; position++) {
      const changed = Buffer.from(batch)
      changed[position]! ^= 0x10
      const check = checkBatches(Chunks.of(changed))
      assert.equal('errorCode' in check && check.errorCode, ErrorCode.CORRUPT_MESSAGE, `byte ${position}`)
    }
    for (let length = 1; length < batch.length; length++) {
      const check = checkBatches(Chunks.of(batch.subarray(0, length)))
      assert.equal('errorCode' in check && check.errorCode, ErrorCode.CORRUPT_MESSAGE, `cut to ${length}`)
    }
  })

  it('takes a base sequence without a producer id for one that says nothing, as kafkajs and ruby-kafka send it', () => {
    const batch = buildBatch({ records: [{ value: 'a' }], producerId: -1, producerEpoch: 0, baseSequence: 0 })
    const check = checkBatches(Chunks.of(batch))
    assert.equal('batches' in check && check.batches[0]?.producerId, -1)
  })

  it('takes a thousand batches of one partition, and not one more', () => {
    const batch = buildBatch({ records: [{ value: null }] })
    const check = checkBatches(Chunks.of(Buffer.concat(Array<Buffer>(1000).fill(batch))))
    assert.equal('batches' in check && check.batches.length, 1000)
    assert.deepEqual(checkBatches(Chunks.of(Buffer.concat(Array<Buffer>(1001).fill(batch)))), {
      errorCode: ErrorCode.INVALID_RECORD,
      message: 'there are more than 1000 record batches for this partition',
    })
  })

  it('finds its way through a batch that came in many small pieces', () => {
    const batch = buildBatch({ records: Array.from({ length: 50_000 }, () => ({ value: 'x'.repeat(100) })) })
    assert.ok('batches' in checkBatches(inPieces(batch, 100)))
  })

  it('leaves the bytes of a set alone that it converts', () => {
    const { hex } = readCases('message-sets').find(({ name }) => name === 'format 1 gzip few messages')!
    const set = Buffer.from(hex, 'hex')
    const check = checkBatches(Chunks.of(set))
    assert.ok('batches' in check)
    setBaseOffset(check.records, check.batches[0]!, 99)
    assert.equal(set.toString('hex'), hex)
  })
})

function assertHeaders(batches: readonly BatchHeader[], { expected }: RecordsCase): void {
  assert.equal(batches.length, expected.batches?.length)
  for (const [index, batch] of batches.entries()) {
    const { compression, ...fields } = expected.batches![index]!
    assert.equal(codecName(batch.codec), compression)
    for (const [name, value] of Object.entries(batch)) {
      if (name !== 'codec') assert.equal(value, fields[name as keyof typeof fields], name)
    }
  }
}
