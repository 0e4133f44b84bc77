/** Waiting for what comes by itself, without ever saying how soon. */
import { setTimeout as delay } from 'node:timers/promises'

/** Generous: it only bounds how long a failing test takes. */
const DEADLINE_MS = 60_000
const POLL_MS = 25

/** Resolves with the first answer that is neither false nor undefined; rejects with `what` did not come. */
export async function until<Answer>(
  what: string,
  ask: () => Answer | false | undefined | Promise<Answer | false | undefined>,
  deadlineMs = DEADLINE_MS,
): Promise<Answer> {
  const deadline = Date.now() + deadlineMs
  for (;;) {
    const answer = await ask()
    if (answer !== false && answer !== undefined) return answer
    if (Date.now() > deadline) throw new Error(`in vain waited for: ${what}`)
    await delay(POLL_MS)
  }
}
