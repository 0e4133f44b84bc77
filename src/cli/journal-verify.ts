/**
 * `sluice journal verify`: reads the whole journal and says whether it is whole; if not, what is damaged, which logs are in it, and what
 * to do.
 */
import { join } from 'node:path'
import { Command } from 'commander'
import { nodeFiles } from '../base/files.ts'
import type { LostLogs } from '../journal/state-comparison.ts'
import type { LostEntries } from '../journal/survey.ts'
import { verifyJournal, type DamagedStretch, type Verification } from '../journal/verification.ts'
import { openJournalDirectory } from './journal-directory.ts'
import { LogstoreNames } from './logstore-names.ts'
import { formatCount, formatCountOf, formatSize } from './output.ts'
import { addPlaceOptions, configOf, type PlaceOptions } from './place.ts'
import { Progress } from './progress.ts'

export function journalVerifyCommand(): Command {
  return addPlaceOptions(new Command('verify'))
    .description('read the whole journal and check everything in it; fails if anything is damaged')
    .option('--json', 'print the result as JSON')
    .addHelpText(
      'after',
      `
Works beside a running server, up to what is on disk, and without one. It changes nothing.`,
    )
    .action(async ({ json = false, ...place }: PlaceOptions & { json?: boolean }) => {
      const { lines, isWhole } = await verifyData(configOf(place).data, json)
      for (const line of lines) console.log(line)
      if (!isWhole) process.exitCode = 1
    })
}

/** Verifies the journal of a data directory: the lines to print, and whether nothing is damaged. */
export async function verifyData(data: string, json: boolean): Promise<{ lines: Iterable<string>; isWhole: boolean }> {
  const journal = await openJournalDirectory(join(data, 'journal'))
  // After the checkpoints: a logstore that is there now was there when they were written.
  const names = await LogstoreNames.read(data)
  const progress = new Progress('reading')
  const verification = await verifyJournal({
    files: nodeFiles,
    journal,
    isLogstore: id => names.has(id),
    onProgress: (readBytes, ofBytes) => progress.update(readBytes, ofBytes),
  }).finally(() => progress.end())
  const isWhole = verification.damages.length === 0
  if (!json) return { lines: describeVerification(verification, names), isWhole }
  const lostLogs = verification.lostLogs.map(lost => ({ ...lost, logstore: names.find(lost.logstoreId) }))
  return { lines: [JSON.stringify({ isWhole, ...verification, lostLogs })], isWhole }
}

/** The lines to print for people. */
function* describeVerification(verification: Verification, names: LogstoreNames): Generator<string> {
  const { segments, groups, entries, logs, bytes, checkpoints, end, damages, lostLogs, recycled } = verification
  yield (
    `read ${formatCountOf(segments, 'segment')} with ${formatCountOf(groups, 'group')}, ` +
    `${formatCountOf(entries, 'entry', 'entries')}, ${formatCountOf(logs, 'log')}, ${formatSize(bytes)}; ` +
    `compared ${formatCountOf(checkpoints, 'checkpoint')} with them`
  )
  for (const path of recycled) yield `the server has given up ${path} meanwhile: it was not needed any more`
  if (end !== undefined) {
    yield `the journal ends before entry ${formatCount(end.entry)}, at byte ${formatCount(end.position)} of ${end.file}`
    if (end.isTorn)
      yield '  behind that lies a piece of a write that was never acknowledged; the next start passes over it, or a running server is just writing it'
  }
  if (damages.length === 0) {
    yield 'nothing is damaged'
    return
  }
  yield ''
  for (const damage of damages) yield* describeDamage(damage)
  if (lostLogs.length > 0) yield 'Logs that cannot be read:'
  for (const line of describeLostLogs(lostLogs, names)) yield `  ${line}`
  const hasLost = damages.some(damage => damage.entries !== undefined)
  if (hasLost && lostLogs.length === 0) yield 'Which logs cannot be read is not known: no later state of the journal tells.'
  yield ''
  yield hasLost
    ? 'What to do: stop the server, keep a copy of the journal as it is, and restore the named files from a backup of the disk. Where ' +
      'there is none, "sluice journal repair" goes on without what cannot be read. Logs that are indexed already are in their tables all the same: "sluice journal inspect" shows how far each logstore is indexed. ' +
      'Then look after the disk: what was once on it does not change by itself.'
    : 'What to do: no entry is damaged, so no log is lost. Stop the server, and have "sluice journal repair" put the journal in ' +
      'order. Then look after the disk: what was once on it does not change by itself.'
}

export function* describeDamage({ file, position, problem, end, entries }: DamagedStretch): Generator<string> {
  yield `DAMAGED ${file}, byte ${formatCount(position)}: ${problem}`
  if (entries === undefined) return
  const where = end === undefined ? '' : `; it can be read again from byte ${formatCount(end)} on`
  yield `  ${describeEntries(entries)} cannot be read${where}`
}

/** The entries from the first to before the next; it is not known which is the last if `next` is null. */
export function describeEntries({ first, next }: LostEntries): string {
  if (next === null) return `entries from ${formatCount(first)} on`
  return next - first === 1 ? `entry ${formatCount(first)}` : `entries ${formatCount(first)} to ${formatCount(next - 1)}`
}

export function* describeLostLogs(lostLogs: readonly LostLogs[], names: LogstoreNames): Generator<string> {
  for (const { logstoreId, shard, first, next } of lostLogs)
    yield `${names.describe(logstoreId)}, shard ${shard}: offsets ${formatCount(first)} to ${formatCount(next - 1)} (${formatCountOf(next - first, 'log')})`
}
