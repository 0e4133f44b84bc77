/**
 * A slow network with a fault in it: it stands between a producer and the server, and damages chosen batches on their way.
 *
 *     producer ──TLS──▶ held back until more is in flight ▶ damaged ▶ ──TLS──▶ server
 *              ◀───────────────── what was answered is written down ◀─────────
 *
 * A producer has no other way of losing a log than to have sent more before it learns of a refusal. So a chosen batch waits here
 * until there is another of its partition behind it, or until it is clear that the producer sends none; what is behind it reaches the
 * server together with it, or not before it has been answered.
 */
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { connect, createServer, type Server, type TLSSocket } from 'node:tls'
import { makeCertificates } from '../../../certs/development.ts'
import { ApiKey } from '../../../protocol/api-keys.ts'
import type { Chunks } from '../../../protocol/chunks.ts'
import { FrameReader } from '../../../protocol/framing.ts'
import { decodeRequestHeader, decodeResponse } from '../../../protocol/headers.ts'
import { produceRequest, produceResponse } from '../../../protocol/messages/produce.ts'
import { Reader } from '../../../protocol/reader.ts'
import { readBatchHeader } from '../../../protocol/records/batch.ts'
import { beginningOf, type Log, type Stream } from './verdict.ts'

/** Batches that are to be refused: the one that holds a log, and those that come next in its stream. */
export interface Fault extends Log {
  /** How many in a row. */
  batches: number
  /** Whether they are damaged here; if not, something else refuses them. */
  isDamaged: boolean
  /** When what is behind the first one goes on: with it, or when it has been answered. */
  behind: 'together' | 'after the answer'
}

/** A batch that came by, as often as it came. */
export interface SentBatch extends Stream {
  producer: string
  firstSequence: number
  lastSequence: number
  /** Whether one before it in its stream was refused, and its producer had not learned of that when it sent this one. */
  isBehindRefused: boolean
  /** Undefined while there is no answer. */
  errorCode: number | undefined
}

interface Request {
  frame: Chunks
  correlationId: number
  apiVersion: number
  /** Undefined if it is no Produce request; librdkafka sends one batch in each. */
  batch: SentBatch | undefined
  /** Whether it waits for another behind it. */
  isHeld: boolean
  behind: Fault['behind'] | undefined
}

/** How long a batch waits for another behind it. There may come none: its producer may wait for the answers of all that it has sent. */
const LATENCY_MS = 250

export class Proxy {
  /** Every batch that came by, in order. */
  readonly sent: SentBatch[] = []
  /** What is still to be refused, and how many batches of it. */
  readonly #faults = new Map<Fault, number>()
  readonly caFile: string
  readonly #server: Server
  readonly #sockets = new Set<TLSSocket>()
  #target: { port: number; ca: Buffer } | undefined

  private constructor(server: Server, caFile: string) {
    this.#server = server
    this.caFile = caFile
    server.on('secureConnection', socket => this.#accept(socket))
  }

  /** Opens a port; its certificates are made in `directory`. */
  static async open(directory: string): Promise<Proxy> {
    const { caFile, certFile, keyFile } = await makeCertificates({ directory, hosts: ['localhost'] })
    const server = createServer({ cert: await readFile(certFile), key: await readFile(keyFile), noDelay: true })
    server.listen(0)
    await once(server, 'listening')
    return new Proxy(server, caFile)
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** Says where producers are led to; before that nobody may connect. */
  leadTo(target: { port: number; ca: Buffer }): void {
    this.#target = target
  }

  /** Has batches refused, each fault once, and forgets what was before. */
  begin(faults: readonly Fault[]): void {
    this.sent.length = 0
    this.#faults.clear()
    for (const fault of faults) this.#faults.set(fault, fault.batches)
  }

  /** The batches that were to be refused and have not come. */
  get missing(): number {
    return [...this.#faults.values()].reduce((sum, left) => sum + left, 0)
  }

  /** The fault that a batch was chosen for. */
  choose(batch: SentBatch, records: Buffer): { fault: Fault; isFirst: boolean } | undefined {
    for (const [fault, left] of this.#faults) {
      const isFirst = left === fault.batches
      if (!isSameStream(fault, batch) || (isFirst && !records.includes(beginningOf(fault)))) continue
      if (left === 1) this.#faults.delete(fault)
      else this.#faults.set(fault, left - 1)
      return { fault, isFirst }
    }
    return undefined
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #accept(client: TLSSocket): void {
    const { port, ca } = this.#target!
    const server = connect({ host: 'localhost', port, ca, servername: 'localhost' })
    server.setNoDelay()
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        this.#sockets.delete(socket)
        other.destroy()
      })
    }
    const way = new Way(this, client, server)
    readFrames(client, frame => way.request(frame))
    readFrames(server, frame => way.respond(frame))
  }
}

/** One connection. */
class Way {
  readonly #proxy: Proxy
  readonly #client: TLSSocket
  readonly #server: TLSSocket
  /** What the producer has sent and the server has not, in order. */
  readonly #held: Request[] = []
  /** By correlation id: what is not answered yet. */
  readonly #unanswered = new Map<number, Request>()
  /** The request whose answer the others wait for. */
  #awaited: Request | undefined

  constructor(proxy: Proxy, client: TLSSocket, server: TLSSocket) {
    this.#proxy = proxy
    this.#client = client
    this.#server = server
  }

  request(frame: Chunks): void {
    const reader = new Reader(frame)
    const { apiKey, apiVersion, correlationId } = decodeRequestHeader(reader)
    const request: Request = { frame, correlationId, apiVersion, batch: undefined, isHeld: false, behind: undefined }
    if (apiKey === ApiKey.Produce) this.#inspect(request, reader)
    this.#unanswered.set(correlationId, request)
    this.#held.push(request)
    this.#forward()
  }

  respond(frame: Chunks): void {
    const correlationId = frame.view(0, 4).readInt32BE(0)
    const request = this.#unanswered.get(correlationId)
    this.#unanswered.delete(correlationId)
    if (request?.batch !== undefined) {
      const { value } = decodeResponse(produceResponse, request.apiVersion, frame)
      request.batch.errorCode = value.responses[0]!.partitionResponses[0]!.errorCode
      if (request.batch.errorCode !== 0)
        for (const { batch } of this.#unanswered.values())
          if (batch !== undefined && isBehind(batch, request.batch)) batch.isBehindRefused = true
    }
    write(this.#client, frame)
    if (request === this.#awaited) this.#awaited = undefined
    this.#forward()
  }

  /** Reads the batch of a Produce request, and damages it if it was chosen. */
  #inspect(request: Request, reader: Reader): void {
    const { topicData } = produceRequest.decode(reader, request.apiVersion)
    const [{ name: topic, partitionData }, ...others] = topicData as [(typeof topicData)[number]]
    const [{ index: partition, records }, ...more] = partitionData as [(typeof partitionData)[number]]
    if (others.length + more.length > 0) throw new Error('a Produce request with several partitions')
    const { producerId, producerEpoch, baseSequence, recordCount } = readBatchHeader(records!, 0)
    const batch: SentBatch = {
      topic,
      partition,
      producer: `${producerId}/${producerEpoch}`,
      firstSequence: baseSequence,
      lastSequence: baseSequence + recordCount - 1,
      isBehindRefused: false,
      errorCode: undefined,
    }
    request.batch = batch
    this.#proxy.sent.push(batch)
    const chosen = this.#proxy.choose(batch, records!.toBuffer())
    if (chosen === undefined) return
    if (chosen.isFirst) this.#hold(request, chosen.fault.behind)
    if (!chosen.fault.isDamaged) return
    // The bytes are those of the frame.
    const last = records!.pieces.at(-1)!
    last[last.length - 1]! ^= 1
  }

  #hold(request: Request, behind: Fault['behind']): void {
    request.behind = behind
    request.isHeld = true
    setTimeout(() => {
      request.isHeld = false
      this.#forward()
    }, LATENCY_MS)
  }

  #forward(): void {
    for (;;) {
      const [next] = this.#held
      if (next === undefined || this.#awaited !== undefined) return
      if (next.isHeld && !this.#held.some(({ batch }) => batch !== undefined && isBehind(batch, next.batch!))) return
      this.#held.shift()
      write(this.#server, next.frame)
      if (next.behind === 'after the answer') this.#awaited = next
    }
  }
}

function isSameStream(one: Stream, other: Stream): boolean {
  return one.topic === other.topic && one.partition === other.partition
}

function isBehind(batch: SentBatch, refused: SentBatch): boolean {
  return isSameStream(batch, refused) && batch.producer === refused.producer && batch.firstSequence > refused.lastSequence
}

function readFrames(socket: TLSSocket, take: (frame: Chunks) => void): void {
  const frames = new FrameReader(2 ** 30)
  socket.on('data', (chunk: Buffer) => {
    frames.push(chunk)
    for (let frame = frames.next(); frame !== undefined; frame = frames.next()) take(frame)
  })
}

function write(socket: TLSSocket, frame: Chunks): void {
  const size = Buffer.alloc(4)
  size.writeInt32BE(frame.length)
  socket.cork()
  for (const piece of [size, ...frame.pieces]) socket.write(piece)
  socket.uncork()
}
