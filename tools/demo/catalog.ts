/**
 * What the demo writes to: made in the first run, found again in later ones.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isSystemError } from '../../src/base/errors.ts'
import type { Control } from '../../src/cli/client.ts'

export interface Credentials {
  accessKeyId: string
  accessKeySecret: string
}

const KEY_ID = 'demo-key'

/** Makes what is called `name` in a collection, if it is not there; resolves with whether it was made. */
export async function ensureNamed(control: Control, collection: string, name: string): Promise<boolean> {
  const found = await control.call<{ name: string }[]>('GET', collection)
  if (found.some(item => item.name === name)) return false
  await control.call('POST', collection, { name })
  return true
}

/**
 * An access key that stays the same from run to run, so that what a user has configured with it goes on working. The catalog
 * keeps no secrets, so this one is kept beside it, for this user only to read.
 */
export async function ensureAccessKey(
  control: Control,
  project: string,
  data: string,
): Promise<{ credentials: Credentials; isNew: boolean }> {
  const file = join(data, 'demo-key.json')
  const collection = `/v1/projects/${project}/keys`
  const known = await readCredentials(file)
  const keys = await control.call<{ id: string }[]>('GET', collection)
  if (known !== undefined && keys.some(({ id }) => id === known.accessKeyId)) return { credentials: known, isNew: false }
  // A key whose secret is lost is of no use to anybody.
  if (keys.some(({ id }) => id === KEY_ID)) await control.call('DELETE', `${collection}/${KEY_ID}`)
  const credentials = await control.call<Credentials>('POST', collection, { id: KEY_ID })
  await writeFile(file, `${JSON.stringify(credentials)}\n`, { mode: 0o600 })
  return { credentials, isNew: true }
}

async function readCredentials(file: string): Promise<Credentials | undefined> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Credentials
  } catch (error) {
    if (isSystemError(error, 'ENOENT') || error instanceof SyntaxError) return undefined
    throw error
  }
}
