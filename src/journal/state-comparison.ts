/**
 * Compares the state of a journal as it was written down, in a checkpoint or a segment's header, with what entries add up to.
 *
 * The two need not be the same. A state that was written down has let go of logstores that were deleted and of producers that were
 * silent or too many, it remembers more or fewer batches of a producer, and its offsets may have been moved on. It must never
 * be behind the entries, since an offset would be given twice, nor say of a producer what the entries do not.
 */
import { KEPT_MS, type SavedStream } from './producer-states.ts'
import type { JournalState, SavedState } from './state.ts'

/** Logs of a shard that are in no entry that can be read. */
export interface LostLogs {
  logstoreId: string
  shard: number
  /** The first offset, and the one behind the last. */
  first: number
  next: number
}

/**
 * What is wrong with a state that was written down where the entries add up to `summed`, the last of them received at `receivedMs`,
 * in half sentences.
 */
export function* compareStates(
  saved: SavedState,
  summed: JournalState,
  { isLogstore, receivedMs }: { isLogstore: (id: string) => boolean; receivedMs: number },
): Generator<string, void> {
  // At no time: streams that are too old by now are compared too.
  const { nextOffsets, producers, receivedMs: latestMs } = summed.save(0)
  for (const [logstoreId, shards] of Object.entries(nextOffsets)) {
    for (const [shard, next] of Object.entries(shards)) {
      const savedNext = saved.nextOffsets[logstoreId]?.[shard]
      const of = `shard ${shard} of logstore ${logstoreId}`
      if (savedNext === undefined) {
        if (next > 0 && isLogstore(logstoreId)) yield `it does not know ${of}`
      } else if (savedNext < next) yield `the next offset of ${of} is ${savedNext}, and ${next} by the entries`
    }
  }
  const streams = new Map(producers.map(stream => [keyOf(stream), stream]))
  for (const stream of saved.producers) {
    const known = streams.get(keyOf(stream))
    const isForgotten = known === undefined && stream.usedMs <= latestMs - KEPT_MS
    if (!isForgotten && (known === undefined || !agree(stream, known)))
      yield `what it says of producer ${stream.producerId} in partition ${stream.partition} of logstore ${stream.logstoreId} is not what the entries say`
  }
  if (saved.receivedMs < receivedMs) yield 'the time of the last entry is that of one before'
}

/** The logs between a state and a later one that was written down. */
export function findLostLogs(state: JournalState, saved: SavedState): LostLogs[] {
  return Object.entries(saved.nextOffsets).flatMap(([logstoreId, shards]) =>
    Object.entries(shards)
      .map(([shard, next]) => ({ logstoreId, shard: Number(shard), first: state.nextOffset(logstoreId, Number(shard)), next }))
      .filter(({ first, next }) => first < next),
  )
}

/** Whether two accounts of a stream end with the same batches; one may go further back than the other. */
function agree(one: SavedStream, other: SavedStream): boolean {
  const count = Math.min(one.taken.length, other.taken.length)
  return one.epoch === other.epoch && String(one.taken.slice(-count)) === String(other.taken.slice(-count))
}

function keyOf({ producerId, logstoreId, jsonTopic, partition }: SavedStream): string {
  return JSON.stringify([producerId, logstoreId, jsonTopic, partition])
}
