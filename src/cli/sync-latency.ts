/**
 * Measures how long the disk of a data directory takes for a write that must be on disk, which is what every acknowledgement waits for.
 */
import { join } from 'node:path'
import type { Files, OpenFile } from '../base/files.ts'
import { formatDuration } from './output.ts'

const WRITES = 100
const WRITE_BYTES = 4096
const BAR_CHARACTERS = 40

/**
 * What a sync takes at least, beside the call itself: the fastest disks that keep their promise, with a cache that survives the loss of
 * power, take longer.
 */
const PLAUSIBLE_MS = 0.01
const SLOW_MS = 20

export interface SyncLatency {
  /** Of each write, the fastest first. */
  sortedMs: number[]
  medianMs: number
  worstMs: number
  /** The median of writes that need not be on disk: the way through this process and the system alone. */
  callMs: number
}

/** Overwrites a file as the journal does it, block by block, and removes it. */
export async function measureSyncs(files: Files, directory: string): Promise<SyncLatency> {
  const path = join(directory, 'sync-probe')
  const file = await files.open(path, { create: true, durable: true })
  const opened = [file]
  const durableMs: number[] = []
  const callsMs: number[] = []
  try {
    const plain = await files.open(path)
    opened.push(plain)
    await file.write([Buffer.alloc(2 * WRITES * WRITE_BYTES)], 0)
    await file.sync()
    for (let index = 0; index < WRITES; index++) {
      durableMs.push(await timeWrite(file, index))
      // In turn, so that whatever else the machine does slows down both alike.
      callsMs.push(await timeWrite(plain, WRITES + index))
    }
  } finally {
    for (const one of opened) await one.close()
    await files.remove(path)
  }
  return summarize(durableMs, callsMs)
}

async function timeWrite(file: OpenFile, block: number): Promise<number> {
  const bytes = Buffer.alloc(WRITE_BYTES, block)
  const startMs = performance.now()
  await file.write([bytes], block * WRITE_BYTES)
  return performance.now() - startMs
}

export function summarize(durableMs: readonly number[], callsMs: readonly number[]): SyncLatency {
  const sortedMs = sorted(durableMs)
  return { sortedMs, medianMs: middle(sortedMs), worstMs: sortedMs.at(-1)!, callMs: middle(sorted(callsMs)) }
}

function sorted(times: readonly number[]): number[] {
  return times.toSorted((a, b) => a - b)
}

function middle(times: readonly number[]): number {
  return times[Math.floor(times.length / 2)]!
}

/** What the times mean; `advice` if something is to be done. */
export function judgeSyncs({ medianMs, worstMs, callMs }: SyncLatency): { says: string; advice?: string } {
  const says = `a write to disk takes ${formatDuration(medianMs)} (median of ${WRITES}, the longest took ${formatDuration(worstMs)})`
  if (medianMs - callMs < PLAUSIBLE_MS)
    return {
      says: `${says}, as long as one that need not be on disk (${formatDuration(callMs)}): the device does not really sync, and logs that were acknowledged are lost when the power goes`,
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
