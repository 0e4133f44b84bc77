/**
 * `sluice status`: how far the tables of a running server are behind what it has taken, and what is in the way.
 */
import { Command } from 'commander'
import type { LogstoreStatus, Status } from '../http/status.ts'
import { withControl } from './client.ts'
import { parseLogstoreName } from './logstore-argument.ts'
import { formatCount, formatDuration, formatSize, printList } from './output.ts'
import { addPlaceOptions, configOf, type PlaceOptions } from './place.ts'

const UNKNOWN = '–'

export function statusCommand(): Command {
  return addPlaceOptions(new Command('status'))
    .description('show how far each logstore is stored, and what is in the way')
    .argument('[project[/logstore]]', 'whose logstores (default: all)')
    .option('--json', 'print an object per logstore and line')
    .addHelpText(
      'after',
      `
taken  what the journal has taken: the offsets of all shards together
rows   what the table holds; less than was taken if days were dropped, more if a log was an array of several
lag    logs that are not in the table yet, their bytes in the journal, and how long the oldest has waited
parked bytes of logs that wait for a table that cannot be written, beside the journal

${UNKNOWN} is what is not known: while ClickHouse does not answer, and of logs that were there before the server started.`,
    )
    .action(async (name: string | undefined, { json, ...place }: PlaceOptions & { json?: boolean }) => {
      const { problems, logstores } = await withControl(configOf(place), control => control.call<Status>('GET', pathOf(name)))
      if (json === true) return printList(logstores, [], true)
      for (const problem of problems) console.log(problem)
      if (logstores.length === 0) return
      printList(logstores.map(toLine), ['logstore', 'taken', 'rows', 'lag', 'bytes', 'age', 'parked'], false)
      for (const { project, logstore, problem } of logstores)
        if (problem !== null) console.log(`\n${project}/${logstore}: ${problem}`)
    })
}

function pathOf(name: string | undefined): string {
  if (name === undefined) return '/v1/status'
  if (!name.includes('/')) return `/v1/status?project=${encodeURIComponent(name)}`
  const { project, logstore } = parseLogstoreName(name)
  return `/v1/status?project=${encodeURIComponent(project)}&logstore=${encodeURIComponent(logstore)}`
}

function toLine(status: LogstoreStatus) {
  const { project, logstore, nextOffsets, rows, lagRows, lagBytes, lagMs, parkedBytes } = status
  const taken = Object.values(nextOffsets).reduce((sum, next) => sum + next, 0)
  return {
    logstore: `${project}/${logstore}`,
    taken: formatCount(taken),
    rows: known(rows, formatCount),
    lag: known(lagRows, formatCount),
    bytes: known(lagBytes, formatSize),
    age: known(lagMs, ms => (ms === 0 ? '0' : formatDuration(ms))),
    parked: formatSize(parkedBytes),
  }
}

function known(value: number | null, format: (value: number) => string): string {
  return value === null ? UNKNOWN : format(value)
}
