/**
 * The answers that a connection owes, in the order of its requests: each waits until those before it have left.
 */
import type { RequestHeader } from '../../protocol/headers.ts'

/** An answer's place in the queue. */
export interface Slot {
  /** That of the request; a SASL token may have none. */
  readonly header: RequestHeader | undefined
  /** The answer once it is there; empty for a request that expects none. */
  frame: Buffer | undefined
  /** What the request takes of the memory for requests until it is answered. */
  heldBytes: number
}

export class AnswerQueue {
  /** Requests that have not been answered yet, oldest first. */
  #slots: Slot[] = []

  get length(): number {
    return this.#slots.length
  }

  /** A place for the answer to a request that holds so many bytes. */
  open(heldBytes: number, header?: RequestHeader): Slot {
    const slot = { header, frame: undefined, heldBytes }
    this.#slots.push(slot)
    return slot
  }

  /** Puts an answer in its place. Returns what its request held. */
  fill(slot: Slot, frame: Buffer): number {
    const { heldBytes } = slot
    slot.frame = frame
    slot.heldBytes = 0
    return heldBytes
  }

  /** Gives up a request that has no answer, and those behind it: none may be answered before it. Returns what they held. */
  drop(slot: Slot): number {
    return this.#slots.splice(this.#slots.indexOf(slot)).reduce((sum, { heldBytes }) => sum + heldBytes, 0)
  }

  /** Takes out the answers that are ready and have none before them. */
  takeReady(): Slot[] {
    let ready = 0
    while (ready < this.#slots.length && this.#slots[ready]!.frame !== undefined) ready++
    if (ready < this.#slots.length) return this.#slots.splice(0, ready)
    const slots = this.#slots
    this.#slots = []
    return slots
  }
}
