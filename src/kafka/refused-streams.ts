/**
 * The batches that a connection was refused, by the name of the topic: where there is no logstore or no right, the journal knows nothing
 * of the stream.
 *
 * Should the logstore or the right appear between two pipelined batches, or the logstore be made anew, the later one must not be
 * taken before the earlier one has been sent again; a client would take the success of the later one for that of both.
 */
import type { BatchHeader } from '../../protocol/records/batch.ts'

/** A connection that is refused more streams than this at a time forgets the oldest. */
const MAX_STREAMS = 1000

export class RefusedStreams {
  /** The first batch that was refused, by stream. */
  readonly #batches = new Map<string, BatchHeader>()

  /** Remembers that a batch was refused; of each stream the first one counts. */
  add(topic: string, partition: number, batch: BatchHeader | undefined): void {
    if (batch === undefined || batch.producerId < 0) return
    const key = keyOf(topic, partition, batch)
    if (this.#batches.has(key)) return
    this.#batches.set(key, batch)
    if (this.#batches.size > MAX_STREAMS) this.#batches.delete(this.#batches.keys().next().value!)
  }

  /** The first batch of this stream that was refused, and forgets it. */
  take(topic: string, partition: number, batch: BatchHeader | undefined): BatchHeader | undefined {
    if (this.#batches.size === 0 || batch === undefined) return undefined
    const key = keyOf(topic, partition, batch)
    const refused = this.#batches.get(key)
    this.#batches.delete(key)
    return refused
  }
}

function keyOf(topic: string, partition: number, batch: BatchHeader): string {
  return `${batch.producerId}/${partition}/${topic}`
}
