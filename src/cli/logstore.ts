/**
 * `sluice logstore`: create, list, delete.
 */
import { Command, InvalidArgumentError } from 'commander'
import { sluiceError } from '../base/errors.ts'
import { type Logstore } from '../catalog/model.ts'
import { parseMs } from '../config/units.ts'
import { withControl } from './client.ts'
import { confirm } from './confirm.ts'
import { printList } from './output.ts'
import { addPlaceOptions, configOf, type PlaceOptions } from './place.ts'

type JsonOption = PlaceOptions & { json?: boolean }

const DAY_MS = 24 * 60 * 60 * 1000

/** `PROJECT/LOGSTORE`, as commands name a logstore. */
export function parseLogstoreName(text: string): { project: string; logstore: string; path: string } {
  const [project, logstore, ...rest] = text.split('/')
  if (project === undefined || logstore === undefined || logstore === '' || rest.length > 0)
    throw sluiceError('INVALID_ARGUMENT', { problem: `${JSON.stringify(text)} does not name a logstore: write PROJECT/LOGSTORE` })
  return { project, logstore, path: `/v1/projects/${encodeURIComponent(project)}/logstores/${encodeURIComponent(logstore)}` }
}

export function logstoreCommand(): Command {
  const command = new Command('logstore').description(
    'logstores: where logs go; each is a topic to producers and a table to queries',
  )

  addPlaceOptions(command.command('create'))
    .description('make a logstore')
    .argument('<project/logstore>')
    .option('--shards <n>', 'how many shards take its logs, 1 to 256 (default: 2)', parseWholeNumber)
    .option('--retention <duration>', 'how long logs are kept, such as 30d (default: 30d)', parseDays)
    .option('--json', 'print the logstore as JSON')
    .action(async (name: string, options: JsonOption & { shards?: number; retention?: number }) => {
      const { shards, retention: retentionDays, json, ...place } = options
      const { project, logstore } = parseLogstoreName(name)
      const made = await withControl(configOf(place), control =>
        control.call<Logstore>('POST', `/v1/projects/${encodeURIComponent(project)}/logstores`, {
          name: logstore,
          shards,
          retentionDays,
        }),
      )
      if (json === true) console.log(JSON.stringify(made))
      else console.log(`logstore "${name}" is there: ${made.shards} shard(s), logs are kept ${made.retentionDays} days`)
    })

  addPlaceOptions(command.command('list'))
    .description('list the logstores of a project')
    .argument('<project>')
    .option('--json', 'print an object per line')
    .action(async (project: string, { json, ...place }: JsonOption) => {
      const logstores = await withControl(configOf(place), control =>
        control.call<Logstore[]>('GET', `/v1/projects/${encodeURIComponent(project)}/logstores`),
      )
      printList(logstores, ['name', 'shards', 'retentionDays', 'createdAt'], json === true)
    })

  addPlaceOptions(command.command('delete'))
    .description('delete a logstore with all its logs')
    .argument('<project/logstore>')
    .option('--yes', 'do not ask')
    .action(async (name: string, { yes, ...place }: PlaceOptions & { yes?: boolean }) => {
      const { path } = parseLogstoreName(name)
      await withControl(configOf(place), async control => {
        const { logs } = await control.call<{ logs: number }>('GET', `${path}/count`)
        await confirm(`Logstore "${name}" holds ${logs.toLocaleString('en')} logs; delete it with all of them?`, yes === true)
        await control.call('DELETE', path)
        console.log(`logstore "${name}" is deleted, with ${logs.toLocaleString('en')} logs`)
      })
    })

  return command
}

function parseWholeNumber(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('It must be a whole number.')
  return Number(text)
}

function parseDays(text: string): number {
  const days = (parseMs(text) ?? NaN) / DAY_MS
  if (!Number.isInteger(days)) throw new InvalidArgumentError('It must be a whole number of days, such as 30d.')
  return days
}
