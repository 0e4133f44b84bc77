/**
 * What of a connection a whole server cannot show, since its limits are too patient.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { setTimeout } from 'node:timers/promises'
import { ByteBudget } from '../../../src/base/byte-budget.ts'
import { nodeFiles } from '../../../src/base/files.ts'
import { Turnstile } from '../../../src/base/turnstile.ts'
import type { Log } from '../../../src/base/log.ts'
import type { Authenticator } from '../../../src/catalog/authenticator.ts'
import type { Authorizer } from '../../../src/catalog/authorizer.ts'
import { defaultLimits, type Limits } from '../../../src/config/limits.ts'
import { Connection } from '../../../src/kafka/connection.ts'
import { Dispatcher } from '../../../src/kafka/dispatcher.ts'
import type { AnyHandler } from '../../../src/kafka/handler.ts'
import { apiVersionsHandler } from '../../../src/kafka/handlers/api-versions.ts'
import { RefusalLog } from '../../../src/kafka/refusal-log.ts'
import { SaslSession } from '../../../src/kafka/session.ts'
import { WireDump } from '../../../src/kafka/wire-dump.ts'

describe('Connection', () => {
  it('ends with FIN when its client has been silent for the idle time', async () => {
    const { client, reasons, close } = await connectTo({ idleMs: 50 })
    await once(client, 'end')
    assert.deepEqual(reasons, ['it was idle'])
    close()
  })

  it('does not end while its client sends, however slowly', async () => {
    const { client, reasons, close } = await connectTo({ idleMs: 400 })
    client.write(Buffer.of(0, 0, 0, 100))
    for (let byte = 0; byte < 60; byte++) {
      client.write(Buffer.of(0))
      await setTimeout(20)
    }
    assert.deepEqual(reasons, [])
    await once(client, 'end')
    assert.deepEqual(reasons, ['it was idle'])
    close()
  })

  it('counts the idle time anew from an answer, however late it was', async () => {
    const { client, reasons, close } = await connectTo({ idleMs: 400 }, [
      { ...apiVersionsHandler(() => []), handle: () => setTimeout(250, { response: { errorCode: 0, apiKeys: [] } }) },
    ])
    client.write(Buffer.of(0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff))
    await once(client, 'data')
    await setTimeout(300)
    assert.deepEqual(reasons, [])
    await once(client, 'end')
    assert.deepEqual(reasons, ['it was idle'])
    close()
  })
})

/** A client of a connection with these limits, and why the connection ended. */
async function connectTo(
  limits: Partial<Limits>,
  handlers: readonly AnyHandler[] = [],
): Promise<{ client: Socket; reasons: string[]; close: () => void }> {
  const reasons: string[] = []
  const log = { info: ({ reason }: { reason: string }) => reasons.push(reason), child: () => log } as unknown as Log
  const server = createServer({ allowHalfOpen: true }, socket => {
    new Connection({
      socket,
      session: new SaslSession({
        authenticator: {} as Authenticator,
        authorizer: {} as Authorizer,
        refusalLog: new RefusalLog(log),
        rejectAt: 'topic',
        serverName: undefined,
        lifetimeMs: undefined,
      }),
      dispatcher: new Dispatcher(handlers),
      advertised: { host: 'localhost', port: 0 },
      limits: { ...defaultLimits, ...limits },
      shares: { clients: new ByteBudget(1000), strangers: new ByteBudget(1000), turnstile: new Turnstile(1000) },
      wireDump: new WireDump({ files: nodeFiles, directory: tmpdir() }),
      log,
    })
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const client: Socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  client.resume()
  return {
    client,
    reasons,
    close: () => {
      client.destroy()
      server.close()
    },
  }
}
