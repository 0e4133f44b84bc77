/**
 * What the golden vectors do not have: unknown tags, null beside empty, compact lengths of two bytes, and how a refused version
 * of ApiVersions is answered.
 */
import assert from 'node:assert/strict'
import { encodeResponse } from '../../../protocol/headers.ts'
import { apiVersionsRequest, apiVersionsResponse, unsupportedApiVersions } from '../../../protocol/messages/api-versions.ts'
import { fetchResponse } from '../../../protocol/messages/fetch.ts'
import { metadataRequest, metadataResponse } from '../../../protocol/messages/metadata.ts'
import { produceRequest, produceResponse, type ProduceRequest } from '../../../protocol/messages/produce.ts'
import { inPieces } from '../fixtures.ts'

const hex = (digits: string): Buffer => Buffer.from(digits.replaceAll(' ', ''), 'hex')

describe('produce request', () => {
  it('skips unknown tags at every level', () => {
    const tags = '02 05 01 aa c801 02 bbbb'
    const partition = '00000003 02 ff' + tags
    const value = produceRequest.decode(hex(`00 0001 000003e8 02 02 61 02 ${partition} ${tags} ${tags}`), 9)
    const expected: ProduceRequest['topicData'][number]['partitionData'][number]['index'] = 3
    assert.equal(value.topicData[0]?.partitionData[0]?.index, expected)
    assert.deepEqual(value.topicData[0]?.partitionData[0]?.records?.toBuffer(), hex('ff'))
  })

  it('gives records as views of the frame, however long', () => {
    for (const version of [3, 9]) {
      const records = Buffer.alloc(100_000, 7)
      const frame = produceRequest.encode(
        { acks: -1, timeoutMs: 1000, topicData: [{ name: 'nginx', partitionData: [{ index: 0, records }] }] },
        version,
      )
      const value = produceRequest.decode(inPieces(frame, 16384), version)
      const { pieces, length } = value.topicData[0]!.partitionData[0]!.records!
      assert.equal(length, 100_000)
      assert.ok(pieces.every(piece => piece.buffer === frame.buffer))
    }
  })
})

describe('produce response', () => {
  it('can be given without the fields that have defaults', () => {
    const value = { responses: [{ name: 'a', partitionResponses: [{ index: 1, errorCode: 0, baseOffset: 5 }] }] }
    const [partition] = produceResponse.decode(produceResponse.encode(value, 10), 10).responses[0]!.partitionResponses
    assert.deepEqual(partition, {
      index: 1,
      errorCode: 0,
      baseOffset: 5,
      logAppendTimeMs: -1,
      logStartOffset: -1,
      recordErrors: [],
      errorMessage: null,
      currentLeader: { leaderId: -1, leaderEpoch: -1 },
    })
  })
})

describe('metadata request', () => {
  it('tells all topics from no topics', () => {
    for (const [version, none, all] of [
      [1, '00000000', 'ffffffff'],
      [9, '01 01 00 00 00', '00 01 00 00 00'],
    ] as const) {
      assert.deepEqual(metadataRequest.decode(hex(none), version).topics, [])
      assert.equal(metadataRequest.decode(hex(all), version).topics, null)
    }
    assert.deepEqual(metadataRequest.decode(hex('00000000'), 0).topics, [])
    assert.throws(() => metadataRequest.decode(hex('ffffffff'), 0), /null/)
  })

  it('allows a topic without a name from version 10 on', () => {
    const topic = '00000000000000000000000000000007' + '00' + '00'
    const value = metadataRequest.decode(hex(`02 ${topic} 01 00 00`), 11)
    assert.deepEqual(value.topics, [{ topicId: '00000000000000000000000000000007', name: null }])
    assert.throws(() => metadataRequest.decode(hex('02 00 00 01 00 00 00'), 9), /name/)
  })
})

describe('metadata response', () => {
  it('may lack the name of a topic in version 12 only', () => {
    const topics = [{ errorCode: 100, name: null, partitions: [] }]
    assert.equal(metadataResponse.decode(metadataResponse.encode({ brokers: [], topics }, 12), 12).topics[0]?.name, null)
    assert.throws(() => metadataResponse.encode({ brokers: [], topics }, 11), /topics\[\]\.name: null is not allowed/)
  })

  it('has more topics, and longer names, than a compact length of one byte can say', () => {
    for (const count of [126, 127, 128, 300]) {
      const topics = Array.from({ length: count }, (_, i) => ({ errorCode: 3, name: 'x'.repeat(i), partitions: [] }))
      const decoded = metadataResponse.decode(metadataResponse.encode({ brokers: [], topics }, 9), 9)
      assert.deepEqual(
        decoded.topics.map(topic => topic.name),
        topics.map(topic => topic.name),
      )
    }
  })
})

describe('fetch response', () => {
  it('tells null from empty', () => {
    const partition = { partitionIndex: 0, errorCode: 0, highWatermark: 0 }
    const partitions = [
      { ...partition, abortedTransactions: null, records: null },
      { ...partition, abortedTransactions: [], records: Buffer.alloc(0) },
    ]
    const decoded = fetchResponse.decode(fetchResponse.encode({ responses: [{ topic: 'a', partitions }] }, 11), 11)
    const [none, empty] = decoded.responses[0]!.partitions
    assert.equal(none?.abortedTransactions, null)
    assert.equal(none?.records, null)
    assert.deepEqual(empty?.abortedTransactions, [])
    assert.equal(empty?.records?.length, 0)
  })
})

describe('api versions', () => {
  it('skips unknown tags of newer clients', () => {
    assert.equal(apiVersionsRequest.decode(hex('0261 0262 01 07 03 010203'), 3).clientSoftwareName, 'a')
  })

  it('answers an unknown version in version 0, with its own range only (KIP-511)', () => {
    const announced = [
      { apiKey: 0, minVersion: 0, maxVersion: 10 },
      { apiKey: 18, minVersion: 0, maxVersion: 4 },
    ]
    const answer = encodeResponse(apiVersionsResponse, 0, 7, unsupportedApiVersions(announced))
    assert.deepEqual(answer, hex('00000010 00000007 0023 00000001 0012 0000 0004'))
  })
})
