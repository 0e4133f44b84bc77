/**
 * A bound on the memory that many connections hold together. Bytes are reserved before they are read; whoever finds no room
 * waits for his turn, first come first served, so that a large request is not overtaken by small ones for ever.
 */
export class ByteBudget {
  readonly limitBytes: number
  #usedBytes = 0
  /** Oldest first. */
  readonly #waiting: Reservation[] = []

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes
  }

  /** The bytes of all reservations that were granted and not released. */
  get usedBytes(): number {
    return this.#usedBytes
  }

  /**
   * Reserves bytes: at once if there is room and nobody waits; else `onGranted` is called later. More than the whole budget
   * is granted when nothing else is held. Each reservation must be released, whether it was granted or not.
   */
  reserve(bytes: number, onGranted: () => void): Reservation {
    const reservation = new Reservation(bytes, onGranted, this)
    if (this.#waiting.length === 0 && this.#hasRoomFor(bytes)) this.#grant(reservation)
    else this.#waiting.push(reservation)
    return reservation
  }

  /** Called by the reservation. */
  release(reservation: Reservation): void {
    if (reservation.isGranted) this.#usedBytes -= reservation.bytes
    else this.#waiting.splice(this.#waiting.indexOf(reservation), 1)
    while (this.#waiting[0] !== undefined && this.#hasRoomFor(this.#waiting[0].bytes)) {
      const next = this.#waiting.shift()!
      this.#grant(next)
      next.onGranted()
    }
  }

  #hasRoomFor(bytes: number): boolean {
    return this.#usedBytes === 0 || this.#usedBytes + bytes <= this.limitBytes
  }

  #grant(reservation: Reservation): void {
    this.#usedBytes += reservation.bytes
    reservation.isGranted = true
  }
}

export class Reservation {
  readonly bytes: number
  readonly onGranted: () => void
  readonly #budget: ByteBudget
  /** Set by the budget. */
  isGranted = false
  #isReleased = false

  constructor(bytes: number, onGranted: () => void, budget: ByteBudget) {
    this.bytes = bytes
    this.onGranted = onGranted
    this.#budget = budget
  }

  /** Gives the bytes back, or the place in the queue; once. */
  release(): void {
    if (this.#isReleased) return
    this.#isReleased = true
    this.#budget.release(this)
  }
}
