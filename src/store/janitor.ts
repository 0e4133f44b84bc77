/**
 * Keeps the tables as the catalog says, also those of logstores that receive nothing: made, up to date with fields and retention, and
 * within their size limit. It looks after all of them when the catalog changes or the store answers anew, and every minute.
 */
import { SluiceError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import type { Logstore } from '../catalog/model.ts'
import type { Store } from './store.ts'

export interface JanitorOptions {
  store: Pick<Store, 'ensureTable' | 'trim' | 'dropLogstore'>
  logstores: () => readonly Logstore[]
  /** The logstores whose tables may be dropped for another of the same name. */
  deletedIds: () => ReadonlySet<string>
  log: Log
  intervalMs?: number
}

const INTERVAL_MS = 60_000

export class Janitor {
  readonly #options: JanitorOptions
  readonly #timer: NodeJS.Timeout
  /** Settles when all tables were looked after; undefined if nothing is under way. Never rejects. */
  #round: Promise<void> | undefined
  /** Whether another round is wanted behind the one that is under way. */
  #isWanted = false
  #isClosed = false
  /** By logstore id, what was said of it last: said again only when it changes. */
  readonly #said = new Map<string, string>()

  constructor(options: JanitorOptions) {
    this.#options = options
    this.#timer = setInterval(() => this.wake(), options.intervalMs ?? INTERVAL_MS).unref()
  }

  /** Has all tables looked after soon. */
  wake(): void {
    this.#isWanted = true
    this.#round ??= this.#work().finally(() => (this.#round = undefined))
  }

  /** Begins nothing any more; what is under way ends with the store's connection. */
  close(): void {
    clearInterval(this.#timer)
    this.#isClosed = true
  }

  async #work(): Promise<void> {
    while (this.#isWanted && !this.#isClosed) {
      this.#isWanted = false
      const logstores = this.#options.logstores()
      const ids = new Set(logstores.map(({ id }) => id))
      for (const id of this.#said.keys()) if (!ids.has(id)) this.#said.delete(id)
      for (const logstore of logstores) if (!this.#isClosed) await this.#tend(logstore)
    }
  }

  async #tend(logstore: Logstore): Promise<void> {
    const { store, logstores, deletedIds, log } = this.#options
    const { project, name, maxBytes } = logstore
    let saying = ''
    try {
      await store.ensureTable(logstore, deletedIds())
      // Deleted in the meantime, and its table maybe dropped before it was made here: it would stand in the way of the next of its name.
      if (!logstores().some(({ id }) => id === logstore.id)) return await store.dropLogstore(logstore)
      if (maxBytes !== null) {
        const { days, bytes, isTooLarge } = await store.trim(logstore)
        if (days.length > 0)
          log.info(
            { project, logstore: name, days, bytes, maxBytes },
            'the oldest days of a logstore were dropped: it was too large',
          )
        if (isTooLarge) saying = 'the newest day of a logstore alone is larger than the logstore may be; it is kept'
      }
    } catch (error) {
      // That the store is away is told of elsewhere.
      if (error instanceof SluiceError && error.code === 'STORE_UNAVAILABLE') return
      saying = `a table cannot be looked after; it is tried again: ${(error as Error).message}`
    }
    if (saying !== '' && saying !== this.#said.get(logstore.id)) log.warn({ project, logstore: name, maxBytes }, saying)
    this.#said.set(logstore.id, saying)
  }
}
