/**
 * What projects, logstores and access keys may be called. Names become host labels, topics and parts of a password, so that
 * none may hold what separates them there: a dot, a slash, a `#`, a NUL.
 */
import { sluiceError } from '../base/errors.ts'

/** True if a project or a logstore may be called this. */
export function isName(name: string): boolean {
  return /^[a-z0-9][a-z0-9_-]{1,61}[a-z0-9]$/.test(name)
}

/** A client's text, cut so that no message grows with it. */
export function shorten(text: string): string {
  return text.length > 80 ? `${text.slice(0, 80)}…` : text
}

/** Throws INVALID_NAME if a project or a logstore (`what`) may not be called this. */
export function checkName(what: 'project' | 'logstore', name: string): void {
  if (!isName(name)) throw sluiceError('INVALID_NAME', { what, name })
}

/** Throws INVALID_ARGUMENT if an access key may not have this id. Ids of other services' keys must be able to move in. */
export function checkAccessKeyId(id: string): void {
  if (!/^[!-~]{1,128}$/.test(id) || id.includes('#'))
    throw sluiceError('INVALID_ARGUMENT', {
      problem:
        'the id of an access key is 1 to 128 visible ASCII characters without "#", which separates id and secret in a password',
    })
}

/** Throws INVALID_ARGUMENT, which does not show it, if this may not be the secret of an access key. */
export function checkSecret(secret: string): void {
  if (!/^[!-~]{8,256}$/.test(secret))
    throw sluiceError('INVALID_ARGUMENT', { problem: 'the secret of an access key is 8 to 256 visible ASCII characters' })
}
