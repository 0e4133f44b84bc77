/**
 * What a backup needs of a running sluice: that nothing which it copies goes away meanwhile. The copying is done by the command, in
 * its own process, so that it costs the server's nothing.
 *
 * A backup is held as long as its caller reads the answer to `POST /v1/backup`; what it holds is released when the caller goes away.
 */
import { PassThrough } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import { sluiceError } from '../base/errors.ts'
import type { Catalog } from '../catalog/catalog.ts'
import type { Journal } from '../journal/journal.ts'
import type { ReadLimit } from '../journal/reader.ts'
import { unfreezeTables, type FrozenTable } from '../store/backup.ts'
import type { Store } from '../store/store.ts'

export interface BackupSource {
  catalog: Catalog
  store: () => Promise<Store>
  /** The directory of the embedded engine's own files; undefined if the store is a server. */
  engineData: string | undefined
  /** Absent where no server runs: then nobody writes the journal. */
  journal?: Pick<Journal, 'hold' | 'checkpoint' | 'readLimit'>
}

export interface Frozen {
  /** Null if they are on a server, which has backups of its own. */
  tables: FrozenTable[] | null
  /** The journal is to be copied up to here; null for all that there is. */
  journalEnd: ReadLimit | null
}

export function addBackupRoutes(server: FastifyInstance, { catalog, store, engineData, journal }: BackupSource): void {
  /** Releases the journal; undefined while no backup is being made. */
  let release: (() => void) | undefined

  server.post('/v1/backup', async (_request, reply) => {
    if (release !== undefined) throw sluiceError('BACKUP_RUNNING', {})
    const lines = new PassThrough()
    release = journal?.hold() ?? (() => {})
    reply.raw.on('close', () => {
      release?.()
      release = undefined
      void unfreezeTables(engineData).catch(() => {})
      lines.end()
    })
    // What is copied of the journal is to say no more than what the tables hold that are frozen after it.
    await journal?.checkpoint()
    lines.write('{"held":true}\n')
    return reply.type('application/x-ndjson').send(lines)
  })

  server.post('/v1/backup/freeze', async (): Promise<Frozen> => {
    const tables = engineData === undefined ? null : await (await store()).freeze(catalog.listLogstores(), engineData)
    // Read after the tables were frozen: they hold nothing of what lies behind.
    return { tables, journalEnd: journal?.readLimit ?? null }
  })

  server.post('/v1/backup/release', async (_request, reply) => {
    release?.()
    return reply.code(204).send()
  })
}
