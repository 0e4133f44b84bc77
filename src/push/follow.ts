/**
 * What is in a file and what is written to it later, as `tail -F` reads it: by its name, so that the file which takes its place is read
 * when it was rotated away, from its beginning, and from the beginning again when it was cut.
 */
import { open, stat, type FileHandle } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { isSystemError } from '../base/errors.ts'

const POLL_MS = 250
const PIECE_BYTES = 256 * 1024

/** What stands before the bytes of another file, or of one that was cut. */
export const ANEW = Symbol('anew')

/** Goes on until `signal` is aborted. A file that is missing is waited for. */
export async function* followFile(path: string, signal: AbortSignal): AsyncGenerator<Buffer | typeof ANEW> {
  const buffer = Buffer.allocUnsafe(PIECE_BYTES)
  let file: FileHandle | undefined
  let position = 0
  let wasReplaced = false
  try {
    while (!signal.aborted) {
      file ??= await openIfThere(path)
      if (file === undefined) {
        await pause(signal)
        continue
      }
      if ((await file.stat()).size < position) {
        position = 0
        yield ANEW
      }
      const { bytesRead } = await file.read(buffer, 0, PIECE_BYTES, position)
      position += bytesRead
      if (bytesRead > 0) {
        // A copy: the beginning of a line that comes byte by byte must not hold as many large buffers.
        yield Buffer.from(buffer.subarray(0, bytesRead))
        continue
      }
      if (wasReplaced) {
        await file.close()
        file = undefined
        position = 0
        wasReplaced = false
        yield ANEW
        continue
      }
      // Whoever writes to it may not have noticed yet that it has another name: it is read once more after a while.
      wasReplaced = await isReplaced(path, file)
      await pause(signal)
    }
  } finally {
    await file?.close()
  }
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path)
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return undefined
    throw error
  }
}

async function isReplaced(path: string, file: FileHandle): Promise<boolean> {
  try {
    const [there, here] = await Promise.all([stat(path), file.stat()])
    return there.ino !== here.ino || there.dev !== here.dev
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return false
    throw error
  }
}

async function pause(signal: AbortSignal): Promise<void> {
  await delay(POLL_MS, undefined, { signal }).catch(() => {})
}
