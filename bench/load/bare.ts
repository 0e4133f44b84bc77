/**
 * The limit of what a server in Node could do that acknowledges what is on disk: TLS, frames, a checksum of each batch, one durable write for
 * all that wait, and answers in their order. It has no duty beside: everybody may send, nothing is limited, counted, balanced or read again,
 * and whatever else it is asked has one answer. It speaks what the load generator speaks. The same file is that process, if
 * it is started as `node bare.js CERT KEY DIRECTORY`.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { constants as cryptoConstants } from 'node:crypto'
import { once } from 'node:events'
import { closeSync, constants, fsyncSync, openSync, readFileSync, writeSync, writev } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { createServer, type TLSSocket } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { setFlagsFromString } from 'node:v8'
import { ApiKey } from '../../protocol/api-keys.ts'
import { decodeRequestHeader, encodeResponse } from '../../protocol/headers.ts'
import { apiVersionsResponse } from '../../protocol/messages/api-versions.ts'
import { metadataRequest, metadataResponse } from '../../protocol/messages/metadata.ts'
import { produceResponse } from '../../protocol/messages/produce.ts'
import { saslAuthenticateResponse } from '../../protocol/messages/sasl-authenticate.ts'
import { saslHandshakeResponse } from '../../protocol/messages/sasl-handshake.ts'
import { Reader } from '../../protocol/reader.ts'
import { crc32c } from '../../protocol/records/crc32c.ts'
import { countReceived, tuneGarbageCollection } from '../../src/base/garbage.ts'
import type { Certificates } from './certificates.ts'
import type { Target } from './generator.ts'

export interface BareOptions {
  /** Its own directory. */
  directory: string
  certificates: Certificates
  /** The Node that runs it; this one if absent. */
  node?: string
}

const file = fileURLToPath(import.meta.url)
/** The only version that it takes, as the load generator sends no other. */
export const BARE_PRODUCE_VERSION = 10

export class Bare implements Target {
  readonly broker: string
  readonly ca: string
  readonly #process: ChildProcess
  readonly #directory: string

  private constructor(child: ChildProcess, port: string, ca: string, directory: string) {
    this.#process = child
    this.broker = `127.0.0.1:${port}`
    this.ca = ca
    this.#directory = directory
  }

  /** Its files are filled before it takes connections. */
  static async start({ directory, certificates: { ca, cert, key }, node = process.execPath }: BareOptions): Promise<Bare> {
    await rm(directory, { recursive: true, force: true })
    await mkdir(directory, { recursive: true })
    const child = spawn(node, [file, cert, key, directory], { cwd: directory, stdio: ['pipe', 'pipe', 'inherit'] })
    const failed = once(child, 'exit').then(() => Promise.reject(new Error('the bare path did not start; it says why above')))
    const [port] = (await Promise.race([once(child.stdout, 'data'), failed])) as [Buffer]
    return new Bare(child, String(port).trim(), ca, directory)
  }

  get pids(): number[] {
    return [this.#process.pid!]
  }

  async remove(): Promise<void> {
    if (this.#process.exitCode === null) {
      const ended = once(this.#process, 'exit')
      this.#process.kill()
      await ended
    }
    await rm(this.#directory, { recursive: true })
  }
}

const SHARDS = 8
const SEGMENTS = 4
/** As sluice has them. */
const SEGMENT_BYTES = 64 * 1024 * 1024
const GROUP_BYTES = 2 * 1024 * 1024
const BLOCK = Buffer.alloc(4096)

/** Where things are in a produce request, with its size before it. */
const CORRELATION_ID_AT = 8
const CLIENT_ID_AT = 12
/** Tags, transactional id, acks, timeout, number of topics. */
const TOPIC_AFTER_CLIENT_ID = 1 + 1 + 2 + 4 + 1
/** As much of a request as is looked at, unless it has long names. */
const HEAD_BYTES = 512
/** In a record batch: its size after the base offset, and its checksum of what follows it. */
const SIZE_AT = 8
const CRC_AT = 17

const produced = encodeResponse(produceResponse, BARE_PRODUCE_VERSION, 0, {
  responses: [{ name: 'bench', partitionResponses: [{ index: 0, errorCode: 0, baseOffset: 0, logStartOffset: 0 }] }],
})
const RESPONSE_CORRELATION_ID_AT = 4

interface Group {
  pieces: Buffer[]
  bytes: number
  /** The correlation ids to be answered on each connection. */
  owed: Map<TLSSocket, number[]>
}

/** Files that were filled once and are written over and over, in blocks, each write durable when it is done. */
class Segments {
  readonly #files: readonly number[]
  /** The file that is written, and where in it the next group begins. */
  #current = 0
  #position = 0
  /** True while a group is written, or about to be. */
  #isWriting = false
  /** Those that wait; the last one gathers. */
  readonly #groups: Group[] = []

  constructor(directory: string) {
    this.#files = Array.from({ length: SEGMENTS }, (_, index) => openSegment(join(directory, String(index))))
  }

  append(pieces: readonly Buffer[], bytes: number, socket: TLSSocket, correlationId: number): void {
    let group = this.#groups.at(-1)
    if (group === undefined || group.bytes + bytes > GROUP_BYTES)
      this.#groups.push((group = { pieces: [], bytes: 0, owed: new Map() }))
    group.pieces.push(...pieces)
    group.bytes += bytes
    const owed = group.owed.get(socket)
    if (owed === undefined) group.owed.set(socket, [correlationId])
    else owed.push(correlationId)
    if (this.#isWriting) return
    this.#isWriting = true
    // With what other connections have sent meanwhile.
    setImmediate(() => this.#write())
  }

  #write(): void {
    const group = this.#groups.shift()
    this.#isWriting = group !== undefined
    if (group === undefined) return
    const padding = -group.bytes & (BLOCK.length - 1)
    const bytes = group.bytes + padding
    if (padding > 0) group.pieces.push(BLOCK.subarray(0, padding))
    if (this.#position + bytes > SEGMENT_BYTES) {
      this.#position = 0
      this.#current = (this.#current + 1) % SEGMENTS
    }
    writev(this.#files[this.#current]!, group.pieces, this.#position, (error, written) => {
      if (error !== null || written !== bytes) throw error ?? new Error(`${written} of ${bytes} bytes were written`)
      this.#write()
      for (const [socket, correlationIds] of group.owed) answer(socket, correlationIds)
    })
    this.#position += bytes
  }
}

function openSegment(path: string): number {
  const filling = openSync(path, 'w')
  const zeros = Buffer.alloc(2 ** 20)
  for (let position = 0; position < SEGMENT_BYTES; position += zeros.length) writeSync(filling, zeros, 0, zeros.length, position)
  fsyncSync(filling)
  closeSync(filling)
  return openSync(path, constants.O_RDWR | constants.O_DSYNC)
}

function answer(socket: TLSSocket, correlationIds: readonly number[]): void {
  const bytes = Buffer.allocUnsafe(correlationIds.length * produced.length)
  for (const [index, correlationId] of correlationIds.entries()) {
    const position = index * produced.length
    bytes.set(produced, position)
    bytes.writeInt32BE(correlationId, position + RESPONSE_CORRELATION_ID_AT)
  }
  socket.write(bytes)
}

/** Takes what a connection sends, in the pieces in which it comes. */
function serve(socket: TLSSocket, segments: Segments): void {
  let pieces: Buffer[] = []
  let bytes = 0
  socket.on('error', () => {})
  socket.on('data', (chunk: Buffer) => {
    countReceived(chunk.length)
    pieces.push(chunk)
    bytes += chunk.length
    while (bytes >= 4) {
      if (pieces[0]!.length < 4) pieces = [Buffer.concat(pieces)]
      const length = 4 + pieces[0]!.readInt32BE()
      if (bytes < length) return
      const frame = bytes === length ? pieces : takeFrame(pieces, length)
      if (bytes === length) pieces = []
      bytes -= length
      handle(frame, length, socket, segments)
    }
  })
}

/** The pieces of a frame that others follow, which are left. */
function takeFrame(pieces: Buffer[], length: number): Buffer[] {
  let count = 0
  let end = 0
  while (end < length) end += pieces[count++]!.length
  const frame = pieces.splice(0, count)
  if (end === length) return frame
  const last = frame.pop()!
  const ownBytes = last.length - (end - length)
  pieces.unshift(last.subarray(ownBytes))
  return [...frame, last.subarray(0, ownBytes)]
}

function handle(frame: Buffer[], length: number, socket: TLSSocket, segments: Segments): void {
  const pieces = frame[0]!.length >= Math.min(length, HEAD_BYTES) ? frame : [Buffer.concat(frame)]
  const [head] = pieces as [Buffer]
  if (head.readInt16BE(4) !== ApiKey.Produce) return void socket.write(answerOther(Buffer.concat(pieces).subarray(4)))
  const batch = findBatch(head)
  const end = batch + SIZE_AT + 4 + head.readInt32BE(batch + SIZE_AT)
  let crc = 0
  let start = 0
  for (const piece of pieces) {
    crc = crc32c(piece, crc, Math.max(0, batch + CRC_AT + 4 - start), Math.min(piece.length, end - start))
    start += piece.length
  }
  if (crc !== head.readUInt32BE(batch + CRC_AT)) return void socket.destroy()
  segments.append(pieces, length, socket, head.readInt32BE(CORRELATION_ID_AT))
}

/** Where the only batch of a produce request is. */
function findBatch(head: Buffer): number {
  const topic = CLIENT_ID_AT + 2 + head.readInt16BE(CLIENT_ID_AT) + TOPIC_AFTER_CLIENT_ID
  // The name, one byte longer than its length says, the number of partitions, and the partition.
  const size = topic + head[topic]! + 1 + 4
  let position = size
  while (head[position]! >= 0x80) position++
  return position + 1
}

function answerOther(request: Buffer): Buffer {
  const reader = new Reader(request)
  const { apiKey, apiVersion, correlationId } = decodeRequestHeader(reader)
  switch (apiKey) {
    case ApiKey.ApiVersions: {
      const apiKeys = [{ apiKey: ApiKey.Produce, minVersion: BARE_PRODUCE_VERSION, maxVersion: BARE_PRODUCE_VERSION }]
      return encodeResponse(apiVersionsResponse, apiVersion, correlationId, { errorCode: 0, apiKeys })
    }
    case ApiKey.SaslHandshake:
      return encodeResponse(saslHandshakeResponse, apiVersion, correlationId, { errorCode: 0, mechanisms: ['PLAIN'] })
    case ApiKey.SaslAuthenticate:
      return encodeResponse(saslAuthenticateResponse, apiVersion, correlationId, {
        errorCode: 0,
        errorMessage: null,
        authBytes: Buffer.alloc(0),
      })
    case ApiKey.Metadata: {
      const [topic] = metadataRequest.decode(reader, apiVersion).topics ?? []
      const partitions = Array.from({ length: SHARDS }, (_, partitionIndex) => ({
        errorCode: 0,
        partitionIndex,
        leaderId: 1,
        replicaNodes: [1],
        isrNodes: [1],
      }))
      const topics = [{ errorCode: 0, name: topic?.name ?? null, partitions }]
      return encodeResponse(metadataResponse, apiVersion, correlationId, { brokers: [], topics })
    }
    default:
      throw new Error(`it is asked for API ${apiKey}, of which it knows nothing`)
  }
}

if (process.argv[1] === file) {
  tuneGarbageCollection()
  // Its heap is so small that V8 would look through all of it for every few megabytes of requests.
  setFlagsFromString('--heap-growing-percent=1000')
  const [certFile, keyFile, directory] = process.argv.slice(2) as [string, string, string]
  const segments = new Segments(directory)
  // As a listener of sluice has them.
  const options = { minVersion: 'TLSv1.2', secureOptions: cryptoConstants.SSL_OP_NO_TICKET, noDelay: true } as const
  const server = createServer({ ...options, cert: readFileSync(certFile), key: readFileSync(keyFile) }, socket =>
    serve(socket, segments),
  ).listen(0, '127.0.0.1', () => console.log((server.address() as AddressInfo).port))
  // It ends with whoever has started it.
  process.stdin.on('end', () => process.exit()).resume()
}
