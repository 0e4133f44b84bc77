import assert from 'node:assert/strict'
import { Socket } from 'node:net'
import { join } from 'node:path'
import { Chunks } from '../../../protocol/chunks.ts'
import { encodeRequest, type RequestHeader } from '../../../protocol/headers.ts'
import { metadataRequest } from '../../../protocol/messages/metadata.ts'
import { silentLog } from '../../../src/base/log.ts'
import { Authenticator } from '../../../src/catalog/authenticator.ts'
import { Authorizer } from '../../../src/catalog/authorizer.ts'
import { openCatalog } from '../../../src/catalog/catalog.ts'
import { RefusalLog } from '../../../src/kafka/refusal-log.ts'
import { SaslSession } from '../../../src/kafka/session.ts'
import type { Tapped } from '../../../src/kafka/tap.ts'
import { WireDump, type Recording, type RecordingOptions, type RecordingSummary } from '../../../src/kafka/wire-dump.ts'
import { Random } from '../../protocol/random.ts'
import { plainToken } from '../../support/raw-client.ts'
import { MemoryFiles, type Fault, type Operation } from '../../support/memory-files.ts'

const DIRECTORY = join('/data', 'dumps')
const MIB = 1024 * 1024

interface Line extends Record<string, unknown> {
  dir: string
  hex?: string
  bytes?: number
  frames?: number
}

describe('a wire dump', () => {
  let files: MemoryFiles
  /** What every call waits for. */
  let latency: Promise<void>
  let fault: (operation: Operation) => Fault | undefined
  let access: { authenticator: Authenticator; authorizer: Authorizer; refusalLog: RefusalLog }
  let dump: WireDump
  let nextPort: number

  beforeEach(async () => {
    fault = () => undefined
    latency = Promise.resolve()
    files = new MemoryFiles({ chance: new Random(1), intercept: operation => fault(operation), latency: () => latency })
    const catalog = await openCatalog({ files, directory: '/catalog', defaults: { region: 'local' } })
    access = {
      authenticator: new Authenticator({ catalog }),
      authorizer: new Authorizer({ catalog, region: 'local' }),
      refusalLog: new RefusalLog(silentLog),
    }
    dump = new WireDump({ files, directory: DIRECTORY })
    nextPort = 1
  })

  afterEach(() => dump.stop())

  class Client implements Tapped {
    tap: Tapped['tap']
    readonly session = new SaslSession({ ...access, rejectAt: 'topic', serverName: undefined, lifetimeMs: undefined })

    constructor(source = '192.0.2.1') {
      const peer = `${source}:${nextPort++}`
      dump.connect(this, { session: this.session, socket: new Socket(), source, peer })
    }

    /** A right key is not needed: who has a wrong one is of the project too. */
    async login(project: string): Promise<this> {
      this.session.handshake(1, 'PLAIN')
      await this.session.authenticate(plainToken(project, 'id#secret'), { clientId: '', source: '' })
      return this
    }

    /** Sends a request of about this size. */
    send(bytes = 100): void {
      this.tap?.request(Chunks.of(requestOf(bytes)))
    }

    receive(bytes = 100): void {
      const header: RequestHeader = { apiKey: 3, apiVersion: 1, correlationId: 1, clientId: null }
      this.tap?.response(header, Buffer.alloc(bytes))
    }

    end(): void {
      dump.disconnect(this)
    }
  }

  const begun: { file: string; peer: string }[] = []
  const record = (options: Partial<RecordingOptions> = {}): Promise<Recording> => {
    begun.length = 0
    return dump.record({ seconds: 3600, bytes: 1000 * MIB, onFile: file => begun.push(file), ...options })
  }

  async function finish(recording: Recording): Promise<RecordingSummary> {
    recording.stop('stopped')
    return recording.ended
  }

  /** What is in the file that belongs to a client with this port. */
  function linesOf(port: number): Line[] {
    const { file } = begun.find(({ peer }) => peer.endsWith(`:${port}`))!
    const text = files.peek(join(DIRECTORY, file)).toString()
    assert(text.endsWith('\n'))
    return text
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line) as Line)
  }

  const directionsOf = (port: number): string[] => linesOf(port).map(({ dir }) => dir)

  it('has a file for each connection, those that were open before among them, and only while it is recorded', async () => {
    const early = await new Client().login('web')
    early.send()
    const recording = await record()
    early.send()
    const late = await new Client('2001:db8::1').login('web')
    late.send()
    late.receive()
    late.end()
    const summary = await finish(recording)
    early.send()
    await new Client().login('web')
    assert.deepEqual([early.tap, summary.files, summary.frames, begun.length], [undefined, 2, 3, 2])
    assert.deepEqual(directionsOf(1), ['open', 'request'])
    assert.deepEqual(directionsOf(2), ['open', 'request', 'response', 'close'])
    assert.deepEqual([linesOf(1)[0]!['earlier'], linesOf(2)[0]!['earlier']], [true, false])
    assert.deepEqual([linesOf(1)[0]!['conn'], linesOf(2)[0]!['conn']], [1, 2])
    assert.match(begun[1]!.file, /^\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}Z-2001-db8-1-2\.jsonl$/)
    assert.equal(
      summary.bytes,
      begun.reduce((sum, { file }) => sum + files.peek(join(DIRECTORY, file)).length, 0),
    )
  })

  it('is one at a time', async () => {
    const recording = await record()
    await assert.rejects(record(), { code: 'DUMP_RUNNING' })
    await finish(recording)
    await finish(await record())
  })

  it('of one project begins a file when it is known that the connection is of that project, with what came before', async () => {
    const recording = await record({ project: 'web' })
    const [ours, theirs, nobody] = [new Client(), new Client(), new Client()]
    for (const client of [ours, theirs, nobody]) client.send()
    assert.deepEqual(begun, [])
    await ours.login('web')
    await theirs.login('else')
    for (const client of [ours, theirs, nobody]) client.receive()
    for (const client of [ours, theirs, nobody]) client.end()
    const { files, frames } = await finish(recording)
    assert.deepEqual([files, frames, begun.length], [1, 2, 1])
    assert.deepEqual(directionsOf(1), ['open', 'request', 'response', 'close'])
  })

  it('of one address leaves the others out', async () => {
    const recording = await record({ source: '192.0.2.7' })
    for (const source of ['192.0.2.7', '192.0.2.70']) (await new Client(source).login('web')).send()
    await finish(recording)
    assert.deepEqual(
      begun.map(({ peer }) => peer),
      ['192.0.2.7:1'],
    )
  })

  it('keeps the beginning of a large frame, and its size', async () => {
    const recording = await record()
    const client = await new Client().login('web')
    client.send(3 * MIB)
    client.receive(3 * MIB)
    await finish(recording)
    const [, request, response] = linesOf(1)
    assert.deepEqual([request!.hex!.length, request!.bytes], [2 * MIB, requestOf(3 * MIB).length])
    assert(
      requestOf(3 * MIB)
        .toString('hex')
        .startsWith(request!.hex!),
    )
    assert.deepEqual([response!.hex!.length, response!.bytes], [2 * MIB, 3 * MIB - 4])
  })

  it('ends by itself before it has more bytes than it may', async () => {
    const bytes = 10_000
    const recording = await record({ bytes })
    const client = await new Client().login('web')
    for (let round = 0; round < 100; round++) client.send()
    const summary = await recording.ended
    assert.equal(summary.ended, 'bytes')
    assert(summary.bytes <= bytes && summary.bytes > bytes - 1000)
    assert.equal(directionsOf(1).length, summary.frames + 1)
    assert.equal(client.tap, undefined)
  })

  it('ends by itself when its time is up', async () => {
    const recording = await record({ seconds: 0.01 })
    assert.equal((await recording.ended).ended, 'time')
  })

  it('drops frames while the disk hangs, in bounded memory, and says where and how many', async () => {
    const client = await new Client().login('web')
    const recording = await record()
    let release = (): void => {}
    latency = new Promise(resolve => (release = resolve))
    for (let round = 0; round < 50; round++) client.send(MIB)
    release()
    const summary = await finish(recording)
    const lines = linesOf(1)
    const sent = lines.filter(({ dir }) => dir === 'request').length
    assert.equal(sent + summary.lostFrames, 50)
    // A frame of a mebibyte takes two as a line, and 16 may wait.
    assert.equal(sent, 7)
    assert.deepEqual([lines.at(-1)!.dir, lines.at(-1)!.frames], ['lost', summary.lostFrames])
  })

  it('ends when the disk fails, and says why', async () => {
    fault = ({ kind, path }) => (kind === 'write' && path.startsWith(DIRECTORY) ? { fail: 'ENOSPC' } : undefined)
    const recording = await record()
    ;(await new Client().login('web')).send()
    const { ended, problem } = await recording.ended
    assert.equal(ended, 'disk')
    assert.match(problem ?? '', /ENOSPC/)
  })

  it('has room again for what was held back of connections that were not asked for', async () => {
    const recording = await record({ project: 'web' })
    for (let round = 0; round < 20; round++) {
      const stranger = new Client()
      stranger.send(MIB)
      stranger.end()
      const other = new Client()
      other.send(MIB)
      await other.login('else')
      other.receive()
    }
    const client = await new Client().login('web')
    client.send(MIB)
    const { frames, lostFrames } = await finish(recording)
    assert.deepEqual([frames, lostFrames], [1, 0])
  })

  it('has at most a thousand files, and says how many connections it has left out', async () => {
    const recording = await record()
    for (let round = 0; round < 1003; round++) {
      const client = new Client()
      client.send()
      client.end()
    }
    const { files, frames, connectionsLeftOut } = await finish(recording)
    assert.deepEqual([files, frames, connectionsLeftOut], [1000, 1000, 3])
  })

  it('says who has ended a connection, and why', async () => {
    const recording = await record()
    const clients = [await new Client().login('web'), await new Client().login('web')]
    clients[1]!.tap!.close('it was idle')
    for (const client of clients) client.end()
    await finish(recording)
    assert.deepEqual(
      [1, 2].map(port => [linesOf(port).at(-1)!['by'], linesOf(port).at(-1)!['error']]),
      [
        ['client', null],
        ['broker', 'it was idle'],
      ],
    )
  })
})

/** A request for metadata of a topic whose name makes it about as long; its bytes are all the same up to some length. */
function requestOf(bytes: number): Buffer {
  const names = Array.from({ length: Math.ceil(bytes / 10_000) }, () => 'x'.repeat(Math.min(bytes, 10_000)))
  return encodeRequest(metadataRequest, 1, 1, null, { topics: names.map(name => ({ name })) }).subarray(4)
}
