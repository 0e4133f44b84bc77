import assert from 'node:assert/strict'
import { ApiKey } from '../../protocol/api-keys.ts'
import { describeRequest, describeResponse, explainRequest, explainResponse } from '../../protocol/explain.ts'
import { encodeRequest, encodeResponse } from '../../protocol/headers.ts'
import { type AnyMessage, apis } from '../../protocol/messages/apis.ts'
import { apiVersionsRequest, apiVersionsResponse } from '../../protocol/messages/api-versions.ts'
import { produceRequest, produceResponse } from '../../protocol/messages/produce.ts'
import { saslAuthenticateRequest, saslAuthenticateResponse } from '../../protocol/messages/sasl-authenticate.ts'
import { buildBatch } from '../../protocol/records/build-batch.ts'
import { readVectors } from './fixtures.ts'

const body = (frame: Buffer): Buffer => frame.subarray(4)

describe('explain', () => {
  it('prints a request field by field, its records as a summary', () => {
    const records = buildBatch({ records: [{ value: 'somebody’s log' }, { value: null }], codec: 1 })
    const frame = encodeRequest(produceRequest, 3, 4, 'sarama', {
      acks: 1,
      timeoutMs: 1000,
      topicData: [
        {
          name: 'nginx',
          partitionData: [
            { index: 0, records },
            { index: 1, records: null },
          ],
        },
      ],
    })
    assert.deepEqual(explainRequest(body(frame)).split('\n'), [
      'Produce request, version 3, correlation id 4, client "sarama"',
      '  transactionalId: null',
      '  acks: 1',
      '  timeoutMs: 1000',
      '  topicData[0].name: "nginx"',
      '  topicData[0].partitionData[0].index: 0',
      `  topicData[0].partitionData[0].records: ${records.length} bytes`,
      `    format 2, ${records.length} bytes, base offset 0, 2 records, gzip, checksum good, no producer id, no time`,
      '  topicData[0].partitionData[1]: index: 1, records: null',
    ])
  })

  it('prints a response', () => {
    const frame = encodeResponse(produceResponse, 1, 4, { responses: [], throttleTimeMs: 5 })
    assert.deepEqual(explainResponse(body(frame), ApiKey.Produce, 1).split('\n'), [
      'Produce response, version 1, correlation id 4',
      '  responses: []',
      '  throttleTimeMs: 5',
    ])
  })

  it('never prints credentials', () => {
    const authBytes = Buffer.from('\0web\0demoid#demosecret')
    const request = explainRequest(body(encodeRequest(saslAuthenticateRequest, 2, 1, null, { authBytes })))
    const answer = encodeResponse(saslAuthenticateResponse, 2, 1, { errorCode: 0, errorMessage: null, authBytes })
    const response = explainResponse(body(answer), ApiKey.SaslAuthenticate, 2)
    for (const printed of [request, response]) {
      assert.match(printed, /authBytes: "\(secret\)"/)
      assert.doesNotMatch(printed, /demo|web|#/)
    }
  })

  it('prints every message that is declared', () => {
    for (const { name, apiKey, request, response } of apis) {
      for (const vector of readVectors(name)) {
        const message: AnyMessage = vector.type === 'request' ? request : response
        const value = message.decode(Buffer.from(vector.hex, 'hex'), vector.version) as never
        const printed =
          vector.type === 'request'
            ? explainRequest(body(encodeRequest(message, vector.version, 1, null, value)))
            : explainResponse(body(encodeResponse(message, vector.version, 1, value)), apiKey, vector.version)
        assert.match(printed, new RegExp(`^${name} ${vector.type}, version ${vector.version}, correlation id 1`))
        assert.doesNotMatch(printed, /undefined|not decod/)
        for (const field of Object.keys(vector.value)) assert.match(printed, new RegExp(`^ {2}${field}\\b`, 'm'))
      }
    }
  })

  it('prints the answer to a version of ApiVersions that is not known as the oldest one that it is', () => {
    const frame = encodeResponse(apiVersionsResponse, 0, 3, {
      errorCode: 35,
      apiKeys: [{ apiKey: 18, minVersion: 0, maxVersion: 4 }],
    })
    assert.match(
      explainResponse(body(frame), ApiKey.ApiVersions, 99),
      /^ApiVersions response, version 0, correlation id 3\n {2}errorCode: 35 UNSUPPORTED_VERSION\n {2}apiKeys\[0\]: apiKey: 18 ApiVersions, minVersion: 0, maxVersion: 4$/,
    )
  })

  it('describes for programs what it prints for people', () => {
    const records = buildBatch({ records: [{ value: 'a log', key: Buffer.from([0xff]) }] })
    const request = {
      transactionalId: null,
      acks: 1,
      timeoutMs: 1,
      topicData: [{ name: 'nginx', partitionData: [{ index: 0, records }] }],
    }
    const { fields, ...header } = describeRequest(body(encodeRequest(produceRequest, 3, 4, null, request)), { records: true })
    assert.deepEqual(header, { api: 'Produce', version: 3, correlationId: 4, clientId: null })
    const { topicData } = fields as { topicData: { partitionData: { records: { batches: object[] } }[] }[] }
    const [batch] = topicData[0]!.partitionData[0]!.records.batches
    assert.deepEqual(batch, {
      format: 2,
      bytes: records.length,
      baseOffset: 0,
      codec: 'none',
      checksum: 'good',
      time: null,
      maxTime: null,
      count: 1,
      producerId: -1,
      producerEpoch: -1,
      baseSequence: -1,
      attributes: [],
      records: [{ time: null, key: { hex: 'ff' }, value: { text: 'a log' } }],
    })
    assert.deepEqual(describeResponse(Buffer.alloc(3), ApiKey.JoinGroup, 3), {
      api: 'JoinGroup',
      version: 3,
      problem: '3 bytes that are not decoded',
    })
  })

  it('prints what it can of frames that cannot be decoded', () => {
    const frame = body(encodeRequest(apiVersionsRequest, 0, 1, null, {}))
    assert.match(explainRequest(frame), /\n {2}\(no fields\)$/)
    assert.match(explainRequest(Buffer.concat([frame, Buffer.alloc(1)])), /^ApiVersions request.*\n {2}not decodable: /)
    assert.match(explainRequest(frame.subarray(0, 5)), /not decodable: request header at byte 4/)
    frame.writeInt16BE(99, 2)
    assert.match(explainRequest(frame), /^ApiVersions request, version 99.*\n {2}0 bytes that are not decoded$/)
    assert.match(explainResponse(Buffer.alloc(3), ApiKey.Produce, 3), /^Produce response, version 3\n {2}not decodable/)
    assert.match(explainResponse(Buffer.alloc(3), ApiKey.JoinGroup, 3), /^JoinGroup response.*\n {2}3 bytes/)
  })
})
