/**
 * Finds out who listens on a port, for the error of the one who came second. Linux only, and only what this user may see.
 */
import { readdir, readFile, readlink } from 'node:fs/promises'

/** " by NAME (process PID)", or an empty string if it cannot be known. */
export async function findPortHolder(port: number): Promise<string> {
  try {
    const inodes = new Set<string>()
    for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
      for (const line of (await readFile(table, 'utf8').catch(() => '')).split('\n').slice(1)) {
        const [, local = '', , state, , , , , , inode = ''] = line.trim().split(/\s+/)
        if (state === LISTENING && Number.parseInt(local.split(':')[1] ?? '', 16) === port) inodes.add(`socket:[${inode}]`)
      }
    }
    for (const pid of (await readdir('/proc')).filter(name => /^\d+$/.test(name))) {
      for (const fd of await readdir(`/proc/${pid}/fd`).catch(() => [])) {
        if (!inodes.has(await readlink(`/proc/${pid}/fd/${fd}`).catch(() => ''))) continue
        const command = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).replace(/[\s\0]+/g, ' ').trim()
        return ` by "${command.slice(0, 120)}" (process ${pid})`
      }
    }
  } catch {
    // No /proc: another system than Linux.
  }
  return ''
}

const LISTENING = '0A'
