/**
 * `sluice backup`: a copy of everything, of a running server or of a data directory without one.
 *
 * What must stay true: a log that was acknowledged before the backup began is in it, and is stored once after a restore. The order of
 * the steps sees to that:
 *
 *     1  hold        from now on no segment of the journal is given up
 *     2  checkpoint  everything before its place is in the tables or parked by now; then what is parked
 *     3  tables      frozen, each at one moment: they hold what the checkpoint says is stored, and more
 *     4  journal     from the checkpoint's place to where it ends after 3: so the tables hold nothing that lies behind its end, and no
 *                    offset that they hold is given again
 *     5  catalog     last, so that it has every logstore of which there are logs
 *
 * A restored server goes on from the checkpoint of 2 and asks its tables what they hold beyond it, as after any crash. What was parked and
 * is removed between 2 and 3 is in the tables of 3. Tables and catalog are copied when the journal is no longer held.
 */
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { Command } from 'commander'
import { isSystemError, sluiceError } from '../base/errors.ts'
import { nodeFiles as files } from '../base/files.ts'
import type { Frozen } from '../http/backup.ts'
import { checkpointNumber } from '../journal/checkpoint.ts'
import { firstGroupOffset } from '../journal/format.ts'
import type { ReadLimit } from '../journal/reader.ts'
import { listSegments } from '../journal/segments.ts'
import { BACKUP_FORMAT, Copier, listFiles, makeEmptyDirectory, writeManifest, type Source } from './backup-files.ts'
import { withControl, type Control } from './client.ts'
import { verifyData } from './journal-verify.ts'
import { formatCountOf, formatSize } from './output.ts'
import { addPlaceOptions, configOf, type PlaceOptions } from './place.ts'
import { Progress } from './progress.ts'

export function backupCommand(): Command {
  return addPlaceOptions(new Command('backup'))
    .description('copy journal, tables and catalog into a new directory, while the server runs or without it')
    .argument('<directory>', 'a directory that is empty or not there yet')
    .option('--json', 'print a summary as JSON')
    .addHelpText(
      'after',
      `
The backup has every log that was acknowledged before it began. It is complete when this command says so; "sluice restore" takes no other.`,
    )
    .action(async (target: string, { json = false, ...place }: PlaceOptions & { json?: boolean }) => {
      const directory = resolve(target)
      const { data } = configOf(place)
      await makeEmptyDirectory(directory)
      const summary = await withControl(configOf(place), control => backUp(control, data, directory))
      if (json) return console.log(JSON.stringify(summary))
      const { bytes, tables, startedAt } = summary
      const what = tables === null ? 'no tables' : formatCountOf(tables, 'table')
      console.log(`backed up what was acknowledged before ${startedAt}: ${what}, ${formatSize(bytes)}, to ${directory}`)
      if (tables === null)
        console.log(
          'The tables are on a ClickHouse server, and not in this backup; docs/backup.md says how the two are backed up together.',
        )
    })
}

async function backUp(control: Control, data: string, directory: string) {
  const startedAt = new Date().toISOString()
  const progress = new Progress('copying')
  let doneBytes = 0
  let allBytes = 0
  const copier = new Copier(directory, bytes => progress.update((doneBytes += bytes), allBytes))
  const held = await control.stream('POST', '/v1/backup', {})
  let isHeld = true
  held.once('close', () => (isHeld = false))
  held.on('error', () => (isHeld = false))
  try {
    await once(held, 'data')
    const journal = join(data, 'journal')
    const hasJournal = existsSync(journal)
    if (hasJournal) {
      await copyCheckpoint(copier, journal)
      await copyParked(copier, join(journal, 'parked'))
    }
    const { tables, journalEnd } = await control.call<Frozen>('POST', '/v1/backup/freeze')
    const segments = hasJournal ? await listSegmentFiles(journal, journalEnd) : []
    const parts: Source[] = []
    for (const { directory, logstoreId } of tables ?? []) parts.push(...(await listFiles(directory, join('tables', logstoreId))))
    allBytes = doneBytes + [...segments, ...parts].reduce((sum, { bytes }) => sum + bytes, 0)
    for (const segment of segments) await copier.copy(segment)
    await copyIfThere(copier, join(journal, 'producer-ids'), join('journal', 'producer-ids'))
    if (!isHeld) throw sluiceError('BACKUP_FAILED', { problem: 'the server has ended; begin again, with another directory' })
    await control.call('POST', '/v1/backup/release')
    await copyIfThere(copier, join(data, 'catalog.json'), 'catalog.json')
    for (const file of await listFiles(join(data, 'certs'), 'certs')) await copier.copy(file)
    // How often fields were seen; the server replaces these files, and does without one that is missing.
    for (const { from, path } of await listFiles(join(data, 'fields'), 'fields')) await copyIfThere(copier, from, path)
    for (const part of parts) await copier.copy(part)
    await copier.syncDirectories()
    if (hasJournal) await verify(data, directory)
    await writeManifest(directory, { format: BACKUP_FORMAT, startedAt, files: copier.copied })
    const bytes = copier.copied.reduce((sum, file) => sum + file.bytes, 0)
    return { directory, startedAt, tables: tables?.length ?? null, files: copier.copied.length, bytes }
  } finally {
    progress.end()
    // The server releases what it holds.
    held.destroy()
  }
}

/** Copies the newest checkpoint; the server may write another, and remove this one, at any time. */
async function copyCheckpoint(copier: Copier, journal: string): Promise<void> {
  for (;;) {
    const names = (await files.list(journal)).filter(name => checkpointNumber(name) !== undefined)
    const newest = names.at(-1)
    if (newest === undefined || (await copyIfThere(copier, join(journal, newest), join('journal', newest)))) return
  }
}

/**
 * Copies parked logs. A part that is gone when its turn comes is in the table, and so are all before it; since a gap between parts
 * would be taken for damage, then all are copied anew.
 */
async function copyParked(copier: Copier, directory: string): Promise<void> {
  for (;;) {
    const parts = await listFiles(directory, join('journal', 'parked'))
    let copied = 0
    while (copied < parts.length && (await copyIfThere(copier, parts[copied]!.from, parts[copied]!.path))) copied++
    if (copied === parts.length) return
    for (const { path } of parts.slice(0, copied)) await copier.remove(path)
  }
}

/** The segments up to where the journal may be read, or all. The last one is cut there; what is behind is being written. */
async function listSegmentFiles(journal: string, end: ReadLimit | null): Promise<Source[]> {
  const sources: Source[] = []
  for (const segment of await listSegments(files, journal)) {
    if (end !== null && segment.number > end.segment) break
    const { size } = await stat(segment.path)
    // One that was begun and not written yet lies behind the end as a whole; its header is needed all the same.
    const upToEnd = end === null ? size : Math.max(end.position - segment.base, firstGroupOffset(segment))
    sources.push({ from: segment.path, path: join('journal', basename(segment.path)), bytes: Math.min(size, upToEnd) })
  }
  return sources
}

/** Copies all that a file has by now; false if there is none. */
async function copyIfThere(copier: Copier, from: string, path: string): Promise<boolean> {
  try {
    await copier.copy({ from, path, bytes: Infinity })
    return true
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return false
    throw error
  }
}

/** Rejects if the journal that was copied is damaged: it was before. */
async function verify(data: string, directory: string): Promise<void> {
  const { isWhole } = await verifyData(directory, false)
  if (isWhole) return
  throw sluiceError('BACKUP_FAILED', {
    problem: `the journal of ${data} is damaged: "sluice journal verify --data ${data}" says where, and what to do`,
  })
}
