/**
 * File systems of their own for tests, small enough to be filled and free to be broken. Linux only, and only for root.
 */
import { execFile, execFileSync } from 'node:child_process'
import { appendFile, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { isSystemError } from '../../src/base/errors.ts'
import { makeDirectory, removeDirectory } from './server.ts'

const run = promisify(execFile)

/** What is mounted; whatever ends the tests must not leave it behind. */
const mounted = new Set<Mount>()

process.prependListener('exit', () => {
  for (const { path } of mounted) execFileSync('umount', ['--lazy', path], { stdio: 'ignore' })
})

/** Whether file systems can be mounted here at all. */
export async function mayMount(): Promise<boolean> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false
  const directory = await makeDirectory()
  try {
    const mount = await Mount.tmpfs(directory, 2 ** 20)
    await mount.unmount()
    return true
  } catch {
    return false
  } finally {
    await removeDirectory(directory)
  }
}

export class Mount {
  readonly path: string
  readonly #source: string
  readonly #options: readonly string[]

  private constructor(path: string, source: string, options: readonly string[]) {
    this.path = path
    this.#source = source
    this.#options = options
  }

  /** In memory: it takes no room that is not used, and can grow. */
  static async tmpfs(path: string, bytes: number): Promise<Mount> {
    const mount = new Mount(path, 'tmpfs', ['-t', 'tmpfs', '-o', `size=${bytes}`])
    await mount.mount()
    return mount
  }

  /** An ext4 in the file `image`, which becomes read-only at the first error, as those of most systems do. */
  static async ext4(path: string, image: string, bytes: number): Promise<Mount> {
    await writeFile(image, '')
    await truncate(image, bytes)
    await run('mkfs.ext4', ['-q', image])
    const mount = new Mount(path, image, ['-o', 'loop,errors=remount-ro'])
    await mount.mount()
    return mount
  }

  async mount(): Promise<void> {
    await run('mount', [...this.#options, this.#source, this.path])
    mounted.add(this)
  }

  async unmount(): Promise<void> {
    await run('umount', [this.path])
    mounted.delete(this)
  }

  /** Gives a tmpfs more room. */
  async grow(bytes: number): Promise<void> {
    await run('mount', ['-o', `remount,size=${bytes}`, this.path])
  }

  /** Takes all the room that is left. */
  async fill(): Promise<void> {
    for (const piece of [2 ** 20, 4096]) {
      const zeros = Buffer.alloc(piece)
      try {
        for (;;) await appendFile(join(this.path, 'ballast'), zeros)
      } catch (error) {
        if (!isSystemError(error, 'ENOSPC')) throw error
      }
    }
  }

  /** Has the kernel find an error in an ext4, which then is read-only, also for files that are open. */
  async breakDown(): Promise<void> {
    const { stdout } = await run('findmnt', ['-n', '-o', 'SOURCE', this.path])
    await writeFile(`/sys/fs/ext4/${stdout.trim().replace('/dev/', '')}/trigger_fs_error`, 'a test')
  }

  /** Repairs an ext4 that is not mounted. */
  async repair(): Promise<void> {
    // It ends with 1 where it has corrected something.
    await run('e2fsck', ['-p', '-f', this.#source]).catch((error: Error & { code?: unknown }) => {
      if (error.code !== 1) throw error
    })
  }
}
