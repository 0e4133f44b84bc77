/** What a step costs this process: its CPU with all threads, and the memory that it allocates. */
import { medianOf } from '../../test/soak/samples.ts'

export interface Measured {
  ns: number
  /** On the heap and beside it, absent where it cannot be told. */
  allocatedBytes?: number
}

const WARM_MS = 150
const ROUND_MS = 40
const ROUNDS = 9
/** So few steps that the garbage collector mostly has nothing to do between two looks at the heap. */
const ALLOCATION_STEPS = 32

/** The median of some rounds of as many steps as fit into `roundMs`. */
export function measureStep(step: () => void, { isQuick = false } = {}): Measured {
  let steps = 0
  const warm = performance.now()
  const warmMs = isQuick ? WARM_MS / 3 : WARM_MS
  for (; performance.now() - warm < warmMs; steps++) step()
  const perRound = Math.max(1, Math.round((steps * ROUND_MS) / warmMs))
  const rounds = Array.from({ length: isQuick ? 3 : ROUNDS }, () => {
    const before = process.cpuUsage()
    for (let done = 0; done < perRound; done++) step()
    return cpuNs(before) / perRound
  })
  return { ns: medianOf(rounds), allocatedBytes: measureAllocation(step) }
}

function measureAllocation(step: () => void): number {
  const look = (what: () => void, steps: number): number[] =>
    Array.from({ length: 15 }, () => {
      const before = allocated()
      for (let done = 0; done < steps; done++) what()
      return allocated() - before
    }).filter(bytes => bytes >= 0)
  // A look allocates too.
  return Math.max(0, Math.round((medianOf(look(step, ALLOCATION_STEPS)) - medianOf(look(() => {}, 1))) / ALLOCATION_STEPS))
}

function allocated(): number {
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

/** What this process has used since, in all its threads. */
export function cpuNs(since: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(since)
  return (user + system) * 1000
}
