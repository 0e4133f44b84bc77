/**
 * A bound on the memory that the requests of many connections hold together. What counts is what is held, not what was announced: a
 * slow client with a large request takes no room from others before its bytes are there.
 *
 *     bytes come in ── hold ──▶ full? the connection waits, unread
 *                      release ◀── the request was answered, or its connection ended
 *
 * Room comes back when requests are answered, and goes first to the group that holds the least. Where most of it is held by requests that
 * are not whole yet, none of which can go on, the connections with the largest of them are ended, so that the others can. Nothing of
 * such a request has been taken; its client sends it again.
 */
import { GroupQueue, type Member } from './group-queue.ts'

export interface Account extends Member {
  /** Called once for each `wait`, when there may be room. */
  onRoom(): void
  /** Called when this account's unfinished request must make room: its connection has to release it, now. */
  onEvict(): void
  /** The bytes of requests that are not whole yet, among those that it holds. */
  unfinishedBytes(): number
}

/** How long room may be missing before unfinished requests are ended for it; what is written to disk meanwhile may give enough. */
const PATIENCE_MS = 1000
/** About what a connection receives at once. */
const READ_BYTES = 65_536

export class ByteBudget {
  readonly limitBytes: number
  readonly #patienceMs: number
  readonly #accounts = new Set<Account>()
  readonly #queue = new GroupQueue<Account>()
  #heldBytes = 0
  #impatience: NodeJS.Timeout | undefined

  /** `patienceMs` is for tests. */
  constructor(limitBytes: number, patienceMs = PATIENCE_MS) {
    this.limitBytes = limitBytes
    this.#patienceMs = patienceMs
  }

  get heldBytes(): number {
    return this.#heldBytes
  }

  /** Whether whoever has received something should read no further. Each can be above the limit by what one read brings. */
  get isFull(): boolean {
    return this.#heldBytes >= this.limitBytes
  }

  open(account: Account): void {
    this.#accounts.add(account)
  }

  /** Forgets an account; what it still holds must be released all the same. */
  close(account: Account): void {
    this.#accounts.delete(account)
    this.#queue.forget(account)
  }

  hold(account: Account, bytes: number): void {
    this.#add(account, bytes)
  }

  release(account: Account, bytes: number): void {
    this.#add(account, -bytes)
    this.#callWaiting()
  }

  /** Calls the account's `onRoom` when there is room and its turn. */
  wait(account: Account): void {
    this.#queue.wait(account)
    this.#beImpatient()
  }

  #beImpatient(): void {
    this.#impatience ??= setTimeout(() => {
      this.#impatience = undefined
      this.#makeRoom()
      // Those who were called may have had nothing to receive.
      this.#callWaiting()
      if (this.#queue.findNext() !== undefined) this.#beImpatient()
    }, this.#patienceMs)
  }

  #add({ group }: Account, bytes: number): void {
    this.#heldBytes += bytes
    this.#queue.add(group, bytes)
  }

  #callWaiting(): void {
    // What those receive who are called is held only later.
    let roomBytes = this.limitBytes - this.#heldBytes
    for (let next; roomBytes > 0 && (next = this.#queue.findNext()) !== undefined; roomBytes -= READ_BYTES) {
      this.#queue.forget(next)
      next.onRoom()
    }
  }

  /** Ends the largest unfinished requests until no more than half of the budget is held by such. */
  #makeRoom(): void {
    if (!this.isFull) return
    const holders = [...this.#accounts].map(account => ({ account, bytes: account.unfinishedBytes() }))
    let unfinishedBytes = holders.reduce((sum, { bytes }) => sum + bytes, 0)
    for (const { account, bytes } of holders.sort((a, b) => b.bytes - a.bytes)) {
      if (2 * unfinishedBytes <= this.limitBytes) return
      unfinishedBytes -= bytes
      account.onEvict()
    }
  }
}
