/**
 * What the acknowledging process knows of how far its indexer has come: for each logstore what is not in its table yet, how long
 * that has waited, and what keeps it from getting there.
 *
 *     rows      of each shard the next offset of the journal less that of the table: exact
 *     bytes     of the writes in the journal that are not stored; the oldest is counted as a whole, and may stand for a few
 *     age       of the oldest of them
 *
 * Of writes that were in the journal before this process only their offsets are known, and those of the table only as it grows.
 * What is not known is null.
 */
import type { Logstore } from '../catalog/model.ts'
import type { Indexed } from '../journal/checkpoint.ts'
import type { Entry } from '../journal/format.ts'
import type { FromIndexer } from './messages.ts'

/** What a logstore's table is behind the journal. */
export interface Lag {
  rows: number | null
  /** As they stand in the journal. */
  bytes: number | null
  /** How long the oldest log has waited, in milliseconds. */
  ageMs: number | null
}

/** Some writes one behind the other. */
interface Stretch {
  lastEntry: number
  /** When the first of them was received. */
  receivedMs: number
  bytes: number
  writes: number
}

/** So many stretches are told apart of each logstore. */
const MAX_STRETCHES = 64

/** A logstore since this process has started. */
class LogstoreProgress {
  /** The writes that are not stored, oldest first. */
  stretches: Stretch[] = []
  /** How many writes a stretch takes: more, the more are not stored. */
  stretchWrites = 1
  /** By shard: the offset of the first log since the start. */
  readonly firstOffsets = new Map<number, number>()
  /** By shard: the next offset of the table, as far as it has grown since the start. */
  readonly storedOffsets = new Map<number, number>()
  lastEntry: number | null = null
}

export class IndexingProgress {
  readonly #logstores = new Map<string, LogstoreProgress>()
  /** The first entry that this process writes. */
  readonly #firstEntry: number
  /** The logstores of which earlier entries may be parked; undefined while those of any logstore may not be stored. */
  #withEarlier: Set<string> | undefined
  /** By logstore id; '' means the journal. */
  readonly #problems = new Map<string, string>()
  /** By logstore id; without those that have none. It outlives the indexer, as the files do. */
  readonly #parkedBytes = new Map<string, number>()
  #rows = 0

  /** `indexed` is what the journal says at the start; it goes on with the entry `firstEntry`. */
  constructor({ indexed, firstEntry }: { indexed: Indexed; firstEntry: number }) {
    this.#firstEntry = firstEntry
    this.#settle(indexed)
  }

  /** Rows that were stored since the start. */
  get rows(): number {
    return this.#rows
  }

  /** The bytes of the files of all logstores that are parked. */
  get parkedBytes(): number {
    return [...this.#parkedBytes.values()].reduce((sum, bytes) => sum + bytes, 0)
  }

  parkedBytesOf(logstoreId: string): number {
    return this.#parkedBytes.get(logstoreId) ?? 0
  }

  /** What keeps logstores from being indexed, by their ids; '' means the journal. */
  get problems(): ReadonlyMap<string, string> {
    return this.#problems
  }

  /** What keeps a logstore from being indexed, named; empty if nothing does. */
  describe({ id, project, name }: Logstore): string[] {
    const problem = this.#problems.get(id)
    return problem === undefined ? [] : [`logs of ${project}/${name} wait to be stored: ${problem}`]
  }

  /** The last write of a logstore since the start; null if there was none. */
  lastEntryOf(logstoreId: string): number | null {
    return this.#logstores.get(logstoreId)?.lastEntry ?? null
  }

  /** A write has become durable. */
  add({ logstoreId, number, shard, baseOffset, receivedMs, records }: Entry): void {
    const progress = this.#progressOf(logstoreId)
    const { stretches, firstOffsets } = progress
    // Numbers are given again if a write is lost after it was acknowledged.
    while (stretches.length > 0 && stretches.at(-1)!.lastEntry >= number) stretches.pop()
    const write = { lastEntry: number, receivedMs, bytes: records.length, writes: 1 }
    const last = stretches.at(-1)
    if (last !== undefined && last.writes < progress.stretchWrites) stretches[stretches.length - 1] = join(last, write)
    else stretches.push(write)
    progress.lastEntry = number
    if (!firstOffsets.has(shard)) firstOffsets.set(shard, baseOffset)
    if (stretches.length <= MAX_STRETCHES) return
    progress.stretches = joinPairs(stretches)
    progress.stretchWrites *= 2
  }

  /** The indexer has said something. */
  hear(message: FromIndexer): void {
    if (message.kind === 'indexed') {
      this.#rows += message.rows
      this.#problems.delete('')
      if (this.#withEarlier === undefined) this.#settle(message.indexed)
      for (const [logstoreId, offsets] of Object.entries(message.offsets))
        for (const [shard, next] of offsets) this.#progressOf(logstoreId).storedOffsets.set(shard, next)
      for (const [logstoreId, progress] of this.#logstores) {
        const storedEntry = message.indexed.stored[logstoreId] ?? -1
        while ((progress.stretches[0]?.lastEntry ?? Infinity) <= storedEntry) progress.stretches.shift()
        if (progress.stretches.length === 0) progress.stretchWrites = 1
      }
    } else if (message.kind === 'parked') {
      if (message.bytes > 0) this.#parkedBytes.set(message.logstoreId, message.bytes)
      else {
        this.#parkedBytes.delete(message.logstoreId)
        this.#withEarlier?.delete(message.logstoreId)
      }
    } else if (message.kind === 'problem') {
      if (message.problem === null) this.#problems.delete(message.logstoreId)
      else this.#problems.set(message.logstoreId, message.problem)
    }
  }

  /** The indexer has ended, and another one will be started. */
  handleEnd(): void {
    // A journal that cannot be read ends the process, again and again; any other problem is the next one's to find anew.
    for (const logstoreId of this.#problems.keys()) if (logstoreId !== '') this.#problems.delete(logstoreId)
  }

  /** The logstore was deleted. */
  forget(logstoreId: string): void {
    this.#logstores.delete(logstoreId)
    this.#parkedBytes.delete(logstoreId)
    this.#problems.delete(logstoreId)
  }

  /** How far a logstore's table is behind, whose next offsets in the journal are these, by shard. */
  lagOf(logstoreId: string, nextOffsets: ReadonlyMap<number, number>, nowMs: number): Lag {
    const { stretches, firstOffsets, storedOffsets } = this.#logstores.get(logstoreId) ?? new LogstoreProgress()
    const shards = [...nextOffsets].map(([shard, next]) => {
      return { next, first: firstOffsets.get(shard) ?? next, stored: storedOffsets.get(shard) }
    })
    const hasAllEarlier = this.#withEarlier?.has(logstoreId) === false || shards.every(({ first, stored = 0 }) => stored >= first)
    const rows = shards.map(({ next, first, stored }) => next - (stored ?? (hasAllEarlier || first === 0 ? first : NaN)))
    const sum = rows.reduce((all, some) => all + some, 0)
    return {
      rows: Number.isNaN(sum) ? null : sum,
      bytes: hasAllEarlier ? stretches.reduce((bytes, stretch) => bytes + stretch.bytes, 0) : null,
      ageMs: !hasAllEarlier ? null : stretches[0] === undefined ? 0 : Math.max(0, nowMs - stretches[0].receivedMs),
    }
  }

  #progressOf(logstoreId: string): LogstoreProgress {
    let progress = this.#logstores.get(logstoreId)
    if (progress === undefined) this.#logstores.set(logstoreId, (progress = new LogstoreProgress()))
    return progress
  }

  /** Takes note of what of earlier entries is not stored, once all of them are stored or parked. */
  #settle({ place, parked = {} }: Indexed): void {
    if (place.entry >= this.#firstEntry) this.#withEarlier = new Set([...Object.keys(parked), ...this.#parkedBytes.keys()])
  }
}

function join(one: Stretch, other: Stretch): Stretch {
  const { lastEntry } = other
  return { lastEntry, receivedMs: one.receivedMs, bytes: one.bytes + other.bytes, writes: one.writes + other.writes }
}

/** Half as many stretches. */
function joinPairs(stretches: readonly Stretch[]): Stretch[] {
  const joined: Stretch[] = []
  for (let index = 0; index < stretches.length; index += 2) {
    const [one, other] = stretches.slice(index, index + 2)
    joined.push(other === undefined ? one! : join(one!, other))
  }
  return joined
}
