/**
 * What is known of idempotent producers: per stream, which sequence comes next and what became of the last batches.
 *
 * A stream is (producer id, logstore, topic as the client wrote it, partition named): the unit a client counts sequences in,
 * whatever shard its batches land on. Sequences are enforced as Kafka enforces them, because clients draw conclusions: on the
 * success of one batch librdkafka takes all earlier ones of the partition for stored. So nothing is ever taken behind a
 * batch that was refused, and a batch that was taken is never taken again.
 *
 * States outlive restarts (they stand in each segment's header and in the checkpoint, and are replayed from the entries) and
 * are kept a day after the last batch, as Kafka keeps them.
 */
import type { BatchHeader } from '../../protocol/records/batch.ts'
import { Outcome } from '../base/outcome.ts'

/** How many batches a client may have in flight and resend in any order: Kafka's own number. */
const KEPT_BATCHES = 5
/** How long a stream is remembered after its last batch. */
export const KEPT_MS = 24 * 60 * 60 * 1000
/** How long a refusal is enforced against the bound: longer than any client's request time-out and deeper than its pipeline. */
const REFUSAL_MS = 10 * 60 * 1000
/** How exactly it is known which stream was used last: to put one behind all others costs more than all else that a batch costs here. */
const USE_MS = 1000
const LARGEST_SEQUENCE = 0x7fffffff

export interface Stream {
  producerId: number
  logstoreId: string
  jsonTopic: boolean
  partition: number
}

/** The part of a batch that producers are told apart and ordered by; `count` records from `firstSequence` on. */
export interface SequencedBatch {
  epoch: number
  firstSequence: number
  count: number
}

/**
 * What the batches of one write are ordered by, if an idempotent producer sent them: recognised by its id and by nothing else.
 * Several batches count as one when each goes on where the one before ends; where they do not, `batch` is the first.
 */
export function sequencedBatches(
  write: Omit<Stream, 'producerId'>,
  batches: readonly BatchHeader[],
): { stream: Stream; batch: SequencedBatch; followEachOther: boolean } | undefined {
  const first = batches.find(({ producerId }) => producerId >= 0)
  if (first === undefined) return undefined
  const { logstoreId, jsonTopic, partition } = write
  const { producerId, producerEpoch, baseSequence } = first
  const stream = { producerId, logstoreId, jsonTopic, partition }
  let count = 0
  for (const batch of batches) {
    const isNext = batch.baseSequence === (count === 0 ? baseSequence : sequenceAfter(baseSequence, count))
    if (batch.producerId !== producerId || batch.producerEpoch !== producerEpoch || !isNext)
      return {
        stream,
        batch: { epoch: producerEpoch, firstSequence: baseSequence, count: first.recordCount },
        followEachOther: false,
      }
    count += batch.recordCount
  }
  return { stream, batch: { epoch: producerEpoch, firstSequence: baseSequence, count }, followEachOther: true }
}

/** A batch that was taken. */
export interface TakenBatch {
  firstSequence: number
  lastSequence: number
  shard: number
  baseOffset: number
  /** The entry it stands in; durable once the journal is durable beyond it. */
  entry: number
  /** Settles as the batch's first answer did. */
  durable: Outcome
}

export type SequenceVerdict =
  /** The batch is the next one. */
  | { kind: 'next' }
  /** It was taken before: its outcome is that of `batch`. */
  | { kind: 'duplicate'; batch: TakenBatch }
  /** A batch before it is missing. */
  | { kind: 'gap' }
  /** A producer of a newer epoch has replaced this one. */
  | { kind: 'fenced' }

interface StreamState {
  stream: Stream
  epoch: number
  nextSequence: number
  /** Oldest first: every batch that is not durable yet, and of the durable ones as many as make up KEPT_BATCHES. */
  taken: TakenBatch[]
  usedMs: number
  /** When the batch that comes next was refused or lost; undefined if it was not. */
  refusedMs: number | undefined
  /**
   * Batches behind the last one that is known may have been lost with a damaged journal: whatever comes is taken for the next one. Else
   * a producer that was told of those batches could never go on.
   */
  isInDoubt: boolean
  /** The epoch before this one: what a start has to know as long as no batch of this one is durable. */
  before: StreamState | undefined
}

/** A stream as it is written down, durable batches only. */
export interface SavedStream extends Stream {
  epoch: number
  usedMs: number
  /** First sequence, last sequence, shard, base offset. */
  taken: [number, number, number, number][]
  /** There, and true, if batches behind these may have been lost (`repair.ts`). */
  isInDoubt?: boolean
}

export class ProducerStates {
  /** By stream; least recently used first. */
  readonly #states = new Map<string, StreamState>()
  readonly #maxStreams: number
  /** The entries below this one are durable. */
  #durableEntry = 0

  constructor(maxStreams: number) {
    this.#maxStreams = maxStreams
  }

  /** How many streams are known. */
  get size(): number {
    return this.#states.size
  }

  /** The entries below `durableEntry` are durable now. */
  markDurable(durableEntry: number): void {
    this.#durableEntry = durableEntry
  }

  /** Says what to do with a batch; changes nothing. A stream of which nothing is known may begin anywhere. */
  judge(stream: Stream, batch: SequencedBatch): SequenceVerdict {
    const state = this.#states.get(keyOf(stream))
    if (state === undefined) return { kind: 'next' }
    if (batch.epoch < state.epoch) return { kind: 'fenced' }
    const mayFollow = (sequence: number) => batch.firstSequence === sequence || state.isInDoubt
    if (batch.epoch > state.epoch) return mayFollow(0) ? { kind: 'next' } : { kind: 'gap' }
    const lastSequence = sequenceAfter(batch.firstSequence, batch.count - 1)
    const taken = state.taken.find(one => one.firstSequence === batch.firstSequence && one.lastSequence === lastSequence)
    if (taken !== undefined) return { kind: 'duplicate', batch: taken }
    return mayFollow(state.nextSequence) ? { kind: 'next' } : { kind: 'gap' }
  }

  /** Records that a batch which was judged `next` has been taken. */
  take(stream: Stream, batch: SequencedBatch, taken: Omit<TakenBatch, 'firstSequence' | 'lastSequence'>, nowMs: number): void {
    const state = this.#use(stream, batch, nowMs)
    const { shard, baseOffset, entry, durable } = taken
    const { firstSequence } = batch
    const lastSequence = sequenceAfter(firstSequence, batch.count - 1)
    state.refusedMs = undefined
    state.isInDoubt = false
    state.taken.push({ firstSequence, lastSequence, shard, baseOffset, entry, durable })
    state.nextSequence = sequenceAfter(lastSequence, 1)
    while (state.taken.length > KEPT_BATCHES && (state.taken[0]?.entry ?? Infinity) < this.#durableEntry) state.taken.shift()
  }

  /**
   * Records that a batch was refused, for whatever reason: it stays the next one that its stream takes, also where nothing was
   * known of the stream. A refusal because of a gap, of an older epoch or of a duplicate leaves the stream as it is.
   */
  refuse(stream: Stream, batch: SequencedBatch, nowMs: number): void {
    if (this.judge(stream, batch).kind !== 'next') return
    const state = this.#use(stream, batch, nowMs)
    state.nextSequence = batch.firstSequence
    state.refusedMs = nowMs
    state.isInDoubt = false
  }

  /** Forgets the batches of entry `firstLostEntry` and behind: their write failed, each stream goes on where it was before. */
  rollBack(firstLostEntry: number): void {
    for (const newest of this.#states.values()) {
      for (let state: StreamState | undefined = newest; state !== undefined; state = state.before) {
        const firstLost = state.taken.findIndex(batch => batch.entry >= firstLostEntry)
        if (firstLost === -1) continue
        state.nextSequence = state.taken[firstLost]!.firstSequence
        state.refusedMs = state.usedMs
        state.taken.length = firstLost
      }
    }
  }

  /** Forgets all streams of a logstore. */
  forgetLogstore(logstoreId: string): void {
    for (const [key, state] of this.#states) if (state.stream.logstoreId === logstoreId) this.#states.delete(key)
  }

  /** What is to be written down of the streams, durable batches only; lets go of streams that are too old. */
  save(nowMs: number): SavedStream[] {
    this.#expire(nowMs, this.#maxStreams)
    const saved: SavedStream[] = []
    for (const newest of this.#states.values()) {
      let state: StreamState | undefined = newest
      while (state !== undefined && !this.#hasDurable(state)) state = state.before
      if (state === undefined) continue
      const { stream, epoch, usedMs, taken, isInDoubt } = state
      const durable = taken.filter(batch => batch.entry < this.#durableEntry)
      saved.push({
        ...stream,
        epoch,
        usedMs,
        taken: durable.map(one => [one.firstSequence, one.lastSequence, one.shard, one.baseOffset]),
        ...(isInDoubt && { isInDoubt }),
      })
    }
    return saved
  }

  /** Takes over what `save` returned in an earlier life. */
  restore(saved: readonly SavedStream[]): void {
    for (const { epoch, usedMs, taken, isInDoubt = false, producerId, logstoreId, jsonTopic, partition } of saved) {
      const stream = { producerId, logstoreId, jsonTopic, partition }
      for (const [firstSequence, lastSequence, shard, baseOffset] of taken) {
        const count = sequenceDistance(firstSequence, lastSequence) + 1
        this.take(stream, { epoch, firstSequence, count }, { shard, baseOffset, entry: -1, durable: Outcome.success }, usedMs)
      }
      const state = this.#states.get(keyOf(stream))
      if (state !== undefined) state.isInDoubt = isInDoubt
    }
  }

  #use(stream: Stream, batch: SequencedBatch, nowMs: number): StreamState {
    const key = keyOf(stream)
    const known = this.#states.get(key)
    const state =
      known !== undefined && known.epoch === batch.epoch
        ? known
        : {
            stream,
            epoch: batch.epoch,
            nextSequence: batch.firstSequence,
            taken: [],
            usedMs: nowMs,
            refusedMs: undefined,
            isInDoubt: false,
            before: known?.taken.length === 0 ? known.before : known,
          }
    if (state.before !== undefined) {
      if (this.#hasDurable(state)) state.before = undefined
      else if (this.#hasDurable(state.before)) state.before.before = undefined
    }
    // The clock may have been set back.
    if (state === known && Math.abs(nowMs - state.usedMs) < USE_MS) return state
    state.usedMs = nowMs
    this.#states.delete(key)
    this.#expire(nowMs, this.#maxStreams - 1)
    this.#states.set(key, state)
    return state
  }

  #hasDurable({ taken }: StreamState): boolean {
    return taken.some(batch => batch.entry < this.#durableEntry)
  }

  /**
   * Lets go of what is too old, and of more while there are more than `most`: oldest first, never a stream with a batch in
   * flight, nor one whose next batch was refused a moment ago, since the client may still have batches behind it under way.
   * Twice the bound holds against refusals too: a client could have any number of streams refused.
   */
  #expire(nowMs: number, most: number): void {
    for (const [key, state] of this.#states) {
      const { size } = this.#states
      if (size <= most && nowMs - state.usedMs < KEPT_MS) break
      const isInFlight = state.taken.some(batch => batch.entry >= this.#durableEntry)
      const isRefused = nowMs - (state.refusedMs ?? -Infinity) < REFUSAL_MS && size <= 2 * most
      if (!isInFlight && !isRefused) this.#states.delete(key)
    }
  }
}

/** Sequences run from 0 to 2^31 − 1 and then again from 0. */
function sequenceAfter(sequence: number, steps: number): number {
  return sequence > LARGEST_SEQUENCE - steps ? steps - (LARGEST_SEQUENCE - sequence) - 1 : sequence + steps
}

function sequenceDistance(from: number, to: number): number {
  return to >= from ? to - from : LARGEST_SEQUENCE - from + to + 1
}

function keyOf({ producerId, logstoreId, jsonTopic, partition }: Stream): string {
  return `${producerId}/${partition}/${jsonTopic ? 'json' : ''}/${logstoreId}`
}
