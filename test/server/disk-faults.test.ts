/**
 * Disks that fail for real: file systems that are full or read-only, and files of the journal that were damaged while no server ran.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { ErrorCode } from '../../protocol/error-codes.ts'
import { findAnomalies, readRows } from '../support/anomalies.ts'
import { mayMount, Mount } from '../support/mount.ts'
import { RawClient } from '../support/raw-client.ts'
import { RecordStream } from '../support/record-stream.ts'
import { Server } from '../support/server.ts'
import { KafkajsClient } from '../support/streaming.ts'
import { waitUntilIndexed } from '../support/verifier.ts'
import { until } from '../support/wait.ts'

const MiB = 1024 * 1024
/** Without a reserve the disk is full before anybody is refused for it. */
const settings = { journal: { segmentBytes: '1 MiB', reserveBytes: 0 } }

/** What a producer is told to try again: the disk failed, or is about to be full. */
const RETRIABLE: readonly number[] = [ErrorCode.KAFKA_STORAGE_ERROR, ErrorCode.NOT_ENOUGH_REPLICAS]

/** Producers that never give up: an idempotent one and a plain one, to a logstore of their own. */
async function connectClients(server: Server, password: string): Promise<KafkajsClient[]> {
  const clients: KafkajsClient[] = []
  for (const promised of ['once', 'again'] as const) {
    const streams = [0, 1].map(partition => new RecordStream({ client: promised, topic: 'logs', partition, promised }))
    clients.push(await KafkajsClient.connect(server, { project: 'demo', password, name: promised, streams }))
  }
  return clients
}

/** Resolves when each stream has had more acknowledged. */
async function waitForMore(clients: readonly KafkajsClient[]): Promise<void> {
  const streams = clients.flatMap(client => client.streams)
  const before = streams.map(({ acknowledged }) => acknowledged)
  await until('further acknowledgements', () => streams.every(({ acknowledged }, index) => acknowledged > before[index]! + 20))
}

/** Has the clients pause, and compares what they know with the rows. */
async function assertStored(server: Server, clients: readonly KafkajsClient[]): Promise<void> {
  for (const client of clients) await client.pause()
  await waitUntilIndexed(server)
  const rows = await readRows(server, 'demo/logs', 0)
  const { anomalies } = findAnomalies(
    'logs',
    clients.flatMap(({ streams }) => streams),
    rows,
  )
  assert.deepEqual(anomalies, [])
}

/** Sends until a batch is refused; the error code. */
async function sendUntilRefused(server: Server, password: string): Promise<number> {
  const client = await RawClient.login(server, 'demo', password)
  try {
    return await until('a batch that is refused', async () => {
      const batch = { records: [{ value: Buffer.alloc(200_000, 'x').toString() }] }
      const [answer] = await client.produce([{ topic: 'large', batch }])
      return answer!.errorCode === ErrorCode.NONE ? undefined : answer!.errorCode
    })
  } finally {
    client.close()
  }
}

describe('a file system of its own', function () {
  let mount: Mount | undefined
  let server: Server | undefined
  let clients: KafkajsClient[] = []
  let password: string

  before(async function () {
    if (!(await mayMount())) this.skip()
  })

  afterEach(async () => {
    if (server?.isRunning === true) await server.kill('SIGTERM')
    await until('the end of all processes', () => server === undefined || server.processes.length === 0)
    await mount?.unmount()
    await server?.remove()
    mount = server = undefined
    // They come last: clients of a server that did not start again never end.
    for (const client of clients) await client.close().catch(() => {})
    clients = []
  })

  async function start(prepare: (data: string) => Promise<Mount>): Promise<{ mount: Mount; server: Server }> {
    server = await Server.start({
      settings,
      prepare: async data => {
        mount = await prepare(data)
      },
    })
    await server.createLogstore('demo/logs', { shards: 2 })
    await server.createLogstore('demo/large', { shards: 1 })
    password = await server.createKey('demo')
    await server.whenReady()
    clients = await connectClients(server, password)
    for (const client of clients) client.start()
    await waitForMore(clients)
    return { mount: mount!, server }
  }

  it('that is full has producers try again, and go on by themselves when there is room', async () => {
    const { mount, server } = await start(data => Mount.tmpfs(data, 128 * MiB))
    await mount.fill()
    const code = await sendUntilRefused(server, password)
    assert(RETRIABLE.includes(code), `refused with ${code}`)
    assert.equal((await server.get('/readyz')).status, 503)
    await mount.grow(256 * MiB)
    await waitForMore(clients)
    await assertStored(server, clients)
  })

  it('that is full when the server is killed keeps what was acknowledged until there is room', async () => {
    const { mount, server } = await start(data => Mount.tmpfs(data, 128 * MiB))
    await mount.fill()
    await sendUntilRefused(server, password)
    await server.kill('SIGKILL')
    // Whether it starts without room is its own affair; if it does not, it says in a line that the disk is the reason.
    const refusal = await server.restart().then(
      () => undefined,
      (error: Error) => error.message,
    )
    if (refusal !== undefined) assert.match(refusal, /^the server ended with 1: sluice: .*(ENOSPC|full).*$/)
    await mount.grow(256 * MiB)
    if (refusal !== undefined) await server.restart()
    await waitForMore(clients)
    await assertStored(server, clients)
  })

  it('that becomes read-only has producers try again, and go on when it is repaired', async function () {
    const { mount, server } = await start(data => Mount.ext4(data, join(data, '..', 'image'), 256 * MiB))
    await mount.breakDown()
    const code = await sendUntilRefused(server, password)
    assert(RETRIABLE.includes(code), `refused with ${code}`)
    assert.match((await server.get('/readyz')).text, /the journal could not be written: EROFS/)
    await server.kill('SIGTERM')
    await until('the end of all processes', () => server.processes.length === 0)
    await mount.unmount()
    await mount.repair()
    await mount.mount()
    await server.restart()
    await waitForMore(clients)
    await assertStored(server, clients)
  })
})
