/**
 * Tells on standard error what a benchmark does, and how long the rest of it will take.
 */

export class Progress {
  readonly #beganMs = performance.now()
  /** How long everything is planned to take, and what was announced of it so far. */
  #plannedSeconds: number
  #announcedSeconds = 0

  constructor(plannedSeconds: number) {
    this.#plannedSeconds = plannedSeconds
  }

  /** Says what begins, which is planned to take so long. */
  begin(what: string, seconds: number): void {
    const elapsed = (performance.now() - this.#beganMs) / 1000
    // At first the plan is believed, later on what it has been worth.
    const pace = this.#announcedSeconds < 5 ? 1 : elapsed / this.#announcedSeconds
    const left = Math.max(seconds, this.#plannedSeconds - this.#announcedSeconds) * pace
    this.#announcedSeconds += seconds
    console.error(`${what} … (${formatSeconds(left)} left)`)
  }
}

function formatSeconds(seconds: number): string {
  return seconds < 90 ? `${Math.ceil(seconds)} s` : `${Math.ceil(seconds / 60)} min`
}
