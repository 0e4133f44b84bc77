/**
 * `sluice journal inspect`: prints what a journal's directory holds, or one of its files field by field; with `--entries` and
 * `--records` also what was written.
 */
import { dirname, join, resolve } from 'node:path'
import { Command } from 'commander'
import { escapeControls } from '../../protocol/explain-records.ts'
import { formatItem } from './journal-format.ts'
import { inspectDirectory, inspectFile, type InspectOptions } from './journal-items.ts'
import { LogstoreNames } from './logstore-names.ts'
import { addPlaceOptions, configOf, type PlaceOptions } from './place.ts'

type Options = PlaceOptions & Partial<InspectOptions> & { json?: boolean }

export function journalInspectCommand(): Command {
  return addPlaceOptions(new Command('inspect'))
    .description('print what a journal holds')
    .argument('[file]', 'a segment or a checkpoint, to be printed field by field (default: the journal of the data directory)')
    .option('--entries', 'list the entries: what one producer sent at once to one partition')
    .option('--records', 'list the entries, decompress their batches, and print the logs, the beginning of each')
    .option('--json', 'print an object per line')
    .addHelpText(
      'after',
      `
Works beside a running server and without one. It changes nothing, and passes over what is damaged, which "sluice journal
verify" judges.

Examples:
  sluice journal inspect
  sluice journal inspect --entries
  sluice journal inspect data/journal/0000000000000001.segment --records`,
    )
    .action(async (file: string | undefined, { entries = false, records = false, json = false, ...place }: Options) => {
      // A file lies in the journal of its data directory, unless it is said to belong to another.
      const isPlaceGiven = place.data !== undefined || place.config !== undefined
      const data = file === undefined || isPlaceGiven ? configOf(place).data : dirname(dirname(resolve(file)))
      for await (const line of inspectJournal({ data, file, entries, records, json })) console.log(line)
    })
}

/** The lines to print for a file, or for the journal of a data directory, whose catalog knows the names of logstores. */
export async function* inspectJournal(wanted: {
  data: string
  file?: string | undefined
  entries?: boolean
  records?: boolean
  json?: boolean
}): AsyncGenerator<string, void> {
  const { data, file, records = false, entries = false, json = false } = wanted
  const options = { entries: entries || records, records }
  const names = await LogstoreNames.read(data)
  const items = file === undefined ? inspectDirectory(join(data, 'journal'), names, options) : inspectFile(file, names, options)
  for await (const item of items) {
    if (json) yield escapeControls(JSON.stringify(item))
    else yield* formatItem(item, names)
  }
}
