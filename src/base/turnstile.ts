/**
 * Lets requests on to the disk, no more than it takes in a moment. Behind it all wait in one queue, whoever they are, and whoever comes
 * waits for all that is there; in front of it the group goes first that has the least behind it. So what one project sends beyond
 * what the disk takes is waited for by that project.
 */
import { GroupQueue, type Member } from './group-queue.ts'

export interface Passenger extends Member {
  /** Called once for each `wait`, when it may pass. */
  onTurn(): void
}

export class Turnstile {
  readonly #limitBytes: number
  readonly #queue = new GroupQueue<Passenger>()
  /** What is behind it. */
  #bytes = 0

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Whether a request of a group may pass: one of each group always may. */
  mayPass(group: string): boolean {
    return this.#bytes < this.#limitBytes || this.#queue.bytesOf(group) === 0
  }

  enter(group: string, bytes: number): void {
    this.#bytes += bytes
    this.#queue.add(group, bytes)
  }

  leave(group: string, bytes: number): void {
    this.#bytes -= bytes
    this.#queue.add(group, -bytes)
    for (let next; (next = this.#queue.findNext()) !== undefined && this.mayPass(next.group);) {
      this.#queue.forget(next)
      next.onTurn()
    }
  }

  /** Calls the passenger when it may pass and nobody is to go before it. */
  wait(passenger: Passenger): void {
    this.#queue.wait(passenger)
  }

  /** The passenger does not wait any more. */
  forget(passenger: Passenger): void {
    this.#queue.forget(passenger)
  }
}
