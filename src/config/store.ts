/**
 * What must hold between the settings of the store: a server is named with all that it takes to reach it, or not at all.
 */
import type { Config } from './schema.ts'

/** An http or https address: no path, and no password, which would come into logs with it. */
export function isServerUrl(given: string): boolean {
  if (!URL.canParse(given)) return false
  const url = new URL(given)
  return /^https?:$/.test(url.protocol) && url.hostname !== '' && url.href === `${url.origin}/`
}

/** What is wrong with the settings of the store, as sentences; empty if nothing is. */
export function findStoreConflicts(store: Config['store']): string[] {
  const { url, password, passwordFile, queryPassword, queryPasswordFile, tls, cluster } = store
  if (store.discard && url !== undefined)
    return ['store.discard throws logs away, and store.url names a server for them; leave one out']
  const forServer = { password, passwordFile, queryPassword, queryPasswordFile, tls, cluster }
  if (url === undefined)
    return Object.entries(forServer)
      .filter(([, value]) => value !== undefined)
      .map(([name]) => `store.${name} is for a server, and store.url names none`)
  const conflicts = [
    ...findPasswordConflict('password', password, passwordFile),
    ...findPasswordConflict('queryPassword', queryPassword, queryPasswordFile),
  ]
  if (store.user === store.queryUser)
    conflicts.push("store.queryUser must not be store.user: it runs people's SQL, and may only read")
  if (tls !== undefined && !url.startsWith('https:')) conflicts.push('store.tls is for a store.url that begins with https://')
  return conflicts
}

function findPasswordConflict(name: string, password: string | undefined, file: string | undefined): string[] {
  if (password !== undefined && file !== undefined) return [`store.${name} and store.${name}File are both given; leave one out`]
  return password === undefined && file === undefined ? [`store.${name} or store.${name}File is missing: store.url needs it`] : []
}
