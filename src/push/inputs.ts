/**
 * Files and standard input become lines, lines become batches of a producer. How far each input is stored is known at any time.
 *
 * What is read waits for what is sent: no more is in memory than the batches the producer holds, the one being filled, and a piece of
 * each input.
 */
import { createReadStream } from 'node:fs'
import { addAbortSignal, pipeline, type Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { sluiceError } from '../base/errors.ts'
import { encodeRecords, type RecordInput } from '../../protocol/records/build-batch.ts'
import { ANEW, followFile } from './follow.ts'
import { LineCutter, type Line } from './lines.ts'
import type { Producer } from './producer.ts'

/** Standard input, where files are named. */
export const STDIN = '-'

const PIECE_BYTES = 256 * 1024
/** How long a line waits for others, where they come slowly. */
const LINGER_MS = 200

/** What was read and what became of it. */
export interface Input {
  readonly name: string
  /** Lines that are stored; empty ones are not sent. */
  lines: number
  /** The bytes of these lines, without their ends. */
  bytes: number
  /** Up to which byte it is stored. Of a file that is compressed, a byte of what is in it; of one that was rotated or cut, of the new one. */
  position: number
  /** Bytes that were read, as they lie on the disk. */
  readBytes: number
}

export interface SenderOptions {
  producer: Producer
  /** How many bytes of lines make a batch. */
  batchBytes: number
  /** Once aborted nothing more is read. */
  signal: AbortSignal
}

/** The lines of a batch that come from one input. */
interface Share {
  lines: number
  bytes: number
  end: number
}

export function createInput(name: string): Input {
  return { name, lines: 0, bytes: 0, position: 0, readBytes: 0 }
}

export class Sender {
  readonly #options: SenderOptions
  /** How many batches are stored. */
  batches = 0
  /** The batch that is being filled. */
  #records: RecordInput[] = []
  #bytes = 0
  #shares = new Map<Input, Share>()
  #linger: NodeJS.Timeout | undefined

  constructor(options: SenderOptions) {
    this.#options = options
  }

  /** Sends an input up to its end. */
  async send(input: Input, stdin: Readable): Promise<void> {
    const cutter = new LineCutter(input.name)
    for await (const piece of this.#read(input, stdin)) for (const line of cutter.cut(piece)) await this.#add(input, line)
    if (!this.#options.signal.aborted) for (const line of cutter.finish()) await this.#add(input, line)
  }

  /** Sends a file and what is written to it, until reading is stopped. */
  async follow(input: Input): Promise<void> {
    let cutter = new LineCutter(input.name)
    for await (const piece of followFile(input.name, this.#options.signal)) {
      if (piece === ANEW) {
        for (const line of cutter.finish()) await this.#add(input, line)
        cutter = new LineCutter(input.name)
        continue
      }
      input.readBytes += piece.length
      for (const line of cutter.cut(piece)) await this.#add(input, line)
    }
  }

  /** Sends the batch that is being filled. Resolves when there is room for more. */
  async flush(): Promise<void> {
    clearTimeout(this.#linger)
    this.#linger = undefined
    if (this.#records.length === 0) return
    const records = encodeRecords(this.#records)
    const shares = this.#shares
    this.#records = []
    this.#bytes = 0
    this.#shares = new Map()
    await this.#options.producer.send(records, () => {
      this.batches++
      for (const [input, { lines, bytes, end }] of shares) {
        input.lines += lines
        input.bytes += bytes
        input.position = end
      }
    })
  }

  #add(input: Input, { value, end }: Line): Promise<void> | undefined {
    if (value.length === 0) return undefined
    this.#records.push({ timestamp: Date.now(), value })
    this.#bytes += value.length
    const share = this.#shares.get(input) ?? { lines: 0, bytes: 0, end }
    share.lines++
    share.bytes += value.length
    share.end = end
    this.#shares.set(input, share)
    if (this.#bytes >= this.#options.batchBytes) return this.flush()
    // What has failed is thrown to whoever sends next, or ends.
    this.#linger ??= setTimeout(() => void this.flush().catch(() => {}), LINGER_MS)
    // Nobody waits for what is sent after a while: without this lines that come slowly would be read for ever while the server is away.
    return this.#options.producer.isFull ? this.#options.producer.room() : undefined
  }

  async *#read(input: Input, stdin: Readable): AsyncGenerator<Buffer> {
    const { signal } = this.#options
    if (input.name === STDIN) {
      for await (const piece of withSignal(stdin, signal)) {
        input.readBytes += piece.length
        yield piece
      }
      return
    }
    const file = createReadStream(input.name, { highWaterMark: PIECE_BYTES })
    const isGzip = input.name.endsWith('.gz')
    const content = isGzip ? pipeline(file, createGunzip({ chunkSize: PIECE_BYTES }), () => {}) : file
    try {
      for await (const piece of withSignal(content, signal)) {
        input.readBytes = file.bytesRead
        yield piece
      }
    } catch (error) {
      const { code = '', message } = error as NodeJS.ErrnoException
      if (!code.startsWith('Z_')) throw error
      throw sluiceError('PUSH_FAILED', { problem: `${input.name} cannot be decompressed as gzip: ${message}` }, error)
    }
  }
}

/** What a stream has until `signal` is aborted; that is its end then. */
async function* withSignal(stream: Readable, signal: AbortSignal): AsyncGenerator<Buffer> {
  try {
    yield* addAbortSignal(signal, stream) as AsyncIterable<Buffer>
  } catch (error) {
    if (!signal.aborted) throw error
  }
}
