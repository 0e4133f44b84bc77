/**
 * A bound on the memory that the requests of many connections hold together. What counts is what is held, not what was announced: a
 * slow client with a large request takes no room from others before its bytes are there.
 *
 *     bytes come in ── hold ──▶ full? the connection waits, unread
 *                      release ◀── the request was answered, or its connection ended
 *
 * Room comes back when requests are answered, and goes first to the group that holds the least: a project with a thousand connections
 * leaves as much to one with a single one as to itself. Where most of it is held by requests that are not whole yet, none of which can go on, the
 * connections with the largest of them are ended, so that the others can. Nothing of such a request has been taken; its client sends it again.
 */
export interface Account {
  /** Whom it belongs to; may only change while it holds nothing and does not wait. */
  readonly group: string
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
  /** By group, and in it oldest first; no group without a member. */
  readonly #waiting = new Map<string, Set<Account>>()
  #heldBytes = 0
  /** By group; none that holds nothing. */
  readonly #heldByGroup = new Map<string, number>()
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
    this.#stopWaiting(account)
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
    const { group } = account
    const members = this.#waiting.get(group)
    if (members === undefined) this.#waiting.set(group, new Set([account]))
    else members.add(account)
    this.#impatience ??= setTimeout(() => {
      this.#impatience = undefined
      this.#makeRoom()
      // Those who were called may have had nothing to receive.
      this.#callWaiting()
      for (const [waiting] of this.#waiting.values()) return this.wait(waiting!)
    }, this.#patienceMs)
  }

  #add({ group }: Account, bytes: number): void {
    this.#heldBytes += bytes
    const held = (this.#heldByGroup.get(group) ?? 0) + bytes
    if (held === 0) this.#heldByGroup.delete(group)
    else this.#heldByGroup.set(group, held)
  }

  #callWaiting(): void {
    // What those receive who are called is held only later.
    let roomBytes = this.limitBytes - this.#heldBytes
    while (roomBytes > 0) {
      const next = this.#findNext()
      if (next === undefined) return
      roomBytes -= READ_BYTES
      this.#stopWaiting(next)
      next.onRoom()
    }
  }

  /** Who waits longest of the group that holds the least. */
  #findNext(): Account | undefined {
    let least = Infinity
    let next: Account | undefined
    for (const [group, [oldest]] of this.#waiting) {
      const held = this.#heldByGroup.get(group) ?? 0
      if (held >= least) continue
      least = held
      next = oldest
    }
    return next
  }

  #stopWaiting(account: Account): void {
    const members = this.#waiting.get(account.group)
    if (members?.delete(account) === true && members.size === 0) this.#waiting.delete(account.group)
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
