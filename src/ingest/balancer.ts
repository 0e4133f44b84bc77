/**
 * Chooses the shard of each write in a balanced logstore: the one that has received the fewest bytes lately.
 *
 * The partition that a producer names is no guide. The configurations that agents document give every log the same key, so
 * their hash partitioners send everything to one partition.
 */

/** Bytes count half after this time: long enough to even out large batches, short enough to forget a burst. */
const HALF_LIFE_MS = 10_000

export class Balancer {
  readonly #now: () => number
  readonly #logstores = new Map<string, Load>()

  constructor(now: () => number = Date.now) {
    this.#now = now
  }

  /** The shard for the next write, one of `shards`, which are not none; `add` tells what went there. */
  choose(logstoreId: string, shards: readonly number[]): number {
    const { bytes } = this.#load(logstoreId)
    let chosen = shards[0]!
    for (const shard of shards) if ((bytes[shard] ?? 0) < (bytes[chosen] ?? 0)) chosen = shard
    return chosen
  }

  /** Counts `length` bytes to a shard that `choose` returned. */
  add(logstoreId: string, shard: number, length: number): void {
    const load = this.#logstores.get(logstoreId)
    if (load !== undefined) load.bytes[shard] = (load.bytes[shard] ?? 0) + length
  }

  /** Forgets a logstore that was deleted. */
  forget(logstoreId: string): void {
    this.#logstores.delete(logstoreId)
  }

  #load(logstoreId: string): Load {
    const nowMs = this.#now()
    let load = this.#logstores.get(logstoreId)
    if (load === undefined) this.#logstores.set(logstoreId, (load = { bytes: [], atMs: nowMs }))
    if (nowMs - load.atMs >= HALF_LIFE_MS) {
      const share = 0.5 ** ((nowMs - load.atMs) / HALF_LIFE_MS)
      load.bytes = load.bytes.map(bytes => bytes * share)
      load.atMs = nowMs
    }
    return load
  }
}

interface Load {
  /** By shard: bytes received, older ones counting less. */
  bytes: number[]
  /** When `bytes` were last brought down. */
  atMs: number
}
