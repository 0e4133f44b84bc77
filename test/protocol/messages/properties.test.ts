/**
 * What holds for all messages and all values, tried with random ones.
 */
import assert from 'node:assert/strict'
import { apis } from '../../../protocol/messages/apis.ts'
import { ProtocolError } from '../../../protocol/protocol-error.ts'
import { inPieces } from '../fixtures.ts'
import { forRandom, type Random } from '../random.ts'
import { randomValue, toFixture } from './convert.ts'

describe('messages', () => {
  it('decode to the value that was encoded, in any pieces, and encode to the same bytes again', () => {
    forRandom(3000, random => {
      const { message, version } = randomMessage(random)
      const value = randomValue(message.type, version, random)
      const bytes = message.encode(value as never, version)
      const decoded = message.decode(inPieces(bytes, 1 + random.below(50)), version)
      assert.deepEqual(message.encode(decoded as never, version), bytes)
      assertIncludes(toFixture(message.type, decoded, version), toFixture(message.type, value, version), message.name)
    })
  })

  it('answer broken bytes with a value or a protocol error, nothing else', () => {
    let refused = 0
    forRandom(3000, random => {
      const { message, version } = randomMessage(random)
      const bytes = Buffer.from(message.encode(randomValue(message.type, version, random) as never, version))
      for (let flips = 1 + random.below(4); flips > 0 && bytes.length > 0; flips--) {
        bytes[random.below(bytes.length)] = random.pick([0, 0xff, 0x7f, 0x80, random.below(256)])
      }
      try {
        message.decode(inPieces(bytes, 1 + random.below(50)), version)
      } catch (error) {
        assert.ok(error instanceof ProtocolError, String(error))
        refused++
      }
    })
    assert.ok(refused > 0 || process.env.SLUICE_SEED !== undefined)
  })
})

function randomMessage(random: Random) {
  const api = random.pick(apis)
  const message = random.pick([api.request, api.response])
  return { message, version: random.below(message.maxVersion + 1) }
}

/** All that was given must come out; what was left out came out as a default. */
function assertIncludes(actual: unknown, given: unknown, path: string): void {
  if (Array.isArray(given)) {
    assert.equal((actual as unknown[]).length, given.length, path)
    given.forEach((element, index) => assertIncludes((actual as unknown[])[index], element, `${path}[${index}]`))
  } else if (typeof given === 'object' && given !== null) {
    for (const [name, field] of Object.entries(given)) {
      assertIncludes((actual as Record<string, unknown>)[name], field, `${path}.${name}`)
    }
  } else assert.equal(actual, given, path)
}
