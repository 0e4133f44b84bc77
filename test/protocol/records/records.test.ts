/**
 * The records that Kafka's own reader sees, from the same bytes.
 */
import assert from 'node:assert/strict'
import * as zlib from 'node:zlib'
import { Chunks } from '../../../protocol/chunks.ts'
import { type BatchHeader, batchPayload, readBatchHeader } from '../../../protocol/records/batch.ts'
import { buildBatch } from '../../../protocol/records/build-batch.ts'
import { decompress } from '../../../protocol/records/compression.ts'
import { RecordsError } from '../../../protocol/records/records-error.ts'
import { readRecords } from '../../../protocol/records/records.ts'
import { type ExpectedBatch, readCases, themes } from '../fixtures.ts'
import { forRandom } from '../random.ts'
import { asExpected, withoutTime } from './expected.ts'

const LIMIT_BYTES = 65 * 1024 * 1024
const LOG_APPEND_TIME = 'LogAppendTime'

describe('readRecords', () => {
  for (const theme of themes) {
    for (const { name, hex, expected } of readCases(theme)) {
      for (const batch of (expected.batches ?? []).filter(batch => batch.crcValid && batch.magic === 2)) {
        it(`reads ${theme}: ${name}, at byte ${batch.position}`, () => checkBatch(Buffer.from(hex, 'hex'), batch, name))
      }
    }
  }

  it('gives keys and values as views of the payload', () => {
    const { header, payload } = open(buildBatch({ records: [{ value: 'value', key: 'key' }] }))
    const [record] = readRecords(header, payload)
    assert.equal(record?.value?.buffer, payload.buffer)
    payload.fill('x')
    assert.equal(`${record?.key} ${record?.value}`, 'xxx xxxxx')
  })

  it('gives the records before the one that is broken, and says which that is', () => {
    const { header, payload } = open(buildBatch({ records: [{ value: 'good' }, { value: 'secret' }, { value: 'good' }] }))
    payload[11] = 1 // the length of the second record
    const read: string[] = []
    assert.throws(
      () => {
        for (const { value } of readRecords(header, payload)) read.push(String(value))
      },
      (error: Error) => {
        assert.ok(error instanceof RecordsError)
        assert.match(error.message, /^record 1 of 3 is broken: /)
        assert.doesNotMatch(error.message, /secret/)
        return true
      },
    )
    assert.deepEqual(read, ['good'])
  })

  it('refuses a record of more headers than anybody writes', () => {
    const withHeaders = (count: number) => {
      const headers = Array.from({ length: count }, () => ({ key: '', value: null }))
      const { header, payload } = open(buildBatch({ records: [{ value: 'a', headers }] }))
      return [...readRecords(header, payload)]
    }
    assert.equal(withHeaders(10_000)[0]?.headers.length, 10_000)
    assert.throws(() => withHeaders(10_001), /record 0 of 1 is broken: .* 10001 headers, at most 10000 are read/)
  })

  it('believes neither the length nor the header count of a record before it has looked', () => {
    const batch = buildBatch({ records: [{ value: null }, { value: null }, { value: null }] })
    for (const [position, byte, problem] of [
      [0, 0x7e, /a record of 63 bytes$/],
      [0, 0x01, /a record of -1 bytes$/],
      [6, 0x02, /a record of 1 headers$/],
      [6, 0x01, /a record of -1 headers$/],
    ] as const) {
      const { header, payload } = open(Buffer.from(batch))
      payload[position] = byte
      assert.throws(() => [...readRecords(header, payload)], problem)
    }
  })

  it('saturates timestamps', () => {
    const { header, payload } = open(
      buildBatch({
        records: [
          { value: 'a', timestamp: 5 },
          { value: 'b', timestamp: 9 },
        ],
      }),
    )
    const timestamps = (baseTimestamp: number) =>
      [...readRecords({ ...header, baseTimestamp }, payload)].map(record => record.timestamp)
    assert.deepEqual(timestamps(5), [5, 9])
    assert.deepEqual(timestamps(Number.MAX_SAFE_INTEGER), [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER])
  })

  it('ignores the log-append-time bit, which Kafka’s reader heeds', () => {
    const records = [
      { value: 'a', timestamp: 5 },
      { value: 'b', timestamp: 9 },
    ]
    const { header, payload } = open(buildBatch({ records, attributes: 0x08 }))
    assert.deepEqual(
      [...readRecords(header, payload)].map(record => record.timestamp),
      [5, 9],
    )
  })

  it('answers broken bytes with records or a RecordsError, nothing else', () => {
    let broken = 0
    forRandom(2000, random => {
      const records = Array.from({ length: 1 + random.below(5) }, () => ({
        timestamp: random.int(40),
        key: random.pick([null, random.bytes(random.below(10))]),
        value: random.pick([null, random.bytes(random.below(100))]),
        headers: Array.from({ length: random.below(3) }, () => ({ key: 'é', value: random.pick([null, 'x']) })),
      }))
      const { header, payload } = open(buildBatch({ records }))
      payload[random.below(payload.length)] = random.pick([0, 0xff, 0x7f, 0x80, random.below(256)])
      try {
        assert.ok([...readRecords(header, payload)].length === records.length)
      } catch (error) {
        assert.ok(error instanceof RecordsError, String(error))
        broken++
      }
    })
    assert.ok(broken > 0 || process.env.SLUICE_SEED !== undefined)
  })
})

function open(batch: Buffer): { header: BatchHeader; payload: Buffer } {
  const chunks = Chunks.of(batch)
  const header = readBatchHeader(chunks, 0)
  return { header, payload: decompress(header.codec, batchPayload(chunks, header).toBuffer(), LIMIT_BYTES) }
}

/** Where we see something else than Kafka, and why. */
const differences: Readonly<Record<string, readonly ['read' | 'refused', reason: string]>> = {
  'gzip garbage after the member': [
    'refused',
    'Kafka does not look behind the last member; that it is no gzip is worth an error',
  ],
  'count 0': ['refused', 'Kafka believes the count and does not look at the three records that are there'],
  'lz4 dependent blocks flag': ['read', 'Kafka cannot, though kafka-python writes them in large batches'],
  'lz4 two frames': ['read', 'Kafka stops after the first frame and misses records'],
  'lz4 broken header checksum': ['read', 'the checksums of a frame are not looked at, the batch has its own'],
  'lz4 wrong header checksum': ['read', 'the checksums of a frame are not looked at, the batch has its own'],
  'lz4 wrong block checksum': ['read', 'the checksums of a frame are not looked at, the batch has its own'],
  // Kafka refuses it because the window would have to be kept; Node's own zstd too.
  ...(!('zstdDecompressSync' in zlib) && {
    'zstd window of 2^28': ['read', 'without Node’s own zstd the output is the window, so its size costs nothing'],
  }),
}

/** What a case holds that Kafka has no records for: those of every case that differs only in how it is compressed. */
const usual = readCases('codec-variants').find(({ name }) => name === 'snappy raw')!.expected.batches![0]!.records!

function checkBatch(bytes: Buffer, expected: ExpectedBatch, name: string): void {
  const read = () => {
    const { header, payload } = open(bytes.subarray(expected.position, expected.position + expected.sizeInBytes))
    return [...readRecords(header, payload)]
  }
  const [outcome] = differences[name] ?? [expected.error ? 'refused' : 'read']
  if (outcome === 'refused') {
    assert.throws(read, RecordsError)
  } else if (expected.keyAndValueBytes !== undefined) {
    const lengths = read().map(({ key, value }) => (key?.length ?? 0) + (value?.length ?? 0))
    assert.deepEqual(lengths, [expected.keyAndValueBytes])
  } else if (expected.timestampType === LOG_APPEND_TIME) {
    // Kafka gives all records maxTimestamp; we do not heed the bit, so the time is the producer's.
    assert.deepEqual(read().map(asExpected).map(withoutTime), expected.records?.map(withoutTime))
  } else {
    assert.deepEqual(read().map(asExpected), expected.records ?? usual)
  }
}
