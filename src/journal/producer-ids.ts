/**
 * Gives out ids to idempotent producers, each id once in the life of a data directory.
 *
 * Ids are reserved in blocks: the end of the block is on disk before the first id of it is given, so a crash costs the rest of a
 * block and never gives an id twice.
 */
import { join } from 'node:path'
import { sluiceError } from '../base/errors.ts'
import { replaceFile, type Files } from '../base/files.ts'

const BLOCK_IDS = 1000

export class ProducerIds {
  readonly #files: Files
  readonly #directory: string
  #next: number
  /** Ids below this one may be given; it is what the file says. */
  #reserved: number
  /** Settles when the block that is being reserved is on disk. */
  #reserving: Promise<void> | undefined

  private constructor(files: Files, directory: string, next: number) {
    this.#files = files
    this.#directory = directory
    this.#next = next
    this.#reserved = next
  }

  static async open(options: { files: Files; directory: string }): Promise<ProducerIds> {
    return new ProducerIds(options.files, options.directory, await readReservedIds(options.files, options.directory))
  }

  /** An id that no producer ever had. Rejects if the disk fails. */
  async next(): Promise<number> {
    while (this.#next >= this.#reserved) await (this.#reserving ??= this.#reserve())
    return this.#next++
  }

  async #reserve(): Promise<void> {
    const end = this.#reserved + BLOCK_IDS
    try {
      await writeReservedIds(this.#files, this.#directory, end)
      this.#reserved = end
    } finally {
      this.#reserving = undefined
    }
  }
}

/** The ids below this one are reserved: they may have been given. Rejects with JOURNAL_DAMAGED if the file holds no number. */
export async function readReservedIds(files: Files, directory: string): Promise<number> {
  const path = pathIn(directory)
  const text = (await files.readFile(path))?.toString('latin1').trim() ?? '0'
  if (!/^\d{1,15}$/.test(text)) throw sluiceError('JOURNAL_DAMAGED', { file: path, position: 0, problem: 'it holds no number' })
  return Number(text)
}

/** Has ids given from this one on, whatever the file held. */
export async function writeReservedIds(files: Files, directory: string, next: number): Promise<void> {
  await replaceFile(files, pathIn(directory), Buffer.from(`${next}\n`, 'latin1'))
}

function pathIn(directory: string): string {
  return join(directory, 'producer-ids')
}
