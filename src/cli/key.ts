/**
 * `sluice key`: create, list, delete.
 */
import { text } from 'node:stream/consumers'
import { Command } from 'commander'
import { sluiceError } from '../base/errors.ts'
import type { CreatedAccessKey } from '../catalog/catalog.ts'
import type { AccessKey } from '../catalog/model.ts'
import { withControl } from './client.ts'
import { printList } from './output.ts'
import { addPlaceOptions, configOf, type PlaceOptions } from './place.ts'

type JsonOption = PlaceOptions & { json?: boolean }

interface CreateOptions extends JsonOption {
  id?: string
  secret?: string
  secretStdin?: boolean
  logstore?: string[]
}

export function keyCommand(): Command {
  const command = new Command('key').description('access keys: what producers log in with; the password is ID#SECRET')

  addPlaceOptions(command.command('create'))
    .description('make an access key of a project and print it as ID#SECRET, once')
    .argument('<project>')
    .option('--id <id>', 'its id (default: a random one)')
    .option('--secret <secret>', 'its secret (default: a random one); other users can see it in the process list')
    .option('--secret-stdin', 'read the secret from standard input')
    .option('--logstore <name...>', 'the logstores it may write to (default: all of the project, now and later)')
    .option('--json', 'print {"accessKeyId", "accessKeySecret"}')
    .action(async (project: string, { id, secret, secretStdin, logstore: logstores, json, ...place }: CreateOptions) => {
      if (secret !== undefined && secretStdin === true)
        throw sluiceError('INVALID_ARGUMENT', { problem: 'give the secret with --secret or with --secret-stdin, not with both' })
      const given = secretStdin === true ? (await text(process.stdin)).replace(/\r?\n$/, '') : secret
      const made = await withControl(configOf(place), control =>
        control.call<CreatedAccessKey>('POST', keysOf(project), { id, secret: given, logstores }),
      )
      console.log(json === true ? JSON.stringify(made) : `${made.accessKeyId}#${made.accessKeySecret}`)
    })

  addPlaceOptions(command.command('list'))
    .description('list the access keys of a project, without their secrets')
    .argument('<project>')
    .option('--json', 'print an object per line')
    .action(async (project: string, { json, ...place }: JsonOption) => {
      const keys = await withControl(configOf(place), control =>
        control.call<Omit<AccessKey, 'secretHash'>[]>('GET', keysOf(project)),
      )
      printList(keys, ['id', 'logstores', 'createdAt'], json === true)
    })

  addPlaceOptions(command.command('delete'))
    .description('delete an access key; who uses it is refused from then on')
    .argument('<project>')
    .argument('<id>')
    .action(async (project: string, id: string, place: PlaceOptions) => {
      await withControl(configOf(place), control => control.call('DELETE', `${keysOf(project)}/${encodeURIComponent(id)}`))
      console.log(`access key "${id}" of project "${project}" is deleted`)
    })

  return command
}

function keysOf(project: string): string {
  return `/v1/projects/${encodeURIComponent(project)}/keys`
}
