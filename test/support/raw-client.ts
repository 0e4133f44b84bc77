/**
 * A client that sends exactly what it is told to, and reads the answers one by one.
 */
import { once } from 'node:events'
import { connect as connectPlain, type Socket } from 'node:net'
import { connect, TLSSocket } from 'node:tls'
import { FrameReader } from '../../protocol/framing.ts'
import { decodeResponse, encodeRequest } from '../../protocol/headers.ts'
import type { Message } from '../../protocol/message.ts'
import { metadataRequest, metadataResponse, type MetadataResponse } from '../../protocol/messages/metadata.ts'
import { produceRequest, produceResponse, type ProduceResponse } from '../../protocol/messages/produce.ts'
import { saslAuthenticateRequest, saslAuthenticateResponse } from '../../protocol/messages/sasl-authenticate.ts'
import { saslHandshakeRequest, saslHandshakeResponse } from '../../protocol/messages/sasl-handshake.ts'
import { Chunks } from '../../protocol/chunks.ts'
import { buildBatch, type BatchInput } from '../../protocol/records/build-batch.ts'
import type { Server } from './server.ts'

export interface RawClientOptions {
  /** The name in the TLS greeting; null for none. */
  serverName?: string | null
  /** The listener's name; all but the internet and the intranet one are without TLS. */
  listener?: string
}

/** What goes to one partition: a batch to build, or bytes. */
export interface PartitionInput {
  topic: string
  partition?: number
  batch: BatchInput | Buffer
}

const CLIENT_ID = 'raw'

export class RawClient {
  readonly socket: Socket
  readonly #frames = new FrameReader(2 ** 30)
  /** Wakes who waits for a frame or the end. */
  #wake: () => void = () => {}
  #hasEnded = false
  #correlationId = 0

  private constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (chunk: Buffer) => {
      this.#frames.push(chunk)
      this.#wake()
    })
    for (const event of ['end', 'close', 'error'] as const)
      socket.on(event, () => {
        this.#hasEnded = true
        this.#wake()
      })
  }

  /** A client on a socket that is about to be connected. */
  static async over(socket: Socket): Promise<RawClient> {
    await once(socket, socket instanceof TLSSocket ? 'secureConnect' : 'connect')
    return new RawClient(socket)
  }

  static async connect(
    server: Server,
    { serverName = 'localhost', listener = 'internet' }: RawClientOptions = {},
  ): Promise<RawClient> {
    const address = { host: '127.0.0.1', port: server.port(listener) }
    if (listener !== 'internet' && listener !== 'intranet') return RawClient.over(connectPlain(address))
    const socket = connect({
      ...address,
      ca: server.ca,
      ...(serverName !== null && { servername: serverName }),
      checkServerIdentity: () => undefined,
    })
    return RawClient.over(socket)
  }

  /** A client that has logged in. */
  static async login(server: Server, project: string, password: string, options: RawClientOptions = {}): Promise<RawClient> {
    const client = await RawClient.connect(server, options)
    await client.authenticate(project, password)
    return client
  }

  /** The port of this side: how the server's log names this connection. */
  get localPort(): number {
    return this.socket.localPort!
  }

  write(bytes: Buffer): void {
    this.socket.write(bytes)
  }

  /** The bytes of a request, with the next correlation id. */
  encode<Value, Input>(message: Message<Value, Input>, version: number, value: NoInfer<Input>): Buffer {
    return encodeRequest(message, version, ++this.#correlationId, CLIENT_ID, value)
  }

  /** The next answer, in whatever order; rejects if the connection ends before. */
  async receive<Value, Input>(message: Message<Value, Input>, version: number): Promise<{ correlationId: number; value: Value }> {
    return decodeResponse(message, version, await this.receiveFrame())
  }

  async receiveFrame(): Promise<Buffer> {
    for (;;) {
      const frame = this.#frames.next()
      if (frame !== undefined) return frame.toBuffer()
      if (this.#hasEnded) throw new Error('the connection ended')
      await new Promise<void>(resolve => (this.#wake = resolve))
    }
  }

  /** Sends a request and reads its answer. */
  async call<Value, Input, ResponseInput>(
    request: Message<unknown, Input>,
    response: Message<Value, ResponseInput>,
    version: number,
    value: NoInfer<Input>,
  ): Promise<Value> {
    this.write(this.encode(request, version, value))
    return (await this.receive(response, version)).value
  }

  async authenticate(project: string, password: string): Promise<{ errorCode: number; errorMessage: string | null }> {
    await this.call(saslHandshakeRequest, saslHandshakeResponse, 1, { mechanism: 'PLAIN' })
    return this.call(saslAuthenticateRequest, saslAuthenticateResponse, 1, { authBytes: plainToken(project, password) })
  }

  encodeProduce(partitions: readonly PartitionInput[], { acks = -1, version = 8 } = {}): Buffer {
    const topicData = partitions.map(({ topic, partition = 0, batch }) => {
      const bytes = Buffer.isBuffer(batch) ? batch : buildBatch(batch)
      return { name: topic, partitionData: [{ index: partition, records: Chunks.of(bytes) }] }
    })
    return this.encode(produceRequest, version, { transactionalId: null, acks, timeoutMs: 30_000, topicData })
  }

  async receiveProduced(
    version = 8,
  ): Promise<{ correlationId: number; partitions: PartitionResponse[]; value: ProduceResponse }> {
    const { correlationId, value } = await this.receive(produceResponse, version)
    return { correlationId, partitions: value.responses.flatMap(({ partitionResponses }) => partitionResponses), value }
  }

  /** Sends batches and reads what became of each. */
  async produce(
    partitions: readonly PartitionInput[],
    options: { acks?: number; version?: number } = {},
  ): Promise<PartitionResponse[]> {
    this.write(this.encodeProduce(partitions, options))
    return (await this.receiveProduced(options.version)).partitions
  }

  /** Asks for topics by name, or for all; in a version whose requests name them. */
  describe(topics: readonly string[] | null, version = 9): Promise<MetadataResponse> {
    return this.call(metadataRequest, metadataResponse, version, { topics: topics && topics.map(name => ({ name })) })
  }

  /** Resolves when the server has ended the connection; what it still answered is thrown away. */
  async waitForEnd(): Promise<void> {
    while (!this.#hasEnded) await new Promise<void>(resolve => (this.#wake = resolve))
    this.socket.destroy()
  }

  close(): void {
    this.socket.destroy()
  }
}

type PartitionResponse = ProduceResponse['responses'][number]['partitionResponses'][number]

export function plainToken(project: string, password: string): Buffer {
  return Buffer.from(`\0${project}\0${password}`)
}
