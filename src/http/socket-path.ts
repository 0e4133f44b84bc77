/**
 * Unix sockets have room for about a hundred bytes of path, and a data directory may lie deeper. On Linux an open directory
 * has a short name of its own; elsewhere the long one is tried, and the system says no.
 */
import { closeSync, openSync } from 'node:fs'
import { basename, dirname } from 'node:path'

/** The least that any system allows (macOS), with the zero at the end. */
const MAX_PATH_BYTES = 104

/** Calls `act` with a path to the same socket that is short enough; it is good for as long as `act` takes to return. */
export function withSocketPath<Result>(path: string, act: (path: string) => Result): Result {
  if (Buffer.byteLength(path) < MAX_PATH_BYTES || process.platform !== 'linux') return act(path)
  const directory = openSync(dirname(path), 'r')
  try {
    return act(`/proc/self/fd/${directory}/${basename(path)}`)
  } finally {
    closeSync(directory)
  }
}
