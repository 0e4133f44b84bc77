/**
 * Finds out whether a client knows the secret of its access key.
 *
 * The check is slow on purpose (scrypt) and runs in the thread pool that the journal's writes need too, so it is rationed: one
 * at a time, and the verdict is remembered, since agents reconnect all the time (Kong for each of its own requests).
 */
import { createHmac, createSecretKey, randomBytes } from 'node:crypto'
import { sluiceError } from '../base/errors.ts'
import type { Catalog } from './catalog.ts'
import type { AccessKey } from './model.ts'
import { verifySecret } from './secrets.ts'

interface Verdict {
  /** The verdict is about this very record; of a key that was deleted or made again it says nothing. */
  accessKey: AccessKey
  /** Not settled while the check waits or runs; all who ask meanwhile share it. */
  isRight: Promise<boolean>
}

/** Room for the credentials of a large installation and for many wrong ones beside them; about 300 bytes each. */
const MAX_VERDICTS = 10_000
/** At 50 ms each, whoever comes last waits about three seconds, which is what the least patient clients wait for an answer. */
const MAX_WAITING = 64

export class Authenticator {
  readonly #catalog: Catalog
  readonly #maxVerdicts: number
  readonly #maxWaiting: number
  readonly #verify: typeof verifySecret
  /** Keys the digests of credentials, so that no secret is kept in memory and none can be found by trying the digests. */
  readonly #digestKey = createSecretKey(randomBytes(32))
  /** By digest of project, key id and secret; the one that was used longest ago is first. At most `#maxVerdicts`. */
  readonly #verdicts = new Map<string, Verdict>()
  /** How many checks wait or run. At most `#maxWaiting` + 1. */
  #unsettled = 0
  /** Resolves, and never rejects, when the last check that was asked for is over. */
  #lastCheck: Promise<unknown> = Promise.resolve()

  /** The bounds and `verify` are for tests. */
  constructor(options: { catalog: Catalog; maxVerdicts?: number; maxWaiting?: number; verify?: typeof verifySecret }) {
    this.#catalog = options.catalog
    this.#maxVerdicts = options.maxVerdicts ?? MAX_VERDICTS
    this.#maxWaiting = options.maxWaiting ?? MAX_WAITING
    this.#verify = options.verify ?? verifySecret
  }

  /**
   * Resolves with the access key if the secret is its own, else with undefined. An id that is not known is answered at once:
   * ids are no secrets, and a check for its own sake would make the queue easier to fill.
   *
   * Rejects with AUTHENTICATION_BUSY if too many checks wait; nothing is known of the secret then, and the client must not be
   * told that it is wrong.
   */
  async verify(project: string, accessKeyId: string, secret: string): Promise<AccessKey | undefined> {
    const accessKey = this.#catalog.findAccessKey(project, accessKeyId)
    if (accessKey === undefined) return undefined
    // Neither a project nor an id that the catalog knows holds a NUL, so no two credentials read the same.
    const digest = createHmac('sha256', this.#digestKey).update(`${project}\0${accessKeyId}\0${secret}`).digest('base64')
    const known = this.#verdicts.get(digest)
    const verdict = known?.accessKey === accessKey ? known : { accessKey, isRight: this.#check(secret, accessKey) }
    this.#remember(digest, verdict)
    try {
      return (await verdict.isRight) ? accessKey : undefined
    } catch (error) {
      if (this.#verdicts.get(digest) === verdict) this.#verdicts.delete(digest)
      throw error
    }
  }

  /** Checks a secret after those that were asked for earlier. */
  #check(secret: string, accessKey: AccessKey): Promise<boolean> {
    if (this.#unsettled > this.#maxWaiting) throw sluiceError('AUTHENTICATION_BUSY', {})
    this.#unsettled += 1
    const check = this.#lastCheck.then(() => this.#verify(secret, accessKey.secretHash)).finally(() => (this.#unsettled -= 1))
    this.#lastCheck = check.catch(() => undefined)
    return check
  }

  /** Puts a verdict behind all others, and forgets the one that was used longest ago where there is no room. */
  #remember(digest: string, verdict: Verdict): void {
    this.#verdicts.delete(digest)
    this.#verdicts.set(digest, verdict)
    if (this.#verdicts.size <= this.#maxVerdicts) return
    for (const oldest of this.#verdicts.keys()) {
      this.#verdicts.delete(oldest)
      return
    }
  }
}
