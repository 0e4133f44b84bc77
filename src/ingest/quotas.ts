/**
 * What each project may send in a second. Who sends more is slowed down first, and refused only when that does not help.
 *
 * A project has no counter that is reset but times at which everything it has sent is paid for at its rates; what it sends moves
 * them on. Sending less than a second's worth at once is never slowed. (The generic cell rate algorithm, ITU-T I.371.)
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
  /** By project: when its bytes are paid for, and when its requests. Whoever has paid is forgotten. */
  readonly #paidAtMs = new Map<string, { bytes: number; requests: number }>()

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
    const bytesMs = (1000 * sent.bytes) / bytesPerSecond
    const requestsMs = (1000 * sent.requests) / requestsPerSecond
    if (bytesMs === 0 && requestsMs === 0) return
    const earliestMs = this.#now() - BURST_MS
    const paidAtMs = this.#paidAtMs.get(project) ?? { bytes: earliestMs, requests: earliestMs }
    this.#paidAtMs.set(project, {
      bytes: Math.max(paidAtMs.bytes, earliestMs) + bytesMs,
      requests: Math.max(paidAtMs.requests, earliestMs) + requestsMs,
    })
  }

  /** How long a project has to wait until it has paid, in milliseconds; 0 if it has. */
  debtMs(project: string): number {
    const paidAtMs = this.#paidAtMs.get(project)
    if (paidAtMs === undefined) return 0
    // While one of the two is paid for, so is the other.
    const debtMs = Math.max(paidAtMs.bytes, paidAtMs.requests) - this.#now()
    if (debtMs <= -BURST_MS) this.#paidAtMs.delete(project)
    return Math.max(0, debtMs)
  }
}
