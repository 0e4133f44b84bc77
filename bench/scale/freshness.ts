/**
 * Up to how many logstores, all of them written to, logs are found within a second.
 */
import { measureFreshness, type Freshness } from '../freshness/measure.ts'

/** From the client's first byte to the answer of a query, for 99 of 100 batches. */
export const FRESH_MS = 1000
/** As close as the bound is looked for, as a ratio. */
const CLOSE = 1.3

/** Tries the counts until one is not fresh, and then between that and the one before. Calls `begin` before each. */
export async function findFreshBound(
  counts: readonly number[],
  seconds: number,
  begin: (count: number) => void,
): Promise<Freshness[]> {
  const measured: Freshness[] = []
  const isFresh = async (count: number): Promise<boolean> => {
    begin(count)
    const freshness = await measureFreshness(count, seconds)
    measured.push(freshness)
    return freshness.p99Ms < FRESH_MS
  }
  let most = 0
  let least = Infinity
  for (const count of counts) {
    if (await isFresh(count)) most = count
    else {
      least = count
      break
    }
  }
  while (most > 0 && least < Infinity && least / most > CLOSE) {
    const between = Math.round(Math.sqrt(most * least))
    if (await isFresh(between)) most = between
    else least = between
  }
  return measured.sort((a, b) => a.logstores - b.logstores)
}
