/**
 * Every golden vector of the declared messages: what Kafka's own serialisers make of the same values.
 */
import assert from 'node:assert/strict'
import { type AnyMessage, apis } from '../../../protocol/messages/apis.ts'
import { ProtocolError } from '../../../protocol/protocol-error.ts'
import { inPieces, readVectors, type Vector } from '../fixtures.ts'
import { fromFixture, toFixture } from './convert.ts'

for (const api of apis) {
  describe(`${api.name} vectors`, () => {
    const vectors = readVectors(api.name)

    it('are there for every version', () => {
      for (const message of [api.request, api.response]) {
        const type = message === api.request ? 'request' : 'response'
        const versions = new Set(vectors.filter(vector => vector.type === type).map(vector => vector.version))
        assert.deepEqual(
          [...versions],
          Array.from({ length: message.maxVersion + 1 }, (_, version) => version),
        )
      }
    })

    for (const vector of vectors) {
      const message = vector.type === 'request' ? api.request : api.response
      describe(`${vector.type} ${vector.version}, ${vector.sample}`, () => checkVector(message, vector))
    }
  })
}

function checkVector(message: AnyMessage, vector: Vector): void {
  const { version, value, hex } = vector
  const bytes = Buffer.from(hex, 'hex')

  it('is flexible or not', () => {
    assert.equal(message.isFlexible(version), vector.flexible)
  })

  it('decodes to the value, in one piece and byte by byte', () => {
    for (const source of [bytes, inPieces(bytes, 1), inPieces(bytes, 7)]) {
      assert.deepEqual(toFixture(message.type, message.decode(source, version), version), value)
    }
  })

  it('is what the value encodes to', () => {
    assert.equal(message.encode(fromFixture(message.type, value) as never, version).toString('hex'), hex)
  })

  it('survives a round trip', () => {
    assert.equal(message.encode(message.decode(bytes, version) as never, version).toString('hex'), hex)
  })

  it('is refused when it is cut anywhere, or longer', () => {
    for (let length = 0; length < bytes.length; length++) {
      assert.throws(() => message.decode(bytes.subarray(0, length), version), ProtocolError, `cut to ${length} bytes`)
    }
    assert.throws(() => message.decode(Buffer.concat([bytes, Buffer.alloc(1)]), version), ProtocolError)
  })
}
