/** What processes of this machine have used, as Linux counts it. */
import { readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'

const TICKS_PER_SECOND = 100
/** A process that takes less than this of a core for so long has nothing left to do. */
const QUIET_SHARE = 0.05
const QUIET_MS = 2000

/** Of all its threads, in user and kernel mode, since it began. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  // The name before these may hold anything.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
}

/** The most memory that was resident at any time, in bytes; pages of files that are mapped count too. */
export function peakBytes(pid: number): number {
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))![1]) * 1024
}

/** Resolves when none of the processes does anything any more, and merges are over. */
export async function untilQuiet(...pids: number[]): Promise<void> {
  const used = (): number => pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0)
  for (let before = used(); ; before = used()) {
    await delay(QUIET_MS)
    if (used() - before < (QUIET_SHARE * QUIET_MS) / 1000) return
  }
}
