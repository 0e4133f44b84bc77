/**
 * `sluice restore`: makes a data directory of a backup.
 *
 * What must stay true: a data directory with a part of a backup is never taken for the whole. A file says so from the beginning of the
 * restore to its end, and no server starts beside it.
 */
import { readdir, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { Command } from 'commander'
import { openDataLock } from '../base/data-lock.ts'
import { sluiceError } from '../base/errors.ts'
import { nodeFiles as files } from '../base/files.ts'
import { createLog } from '../base/log.ts'
import { readCatalogFile } from '../catalog/catalog-file.ts'
import type { Config } from '../config/schema.ts'
import { readReservedIds, writeReservedIds } from '../journal/producer-ids.ts'
import { engineDataDirectory, restoringPath } from '../store/backup.ts'
import { Engine } from '../store/engine.ts'
import { Store } from '../store/store.ts'
import { Copier, makeEmptyDirectory, readManifest, type BackupFile } from './backup-files.ts'
import { verifyData } from './journal-verify.ts'
import { formatCountOf, formatSize } from './output.ts'
import { addPlaceOptions, configOf, type PlaceOptions } from './place.ts'
import { Progress } from './progress.ts'

/** More ids than a server gives out after its backup: none of them is given again to another producer. */
const LEAP_IDS = 2 ** 30

export function restoreCommand(): Command {
  return addPlaceOptions(new Command('restore'))
    .description('make a data directory of what "sluice backup" has written')
    .argument('<directory>', 'the directory of the backup')
    .option('--json', 'print a summary as JSON')
    .addHelpText(
      'after',
      `
The data directory (--data, or that of the configuration) must be empty or not there yet. The backup is only read.`,
    )
    .action(async (source: string, { json = false, ...place }: PlaceOptions & { json?: boolean }) => {
      const config = configOf(place)
      const summary = await restore(resolve(source), config)
      if (json) return console.log(JSON.stringify(summary))
      const { startedAt, tables, logs, bytes } = summary
      console.log(
        `restored ${formatCountOf(tables, 'table')} with ${formatCountOf(logs, 'log')}, ${formatSize(bytes)}, to ${config.data}; ` +
          `everything is there that was acknowledged before ${startedAt}. Logs that were not in their tables yet come with the first start.`,
      )
    })
}

async function restore(backup: string, config: Config) {
  const manifest = await readManifest(backup)
  const { data } = config
  const hasTables = manifest.files.some(({ path }) => path.startsWith('tables/'))
  if (hasTables && engineDataDirectory(config) === undefined)
    throw sluiceError('INVALID_ARGUMENT', {
      problem:
        'the backup has tables of the embedded ClickHouse, and the configuration has a server (store.url): restore without it',
    })
  await makeEmptyDirectory(data)
  const lock = openDataLock({ directory: data, command: 'sluice restore' })
  try {
    await writeFile(restoringPath(data), '', { mode: 0o600 })
    await files.syncDirectory(data)
    await copyBack(backup, data, manifest.files)
    const journal = join(data, 'journal')
    if (manifest.files.some(({ path }) => path.startsWith('journal/'))) {
      await writeReservedIds(files, journal, (await readReservedIds(files, journal)) + LEAP_IDS)
      const { isWhole } = await verifyData(data, false)
      if (!isWhole) throw sluiceError('BACKUP_UNREADABLE', { directory: backup, problem: 'its journal is damaged' })
    }
    const { tables, logs } = await attachTables(config)
    await rm(restoringPath(data))
    await files.syncDirectory(data)
    const bytes = manifest.files.reduce((sum, file) => sum + file.bytes, 0)
    return { data, startedAt: manifest.startedAt, tables, logs, bytes }
  } finally {
    lock.close()
  }
}

/** Copies all files of a backup into a data directory; rejects with BACKUP_UNREADABLE where one is not as it was. */
async function copyBack(backup: string, data: string, wanted: readonly BackupFile[]): Promise<void> {
  const allBytes = wanted.reduce((sum, { bytes }) => sum + bytes, 0)
  const progress = new Progress('copying')
  let doneBytes = 0
  const copier = new Copier(data, bytes => progress.update((doneBytes += bytes), allBytes))
  try {
    for (const { path, bytes, sha256 } of wanted) {
      const copied = await copier.copy({ from: join(backup, path), path, bytes })
      if (copied.sha256 !== sha256)
        throw sluiceError('BACKUP_UNREADABLE', { directory: backup, problem: `${path} is not as it was written` })
    }
    await copier.syncDirectories()
  } finally {
    progress.end()
  }
}

/** Gives the parts in DATA/tables to the engine, each to the table of its logstore; those of deleted logstores are left out. */
async function attachTables(config: Config): Promise<{ tables: number; logs: number }> {
  const directory = join(config.data, 'tables')
  const { logstores } = await readCatalogFile(files, join(config.data, 'catalog.json'))
  const ids: readonly string[] = await readdir(directory).catch(() => [])
  let tables = 0
  let logs = 0
  if (ids.length > 0) {
    const log = createLog('restore', 'warn', process.stderr.isTTY)
    const engine = new Engine({ directory: join(config.data, 'clickhouse'), memoryBytes: config.store.memoryBytes, log })
    const store = new Store({ connection: await engine.start() })
    try {
      for (const logstore of logstores) {
        if (!ids.includes(logstore.id)) continue
        const from = join(directory, logstore.id)
        await store.attach(logstore, await readdir(from), from)
        logs += await store.count(logstore)
        tables++
      }
    } finally {
      await store.close()
      await engine.stop()
    }
  }
  await rm(directory, { recursive: true, force: true })
  return { tables, logs }
}
