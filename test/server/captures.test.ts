/**
 * Whole conversations of real clients with Apache Kafka, held again with sluice: the requests are sent as they were recorded, and
 * what is answered is what Kafka answered, as far as it is determined. What the clients then have sent is stored.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ApiKey } from '../../protocol/api-keys.ts'
import { Chunks } from '../../protocol/chunks.ts'
import { decodeRequestHeader, decodeResponse } from '../../protocol/headers.ts'
import { findApi } from '../../protocol/messages/apis.ts'
import { type MetadataResponse } from '../../protocol/messages/metadata.ts'
import { produceRequest, type ProduceResponse } from '../../protocol/messages/produce.ts'
import { Reader } from '../../protocol/reader.ts'
import { BATCH_HEADER_BYTES, type BatchHeader } from '../../protocol/records/batch.ts'
import { checkBatches } from '../../protocol/records/check-batches.ts'
import { decompress } from '../../protocol/records/compression.ts'
import { readRecords } from '../../protocol/records/records.ts'
import { RawClient } from '../support/raw-client.ts'
import { Server } from '../support/server.ts'

const directory = join('test', 'fixtures', 'captures')
const SERVER_NAME = 'demo-project.localhost'
const LOGSTORE = 'demo-project/demo-logs'
/** A second topic that the recorded broker had at times. */
const OTHER_TOPIC = 'late-logs'

interface Event {
  conn: number
  dir: 'open' | 'request' | 'response' | 'close'
  /** The version of TLS of an open connection; null where there was none. */
  tls?: string | null
  /** Null for a SASL token without a header, and for its answer. */
  apiKey: number | null
  apiVersion: number | null
  hex: string
  by?: 'client' | 'server'
}

const captures = readdirSync(directory)
  .filter(name => name.endsWith('.jsonl'))
  .map(name => name.slice(0, -'.jsonl'.length))

describe('recorded conversations of real clients', () => {
  for (const reject of ['topic', 'sasl'] as const) {
    const replayed = captures.filter(name => name.startsWith('bad-password') === (reject === 'sasl'))

    describe(`with a server that refuses at ${reject} level`, () => {
      let server: Server
      before(async () => {
        const trusted = { port: 0, advertised: { host: SERVER_NAME } }
        const listeners = {
          trusted: [
            { ...trusted, name: 'gateway', project: 'demo-project', accessKeyId: 'demoid' },
            { ...trusted, name: 'proxy', protocol: 'SASL_PLAINTEXT' },
          ],
        }
        server = await Server.start({ hosts: [SERVER_NAME], settings: { auth: { reject }, listeners } })
        await server.createLogstore(LOGSTORE, { shards: 2 })
        await server.createKey('demo-project', { id: 'demoid', secret: 'demosecret' })
        await server.whenReady()
      })

      after(() => server?.remove())

      async function assertReplayed(events: readonly Event[], listener?: string): Promise<void> {
        const before = await server.countRows(LOGSTORE)
        const stored = await replay(server, events, listener)
        await server.waitForRows(LOGSTORE, before + stored)
        assert.equal(await server.countRows(LOGSTORE), before + stored)
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

function readCapture(name: string): Event[] {
  const lines = readFileSync(join(directory, `${name}.jsonl`), 'utf8')
    .trim()
    .split('\n')
  return lines.map(line => JSON.parse(line) as Event)
}

/**
 * Sends what the client sent, compares the answers, and returns how many logs were stored by it. The listener is one like that
 * which the client came to, unless it is given.
 */
async function replay(server: Server, events: readonly Event[], given?: string): Promise<number> {
  const clients = new Map<number, RawClient>()
  /** The logs of each connection's produce requests that are not answered yet; for acks = 0 they count at once. */
  const unanswered = new Map<number, number[]>()
  let stored = 0
  for (const event of events) {
    if (event.dir === 'open') {
      const listener = given ?? (event.tls === null ? 'proxy' : 'internet')
      clients.set(event.conn, await RawClient.connect(server, { serverName: SERVER_NAME, listener }))
      unanswered.set(event.conn, [])
      continue
    }
    // What was answered after the client had gone went nowhere.
    const client = clients.get(event.conn)
    if (client === undefined) continue
    if (event.dir === 'request') {
      const sent = withAnnouncedVersion(event)
      client.write(framed(sent))
      if (event.apiKey !== ApiKey.Produce) continue
      const { acks, logs } = readProduced(sent)
      if (acks === 0) stored += logs
      else unanswered.get(event.conn)!.push(logs)
    } else if (event.dir === 'response') {
      const frame = await client.receiveFrame()
      compare(event, frame)
      if (event.apiKey === ApiKey.Produce && isStored(event)) stored += unanswered.get(event.conn)!.shift()!
    } else if (event.by === 'server') await assert.rejects(client.receiveFrame(), /the connection ended/)
    else {
      client.close()
      clients.delete(event.conn)
    }
  }
  for (const client of clients.values()) client.close()
  return stored
}

/** Clients of Kafka 3.9 negotiate Produce 11, which is like 10; with us they would have negotiated 10. */
function withAnnouncedVersion({ apiKey, apiVersion, hex }: Event): Buffer {
  const bytes = Buffer.from(hex, 'hex')
  if (apiKey === ApiKey.Produce && apiVersion === 11) bytes.writeInt16BE(10, 2)
  return bytes
}

function framed(bytes: Buffer): Buffer {
  const size = Buffer.alloc(4)
  size.writeInt32BE(bytes.length)
  return Buffer.concat([size, bytes])
}

/** How many logs a produce request holds; nothing if it is none that can be read (APISIX's version 0 leaves out the client id). */
function readProduced(bytes: Buffer): { acks: number; logs: number } {
  try {
    const reader = new Reader(bytes)
    const { apiVersion } = decodeRequestHeader(reader)
    const { acks, topicData } = produceRequest.decode(reader, apiVersion)
    let count = 0
    for (const { partitionData } of topicData)
      for (const { records } of partitionData) {
        const checked = checkBatches(records === null ? null : Chunks.of(records.toBuffer()))
        assert('batches' in checked, 'Kafka took these batches')
        for (const batch of checked.batches) count += countLogs(checked.records, batch)
      }
    return { acks, logs: count }
  } catch (error) {
    if (error instanceof assert.AssertionError) throw error
    return { acks: -1, logs: 0 }
  }
}

/** An array, as APISIX and Kong send, is a log for each of its elements. */
function countLogs(records: Chunks, batch: BatchHeader): number {
  const payload = records.view(batch.position, batch.sizeInBytes).subarray(BATCH_HEADER_BYTES)
  let logs = 0
  for (const { value } of readRecords(batch, decompress(batch.codec, payload, 2 ** 20))) {
    const document: unknown = JSON.parse(value!.toString())
    logs += Array.isArray(document) ? document.length : 1
  }
  return logs
}

function isStored(event: Event): boolean {
  const { responses } = decode(event, Buffer.from(event.hex, 'hex')) as ProduceResponse
  return responses.every(({ partitionResponses }) => partitionResponses.every(({ errorCode }) => errorCode === 0))
}

function decode({ apiKey, apiVersion }: Event, frame: Buffer): unknown {
  const version = apiKey === ApiKey.Produce && apiVersion === 11 ? 10 : apiVersion!
  return decodeResponse(findApi(apiKey!)!.response, version, frame).value
}

function compare(event: Event, frame: Buffer): void {
  const expected = Buffer.from(event.hex, 'hex')
  if (event.apiKey === null) return assert.deepEqual(frame, expected)
  assert.equal(frame.readInt32BE(0), expected.readInt32BE(0), 'the correlation id')
  assert.deepEqual(determined(event, frame), determined(event, expected))
}

/**
 * Of an answer, what does not depend on the broker: codes, names, counts; no offsets, ids and addresses. Partitions are put in
 * order, since Kafka has them in none.
 */
function determined(event: Event, frame: Buffer): unknown {
  const value = decode(event, frame)
  switch (event.apiKey) {
    case ApiKey.Produce:
      return (value as ProduceResponse).responses.map(({ name, partitionResponses }) => ({
        name,
        partitions: partitionResponses.map(({ index, errorCode }) => `${index}: ${errorCode}`).sort(),
      }))
    case ApiKey.Metadata: {
      const { brokers, topics } = value as MetadataResponse
      return {
        brokers: brokers.map(({ host }) => host),
        topics: topics
          .filter(({ name }) => name !== OTHER_TOPIC)
          .map(({ errorCode, name, partitions }) => ({
            errorCode,
            name,
            partitions: partitions.map(({ errorCode, partitionIndex }) => `${partitionIndex}: ${errorCode}`).sort(),
          })),
      }
    }
    default:
      return { errorCode: (value as { errorCode: number }).errorCode }
  }
}
