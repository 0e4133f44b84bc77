/**
 * Wire dumps: what goes over Kafka connections, written to files while somebody asks for it. Nothing of it runs, and a frame
 * costs one look at an empty field, while nobody does.
 *
 *     DATA/dumps/TIME-PEER.jsonl    a file for each connection, a JSON object for each event:
 *
 *     open               tls, cipher, servername, resumed; peer, time, and whether the connection had begun `earlier`
 *     request, response  apiKey, apiVersion, correlationId, and in `hex` the frame without its size; the three are null for a
 *                        SASL token without a header and for its answer. A response has key and version of its request.
 *                        Of a frame that is cut, or null because it is not recorded, `bytes` is the true size.
 *     lost               how many `frames` were left out here because the disk could not keep up
 *     close              by: client or broker; error: why, if it was the broker
 *
 * `conn` numbers the connections of a recording, `ms` counts from its start.
 *
 * No secret is ever in a dump; `tap.ts` sees to it. A recording is bounded: in bytes, time, files, and in the memory for what
 * waits for the disk. It never holds a connection up.
 */
import { join } from 'node:path'
import { sluiceError } from '../base/errors.ts'
import type { Files } from '../base/files.ts'
import { Tap, type Tapped, type TappedFacts } from './tap.ts'

/** What may wait for the disk, or for it to be known whose connection it is. */
const MAX_WAITING_BYTES = 16 * 1024 * 1024
/** Some clients open a connection for each request. */
const MAX_FILES = 1000

/** Which connections are recorded, and when it ends. */
export interface RecordingOptions {
  /** Only connections that have logged in to this project; what they sent before is recorded too. */
  project?: string | undefined
  /** Only connections from this address. */
  source?: string | undefined
  seconds: number
  /** All files together. */
  bytes: number
  /** Told of each file when it is begun. */
  onFile: (file: { file: string; peer: string }) => void
}

export interface RecordingSummary {
  files: number
  frames: number
  bytes: number
  /** Frames that the disk was too slow for. */
  lostFrames: number
  /** Connections beyond the number that is recorded. */
  connectionsLeftOut: number
  ended: Ending
  /** What the disk said, if it failed. */
  problem: string | null
}

/** Why a recording ended: its time was up, its bytes were full, it was told to, or the disk failed. */
export type Ending = 'time' | 'bytes' | 'stopped' | 'disk'

export class WireDump {
  readonly #files: Files
  readonly #directory: string
  /** All that are open, since a recording takes those too that have begun before it. */
  readonly #connections = new Map<Tapped, TappedFacts>()
  #recording: Recording | undefined

  constructor({ files, directory }: { files: Files; directory: string }) {
    this.#files = files
    this.#directory = directory
  }

  connect(connection: Tapped, facts: TappedFacts): void {
    this.#connections.set(connection, facts)
    this.#recording?.begin(connection, facts, { earlier: false })
  }

  disconnect(connection: Tapped): void {
    this.#connections.delete(connection)
    connection.tap?.end()
    connection.tap = undefined
  }

  /**
   * Begins a recording; resolves with what stops it and tells of its end. Rejects with DUMP_RUNNING: there is one at a time.
   */
  async record(options: RecordingOptions): Promise<Recording> {
    await this.#files.makeDirectory(this.#directory, 0o700).catch((error: unknown) => {
      throw sluiceError('STORAGE_FAILED', { doing: `making ${this.#directory}` }, error)
    })
    if (this.#recording !== undefined) throw sluiceError('DUMP_RUNNING', {})
    const recording = new Recording(options, { files: this.#files, directory: this.#directory })
    this.#recording = recording
    for (const [connection, facts] of this.#connections) recording.begin(connection, facts, { earlier: true })
    void recording.ended.then(() => {
      this.#recording = undefined
      for (const connection of this.#connections.keys()) connection.tap = undefined
    })
    return recording
  }

  /** Ends the recording, if there is one; resolves when all of it is written. */
  async stop(): Promise<void> {
    this.#recording?.stop('stopped')
    await this.#recording?.ended
  }
}

export class Recording {
  /** Resolves when the recording has ended and everything is written; never rejects. */
  readonly ended: Promise<RecordingSummary>

  readonly #options: RecordingOptions
  readonly #files: Files
  readonly #directory: string
  readonly #startedMs = performance.now()
  readonly #timer: NodeJS.Timeout
  readonly #taps = new Set<Tap>()
  /** Lines that wait for the disk, by connection: first come, first written. */
  readonly #queue = new Map<Tap, Buffer[]>()
  /** All that is held in memory: the queue, what is being written, and what the taps hold back. */
  #waitingBytes = 0
  #isWriting = false
  #connections = 0
  #ending: Ending | undefined
  #problem: string | null = null
  readonly #summary = { files: 0, frames: 0, bytes: 0, lostFrames: 0, connectionsLeftOut: 0 }
  #resolve: (summary: RecordingSummary) => void = () => {}

  constructor(options: RecordingOptions, { files, directory }: { files: Files; directory: string }) {
    this.#options = options
    this.#files = files
    this.#directory = directory
    this.#timer = setTimeout(() => this.stop('time'), options.seconds * 1000)
    this.ended = new Promise(resolve => (this.#resolve = resolve))
  }

  get project(): string | undefined {
    return this.#options.project
  }

  begin(connection: Tapped, facts: TappedFacts, { earlier }: { earlier: boolean }): void {
    const { source } = this.#options
    if (this.#ending !== undefined || (source !== undefined && source !== facts.source)) return
    connection.tap = new Tap(this, connection, { facts, number: ++this.#connections })
    this.#taps.add(connection.tap)
    connection.tap.open(earlier)
  }

  /** Takes no more; what is waiting is still written. */
  stop(ending: Ending): void {
    if (this.#ending !== undefined) return
    this.#ending = ending
    clearTimeout(this.#timer)
    for (const tap of this.#taps) tap.leave()
    if (!this.#isWriting) this.#finish()
  }

  get elapsedMs(): number {
    return Math.round(performance.now() - this.#startedMs)
  }

  /** Room in memory for a line; false if the disk is behind. */
  reserve(bytes: number): boolean {
    if (this.#waitingBytes + bytes > MAX_WAITING_BYTES) return false
    this.#waitingBytes += bytes
    return true
  }

  release(bytes: number): void {
    this.#waitingBytes -= bytes
  }

  /** A file for a connection; undefined if there are too many. */
  openFile(peer: string): string | undefined {
    if (this.#summary.files === MAX_FILES) {
      this.#summary.connectionsLeftOut++
      return undefined
    }
    this.#summary.files++
    const time = new Date().toISOString().replaceAll(':', '-')
    const file = `${time}-${peer.replaceAll(/[^\w.]+/g, '-')}.jsonl`
    this.#options.onFile({ file, peer })
    return file
  }

  /** Takes a line whose room is reserved. */
  write(tap: Tap, line: Buffer, isFrame: boolean): void {
    if (this.#ending === undefined && this.#summary.bytes + line.length > this.#options.bytes) this.stop('bytes')
    if (this.#ending !== undefined) return this.release(line.length)
    this.#append(tap, line)
    if (isFrame) this.#summary.frames++
  }

  /** Writes how many frames of a connection are missing, whether the recording has ended or not: it must not look complete. */
  writeLost(tap: Tap, line: Buffer, frames: number): void {
    this.#summary.lostFrames += frames
    this.#waitingBytes += line.length
    this.#append(tap, line)
  }

  forget(tap: Tap): void {
    this.#taps.delete(tap)
  }

  #append(tap: Tap, line: Buffer): void {
    this.#summary.bytes += line.length
    const lines = this.#queue.get(tap)
    if (lines === undefined) this.#queue.set(tap, [line])
    else lines.push(line)
    if (!this.#isWriting) void this.#drain()
  }

  /** One file at a time, and none stays open: there may be more connections than files may be open. */
  async #drain(): Promise<void> {
    this.#isWriting = true
    for (let next = takeFirst(this.#queue); next !== undefined; next = takeFirst(this.#queue)) {
      const [tap, lines] = next
      const bytes = lines.reduce((sum, line) => sum + line.length, 0)
      try {
        await this.#writeFile(tap, lines)
        tap.writtenBytes += bytes
      } catch (error) {
        this.#problem = (error as Error).message
        this.stop('disk')
        this.#ending = 'disk'
      }
      this.release(bytes)
    }
    this.#isWriting = false
    if (this.#ending !== undefined) this.#finish()
  }

  async #writeFile(tap: Tap, lines: readonly Buffer[]): Promise<void> {
    const file = await this.#files.open(join(this.#directory, tap.file!), { create: true, mode: 0o600 })
    try {
      await file.write(lines, tap.writtenBytes)
    } finally {
      await file.close()
    }
  }

  #finish(): void {
    this.#resolve({ ...this.#summary, ended: this.#ending!, problem: this.#problem })
  }
}

/** Takes the oldest entry out of a map. */
function takeFirst<Key, Value>(map: Map<Key, Value>): [Key, Value] | undefined {
  for (const entry of map) {
    map.delete(entry[0])
    return entry
  }
  return undefined
}
