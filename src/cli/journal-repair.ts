/**
 * `sluice journal repair`: lets a server go on without what a damaged journal has lost. It says what that is, and asks, before it changes
 * anything.
 */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Command } from 'commander'
import { openDataLock } from '../base/data-lock.ts'
import { nodeFiles as files } from '../base/files.ts'
import { createLog } from '../base/log.ts'
import { readCatalogFile } from '../catalog/catalog-file.ts'
import type { Config } from '../config/schema.ts'
import type { DamagedPart } from '../journal/parked-repair.ts'
import { findDamages, planRepair, repairJournal, SET_ASIDE, type Repair, type RepairOptions } from '../journal/repair.ts'
import { confirm } from './confirm.ts'
import { openJournalDirectory } from './journal-directory.ts'
import { describeDamage, describeEntries, describeLostLogs } from './journal-verify.ts'
import { LogstoreNames } from './logstore-names.ts'
import { formatCount, formatCountOf, formatSize } from './output.ts'
import { addPlaceOptions, configOf, type PlaceOptions } from './place.ts'
import { Progress } from './progress.ts'

export function journalRepairCommand(): Command {
  return addPlaceOptions(new Command('repair'))
    .description('go on without what cannot be read of a damaged journal, and with everything else')
    .option('--yes', 'do not ask')
    .option('--json', 'print the result as JSON')
    .addHelpText(
      'after',
      `
Works on the data directory of a server that does not run. It says first what is lost, and asks. Where a backup of the disk has
the damaged files as they were, restore them instead: then nothing is lost.

The files of before are set aside and not removed: their names end with "${SET_ASIDE}" from then on.`,
    )
    .action(async ({ yes = false, json = false, ...place }: PlaceOptions & { yes?: boolean; json?: boolean }) => {
      await repairData(configOf(place), { yes, json })
    })
}

async function repairData(config: Config, { yes, json }: { yes: boolean; json: boolean }): Promise<void> {
  const { data } = config
  const directory = join(data, 'journal')
  await openJournalDirectory(directory)
  const lock = openDataLock({ directory: data, command: 'sluice journal repair' })
  try {
    const { logstores } = await readCatalogFile(files, join(data, 'catalog.json'))
    const names = await LogstoreNames.read(data)
    // What is printed before the question is not the result.
    const say = json ? console.error : console.log
    const options: RepairOptions = {
      files,
      directory,
      segmentBytes: config.journal.segmentBytes,
      shards: new Map(logstores.map(({ id, shards }) => [id, shards])),
      log: createLog('repair', 'warn', process.stderr.isTTY),
    }
    const isLogstore = (id: string): boolean => names.has(id)
    const damages = await withProgress('reading', onProgress => findDamages({ ...options, isLogstore, onProgress }))
    if (damages.length === 0) {
      console.log(json ? JSON.stringify({ isWhole: true }) : 'nothing is damaged, and nothing was changed')
      return
    }
    for (const damage of damages) for (const line of describeDamage(damage)) say(line)
    const plan = await withProgress('looking for what is left', onProgress => planRepair({ ...options, onProgress }))
    for (const line of describePlan(plan, directory, names, await sizeOf(plan.setAside))) say(line)
    await confirm(`Repair the journal in ${directory}?`, yes)
    const repair = await withProgress('repairing', onProgress => repairJournal({ ...options, onProgress }))
    if (json) console.log(JSON.stringify({ isWhole: false, damages, ...repair, lostLogs: withNames(repair, names) }))
    else for (const line of describeRepair(repair)) console.log(line)
  } finally {
    lock.close()
  }
}

/** What will be done, and what is lost by it. */
function* describePlan(plan: Repair, directory: string, names: LogstoreNames, setAsideBytes: number): Generator<string> {
  const { salvaged, lost, lostLogs, parked, isInDoubt, nextProducerId, setAside } = plan
  yield ''
  yield 'What a repair does:'
  yield salvaged.entries === 0
    ? '  all that can still be read is in its table or parked already'
    : `  ${describeSalvaged(salvaged)} can still be read and are in no table yet: they are parked in ${join(directory, 'parked')}, and stored first`
  if (lost.length === 0 && parked.length === 0) yield '  nothing is lost'
  for (const entries of lost) yield `  LOST: ${describeEntries(entries)}`
  for (const line of describeLostLogs(lostLogs, names)) yield `  LOST: ${line}`
  for (const part of parked) yield* describeParked(part, names)
  if (lost.some(({ next }) => next === null))
    yield '  how much more is lost is not known: nothing that is there tells where the journal ended'
  if (isInDoubt)
    yield '  offsets of all shards leap far ahead, since it is not known which were given out; idempotent producers go on at whatever they send next'
  if (nextProducerId !== null)
    yield `  ids of producers go on at ${formatCount(nextProducerId)}, since it is not known which were given out`
  yield `  ${formatCountOf(setAside.length, 'file')} of before (${formatSize(setAsideBytes)}) are set aside: their names in ${directory} end with "${SET_ASIDE}" from then on`
  yield ''
}

function* describeParked({ file, logstoreId, between }: DamagedPart, names: LogstoreNames): Generator<string> {
  if (between.length === 0) yield `  LOST: what cannot be read of ${file}, parked of ${names.describe(logstoreId)}`
  for (const [last, next] of between) {
    const edges = [last !== null && `behind entry ${formatCount(last)}`, next !== null && `before entry ${formatCount(next)}`]
    const where = edges.filter(edge => edge !== false).join(' and ')
    yield `  LOST: logs of ${names.describe(logstoreId)} in ${file}${where === '' ? ', all of them' : `, ${where}`}`
  }
}

function* describeRepair({ salvaged, setAside }: Repair): Generator<string> {
  yield `repaired: ${describeSalvaged(salvaged)} are parked and will be stored when the server runs, which can be started now`
  yield `${formatCountOf(setAside.length, 'file')} of before are set aside with names that end with "${SET_ASIDE}"; remove them when nobody needs them any more`
}

function describeSalvaged({ entries, logs, bytes }: Repair['salvaged']): string {
  return `${formatCountOf(entries, 'entry', 'entries')} with ${formatCountOf(logs, 'log')} (${formatSize(bytes)})`
}

function withNames({ lostLogs }: Repair, names: LogstoreNames): object[] {
  return lostLogs.map(lost => ({ ...lost, logstore: names.find(lost.logstoreId) }))
}

async function withProgress<Result>(
  doing: string,
  act: (onProgress: (readBytes: number, ofBytes: number) => void) => Promise<Result>,
): Promise<Result> {
  const progress = new Progress(doing)
  try {
    return await act((readBytes, ofBytes) => progress.update(readBytes, ofBytes))
  } finally {
    progress.end()
  }
}

async function sizeOf(paths: readonly string[]): Promise<number> {
  let bytes = 0
  for (const path of paths) bytes += (await stat(path)).size
  return bytes
}
