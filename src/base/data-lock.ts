/**
 * The lock that keeps a second process off a data directory.
 *
 * It is the kernel's (`flock` on DATA/lock), so it ends with its process however that ends, and a file left behind means
 * nothing; a file with a process id would lie in containers, where ids are small and come again. The file's content only
 * tells the second process whom to name. The file is never removed: a process that had it open already could otherwise
 * lock the removed file while another locks the new one.
 */
import { DataType, load, open as openLibrary } from 'ffi-rs'
import { closeSync, constants, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs'
import { constants as system, hostname } from 'node:os'
import { join } from 'node:path'
import { sluiceError } from './errors.ts'

export interface DataLock {
  /** Gives the directory free. */
  close(): void
}

/** What stands in the lock file: who has the lock, in words for the person who wanted it too. */
interface Holder {
  pid: number
  host: string
  command: string
  /** ISO 8601, UTC. */
  startedAt: string
}

/** From <sys/file.h>, the same on Linux and macOS: exclusive, and an answer instead of a wait. */
const LOCK_EX = 2
const LOCK_NB = 4

/**
 * Locks an existing data directory for this process; `command` is how it is named to others (`sluice serve`).
 *
 * Throws DATA_LOCKED, naming the holder, if another process has it (or this one, by an earlier call).
 */
export function openDataLock({ directory, command }: { directory: string; command: string }): DataLock {
  const path = join(directory, 'lock')
  // A plain descriptor: a FileHandle that nobody refers to is closed by the garbage collector, and its lock with it. Node
  // opens files with O_CLOEXEC, so no child process keeps the lock alive.
  const descriptor = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600)
  try {
    const error = lockNow(descriptor)
    if (error === system.errno.EWOULDBLOCK) throw sluiceError('DATA_LOCKED', { directory, holder: describeHolder(path) })
    if (error !== 0) throw sluiceError('STORAGE_FAILED', { doing: `locking ${path} (system error ${error})` })
    const holder: Holder = { pid: process.pid, host: hostname(), command, startedAt: new Date().toISOString() }
    ftruncateSync(descriptor)
    writeSync(descriptor, `${JSON.stringify(holder)}\n`, 0)
  } catch (error) {
    closeSync(descriptor)
    throw error
  }
  let closed = false
  return {
    close() {
      if (closed) return
      closed = true
      ftruncateSync(descriptor)
      closeSync(descriptor)
    },
  }
}

/** Takes the lock of an open file if it is free; returns the system's error number, 0 for success. */
function lockNow(descriptor: number): number {
  // The empty path is this process itself, which has its C library in it, whatever that is called on this system.
  openLibrary({ library: 'process', path: '' })
  const { value, errnoCode } = load({
    library: 'process',
    funcName: 'flock',
    retType: DataType.I32,
    paramsType: [DataType.I32, DataType.I32],
    paramsValue: [descriptor, LOCK_EX | LOCK_NB],
    errno: true as const,
  })
  return value === 0 ? 0 : errnoCode
}

/** The holder may be between taking the lock and writing its name; then there is no name to give. */
function describeHolder(path: string): string {
  try {
    const { command, pid, host, startedAt } = JSON.parse(readFileSync(path, 'utf8')) as Holder
    return `${command}, process ${pid} on ${host} since ${startedAt}`
  } catch {
    return 'another process'
  }
}
