/**
 * A ClickHouse server, or a cluster, that others run: looked at again and again, to say what is wrong with it.
 *
 * It is told of when it has answered for the first time. From then on its address stays, and whoever uses it hears by himself that it is
 * away: to take the address back would end what is under way for the sake of one lost answer.
 */
import { readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { sluiceError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import type { Config } from '../config/schema.ts'
import type { StoreConnection } from './connection.ts'
import type { KeptClickHouse } from './kept-engine.ts'
import { Store } from './store.ts'

const LOOK_MS = 5000
const FIRST_RETRY_MS = 500

/** Begins to look for the server; returns at once. */
export function keepServer(options: {
  connection: StoreConnection
  log: Log
  onConnection: (connection: StoreConnection) => void
}): KeptClickHouse {
  const { connection, log, onConnection } = options
  const aborted = new AbortController()
  const store = new Store({ connection })
  let isTold = false
  let problem: string | undefined = 'ClickHouse has not answered yet'

  async function look(): Promise<void> {
    try {
      await store.ping()
    } catch (error) {
      aborted.signal.throwIfAborted()
      const { message } = error as Error
      if (message !== problem)
        log.warn({ problem: message }, 'ClickHouse is away; logs are taken, and can be searched once it is back')
      problem = message
      throw error
    }
    aborted.signal.throwIfAborted()
    problem = undefined
    if (isTold) return
    isTold = true
    onConnection(connection)
  }

  async function watch(): Promise<void> {
    for (let waitMs = FIRST_RETRY_MS; !aborted.signal.aborted; waitMs = Math.min(2 * waitMs, LOOK_MS)) {
      const isThere = await look().then(
        () => true,
        () => false,
      )
      if (isThere) waitMs = LOOK_MS
      await delay(waitMs, undefined, { signal: aborted.signal }).catch(() => {})
    }
  }

  const watching = watch()
  return {
    // Somebody waits for the answer, and is told at once why there is none.
    ready: async () => {
      if (!isTold) await look()
    },
    problem: () => problem,
    async close() {
      aborted.abort()
      await store.close()
      await watching
    },
  }
}

/**
 * How the configured server is reached, with what stands in the files that the configuration names. Rejects with CONFIG_INVALID if one of
 * them cannot be read. Undefined if no server is configured.
 */
export async function findServer({ store }: Config): Promise<StoreConnection | undefined> {
  const { url, user, queryUser, password, passwordFile, queryPassword, queryPasswordFile, tls, cluster } = store
  if (url === undefined) return undefined
  return {
    url,
    username: user,
    password: password ?? (await readPassword('store.passwordFile', passwordFile!)),
    queryUsername: queryUser,
    queryPassword: queryPassword ?? (await readPassword('store.queryPasswordFile', queryPasswordFile!)),
    ca: tls && (await readSetting('store.tls.ca', tls.ca)),
    cluster,
  }
}

/** Editors end a file with a line feed. */
async function readPassword(setting: string, file: string): Promise<string> {
  const password = (await readSetting(setting, file)).replace(/\r?\n$/, '')
  if (password === '') throw sluiceError('CONFIG_INVALID', { file: setting, problem: `${file} is empty` })
  return password
}

async function readSetting(setting: string, file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    throw sluiceError('CONFIG_INVALID', { file: setting, problem: `${file} cannot be read: ${(error as Error).message}` }, error)
  }
}
