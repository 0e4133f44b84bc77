/**
 * `sluice dump`: has the running server record what goes over its Kafka connections.
 */
import type { IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { Command, InvalidArgumentError, Option } from 'commander'
import { sluiceError } from '../base/errors.ts'
import { formatBytes, parseBytes } from '../config/units.ts'
import type { RecordingSummary } from '../kafka/wire-dump.ts'
import { withControl } from './client.ts'
import { addPlaceOptions, configOf, type PlaceOptions } from './place.ts'
import { stopSignal } from './serve.ts'

interface DumpOptions extends PlaceOptions {
  project?: string
  source?: string
  seconds: number
  bytes: number
  json?: boolean
}

/** What the server tells: that it has begun, each file, and the summary. */
type Told = { recording: true } | { file: string; peer: string } | RecordingSummary

export function dumpCommand(): Command {
  return addPlaceOptions(new Command('dump'))
    .description('record what goes over the Kafka connections of the running server, to be read with "sluice inspect"')
    .option('--project <name>', 'only connections that log in to this project')
    .option('--source <address>', 'only connections from this IP address')
    .option('--seconds <number>', 'how long', parseSeconds, 60)
    .addOption(
      new Option('--bytes <size>', 'how much at most, all files together')
        .argParser(parseSize)
        .default(100 * 2 ** 20, '"100 MiB"'),
    )
    .option('--json', 'print an object per line')
    .addHelpText(
      'after',
      `
Takes the connections that are open and those that begin, each in a file of its own in DATA/dumps. Ctrl-C ends it earlier.
The files hold the logs that are sent in the meantime, so treat them as you treat the logs. They never hold access keys.

Examples:
  sluice dump --project demo
  sluice dump --source 192.0.2.7 --seconds 10 --bytes "1 GiB"`,
    )
    .action(async ({ project, source, seconds, bytes, json = false, ...place }: DumpOptions) => {
      const config = configOf(place)
      const directory = join(config.data, 'dumps')
      const stopped = stopSignal()
      await withControl(config, async control => {
        const answer = await control.stream('POST', '/v1/dump', { project, source, seconds, bytes })
        void stopped.then(() => control.call('DELETE', '/v1/dump')).catch(() => {})
        for await (const told of readLines(answer)) {
          if (json) console.log(JSON.stringify('file' in told ? { ...told, file: join(directory, told.file) } : told))
          else if ('recording' in told)
            console.log(`recording to ${directory} for ${seconds} s, at most ${formatBytes(bytes)}; Ctrl-C ends it`)
          else if ('file' in told) console.log(`${join(directory, told.file)}  (${told.peer})`)
          else console.log(formatSummary(told))
          if (!('ended' in told)) continue
          if (told.ended === 'disk') throw sluiceError('STORAGE_FAILED', { doing: `writing the dump: ${told.problem}` })
          return
        }
        throw sluiceError('SERVER_UNREACHABLE', { problem: 'it has ended, and the recording with it' })
      })
    })
}

async function* readLines(answer: IncomingMessage): AsyncGenerator<Told, void> {
  let rest = ''
  answer.setEncoding('utf8')
  try {
    for await (const chunk of answer) {
      const lines = `${rest}${chunk as string}`.split('\n')
      rest = lines.pop()!
      for (const line of lines) yield JSON.parse(line) as Told
    }
  } catch (error) {
    throw sluiceError('SERVER_UNREACHABLE', { problem: 'it has ended, and the recording with it' }, error)
  }
}

const endings = { time: 'the time was up', bytes: 'it was full', stopped: 'it was ended', disk: 'the disk failed' }

function formatSummary({ files, frames, bytes, lostFrames, connectionsLeftOut, ended }: RecordingSummary): string {
  const count = (number: number, thing: string) => `${number.toLocaleString('en')} ${thing}${number === 1 ? '' : 's'}`
  const sentences = [`${count(files, 'connection')}, ${count(frames, 'frame')}, ${count(bytes, 'byte')}; ${endings[ended]}`]
  if (lostFrames > 0) sentences.push(`${count(lostFrames, 'frame')} are missing, the disk was too slow`)
  if (connectionsLeftOut > 0) sentences.push(`${count(connectionsLeftOut, 'further connection')} were not recorded`)
  return sentences.join('; ')
}

function parseSeconds(text: string): number {
  const seconds = Number(text)
  if (!(seconds > 0)) throw new InvalidArgumentError('It must be a number of seconds above 0.')
  return seconds
}

function parseSize(text: string): number {
  const bytes = parseBytes(text)
  if (bytes === undefined || bytes === 0) throw new InvalidArgumentError('It must be a size, such as "100 MiB".')
  return bytes
}
