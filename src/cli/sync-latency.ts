/**
 * Measures how long the disk of a data directory takes for a write that must be on disk, which is what every acknowledgement waits for.
 */
import { join } from 'node:path'
import { type Files } from '../base/files.ts'
import { formatDuration } from './output.ts'

const WRITES = 100
const WRITE_BYTES = 4096
const BAR_CHARACTERS = 40

/** No disk that syncs is faster: the fastest, with a cache that survives the loss of power, take longer than a call of the system. */
const IMPLAUSIBLE_MS = 0.02
const SLOW_MS = 20

export interface SyncLatency {
  /** Of each write, the fastest first. */
  sortedMs: number[]
  medianMs: number
  worstMs: number
}

/** Overwrites a file as the journal does it, block by block, and removes it. */
export async function measureSyncs(files: Files, directory: string): Promise<SyncLatency> {
  const path = join(directory, 'sync-probe')
  const file = await files.open(path, { create: true, durable: true })
  const sortedMs: number[] = []
  try {
    await file.write([Buffer.alloc(WRITES * WRITE_BYTES)], 0)
    await file.sync()
    for (let index = 0; index < WRITES; index++) {
      const block = Buffer.alloc(WRITE_BYTES, index)
      const startMs = performance.now()
      await file.write([block], index * WRITE_BYTES)
      sortedMs.push(performance.now() - startMs)
    }
  } finally {
    await file.close()
    await files.remove(path)
  }
  return summarize(sortedMs)
}

export function summarize(times: readonly number[]): SyncLatency {
  const sortedMs = times.toSorted((a, b) => a - b)
  return { sortedMs, medianMs: sortedMs[Math.floor(sortedMs.length / 2)]!, worstMs: sortedMs.at(-1)! }
}

/** What the times mean; `advice` if something is to be done. */
export function judgeSyncs({ medianMs, worstMs }: SyncLatency): { says: string; advice?: string } {
  const says = `a write to disk takes ${formatDuration(medianMs)} (median of ${WRITES}, the longest took ${formatDuration(worstMs)})`
  if (medianMs < IMPLAUSIBLE_MS)
    return {
      says: `${says}: that is too fast to be true, the device does not really sync, and logs that were acknowledged are lost when the power goes`,
      advice:
        'look at how the disk is attached: the cache mode of a virtual disk must not be "unsafe", a RAID cache needs a battery',
    }
  if (medianMs > SLOW_MS)
    return {
      says: `${says}: producers wait that long for each acknowledgement; those that send one small request after the other are slow`,
      advice: 'put the data directory on an SSD',
    }
  return {
    says: `${says}: ${medianMs < 2 ? 'an acknowledgement hardly waits for it' : 'fine for producers that send in batches'}`,
  }
}

/** How many writes took how long, a line for each doubling. */
export function drawHistogram({ sortedMs }: SyncLatency): string[] {
  const stepOf = (ms: number): number => Math.max(0, Math.ceil(Math.log2(ms / FIRST_STEP_MS)))
  const counts: number[] = []
  for (const ms of sortedMs) counts[stepOf(ms)] = (counts[stepOf(ms)] ?? 0) + 1
  const first = stepOf(sortedMs[0]!)
  const most = Math.max(...Object.values(counts))
  return Array.from({ length: counts.length - first }, (_, index) => {
    const count = counts[first + index] ?? 0
    const bar = '█'.repeat(Math.ceil((count / most) * BAR_CHARACTERS))
    return `up to ${formatDuration(FIRST_STEP_MS * 2 ** (first + index)).padStart(8)}  ${bar}${bar === '' ? '' : ' '}${count}`
  })
}

const FIRST_STEP_MS = 1 / 128
