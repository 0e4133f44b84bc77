/**
 * The shards of a logstore: which of them take logs, and how they are added, split and merged.
 *
 * What must stay true: a shard keeps its number for ever, since offsets and rows have it. So a shard is never removed; one that was
 * split or merged is retired: it takes nothing any more, and what it holds stays. The number of partitions never falls, for a producer
 * may go on with what it learnt of it.
 */
import { sluiceError } from '../base/errors.ts'
import type { Logstore } from './model.ts'

/** What may be asked of the shards of a logstore. */
export type ShardChange = { add: number } | { split: number } | { merge: [number, number] }

export type ShardState = 'writable' | 'retired'

/** Each write looks at them all. */
export const MAX_WRITABLE_SHARDS = 256
/** A row has two bytes for its shard. */
const MAX_SHARDS = 65_535

const writableOf = new WeakMap<Logstore, readonly number[]>()

/** The shards that take logs, ascending; never none. Asked for each write, so it is found once for each state of a logstore. */
export function writableShards(logstore: Logstore): readonly number[] {
  let writable = writableOf.get(logstore)
  if (writable === undefined) {
    const retired = new Set(logstore.retiredShards)
    writable = Array.from({ length: logstore.shards }, (_, shard) => shard).filter(shard => !retired.has(shard))
    writableOf.set(logstore, writable)
  }
  return writable
}

/** Every shard there ever was, ascending. */
export function listShards(logstore: Logstore): { shard: number; state: ShardState }[] {
  const writable = new Set(writableShards(logstore))
  return Array.from({ length: logstore.shards }, (_, shard) => ({ shard, state: writable.has(shard) ? 'writable' : 'retired' }))
}

/**
 * The logstore after a change: `add` makes as many more, `split` retires one and adds two, `merge` retires two and adds one. Throws
 * INVALID_ARGUMENT if that cannot be.
 */
export function changeShards(logstore: Logstore, change: ShardChange): Logstore {
  if ('add' in change) return grow(logstore, [], change.add)
  const retired = 'split' in change ? [change.split] : change.merge
  const does = 'split' in change ? 'split' : 'merged'
  if (logstore.mode === 'keyed')
    throw invalid(
      `logstore "${logstore.name}" is keyed, so its shards cannot be ${does}: producers would go on sending to the partition of a ` +
        'shard that takes nothing any more; shards can only be added',
    )
  if (new Set(retired).size < retired.length) throw invalid('two different shards are merged')
  const writable = new Set(writableShards(logstore))
  for (const shard of retired) {
    if (writable.has(shard)) continue
    const isRetired = logstore.retiredShards.includes(shard)
    throw invalid(`shard ${shard} of logstore "${logstore.name}" ${isRetired ? 'is retired already' : 'does not exist'}`)
  }
  return grow(logstore, retired, 'split' in change ? 2 : 1)
}

function grow(logstore: Logstore, retired: readonly number[], added: number): Logstore {
  if (!Number.isInteger(added) || added < 1) throw invalid('the number of shards to add is a whole number from 1 on')
  const shards = logstore.shards + added
  const retiredShards = [...logstore.retiredShards, ...retired].sort((one, other) => one - other)
  const writable = shards - retiredShards.length
  if (writable > MAX_WRITABLE_SHARDS)
    throw invalid(`a logstore has at most ${MAX_WRITABLE_SHARDS} shards that take logs; this would make ${writable}`)
  if (shards > MAX_SHARDS)
    throw invalid(`a logstore has at most ${MAX_SHARDS} shards, retired ones among them; this would make ${shards}`)
  return { ...logstore, shards, retiredShards, partitions: Math.max(logstore.partitions, writable) }
}

function invalid(problem: string): Error {
  return sluiceError('INVALID_ARGUMENT', { problem })
}
