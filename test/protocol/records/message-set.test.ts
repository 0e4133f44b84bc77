/**
 * What Kafka's reader sees in message sets of formats 0 and 1, from the batches that they are converted to.
 */
import assert from 'node:assert/strict'
import { crc32, gzipSync } from 'node:zlib'
import { Chunks } from '../../../protocol/chunks.ts'
import { ErrorCode } from '../../../protocol/error-codes.ts'
import { BATCH_HEADER_BYTES, readBatchHeader } from '../../../protocol/records/batch.ts'
import { checkBatches } from '../../../protocol/records/check-batches.ts'
import { Codec, decompress } from '../../../protocol/records/compression.ts'
import { conversionBudget, convertMessageSet } from '../../../protocol/records/message-set.ts'
import { readRecords } from '../../../protocol/records/records.ts'
import { RecordsError } from '../../../protocol/records/records-error.ts'
import { type ExpectedRecord, inPieces, readCases, themes } from '../fixtures.ts'
import { forRandom } from '../random.ts'
import { asExpected, withoutTime } from './expected.ts'

const LIMIT_BYTES = 16 * 1024 * 1024

describe('convertMessageSet', () => {
  for (const theme of themes) {
    for (const { name, hex, expected } of readCases(theme)) {
      const batches = expected.batches ?? []
      const set = Buffer.from(hex, 'hex')
      if (batches.length === 0 || batches.some(({ magic }) => magic === 2) || 'errorCode' in checkBatches(Chunks.of(set)))
        continue
      it(`reads ${theme}: ${name}`, () => {
        for (const pieceBytes of [1, 13, 16384]) {
          const records = read(convertMessageSet(inPieces(set, pieceBytes), conversionBudget({ leftBytes: LIMIT_BYTES })))
          // Kafka's reader gives all messages of a wrapper its time if the log-append-time bit is set; we do not heed the bit.
          const isTimeOurs = batches.some(({ timestampType }) => timestampType === 'LogAppendTime')
          const comparable = (record: ExpectedRecord) => (isTimeOurs ? withoutTime(record) : record)
          if (batches[0]!.keyAndValueBytes !== undefined) {
            const bytes = records.map(({ key, value }) => Buffer.from(`${key ?? ''}${value ?? ''}`, 'base64').length)
            assert.deepEqual(bytes, [batches[0]!.keyAndValueBytes])
          } else if (!batches.some(({ error }) => error)) {
            const theirs = batches.flatMap(batch => batch.records!).map((record, offset) => ({ ...record, offset }))
            assert.deepEqual(records.map(comparable), theirs.map(comparable))
          }
        }
      })
    }
  }

  it('takes the messages of wrappers whatever their offsets say', () => {
    const messages = (offsets: readonly number[]) => offsets.map((offset, i) => message({ offset, value: `${i}` }))
    for (const offsets of [
      [0, 1, 2],
      [0, 0, 0],
      [1000, 1001, 1002],
      [7, 3, 5],
    ]) {
      assert.deepEqual(valuesOf(wrapper(...messages(offsets))), ['0', '1', '2'])
    }
  })

  it('takes messages and wrappers of both formats in one set, in their order', () => {
    const set = [
      message({ magic: 0, value: 'a' }),
      wrapper(message({ value: 'b' }), message({ value: 'c' })),
      message({ value: 'd' }),
      wrapper(message({ value: 'e' })),
    ]
    assert.deepEqual(valuesOf(...set), ['a', 'b', 'c', 'd', 'e'])
  })

  it('keeps null and empty apart, in keys and in values', () => {
    const records = read(convert(message({ key: null, value: '' }), message({ key: '', value: null })))
    assert.deepEqual(
      records.map(({ key, value }) => [key, value]),
      [
        [null, ''],
        ['', null],
      ],
    )
  })

  it('gives format 0 no time, and format 1 the time of the message, whatever the wrapper says', () => {
    const times = (...set: Buffer[]) => read(convert(...set)).map(({ timestamp }) => timestamp)
    assert.deepEqual(times(message({ magic: 0, value: 'a' })), [-1])
    assert.deepEqual(times(message({ value: 'a', timestamp: 5n }), message({ value: 'b', timestamp: 3n })), [5, 3])
    const inner = [message({ value: 'a', timestamp: 5n })]
    assert.deepEqual(times(wrapperOf(inner, { timestamp: 99n })), [5])
    assert.deepEqual(times(wrapperOf(inner, { timestamp: 99n, attributes: Codec.GZIP | LOG_APPEND_TIME })), [5])
    assert.deepEqual(times(message({ value: 'a', timestamp: 5n, attributes: LOG_APPEND_TIME })), [5])
  })

  it('saturates times in nanoseconds, and takes no time below zero for one', () => {
    const timestamps = [-1n, 2n ** 63n - 1n, -(2n ** 63n), 1_700_000_000_000_000_000n, -2n, 0n]
    const batch = convert(...timestamps.map(timestamp => message({ value: 'a', timestamp })))
    const [none, ...others] = read(batch).map(({ timestamp }) => timestamp)
    assert.equal(none, -1)
    // One less than the largest number: the difference to the -1 before would not fit.
    assert.deepEqual(others, [Number.MAX_SAFE_INTEGER - 1, -1, Number.MAX_SAFE_INTEGER - 1, -1, 0])
    assert.equal(readBatchHeader(Chunks.of(batch), 0).maxTimestamp, Number.MAX_SAFE_INTEGER)
  })

  it('makes a batch that says nothing of a producer', () => {
    const header = readBatchHeader(Chunks.of(convert(message({ value: 'a' }), message({ value: 'b' }))), 0)
    const { baseOffset, producerId, producerEpoch, baseSequence, lastOffsetDelta, recordCount, attributes } = header
    assert.deepEqual([baseOffset, producerId, producerEpoch, baseSequence], [0, -1, -1, -1])
    assert.deepEqual([lastOffsetDelta, recordCount, attributes], [1, 2, 0])
  })

  it('compresses again what was compressed, so that a bomb stays small', () => {
    const bomb = wrapper(message({ value: '\0'.repeat(8 * 1024 * 1024) }))
    const batch = convert(bomb)
    assert.ok(batch.length < 5 * bomb.length, `${bomb.length} to ${batch.length}`)
    assert.equal(readBatchHeader(Chunks.of(batch), 0).codec, Codec.GZIP)
    assert.equal(readBatchHeader(Chunks.of(convert(message({ value: 'a' }), bomb)), 0).codec, Codec.GZIP)
  })

  describe('with a budget', () => {
    const inner = message({ value: 'x'.repeat(1000) })

    it('counts down what it decompresses', () => {
      const budget = conversionBudget({ leftBytes: 5000 })
      convertMessageSet(Chunks.of(wrapper(inner), wrapper(inner, inner)), budget)
      assert.equal(budget.leftBytes, 5000 - 3 * inner.length)
      convertMessageSet(Chunks.of(inner), budget)
      assert.equal(budget.leftBytes, 5000 - 3 * inner.length)
    })

    it('takes as much as is left, and no byte more', () => {
      convertMessageSet(Chunks.of(wrapper(inner), wrapper(inner)), conversionBudget({ leftBytes: 2 * inner.length }))
      for (const leftBytes of [2 * inner.length - 1, inner.length, 1, 0]) {
        const budget = conversionBudget({ leftBytes })
        assertRefused(Chunks.of(wrapper(inner), wrapper(inner)), 'MESSAGE_TOO_LARGE', /too much|longer than/, budget)
      }
    })

    it('has spent half of what was left on what cannot be decompressed, and leaves the other half to others', () => {
      const budget = conversionBudget({ leftBytes: 5000 })
      const broken = message({ attributes: Codec.GZIP, value: gzipSync(inner).subarray(0, -1) })
      assertRefused(Chunks.of(broken), 'CORRUPT_MESSAGE', /broken gzip/, budget)
      assert.equal(budget.leftBytes, 2500)
      convertMessageSet(Chunks.of(wrapper(inner)), budget)
      assert.equal(budget.leftBytes, 2500 - inner.length)
    })
  })

  it('takes as many messages as the budget of the request allows, and not one more', () => {
    const messages = (count: number) => wrapperOf(Array<Buffer>(count).fill(message({ magic: 0, value: null })), { magic: 0 })
    const batch = convertMessageSet(Chunks.of(messages(200_000)), conversionBudget())
    assert.equal(readBatchHeader(Chunks.of(batch), 0).recordCount, 200_000)
    assertRefused(
      Chunks.of(messages(200_001)),
      'MESSAGE_TOO_LARGE',
      /more than 200000 messages of an old format/,
      conversionBudget(),
    )
    const budget = conversionBudget({ leftMessages: 3 })
    convertMessageSet(Chunks.of(messages(2)), budget)
    assertRefused(Chunks.of(messages(2)), 'MESSAGE_TOO_LARGE', /send fewer at once/, budget)
  })

  it('leaves out a last message that is cut, outside and inside', () => {
    const [first, last] = [message({ value: 'a' }), message({ value: 'b' })]
    for (let length = 0; length < last.length; length++) {
      const cut = last.subarray(0, length)
      assert.deepEqual(valuesOf(first, cut), ['a'], `cut to ${length}`)
      assert.deepEqual(valuesOf(wrapperOf([first, cut])), ['a'], `cut inside to ${length}`)
    }
  })

  it('refuses a set without a whole message', () => {
    const only = message({ value: 'a' })
    for (let length = 17; length < only.length; length++) {
      assertRefused(Chunks.of(only.subarray(0, length)), 'INVALID_RECORD', /no whole message/)
    }
  })

  it('notices any byte that is changed behind the checksum, also in a wrapper', () => {
    const good = message({ key: 'key', value: 'value' })
    for (let position = 17; position < good.length; position++) {
      const changed = Buffer.from(good)
      changed[position]! ^= 0x10
      assertRefused(Chunks.of(good, changed), 'CORRUPT_MESSAGE', /checksum is wrong/)
      assertRefused(Chunks.of(wrapper(good, changed)), 'CORRUPT_MESSAGE', /checksum is wrong/)
    }
  })

  it('refuses the whole set for one bad message, and says where that is', () => {
    const good = message({ value: 'secret' })
    const bad = Buffer.from(good)
    bad[bad.length - 1]! ^= 1
    assert.deepEqual(checkBatches(Chunks.of(good, bad, good)), {
      errorCode: ErrorCode.CORRUPT_MESSAGE,
      message: `message before byte ${2 * good.length}: its checksum is wrong, it was damaged on the way; send it again`,
      recordIndex: 1,
    })
  })

  it('refuses lengths that lie', () => {
    for (const [keyLength, valueLength] of [
      [4, 5],
      [3, 6],
      [2 ** 31 - 1, 5],
    ] as const) {
      const lying = message({ key: 'key', value: 'value' })
      lying.writeInt32BE(keyLength, 26)
      lying.writeInt32BE(valueLength, 33)
      assertRefused(Chunks.of(sealed(lying)), 'CORRUPT_MESSAGE', /do not fit into its size/)
    }
    for (const size of [-1, 0, 13]) {
      const lying = message({ value: 'value' })
      lying.writeInt32BE(size, 8)
      assertRefused(Chunks.of(lying), 'CORRUPT_MESSAGE', /size of -?\d+ bytes is too small/)
    }
  })

  it('takes any negative length for null', () => {
    const odd = message({ key: null, value: null })
    odd.writeInt32BE(-2, 26)
    odd.writeInt32BE(-(2 ** 31), 30)
    const [record] = read(convert(sealed(odd)))
    assert.deepEqual([record?.key, record?.value], [null, null])
  })

  it('refuses wrappers that make no sense', () => {
    const inner = message({ value: 'a' })
    assertRefused(Chunks.of(wrapper(wrapper(inner))), 'INVALID_RECORD', /inside another/)
    assertRefused(Chunks.of(wrapper(message({ magic: 0, value: 'a' }))), 'INVALID_RECORD', /format 0 is inside one of format 1/)
    assertRefused(Chunks.of(wrapper()), 'INVALID_RECORD', /holds none/)
    assertRefused(Chunks.of(message({ attributes: Codec.GZIP, value: null })), 'INVALID_RECORD', /no value/)
    assertRefused(Chunks.of(message({ attributes: Codec.ZSTD, value: 'a' })), 'INVALID_RECORD', /zstd needs message format 2/)
    assertRefused(Chunks.of(message({ attributes: 6, value: 'a' })), 'UNSUPPORTED_COMPRESSION_TYPE', /codec 6/)
  })

  it('answers any damage with a batch or a RecordsError, nothing else', () => {
    forRandom(2000, random => {
      const set = Buffer.concat([
        message({ key: 'k', value: random.bytes(random.below(50)) }),
        wrapper(message({ value: 'a' }), message({ value: 'b' })),
        message({ magic: 0, key: 'k', value: null }),
      ])
      set[random.below(set.length)] = random.pick([0, 0xff, 0x7f, 0x80, random.below(256)])
      try {
        assert.ok(read(convert(set)).length <= 4)
      } catch (error) {
        assert.ok(error instanceof RecordsError, String(error))
      }
    })
  })
})

const LOG_APPEND_TIME = 0x08

interface MessageInput {
  offset?: number
  magic?: 0 | 1
  attributes?: number
  timestamp?: bigint
  key?: string | null
  value: string | Buffer | null
}

function message({ offset = 0, magic = 1, attributes = 0, timestamp = -1n, key = null, value }: MessageInput): Buffer {
  const head = Buffer.alloc(magic === 0 ? 18 : 26)
  head.writeBigInt64BE(BigInt(offset), 0)
  head.writeInt8(magic, 16)
  head.writeInt8(attributes, 17)
  if (magic === 1) head.writeBigInt64BE(timestamp, 18)
  const bytes = Buffer.concat([head, ...content(key), ...content(value)])
  bytes.writeInt32BE(bytes.length - 12, 8)
  return sealed(bytes)
}

function content(value: string | Buffer | null): Buffer[] {
  const length = Buffer.alloc(4)
  length.writeInt32BE(value === null ? -1 : Buffer.byteLength(value))
  return [length, Buffer.from(value ?? '')]
}

/** Writes the right checksum into a message. */
function sealed(bytes: Buffer): Buffer {
  bytes.writeUInt32BE(crc32(bytes.subarray(16)), 12)
  return bytes
}

function wrapper(...messages: readonly Buffer[]): Buffer {
  return wrapperOf(messages)
}

function wrapperOf(messages: readonly Buffer[], fields: Partial<MessageInput> = {}): Buffer {
  return message({ attributes: Codec.GZIP, value: gzipSync(Buffer.concat(messages), { level: 1 }), ...fields })
}

function convert(...set: Buffer[]): Buffer {
  return convertMessageSet(Chunks.of(...set), conversionBudget({ leftBytes: LIMIT_BYTES }))
}

function read(batch: Buffer): ExpectedRecord[] {
  const header = readBatchHeader(Chunks.of(batch), 0)
  const payload = decompress(header.codec, batch.subarray(BATCH_HEADER_BYTES), LIMIT_BYTES)
  return [...readRecords(header, payload)].map(asExpected)
}

function valuesOf(...set: Buffer[]): (string | null)[] {
  return read(convert(...set)).map(({ value }) => value && Buffer.from(value, 'base64').toString())
}

function assertRefused(
  set: Chunks,
  error: keyof typeof ErrorCode,
  message: RegExp,
  budget = conversionBudget({ leftBytes: LIMIT_BYTES }),
): void {
  assert.throws(
    () => convertMessageSet(set, budget),
    (thrown: Error) => {
      assert.ok(thrown instanceof RecordsError, String(thrown))
      assert.match(thrown.message, message)
      assert.doesNotMatch(thrown.message, /secret/)
      assert.equal(thrown.errorCode, ErrorCode[error])
      return true
    },
  )
}
