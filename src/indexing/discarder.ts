/**
 * What takes the indexer's place where nothing is to be stored (`store.discard`): it says of all that is durable that it is done with.
 */
import type { Indexed } from '../journal/checkpoint.ts'
import type { FromIndexer, ToIndexer } from './messages.ts'

export class Discarder {
  readonly #end: () => Indexed
  readonly #onMessage: (message: FromIndexer) => void

  /** `end` tells of everything that is durable now. */
  constructor(options: { end: () => Indexed; onMessage: (message: FromIndexer) => void }) {
    this.#end = options.end
    this.#onMessage = options.onMessage
  }

  start(): void {}

  send(message: ToIndexer): void {
    if (message.kind === 'catalog')
      for (const { id: logstoreId } of message.deleted) queueMicrotask(() => this.#onMessage({ kind: 'dropped', logstoreId }))
    if (message.kind !== 'durable') return
    this.#onMessage({ kind: 'indexed', indexed: this.#end(), rows: 0, freshness: { counts: [], sum: 0 }, offsets: {} })
  }

  stop(): Promise<void> {
    return Promise.resolve()
  }
}
