/**
 * Whole conversations of real clients with Apache Kafka, held again with sluice: the requests are sent as they were recorded, and
 * what is answered is compared with what Kafka answered, as far as that is determined.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ApiKey } from '../../protocol/api-keys.ts'
import { Chunks } from '../../protocol/chunks.ts'
import { decodeRequestHeader, decodeResponse } from '../../protocol/headers.ts'
import { findApi } from '../../protocol/messages/apis.ts'
import type { MetadataResponse } from '../../protocol/messages/metadata.ts'
import { produceRequest, type ProduceResponse } from '../../protocol/messages/produce.ts'
import { Reader } from '../../protocol/reader.ts'
import { BATCH_HEADER_BYTES } from '../../protocol/records/batch.ts'
import { checkBatches } from '../../protocol/records/check-batches.ts'
import { decompress } from '../../protocol/records/compression.ts'
import { readRecords } from '../../protocol/records/records.ts'
import { RawClient } from './raw-client.ts'
import { Server } from './server.ts'

const directory = join('test', 'fixtures', 'captures')
const SERVER_NAME = 'demo-project.localhost'
/** Where the recorded clients sent to. */
export const CAPTURED_LOGSTORE = 'demo-project/demo-logs'
/** A second topic that the recorded broker had at times. */
const OTHER_TOPIC = 'late-logs'

/** By name. */
export const captures = readdirSync(directory)
  .filter(name => name.endsWith('.jsonl'))
  .map(name => name.slice(0, -'.jsonl'.length))

export interface Event {
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

/** A record of a produce request. */
export interface ProducedRecord {
  /** Its connection and partition: what is in order. */
  stream: string
  /** Empty without one. */
  key: string
  value: string
}

/** A server that is to the recorded clients what their broker was: the same project, logstore and access key. */
export async function startCapturedServer(reject: 'topic' | 'sasl' = 'topic'): Promise<Server> {
  const trusted = { port: 0, advertised: { host: SERVER_NAME } }
  const listeners = {
    trusted: [
      { ...trusted, name: 'gateway', project: 'demo-project', accessKeyId: 'demoid' },
      { ...trusted, name: 'proxy', protocol: 'SASL_PLAINTEXT' },
    ],
  }
  const server = await Server.start({ hosts: [SERVER_NAME], settings: { auth: { reject }, listeners } })
  await server.createLogstore(CAPTURED_LOGSTORE, { shards: 2 })
  await server.createKey('demo-project', { id: 'demoid', secret: 'demosecret' })
  await server.whenReady()
  return server
}

export function readCapture(name: string): Event[] {
  const lines = readFileSync(join(directory, `${name}.jsonl`), 'utf8')
    .trim()
    .split('\n')
  return lines.map(line => JSON.parse(line) as Event)
}

/**
 * Sends what the client sent, compares the answers, and returns the records that were stored by it. The listener is one like that
 * which the client came to, unless it is given.
 */
export async function replay(server: Server, events: readonly Event[], given?: string): Promise<ProducedRecord[]> {
  const clients = new Map<number, RawClient>()
  /** The records of each connection's produce requests that are not answered yet; for acks = 0 they count at once. */
  const unanswered = new Map<number, ProducedRecord[][]>()
  const stored: ProducedRecord[] = []
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
      const { acks, produced } = readProduced(event.conn, sent)
      if (acks === 0) stored.push(...produced)
      else unanswered.get(event.conn)!.push(produced)
    } else if (event.dir === 'response') {
      const frame = await client.receiveFrame()
      compare(event, frame)
      if (event.apiKey !== ApiKey.Produce) continue
      const produced = unanswered.get(event.conn)!.shift()!
      if (isStored(event)) stored.push(...produced)
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

/** What a produce request holds; nothing if it is none that can be read (APISIX's version 0 leaves out the client id). */
function readProduced(connection: number, bytes: Buffer): { acks: number; produced: ProducedRecord[] } {
  const produced: ProducedRecord[] = []
  try {
    const reader = new Reader(bytes)
    const { apiVersion } = decodeRequestHeader(reader)
    const { acks, topicData } = produceRequest.decode(reader, apiVersion)
    for (const { partitionData } of topicData)
      for (const { index, records } of partitionData) {
        const checked = checkBatches(records === null ? null : Chunks.of(records.toBuffer()))
        assert('batches' in checked, 'Kafka took these batches')
        for (const batch of checked.batches) {
          const payload = checked.records.view(batch.position, batch.sizeInBytes).subarray(BATCH_HEADER_BYTES)
          for (const { key, value } of readRecords(batch, decompress(batch.codec, payload, 2 ** 20)))
            produced.push({ stream: `${connection} ${index}`, key: key?.toString() ?? '', value: value!.toString() })
        }
      }
    return { acks, produced }
  } catch (error) {
    if (error instanceof assert.AssertionError) throw error
    return { acks: -1, produced: [] }
  }
}

/** An array, as APISIX and Kong send, is a log for each of its elements. */
export function countLogs(records: readonly ProducedRecord[]): number {
  const documents = records.map(({ value }) => JSON.parse(value) as unknown)
  return documents.reduce<number>((logs, document) => logs + (Array.isArray(document) ? document.length : 1), 0)
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
