/**
 * What each project may send in a second. Who sends more is slowed down first, and refused only when that does not help.
 *
 * A project has no counter that is reset but a time at which everything it has sent is paid for at its rate; what it sends moves
 * that time on. Sending less than a second's worth at once is never slowed. (The generic cell rate algorithm, ITU-T I.371.)
 */

/** What one project may send; absent figures mean as much as it likes. */
export interface Quota {
  bytesPerSecond?: number | undefined
  requestsPerSecond?: number | undefined
}

/** How much may be sent at once before anybody is slowed, in milliseconds at the project's rate. */
const BURST_MS = 1000

export class Quotas {
  readonly #quotaOf: (project: string) => Quota
  readonly #now: () => number
  /** By project: when what it has sent is paid for. Whoever has paid is forgotten. */
  readonly #paidAtMs = new Map<string, number>()

  constructor(options: { quotaOf: (project: string) => Quota; now?: () => number }) {
    this.#quotaOf = options.quotaOf
    this.#now = options.now ?? (() => performance.now())
  }

  /** How many projects owe something. */
  get size(): number {
    return this.#paidAtMs.size
  }

  /** Counts what a project sends. */
  charge(project: string, sent: { bytes: number; requests: number }): void {
    const { bytesPerSecond = Infinity, requestsPerSecond = Infinity } = this.#quotaOf(project)
    // Each of the two has to be paid for; while one is, so is the other.
    const costMs = 1000 * Math.max(sent.bytes / bytesPerSecond, sent.requests / requestsPerSecond)
    if (costMs === 0) return
    const nowMs = this.#now()
    this.#paidAtMs.set(project, Math.max(this.#paidAtMs.get(project) ?? 0, nowMs - BURST_MS) + costMs)
  }

  /** How long a project has to wait until it has paid, in milliseconds; 0 if it has. */
  debtMs(project: string): number {
    const paidAtMs = this.#paidAtMs.get(project)
    if (paidAtMs === undefined) return 0
    const debtMs = paidAtMs - this.#now()
    if (debtMs <= -BURST_MS) this.#paidAtMs.delete(project)
    return Math.max(0, debtMs)
  }
}
