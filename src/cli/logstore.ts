/**
 * `sluice logstore`: create, change, list, delete.
 */
import { Command, InvalidArgumentError, Option } from 'commander'
import { SluiceError, sluiceError } from '../base/errors.ts'
import type { LogstoreSettings } from '../catalog/catalog.ts'
import { indexLevels, logstoreModes, type IndexLevel, type Logstore, type LogstoreMode } from '../catalog/model.ts'
import { parseBytes, parseMs } from '../config/units.ts'
import { formatNames, type FormatName } from '../decoding/log-format.ts'
import { withControl, type Control } from './client.ts'
import { confirm } from './confirm.ts'
import { parseLogstoreName } from './logstore-argument.ts'
import { formatCount, printList } from './output.ts'
import { addPlaceOptions, configOf, type PlaceOptions } from './place.ts'
import { parseWholeNumber, shardCommand } from './shard.ts'

type JsonOption = PlaceOptions & { json?: boolean }

const aboutIndex =
  '; an index is of new logs, and of older ones once ClickHouse has merged them; until then they are found by reading'

const DAY_MS = 24 * 60 * 60 * 1000

/** How many logs a logstore holds, as one says it: also while nobody can tell, since it can be deleted all the same. */
async function countLogs(control: Control, path: string): Promise<string> {
  try {
    const { logs } = await control.call<{ logs: number }>('GET', `${path}/count`)
    return `${formatCount(logs)} logs`
  } catch (error) {
    if (error instanceof SluiceError && error.code === 'STORE_UNAVAILABLE') return 'logs that ClickHouse cannot count now'
    throw error
  }
}

interface SettingsOptions {
  retention?: number
  maxBytes?: number | null
  format?: FormatName
  pattern?: string
  columns?: string[]
  timeField?: string[]
  index?: IndexLevel
}

/** Adds what can be said of a logstore when it is made and later. */
function addSettings(command: Command): Command {
  return command
    .option('--retention <duration>', 'how long logs are kept, such as 30d (default: 30d)', parseDays)
    .option(
      '--max-bytes <size>',
      'how large it may become on disk, such as 50GB, or "none"; the oldest days are dropped',
      parseMaxBytes,
    )
    .addOption(new Option('--format <name>', 'how the value of a log is read (default: auto)').choices(formatNames))
    .option('--pattern <regex>', 'with --format regex: an expression of RE2 with named groups')
    .option('--columns <names>', 'with --format csv: the names of the columns, separated by commas', parseNames)
    .option('--time-field <path>', 'where a log has its time, if not in @timestamp, time, timestamp or ts: a.b', parsePath)
    .addOption(new Option('--index <level>', 'what makes searching fast (default: full)').choices(indexLevels))
    .option('--json', 'print the logstore as JSON')
}

function toSettings({ retention, maxBytes, format, pattern, columns, timeField, index }: SettingsOptions): LogstoreSettings {
  if (format === undefined && (pattern ?? columns ?? timeField) !== undefined)
    throw sluiceError('INVALID_ARGUMENT', { problem: '--pattern, --columns and --time-field go with --format' })
  return {
    retentionDays: retention,
    maxBytes,
    format: format && { name: format, pattern, columns, timeField },
    index,
  }
}

export function logstoreCommand(): Command {
  const command = new Command('logstore').description(
    'logstores: where logs go; each is a topic to producers and a table to queries',
  )

  addSettings(addPlaceOptions(command.command('create')).description('make a logstore').argument('<project/logstore>'))
    .option('--shards <n>', 'how many shards take its logs, 1 to 256 (default: 2)', parseWholeNumber)
    .addOption(
      new Option(
        '--mode <mode>',
        'balanced: each batch goes to the shard with the least; keyed: to the partition that its producer chose',
      )
        .choices(logstoreModes)
        .default('balanced'),
    )
    .action(async (name: string, options: SettingsOptions & JsonOption & { shards?: number; mode: LogstoreMode }) => {
      const { project, logstore } = parseLogstoreName(name)
      const body = { name: logstore, mode: options.mode, shards: options.shards, ...toSettings(options) }
      const made = await withControl(configOf(options), control =>
        control.call<Logstore>('POST', `/v1/projects/${encodeURIComponent(project)}/logstores`, body),
      )
      if (options.json === true) console.log(JSON.stringify(made))
      else console.log(`logstore "${name}" is there: ${made.shards} shard(s), logs are kept ${made.retentionDays} days`)
    })

  addSettings(addPlaceOptions(command.command('update')).description('change a logstore').argument('<project/logstore>')).action(
    async (name: string, options: SettingsOptions & JsonOption) => {
      const { path } = parseLogstoreName(name)
      const settings = toSettings(options)
      if (Object.values(settings).every(value => value === undefined))
        throw sluiceError('INVALID_ARGUMENT', { problem: 'nothing is to be changed: name a setting, as --help lists them' })
      const changed = await withControl(configOf(options), control => control.call<Logstore>('PATCH', path, settings))
      if (options.json === true) console.log(JSON.stringify(changed))
      else
        console.log(`logstore "${name}" is changed${settings.index === 'full' || settings.index === 'light' ? aboutIndex : ''}`)
    },
  )

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
        const logs = await countLogs(control, path)
        await confirm(`Logstore "${name}" holds ${logs}; delete it with all of them?`, yes === true)
        await control.call('DELETE', path)
        console.log(`logstore "${name}" is deleted, with ${logs}`)
      })
    })

  command.addCommand(shardCommand())
  return command
}

function parseMaxBytes(text: string): number | null {
  if (text === 'none') return null
  const bytes = parseBytes(text)
  if (bytes === undefined) throw new InvalidArgumentError('It must be a size, such as 50GB, or "none".')
  return bytes
}

function parseNames(text: string): string[] {
  return text.split(',')
}

/** Keys from the outermost to the innermost, with dots between; one that holds a dot is put as a JSON array of all. */
export function parsePath(text: string): string[] {
  if (!text.startsWith('[')) return text.split('.')
  try {
    const path: unknown = JSON.parse(text)
    if (Array.isArray(path) && path.length > 0 && path.every(key => typeof key === 'string')) return path
  } catch {
    // Said below.
  }
  throw new InvalidArgumentError('It must be keys with dots between, or a JSON array of them.')
}

function parseDays(text: string): number {
  const days = (parseMs(text) ?? NaN) / DAY_MS
  if (!Number.isInteger(days)) throw new InvalidArgumentError('It must be a whole number of days, such as 30d.')
  return days
}
