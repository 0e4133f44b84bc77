/**
 * The two states of a machine's memory. On a machine that has just started most of it is free; on one that has run for a while it is full of
 * pages of files, and whoever writes to a file has to have some of them taken away first. It makes large writes dearer.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { buildProgram } from './program.ts'

export type MemoryState = 'fresh' | 'steady'

const MB = 1e6
/** What is left free: the kernel keeps about as much by itself. */
const LEFT_BYTES = 500 * MB
/** How much must be free in the fresh state, as a share of all memory. */
const FRESH_SHARE = 0.25

export class PageCache {
  readonly #path: string
  /** Holds the pages of the steady state. */
  #holder: ChildProcess | undefined

  /** `path` is that of a file that may take as much as the machine has memory, without a block on disk: it is a hole. */
  constructor(path: string) {
    this.#path = path
  }

  /** Brings the machine into a state; resolves with how much memory is free then, in megabytes. */
  async enter(state: MemoryState): Promise<number> {
    await this.#release()
    if (state === 'steady') await this.#fill()
    else await this.#empty()
    return Math.round((await readMemory()).free / MB)
  }

  async close(): Promise<void> {
    await this.#release()
    await rm(this.#path, { force: true })
  }

  async #fill(): Promise<void> {
    const bytes = (await readMemory()).available - LEFT_BYTES
    const holder = spawn(await buildProgram('hold'), [this.#path, String(bytes)], { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#holder = holder
    const ended = once(holder, 'exit').then(() =>
      Promise.reject(new Error('the page cache could not be filled; it says why above')),
    )
    await Promise.race([once(holder.stdout, 'data'), ended])
  }

  async #release(): Promise<void> {
    const holder = this.#holder
    this.#holder = undefined
    if (holder === undefined || holder.exitCode !== null) return
    const ended = once(holder, 'exit')
    holder.kill()
    await ended
  }

  async #empty(): Promise<void> {
    await rm(this.#path, { force: true })
    const { free, total } = await readMemory()
    if (free > total * FRESH_SHARE) return
    try {
      await writeFile('/proc/sys/vm/drop_caches', '1')
    } catch {
      console.error('The page cache is full, and only root may empty it: "fresh" rows are not what they say.')
    }
  }
}

/** In bytes. */
async function readMemory(): Promise<{ total: number; free: number; available: number }> {
  const text = await readFile('/proc/meminfo', 'utf8')
  const bytesOf = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)![1]) * 1024
  return { total: bytesOf('MemTotal'), free: bytesOf('MemFree'), available: bytesOf('MemAvailable') }
}
