/**
 * What many wait for, such as a write of what they all have sent: it succeeds or fails once, for all of them. Unlike a promise it costs
 * each of them an entry in a list, and tells all of them in one go.
 */
export class Outcome {
  /** One that has succeeded. */
  static readonly success = Outcome.of()

  #isSettled = false
  #error: Error | undefined
  #waiting: (() => void)[] = []

  /** An outcome that is known: a failure if there is an error. */
  static of(error?: Error): Outcome {
    const outcome = new Outcome()
    outcome.settle(error)
    return outcome
  }

  /** Why it failed; undefined as long as it has not. */
  get error(): Error | undefined {
    return this.#error
  }

  /** The same for one who can afford a promise. It rejects with the error. */
  get promise(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.whenSettled(() => {
        if (this.#error === undefined) resolve()
        else reject(this.#error)
      })
    })
  }

  /** To be called once. Whoever waits is told in a moment, behind what is under way. */
  settle(error?: Error): void {
    this.#isSettled = true
    this.#error = error
    const waiting = this.#waiting
    this.#waiting = []
    if (waiting.length > 0) queueMicrotask(() => waiting.forEach(call => call()))
  }

  /** Calls back once it has succeeded or failed; at once if it has. What is called must not throw. */
  whenSettled(call: () => void): void {
    if (this.#isSettled) call()
    else this.#waiting.push(call)
  }
}

/** Calls back once all of them have succeeded or failed; at once if they have, and if there are none. */
export function whenAllSettled(outcomes: readonly Outcome[], call: () => void): void {
  if (outcomes.length === 1) return outcomes[0]!.whenSettled(call)
  let left = outcomes.length
  if (left === 0) return call()
  const countDown = (): void => void (--left === 0 && call())
  for (const outcome of outcomes) outcome.whenSettled(countDown)
}
