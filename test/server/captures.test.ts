/**
 * Whole conversations of real clients with Apache Kafka, held again with sluice. What is answered is what Kafka answered, and what
 * the clients then have sent is stored.
 */
import assert from 'node:assert/strict'
import { ApiKey } from '../../protocol/api-keys.ts'
import {
  CAPTURED_LOGSTORE,
  captures,
  countLogs,
  readCapture,
  replay,
  startCapturedServer,
  type Event,
} from '../support/replay.ts'
import type { Server } from '../support/server.ts'

describe('recorded conversations of real clients', () => {
  for (const reject of ['topic', 'sasl'] as const) {
    const replayed = captures.filter(name => name.startsWith('bad-password') === (reject === 'sasl'))

    describe(`with a server that refuses at ${reject} level`, () => {
      let server: Server
      before(async () => {
        server = await startCapturedServer(reject)
      })

      after(() => server?.remove())

      async function assertReplayed(events: readonly Event[], listener?: string): Promise<void> {
        const before = await server.countRows(CAPTURED_LOGSTORE)
        const stored = countLogs(await replay(server, events, listener))
        await server.waitForRows(CAPTURED_LOGSTORE, before + stored)
        assert.equal(await server.countRows(CAPTURED_LOGSTORE), before + stored)
      }

      for (const name of replayed) {
        it(`go as with Kafka: ${name}`, () => assertReplayed(readCapture(name)))

        // As the pages of these gateways configure them.
        if (reject === 'topic' && /^(apinto|apisix|kong)/.test(name))
          it(`go as with Kafka, without TLS and SASL: ${name}`, () =>
            assertReplayed(
              readCapture(name).filter(({ apiKey }) => apiKey !== ApiKey.SaslHandshake && apiKey !== ApiKey.SaslAuthenticate),
              'gateway',
            ))
      }
    })
  }
})
