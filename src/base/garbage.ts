/**
 * How V8 collects the garbage of a server: a heap of 40 MB, and beside it the bytes of requests, up to 1 GB a second, which are needed for
 * some milliseconds. Left to itself V8 looks through the whole heap for every 30 MB of them, which is a third of all CPU, or, Node 24
 * on, lets 150 MB of them gather.
 */
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Twice of it takes 20 MB more, and saves half of what collecting what is young costs large requests, which is a hundredth of their CPU. */
const RECEIVED_BYTES = 16 * 1024 * 1024
const FIRST_V8_WITH_ONE_LIMIT = 13

/** Twice of it takes 30 MB more, and saves half of what collecting them costs small requests, which is a hundredth of their CPU. */
const YOUNG_BYTES = 32 * 1024 * 1024
/** The young generation doubles within seconds at most. */
const LOOK_MS = 250

let collectYoung: (() => void) | undefined
let receivedBytes = 0

/** To be called once, by a process that is a server. */
export function tuneGarbageCollection(): void {
  // To twice what lives in it before all of it is looked through.
  setFlagsFromString('--heap-growing-percent=100')
  // Bytes beside the heap have a limit of their own as well, of 64 MB, unless this is set. Older versions would say that they do not know it.
  if (Number.parseInt(process.versions.v8) >= FIRST_V8_WITH_ONE_LIMIT)
    setFlagsFromString('--external-memory-accounted-in-global-limit')
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as (options: { type: 'minor' }) => void
  collectYoung = () => collect({ type: 'minor' })
  setInterval(() => setFlagsFromString(`--semi-space-growth-factor=${youngBytes() < YOUNG_BYTES ? 2 : 1}`), LOOK_MS).unref()
}

/** Bytes have come that will soon be garbage. */
export function countReceived(bytes: number): void {
  receivedBytes += bytes
  if (receivedBytes < RECEIVED_BYTES) return
  receivedBytes = 0
  collectYoung?.()
}

/** The size of the young generation. It can be limited before the process starts, or by not letting it grow; it shrinks in idle times. */
function youngBytes(): number {
  return getHeapSpaceStatistics().find(({ space_name: name }) => name === 'new_space')!.space_size
}
