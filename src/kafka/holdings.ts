/**
 * What a connection has of what all connections share: memory for what it has sent, and room on the way to the disk for the requests
 * that are being handled.
 *
 *     received ── hold ──▶ whole ── begin ──▶ handled ── finish ──▶ answered
 */
import type { Account, ByteBudget } from '../base/byte-budget.ts'
import type { Passenger, Turnstile } from '../base/turnstile.ts'

export interface Shares {
  /** The memory for requests of clients with a right access key, and of all others: these take no room from those. */
  clients: ByteBudget
  strangers: ByteBudget
  turnstile: Turnstile
}

export interface HoldingsOptions {
  shares: Shares
  /** Who a stranger is: its address. */
  source: string
  /** Called when there may be room again, or it is its turn. */
  onRoom: () => void
  /** Called when the connection has to end, since its unfinished request takes room that others wait for. */
  onEvict: () => void
  unfinishedBytes: () => number
}

export class Holdings implements Account, Passenger {
  readonly #options: HoldingsOptions
  readonly #turnstile: Turnstile
  #budget: ByteBudget
  /** Whom it shares with: the project, or the address of a stranger. */
  #group: string
  /** What was received and is not answered. */
  #bytes = 0
  /** What of it is being handled. */
  #begunBytes = 0

  constructor(options: HoldingsOptions) {
    this.#options = options
    this.#turnstile = options.shares.turnstile
    this.#budget = options.shares.strangers
    this.#group = options.source
    this.#budget.open(this)
  }

  get group(): string {
    return this.#group
  }

  get bytes(): number {
    return this.#bytes
  }

  onRoom(): void {
    this.#options.onRoom()
  }

  onTurn(): void {
    this.#options.onRoom()
  }

  onEvict(): void {
    this.#options.onEvict()
  }

  unfinishedBytes(): number {
    return this.#options.unfinishedBytes()
  }

  /** Counts what was received. */
  hold(bytes: number): void {
    this.#bytes += bytes
    this.#budget.hold(this, bytes)
  }

  release(bytes: number): void {
    this.#bytes -= bytes
    this.#budget.release(this, bytes)
  }

  /** A request is being handled from now on. */
  begin(bytes: number): void {
    this.#begunBytes += bytes
    this.#turnstile.enter(this.#group, bytes)
  }

  /** Requests that were begun are answered, or given up. */
  finish(bytes: number): void {
    this.#begunBytes -= bytes
    this.#turnstile.leave(this.#group, bytes)
    this.release(bytes)
  }

  /** Whether more may be received; if not, `onRoom` is called when it may. */
  hasRoom(): boolean {
    if (!this.#budget.isFull) return true
    this.#budget.wait(this)
    return false
  }

  /** Whether a request may begin; if not, `onRoom` is called when it may. */
  mayBegin(): boolean {
    if (this.#turnstile.mayPass(this.#group)) return true
    this.#turnstile.wait(this)
    return false
  }

  /** From now on it shares with the clients of a project, or with strangers; nothing is being handled. */
  join(project: string | undefined): void {
    const { shares, source } = this.#options
    this.#budget.release(this, this.#bytes)
    this.#budget.close(this)
    this.#turnstile.forget(this)
    this.#budget = project === undefined ? shares.strangers : shares.clients
    this.#group = project ?? source
    this.#budget.open(this)
    this.#budget.hold(this, this.#bytes)
  }

  /** The connection is gone. Requests that are being handled finish; others had no answer. */
  close(): void {
    this.release(this.#bytes - this.#begunBytes)
    this.#budget.close(this)
    this.#turnstile.forget(this)
  }
}
