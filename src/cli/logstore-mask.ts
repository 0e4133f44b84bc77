/**
 * `sluice logstore mask`: list, add, remove what is replaced in the logs of a logstore before they are stored.
 */
import { Command } from 'commander'
import { sluiceError } from '../base/errors.ts'
import type { Logstore } from '../catalog/model.ts'
import type { Mask } from '../decoding/log-format.ts'
import { withControl, type Control } from './client.ts'
import { parseLogstoreName } from './logstore-argument.ts'
import { printList } from './output.ts'
import { addPlaceOptions, configOf, type PlaceOptions } from './place.ts'

export function logstoreMaskCommand(): Command {
  const command = new Command('mask').description('what is replaced in the logs of a logstore before they are stored')

  addPlaceOptions(command.command('list'))
    .description('list the masks, in the order in which they are applied')
    .argument('<project/logstore>')
    .option('--json', 'print an object per line')
    .action(async (name: string, { json, ...place }: PlaceOptions & { json?: boolean }) => {
      const { path } = parseLogstoreName(name)
      const { masks } = await withControl(configOf(place), control => control.call<Logstore>('GET', path))
      const numbered = masks.map((mask, index) => ({ number: index + 1, ...mask }))
      printList(numbered, ['number', 'pattern', 'replacement'], json === true)
    })

  addPlaceOptions(command.command('add'))
    .description('replace all matches of an expression, in logs that are not stored yet')
    .argument('<project/logstore>')
    .argument('<pattern>', 'an expression of RE2, such as "(token=)[^ ]+"')
    .argument('[replacement]', 'what is stored in its place; $1 or ${name} is what a group matched', '***')
    .action(async (name: string, pattern: string, replacement: string, place: PlaceOptions) => {
      await changeMasks(name, place, masks => [...masks, { pattern, replacement }])
      console.log(`logs of "${name}" are masked with it from now on; those that are stored stay as they are`)
    })

  addPlaceOptions(command.command('remove'))
    .description('take a mask away')
    .argument('<project/logstore>')
    .argument('<number>', 'as "list" shows it')
    .action(async (name: string, number: string, place: PlaceOptions) => {
      await changeMasks(name, place, masks => {
        const removed = masks[Number(number) - 1]
        if (removed === undefined)
          throw sluiceError('INVALID_ARGUMENT', {
            problem: `logstore "${name}" has ${masks.length} mask(s), and none with the number ${number}`,
          })
        return masks.filter(mask => mask !== removed)
      })
      console.log(`logs of "${name}" are not masked with it any more`)
    })

  return command
}

async function changeMasks(name: string, place: PlaceOptions, change: (masks: Mask[]) => Mask[]): Promise<void> {
  const { path } = parseLogstoreName(name)
  await withControl(configOf(place), async (control: Control) => {
    const { masks } = await control.call<Logstore>('GET', path)
    await control.call('PATCH', path, { masks: change(masks) })
  })
}
