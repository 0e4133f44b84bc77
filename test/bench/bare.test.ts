import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { Bare, BARE_PRODUCE_VERSION as VERSION } from '../../bench/load/bare.ts'
import { makeBenchCertificates } from '../../bench/load/certificates.ts'
import { Chunks } from '../../protocol/chunks.ts'
import { apiVersionsRequest, apiVersionsResponse } from '../../protocol/messages/api-versions.ts'
import { metadataRequest, metadataResponse } from '../../protocol/messages/metadata.ts'
import { produceRequest, produceResponse } from '../../protocol/messages/produce.ts'
import { buildBatch } from '../../protocol/records/build-batch.ts'
import { RawClient } from '../support/raw-client.ts'

describe('the bare path of the benchmark', () => {
  let directory: string
  let server: Bare
  let client: RawClient

  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'sluice-bench-'))
    server = await start('served')
  })

  after(async () => {
    await server.remove()
    rmSync(directory, { recursive: true })
  })

  beforeEach(async () => {
    const [host, port] = server.broker.split(':')
    client = await RawClient.over(connect({ host, port: Number(port), ca: readFileSync(server.ca), servername: 'localhost' }))
  })

  afterEach(() => client.close())

  async function start(name: string): Promise<Bare> {
    return Bare.start({ directory: join(directory, name), certificates: await makeBenchCertificates(directory, 'ec') })
  }

  function produce(batch: Buffer): Buffer {
    const partitionData = [{ index: 3, records: Chunks.of(batch) }]
    const topicData = [{ name: 'bench', partitionData }]
    return client.encode(produceRequest, VERSION, { transactionalId: null, acks: -1, timeoutMs: 1000, topicData })
  }

  function batchOf(letter: string, bytes: number): Buffer {
    return buildBatch({ records: [{ timestamp: 1, value: Buffer.alloc(bytes, letter) }] })
  }

  it('tells what a client asks before it produces', async () => {
    const software = { clientSoftwareName: 'test', clientSoftwareVersion: '1' }
    const { apiKeys } = await client.call(apiVersionsRequest, apiVersionsResponse, 3, software)
    assert.deepEqual(apiKeys, [{ apiKey: produceRequest.apiKey, minVersion: VERSION, maxVersion: VERSION }])
    await client.authenticate('anybody', 'anything')
    const { topics } = await client.call(metadataRequest, metadataResponse, 9, { topics: [{ name: 'bench' }] })
    assert.deepEqual([topics[0]!.name, topics[0]!.partitions.length], ['bench', 8])
  })

  it('answers requests in their order, however they are cut, when they are in its file', async () => {
    const batches = [batchOf('a', 100), batchOf('b', 70_000), batchOf('c', 3000), batchOf('d', 100)]
    const sent = Buffer.concat(batches.map(produce))
    const cuts = [0, 1, 6, 250, 50_000, sent.length - 1, sent.length]
    for (const [index, cut] of cuts.slice(1).entries()) {
      client.write(sent.subarray(cuts[index], cut))
      await new Promise(resolve => setTimeout(resolve, 20))
    }
    const answers = []
    for (const _ of batches) answers.push(await client.receive(produceResponse, VERSION))
    const [first] = answers
    assert.deepEqual(
      answers.map(({ correlationId }) => correlationId - first!.correlationId),
      [0, 1, 2, 3],
    )
    assert.deepEqual([...new Set(answers.map(({ value }) => value.responses[0]!.partitionResponses[0]!.errorCode))], [0])
    const written = readFileSync(join(directory, 'served', '0'))
    for (const batch of batches) assert(written.includes(batch), `${batch.length} bytes were acknowledged and not written`)
  })

  it('hangs up on a batch whose checksum is wrong', async () => {
    const batch = batchOf('a', 20_000)
    batch[batch.length - 5]! ^= 1
    client.write(produce(batch))
    await assert.rejects(client.receive(produceResponse, VERSION), /the connection ended/)
  })

  it('leaves nothing behind', async () => {
    const other = await start('removed')
    const [pid] = other.pids
    await other.remove()
    assert.throws(() => process.kill(pid!, 0), /ESRCH/)
    assert(!existsSync(join(directory, 'removed')))
  })
})
