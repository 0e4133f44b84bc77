/**
 * What the journal knows beside its entries: the next offset of every shard, the state of every producer stream, and the
 * latest time an entry was received. It is the sum of all entries so far; a copy stands in each segment's header and in the
 * checkpoint, so that a start reads only what came after.
 *
 * Two views are kept of each shard: with everything that was taken, which new batches are numbered by, and with what is durable,
 * which is what a failed write falls back to and what is written down.
 */
import { ProducerStates, type SavedStream } from './producer-states.ts'

/** The next offset of one shard. `durable` never runs ahead of `taken`. */
export interface ShardOffsets {
  taken: number
  durable: number
}

export interface SavedState {
  /** By logstore id and shard. */
  nextOffsets: Record<string, Record<string, number>>
  producers: SavedStream[]
  receivedMs: number
}

export class JournalState {
  readonly producers: ProducerStates
  readonly #shards = new Map<string, Map<number, ShardOffsets>>()
  /** No entry before was received later than this. */
  #receivedMs = 0

  constructor(maxStreams: number) {
    this.producers = new ProducerStates(maxStreams)
  }

  /** The offsets of a shard; a shard that was never written to begins at 0. */
  shard(logstoreId: string, shard: number): ShardOffsets {
    let shards = this.#shards.get(logstoreId)
    if (shards === undefined) this.#shards.set(logstoreId, (shards = new Map()))
    let offsets = shards.get(shard)
    if (offsets === undefined) shards.set(shard, (offsets = { taken: 0, durable: 0 }))
    return offsets
  }

  /** The logstores that were ever written to. */
  get logstoreIds(): string[] {
    return [...this.#shards.keys()]
  }

  /** The offset behind the last durable one of a shard. Asking for a shard that was never written to leaves nothing behind. */
  nextOffset(logstoreId: string, shard: number): number {
    return this.#shards.get(logstoreId)?.get(shard)?.durable ?? 0
  }

  /** The offsets behind the last durable ones, by shard, of the shards that were ever written to. */
  nextOffsets(logstoreId: string): Map<number, number> {
    return new Map([...(this.#shards.get(logstoreId) ?? [])].map(([shard, { durable }]) => [shard, durable]))
  }

  /** The time to stamp an entry with that arrives at `nowMs`: never before that of an earlier entry. */
  receive(nowMs: number): number {
    this.#receivedMs = Math.max(this.#receivedMs, nowMs)
    return this.#receivedMs
  }

  /** Falls back to what is durable; the entries from `firstLostEntry` on are lost. */
  rollBack(firstLostEntry: number): void {
    for (const shards of this.#shards.values()) for (const offsets of shards.values()) offsets.taken = offsets.durable
    this.producers.rollBack(firstLostEntry)
  }

  /** Forgets a logstore whose id will never be written to again. */
  forgetLogstore(logstoreId: string): void {
    this.#shards.delete(logstoreId)
    this.producers.forgetLogstore(logstoreId)
  }

  /** The state as of the last durable entry. */
  save(nowMs: number): SavedState {
    const nextOffsets: SavedState['nextOffsets'] = {}
    for (const [logstoreId, shards] of this.#shards)
      nextOffsets[logstoreId] = Object.fromEntries([...shards].map(([shard, offsets]) => [shard, offsets.durable]))
    return { nextOffsets, producers: this.producers.save(nowMs), receivedMs: this.#receivedMs }
  }

  restore(saved: SavedState): void {
    for (const [logstoreId, shards] of Object.entries(saved.nextOffsets)) {
      for (const [shard, next] of Object.entries(shards)) {
        const offsets = this.shard(logstoreId, Number(shard))
        offsets.taken = offsets.durable = next
      }
    }
    this.producers.restore(saved.producers)
    this.#receivedMs = saved.receivedMs
  }
}
