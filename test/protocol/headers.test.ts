import assert from 'node:assert/strict'
import { ApiKey } from '../../protocol/api-keys.ts'
import {
  decodeRequestHeader,
  decodeResponse,
  encodeRequest,
  encodeResponse,
  requestHeaderVersion,
  responseHeaderVersion,
} from '../../protocol/headers.ts'
import { apiVersionsRequest, apiVersionsResponse } from '../../protocol/messages/api-versions.ts'
import { apis } from '../../protocol/messages/apis.ts'
import { initProducerIdResponse } from '../../protocol/messages/init-producer-id.ts'
import { saslHandshakeRequest, saslHandshakeResponse } from '../../protocol/messages/sasl-handshake.ts'
import { ProtocolError } from '../../protocol/protocol-error.ts'
import { Reader } from '../../protocol/reader.ts'
import { inPieces, readVectors } from './fixtures.ts'

const hex = (digits: string): Buffer => Buffer.from(digits.replaceAll(' ', ''), 'hex')

describe('headers', () => {
  it('have the version that Kafka uses, for every message', () => {
    for (const { name, apiKey } of apis) {
      for (const { type, version, headerVersion } of readVectors(name)) {
        const ours = type === 'request' ? requestHeaderVersion(apiKey, version) : responseHeaderVersion(apiKey, version)
        assert.equal(ours, headerVersion, `${name} ${type} ${version}`)
      }
    }
  })

  for (const vector of readVectors('Header').filter(({ type }) => type === 'request')) {
    it(`of requests are read in version ${vector.version}, ${vector.sample}`, () => {
      // The vectors name APIs and versions that do not have the header that they show, so others take their place.
      const apiVersion = vector.version === 2 ? 3 : 0
      const bytes = Buffer.from(vector.hex, 'hex')
      bytes.writeInt16BE(ApiKey.ApiVersions, 0)
      bytes.writeInt16BE(apiVersion, 2)
      const { correlationId, clientId } = vector.value
      for (const source of [bytes, inPieces(bytes, 1)]) {
        const reader = new Reader(source)
        assert.deepEqual(decodeRequestHeader(reader), { apiKey: ApiKey.ApiVersions, apiVersion, correlationId, clientId })
        reader.end()
      }
      for (let length = 0; length < bytes.length; length++) {
        assert.throws(() => decodeRequestHeader(new Reader(bytes.subarray(0, length))), ProtocolError)
      }
      const frame = encodeRequest(apiVersionsRequest, apiVersion, correlationId as number, clientId as string | null, {})
      assert.deepEqual(frame.subarray(4, 4 + bytes.length), bytes)
    })
  }

  for (const vector of readVectors('Header').filter(({ type }) => type === 'response')) {
    it(`of responses are written and read in version ${vector.version}, ${vector.sample}`, () => {
      const apiVersion = vector.version === 1 ? 2 : 0
      const value = { errorCode: 0, producerId: 4000, producerEpoch: 0 }
      const correlationId = vector.value['correlationId'] as number
      const frame = encodeResponse(initProducerIdResponse, apiVersion, correlationId, value)
      assert.equal(frame.readInt32BE(), frame.length - 4)
      assert.equal(frame.subarray(4, 4 + vector.hex.length / 2).toString('hex'), vector.hex)
      const decoded = decodeResponse(initProducerIdResponse, apiVersion, frame.subarray(4))
      assert.equal(decoded.correlationId, correlationId)
      assert.equal(decoded.value.producerId, 4000)
    })
  }

  it('keep the classic client id and skip unknown tags in flexible requests', () => {
    const reader = new Reader(hex('0012 0003 00000001 0002 6162 01 05 02 ffff 01 01 00'))
    reader.flexible = true
    assert.equal(decodeRequestHeader(reader).clientId, 'ab')
    assert.deepEqual(apiVersionsRequest.decode(reader, 3), { clientSoftwareName: '', clientSoftwareVersion: '' })
  })

  it('are read as far as every version has them where the API or version is unknown', () => {
    for (const [apiKey, apiVersion] of [
      [ApiKey.ApiVersions, 5],
      [ApiKey.JoinGroup, 9],
      [ApiKey.Produce, -1],
    ] as const) {
      const bytes = hex('0000 0000 00000001 0001 61 ffffff')
      bytes.writeInt16BE(apiKey, 0)
      bytes.writeInt16BE(apiVersion, 2)
      const reader = new Reader(bytes)
      assert.deepEqual(decodeRequestHeader(reader), { apiKey, apiVersion, correlationId: 1, clientId: 'a' })
      assert.equal(reader.remaining, 3)
    }
  })

  it('make whole frames with the body', () => {
    assert.deepEqual(
      encodeRequest(saslHandshakeRequest, 1, 5, 'me', { mechanism: 'PLAIN' }),
      hex('00000013 0011 0001 00000005 0002 6d65 0005 504c41494e'),
    )
    assert.deepEqual(
      encodeResponse(saslHandshakeResponse, 1, 5, { errorCode: 0, mechanisms: ['PLAIN'] }),
      hex('00000011 00000005 0000 00000001 0005 504c41494e'),
    )
  })

  it('of the response to ApiVersions have no tags though the body is flexible', () => {
    assert.deepEqual(
      encodeResponse(apiVersionsResponse, 3, 9, { errorCode: 0, apiKeys: [] }),
      hex('0000000c 00000009 0000 01 00000000 00'),
    )
  })
})
