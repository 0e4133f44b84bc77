/**
 * How a connection is slowed down whose client sends more than can be taken: its answers leave at once, and then it is not read for a
 * while. That slows clients that know nothing of `throttleTimeMs` as well (KIP-219).
 */
export class Pace {
  #readAgainMs = 0
  #isRefusing = false

  /** Leaves the client unread for `ms` from now. */
  slow(ms: number): void {
    if (ms > 0) this.#readAgainMs = Math.max(this.#readAgainMs, performance.now() + ms)
  }

  /**
   * Leaves the client unread for `ms`, after a write of it was refused. What it has sent behind that one is refused too: it is to be
   * stored in the order in which it was sent.
   */
  refuse(ms: number): void {
    this.slow(ms)
    this.#isRefusing = true
  }

  /** How long to wait with the next read; 0 if there is nothing to wait for. */
  get waitMs(): number {
    if (this.#readAgainMs === 0) return 0
    const waitMs = this.#readAgainMs - performance.now()
    if (waitMs > 0) return Math.ceil(waitMs)
    this.#readAgainMs = 0
    this.#isRefusing = false
    return 0
  }

  /** Whether writes are to be refused because one before them was. */
  get isRefusing(): boolean {
    return this.waitMs > 0 && this.#isRefusing
  }
}
