/**
 * The checkpoint: up to where the journal was durable and what its state was there, and up to where it has been indexed.
 *
 *     JOURNAL/checkpoint-0000000000000042.json     one line of JSON, one line with its CRC-32C in hex
 *
 * Each is written whole under a new number, and the two newest are kept: should the newest be unreadable, the older one
 * serves, which is why segments are recycled only when they lie before the older one.
 */
import { join } from 'node:path'
import { crc32c } from '../../protocol/records/crc32c.ts'
import { sluiceError } from '../base/errors.ts'
import { replaceFile, type Files } from '../base/files.ts'
import type { Place } from './format.ts'
import type { ParkedEnd } from './parked-file.ts'
import type { SavedState } from './state.ts'

const CHECKPOINT_VERSION = 1

/** How far the journal has been indexed. */
export interface Indexed {
  /** Everything before this place is in the store or parked, of every logstore. */
  place: Place
  /** By logstore id: the number of the last entry that is in the store; it may lie behind the place. */
  stored: Record<string, number>
  /** By logstore id: where what is parked ends. Absent where nothing is known of it: in checkpoints of versions that did not park. */
  parked?: Record<string, ParkedEnd>
}

export interface Checkpoint {
  version: number
  journalId: string
  /** Everything before this place was synced, and `state` is what it added up to. */
  durable: Place
  /** The number of the segment that was being written. */
  segment: number
  state: SavedState
  indexed: Indexed
}

export type CheckpointContent = Omit<Checkpoint, 'version'>

/** A file that is named as a checkpoint. */
export interface CheckpointFile {
  path: string
  number: number
  /** Undefined if it cannot be read, or was removed in the meantime. */
  checkpoint: Checkpoint | undefined
}

export class Checkpoints {
  readonly #files: Files
  readonly #directory: string
  /** The number of the newest file on disk; 0 before the first. */
  #newest = 0
  /** The last two that were written or could be read, the older one first: their files, and what they say has been indexed. */
  #kept: { path: string; indexed: number }[] = []
  /** Files that are not kept: unreadable ones, and what a crash has left. They go once the next checkpoint is on disk. */
  #unneeded: string[] = []

  constructor(options: { files: Files; directory: string }) {
    this.#files = options.files
    this.#directory = options.directory
  }

  /** The newest checkpoint that can be read; undefined if there is none. Rejects with JOURNAL_FORMAT if a newer sluice wrote it. */
  async load(): Promise<Checkpoint | undefined> {
    let newest: Checkpoint | undefined
    for (const { path, number, checkpoint } of await readCheckpoints(this.#files, this.#directory)) {
      this.#newest = number
      if (checkpoint === undefined) {
        this.#unneeded.push(path)
        continue
      }
      this.#keep(path, checkpoint)
      newest = checkpoint
    }
    return newest
  }

  /** Writes a checkpoint, durably, and removes all but this and the one before. */
  async write(content: CheckpointContent): Promise<void> {
    const path = await writeCheckpoint(this.#files, this.#directory, this.#newest + 1, content)
    this.#newest++
    this.#keep(path, content)
    for (const unneeded of this.#unneeded) await this.#files.remove(unneeded)
    this.#unneeded = []
  }

  /** Everything before this position may be forgotten: the older of the two kept checkpoints says that it has been indexed. */
  get forgettable(): number {
    return this.#kept.length < 2 ? 0 : this.#kept[0]!.indexed
  }

  #keep(path: string, { indexed }: CheckpointContent): void {
    this.#kept.push({ path, indexed: indexed.place.position })
    if (this.#kept.length > 2) this.#unneeded.push(this.#kept.shift()!.path)
  }
}

/** Writes the checkpoint of a number, durably; resolves with the file's path. */
export async function writeCheckpoint(
  files: Files,
  directory: string,
  number: number,
  content: CheckpointContent,
): Promise<string> {
  const path = join(directory, `checkpoint-${String(number).padStart(16, '0')}.json`)
  await replaceFile(files, path, encodeCheckpoint({ version: CHECKPOINT_VERSION, ...content }))
  return path
}

/** The checkpoints of a journal, oldest first. Rejects with JOURNAL_FORMAT if a newer sluice wrote one. */
export async function readCheckpoints(files: Files, directory: string): Promise<CheckpointFile[]> {
  const found: CheckpointFile[] = []
  for (const name of await files.list(directory)) {
    const number = checkpointNumber(name)
    if (number === undefined) continue
    const path = join(directory, name)
    found.push({ path, number, checkpoint: await readCheckpoint(files, path) })
  }
  return found
}

/** The number that a checkpoint has by its name; undefined if the name is not that of a checkpoint. */
export function checkpointNumber(name: string): number | undefined {
  const [, digits] = /^checkpoint-(\d{16})\.json$/.exec(name) ?? []
  return digits === undefined ? undefined : Number(digits)
}

/** The checkpoint in a file; undefined if it cannot be read. Rejects with JOURNAL_FORMAT if a newer sluice wrote it. */
export async function readCheckpoint(files: Files, path: string): Promise<Checkpoint | undefined> {
  const checkpoint = decodeCheckpoint(await files.readFile(path).catch(() => undefined))
  if (checkpoint !== undefined && checkpoint.version > CHECKPOINT_VERSION)
    throw sluiceError('JOURNAL_FORMAT', { file: path, version: checkpoint.version, newest: CHECKPOINT_VERSION })
  return checkpoint
}

function encodeCheckpoint(checkpoint: Checkpoint): Buffer {
  const body = Buffer.from(JSON.stringify(checkpoint), 'utf8')
  return Buffer.concat([body, Buffer.from(`\n${crc32c(body).toString(16).padStart(8, '0')}\n`, 'latin1')])
}

function decodeCheckpoint(bytes: Buffer | undefined): Checkpoint | undefined {
  const end = bytes?.indexOf(0x0a) ?? -1
  if (bytes === undefined || end === -1) return undefined
  const body = bytes.subarray(0, end)
  if (crc32c(body) !== Number.parseInt(bytes.toString('latin1', end + 1), 16)) return undefined
  return JSON.parse(body.toString('utf8')) as Checkpoint
}
