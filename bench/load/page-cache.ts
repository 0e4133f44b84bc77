/**
 * The two states of a machine's memory. On a machine that has just started most of it is free; on one that has run for a while it is full of
 * pages of files, and whoever writes to a file has to have some of them taken away first. It makes large writes dearer.
 */
import { open, readFile, rm, truncate, writeFile, type FileHandle } from 'node:fs/promises'

export type MemoryState = 'fresh' | 'steady'

const MB = 1e6
/** What is left free: the kernel keeps about as much by itself. */
const LEFT_BYTES = 500 * MB
/** How much must be free in the fresh state, as a share of all memory. */
const FRESH_SHARE = 0.25
const MAX_PASSES = 10
const BLOCK = Buffer.alloc(4 * 1024 * 1024)

export class PageCache {
  readonly #path: string
  #file: FileHandle | undefined
  #position = 0

  /** `path` is that of a file that may take as much as the machine has memory, without a block on disk: it is a hole. */
  constructor(path: string) {
    this.#path = path
  }

  /** Brings the machine into a state; resolves with how much memory is free then, in megabytes. */
  async enter(state: MemoryState): Promise<number> {
    if (state === 'steady') await this.#fill()
    else await this.#empty()
    return Math.round((await readMemory()).freeBytes / MB)
  }

  async close(): Promise<void> {
    await this.#file?.close()
    this.#file = undefined
    await rm(this.#path, { force: true })
  }

  /**
   * Reads as many new bytes as memory is free: those that were read before are there still. Where the system gives pages up by itself
   * that would have no end.
   */
  async #fill(): Promise<void> {
    this.#file ??= await open(this.#path, 'w+')
    for (let passes = 0; passes < MAX_PASSES; passes++) {
      const { freeBytes } = await readMemory()
      const missing = freeBytes - LEFT_BYTES
      if (missing < LEFT_BYTES / 2) return
      const end = this.#position + missing
      await truncate(this.#path, end + BLOCK.length)
      for (; this.#position < end; this.#position += BLOCK.length) await this.#file.read(BLOCK, 0, BLOCK.length, this.#position)
    }
  }

  async #empty(): Promise<void> {
    await this.close()
    this.#position = 0
    const { freeBytes, totalBytes } = await readMemory()
    if (freeBytes > totalBytes * FRESH_SHARE) return
    try {
      await writeFile('/proc/sys/vm/drop_caches', '1')
    } catch {
      console.error('The page cache is full, and only root may empty it: "fresh" rows are not what they say.')
    }
  }
}

async function readMemory(): Promise<{ freeBytes: number; totalBytes: number }> {
  const text = await readFile('/proc/meminfo', 'utf8')
  const bytesOf = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)![1]) * 1024
  return { freeBytes: bytesOf('MemFree'), totalBytes: bytesOf('MemTotal') }
}
