/**
 * How much room the disk of a directory has, looked at again and again, so that whoever asks need not wait for the answer.
 */
import { statfs } from 'node:fs/promises'

/** A disk fills with some hundred megabytes a second at most. */
const INTERVAL_MS = 250

export class FreeSpace {
  readonly #directory: string
  #bytes: number | undefined
  #timer: NodeJS.Timeout | undefined
  #isClosed = false

  private constructor(directory: string) {
    this.#directory = directory
  }

  /** Looks for the first time before it resolves. */
  static async watch(directory: string): Promise<FreeSpace> {
    const space = new FreeSpace(directory)
    await space.#look()
    return space
  }

  /** The bytes that may still be written by who is not the superuser; undefined if the file system does not tell. */
  get bytes(): number | undefined {
    return this.#bytes
  }

  close(): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
  }

  async #look(): Promise<void> {
    try {
      const { bavail, bsize, blocks } = await statfs(this.#directory)
      // Some file systems know no bound, and say zero of zero.
      this.#bytes = blocks === 0 ? undefined : bavail * bsize
    } catch {
      this.#bytes = undefined
    }
    if (!this.#isClosed) this.#timer = setTimeout(() => void this.#look(), INTERVAL_MS).unref()
  }
}
