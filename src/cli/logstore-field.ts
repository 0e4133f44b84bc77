/**
 * `sluice logstore field`: which fields the logs of a logstore have, and which of them are columns.
 */
import { Command, Option } from 'commander'
import { describePath } from '../catalog/logstore-fields.ts'
import { fieldTypes, type FieldType, type Logstore } from '../catalog/model.ts'
import type { ListedField } from '../http/field-routes.ts'
import { fieldColumn } from '../store/fields.ts'
import { withControl } from './client.ts'
import { parseLogstoreName } from './logstore-argument.ts'
import { parsePath } from './logstore.ts'
import { formatCount, printList } from './output.ts'
import { addPlaceOptions, configOf, type PlaceOptions } from './place.ts'

const pathHelp = 'keys with dots between, or a JSON array of them'

export function logstoreFieldCommand(): Command {
  const command = new Command('field').description('the fields of logs: columns, which are fast to search, and others')

  addPlaceOptions(command.command('list'))
    .description('list the fields that were seen in logs, and the columns')
    .argument('<project/logstore>')
    .option('--json', 'print an object per line')
    .action(async (name: string, { json, ...place }: PlaceOptions & { json?: boolean }) => {
      const { path } = parseLogstoreName(name)
      const { fields } = await withControl(configOf(place), control =>
        control.call<{ fields: ListedField[] }>('GET', `${path}/fields`),
      )
      if (json === true) printList(fields, [], true)
      else printList(fields.map(describeField), ['path', 'type', 'column', 'share', 'logs', 'values', 'last seen'], false)
    })

  addPlaceOptions(command.command('add'))
    .description('make a field a column')
    .argument('<project/logstore>')
    .argument('<path>', pathHelp, parsePath)
    .addOption(new Option('--type <type>', 'what it holds').choices(fieldTypes).makeOptionMandatory())
    .action(async (name: string, fieldPath: string[], { type, ...place }: PlaceOptions & { type: FieldType }) => {
      const { path } = parseLogstoreName(name)
      const body = { path: fieldPath, type }
      const { index } = await withControl(configOf(place), control => control.call<Logstore>('POST', `${path}/fields`, body))
      const field = `field ${describePath(fieldPath)} of logstore "${name}"`
      if (index === 'none') console.log(`${field} is noted; it becomes a column when the logstore is no longer at --index none`)
      else console.log(`${field} is the column ${fieldColumn(fieldPath)}, for the logs that are there as well`)
    })

  addPlaceOptions(command.command('remove'))
    .description('drop the column of a field; its values stay in the logs')
    .argument('<project/logstore>')
    .argument('<path>', pathHelp, parsePath)
    .action(async (name: string, fieldPath: string[], place: PlaceOptions) => {
      const { path } = parseLogstoreName(name)
      await withControl(configOf(place), control => control.call('DELETE', `${path}/fields`, { path: fieldPath }))
      console.log(`field ${describePath(fieldPath)} of logstore "${name}" is no column any more; its values stay in the logs`)
    })

  return command
}

function describeField({ path, type, column, share, logs, values, lastSeen }: ListedField) {
  return {
    path: describePath(path),
    type,
    column: column ?? '-',
    share: `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`,
    logs: formatCount(logs),
    values: values === null ? '-' : formatCount(values),
    'last seen': lastSeen?.slice(0, 19).concat('Z') ?? '-',
  }
}
