/**
 * The file system as sluice uses it: the few operations that durable code needs, as an interface.
 *
 * Journal, checkpoint and catalog reach the disk through `Files` and through nothing else, so that a memory twin which loses
 * unsynced bytes, tears writes and fails the next sync can take its place. What must stay true of every implementation: bytes
 * survive a power cut only after a durable `write` or a `sync` of their file has resolved, and a name (created, renamed or
 * removed) only after a `syncDirectory` of its directory has. After a failed write or sync nothing is known about the bytes
 * of that call; whoever made it must not read the file to find out, for that would read the page cache.
 */
import { constants, writev } from 'node:fs'
import { mkdir, open, readdir, readFile, rename, rm, type FileHandle } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { isSystemError, sluiceError } from './errors.ts'

export interface Files {
  /** Opens a file for reading and writing. Rejects with `ENOENT` if it is missing and `create` is not given. */
  open(path: string, options?: OpenOptions): Promise<OpenFile>
  /** Gives a file another name and replaces whatever had it; durable after `syncDirectory`. */
  rename(from: string, to: string): Promise<void>
  /** Removes a file; one that is missing is removed already. Durable after `syncDirectory`. */
  remove(path: string): Promise<void>
  /** The names in a directory, sorted. */
  list(directory: string): Promise<string[]>
  /** Makes a directory and its missing parents, durably; one that exists keeps its mode. */
  makeDirectory(path: string, mode: number): Promise<void>
  /** Makes the names in a directory durable. */
  syncDirectory(path: string): Promise<void>
  /** The whole content of a file, or undefined if there is no such file. */
  readFile(path: string): Promise<Buffer | undefined>
}

export interface OpenOptions {
  /** Makes the file if it is missing; one that exists is kept as it is. */
  create?: boolean
  /** The mode of a file that is made, 0600 if absent. */
  mode?: number
  /** Each `write` is on disk when it resolves. */
  durable?: boolean
  readOnly?: boolean
}

export interface OpenFile {
  /**
   * Writes the pieces one behind the other, from byte `position` of the file on; any number of pieces, no copy is made of
   * them. Of a durable file, resolves when the bytes are on disk. Rejects if not every byte was taken.
   */
  write(pieces: readonly Uint8Array[], position: number): Promise<void>
  /**
   * Reads up to `length` bytes (the whole of `buffer` if absent) from byte `position` of the file to the start of `buffer`.
   * Resolves with how many there were; fewer than asked for only at the end of the file.
   */
  read(buffer: Uint8Array, position: number, length?: number): Promise<number>
  /** Cuts the file, or fills it with zeros, to `length` bytes; durable after `sync`. */
  truncate(length: number): Promise<void>
  /** Resolves when everything that was written is on disk, the file's length included. */
  sync(): Promise<void>
  /** The length of the file in bytes. */
  size(): Promise<number>
  close(): Promise<void>
}

/** The file system of the machine. */
export const nodeFiles: Files = {
  async open(path, { create = false, mode = 0o600, durable = false, readOnly = false } = {}) {
    let flags = readOnly ? constants.O_RDONLY : constants.O_RDWR
    if (create) flags |= constants.O_CREAT
    if (durable && writesSynchronously) flags |= constants.O_DSYNC
    return new NodeFile(path, await open(path, flags, mode), durable && !writesSynchronously)
  },

  rename: (from, to) => rename(from, to),

  remove: path => rm(path, { force: true }),

  async list(directory) {
    return (await readdir(directory)).sort()
  },

  async makeDirectory(path, mode) {
    const outermost = await mkdir(path, { recursive: true, mode })
    if (outermost === undefined) return
    // The name of each new directory stands in its parent, from the innermost to the one that was there before.
    const existing = dirname(resolve(outermost))
    let parent = dirname(resolve(path))
    while (parent !== existing && parent !== dirname(parent)) {
      await syncDirectory(parent)
      parent = dirname(parent)
    }
    await syncDirectory(parent)
  },

  syncDirectory,

  async readFile(path) {
    try {
      return await readFile(path)
    } catch (error) {
      if (isSystemError(error, 'ENOENT')) return undefined
      throw error
    }
  },
}

/**
 * Replaces a file by new content, durably: whoever reads `path`, now or after a power cut, finds the old content or the new,
 * whole. Once it resolves, it is the new. The new content waits in `PATH.new`, which a crash may leave behind; the next
 * replacement clears it away. Two replacements of one file must not run at the same time.
 */
export async function replaceFile(files: Files, path: string, content: Uint8Array, mode = 0o600): Promise<void> {
  const draft = `${path}.new`
  await files.remove(draft)
  const file = await files.open(draft, { create: true, mode })
  try {
    await file.write([content], 0)
    await file.sync()
  } finally {
    await file.close()
  }
  await files.rename(draft, path)
  await files.syncDirectory(dirname(path))
}

/**
 * On Linux O_DSYNC saves a durable write its second trip through the thread pool. On macOS O_DSYNC leaves the bytes in the
 * drive's own cache; `datasync` there is F_FULLFSYNC, which does not.
 */
const writesSynchronously = process.platform === 'linux'

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, constants.O_RDONLY)
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

class NodeFile implements OpenFile {
  readonly #path: string
  readonly #handle: FileHandle
  /** True where a write is made durable by a call of its own, because the file could not be opened so that it needs none. */
  readonly #syncsAfterWrite: boolean

  constructor(path: string, handle: FileHandle, syncsAfterWrite: boolean) {
    this.#path = path
    this.#handle = handle
    this.#syncsAfterWrite = syncsAfterWrite
  }

  async write(pieces: readonly Uint8Array[], position: number): Promise<void> {
    let length = 0
    for (const piece of pieces) length += piece.length
    if (length === 0) return
    const bytesWritten = await this.#writev(pieces, position)
    if (bytesWritten === 0)
      throw sluiceError('STORAGE_FAILED', { doing: `writing ${this.#path}: it took none of ${length} bytes` })
    // The call goes on, in steps of IOV_MAX pieces, until the system takes no more; the bytes it took before hide the error,
    // which the rest then tells: that the disk is full, say.
    if (bytesWritten < length) return this.write([Buffer.concat(pieces).subarray(bytesWritten)], position + bytesWritten)
    if (this.#syncsAfterWrite) await this.#handle.datasync()
  }

  /** Resolves with how many bytes were taken. With the file handle's own, a small durable write takes a fifth more CPU. */
  #writev(pieces: readonly Uint8Array[], position: number): Promise<number> {
    return new Promise((resolve, reject) => {
      writev(this.#handle.fd, pieces, position, (error, bytesWritten) => {
        if (error === null) return resolve(bytesWritten)
        // As errors of all other calls do, it names the file.
        error.message += ` '${this.#path}'`
        reject(error)
      })
    })
  }

  async read(buffer: Uint8Array, position: number, length = buffer.length): Promise<number> {
    let done = 0
    while (done < length) {
      const { bytesRead } = await this.#handle.read(buffer, done, length - done, position + done)
      if (bytesRead === 0) break
      done += bytesRead
    }
    return done
  }

  truncate(length: number): Promise<void> {
    return this.#handle.truncate(length)
  }

  sync(): Promise<void> {
    return this.#handle.sync()
  }

  async size(): Promise<number> {
    return (await this.#handle.stat()).size
  }

  close(): Promise<void> {
    return this.#handle.close()
  }
}
