/**
 * `sluice logstore shard`: list, add, split, merge.
 */
import { Command, InvalidArgumentError } from 'commander'
import type { Logstore } from '../catalog/model.ts'
import type { ShardChange, ShardState } from '../catalog/shards.ts'
import { withControl } from './client.ts'
import { parseLogstoreName } from './logstore-argument.ts'
import { formatCountOf, printList } from './output.ts'
import { addPlaceOptions, configOf, type PlaceOptions } from './place.ts'

type JsonOption = PlaceOptions & { json?: boolean }

export function shardCommand(): Command {
  const command = new Command('shard').description(
    'shards: what the logs of a logstore are dealt out to, each with offsets of its own',
  )

  addPlaceOptions(command.command('list'))
    .description('list the shards of a logstore; retired ones take no logs any more')
    .argument('<project/logstore>')
    .option('--json', 'print an object per line')
    .action(async (name: string, { json, ...place }: JsonOption) => {
      const { path } = parseLogstoreName(name)
      const shards = await withControl(configOf(place), control =>
        control.call<{ shard: number; state: ShardState }[]>('GET', `${path}/shards`),
      )
      printList(shards, ['shard', 'state'], json === true)
    })

  addChange(command.command('add'))
    .description('add shards')
    .argument('<n>', 'how many', parseWholeNumber)
    .action((name: string, add: number, options: JsonOption) => change(name, { add }, options))

  addChange(command.command('split'))
    .description('retire a shard and add two; not in a keyed logstore')
    .argument('<shard>', 'its number', parseWholeNumber)
    .action((name: string, split: number, options: JsonOption) => change(name, { split }, options))

  addChange(command.command('merge'))
    .description('retire two shards and add one; not in a keyed logstore')
    .argument('<shard>', 'its number', parseWholeNumber)
    .argument('<other>', 'the number of the other one', parseWholeNumber)
    .action((name: string, one: number, other: number, options: JsonOption) => change(name, { merge: [one, other] }, options))

  return command
}

function addChange(command: Command): Command {
  return addPlaceOptions(command).argument('<project/logstore>').option('--json', 'print the logstore as JSON')
}

async function change(name: string, wanted: ShardChange, { json, ...place }: JsonOption): Promise<void> {
  const { path } = parseLogstoreName(name)
  const changed = await withControl(configOf(place), control => control.call<Logstore>('POST', `${path}/shards`, wanted))
  if (json === true) return console.log(JSON.stringify(changed))
  const { shards, retiredShards, partitions } = changed
  const retired = retiredShards.length === 0 ? '' : `, ${retiredShards.length} are retired`
  console.log(
    `logstore "${name}" has ${formatCountOf(shards - retiredShards.length, 'shard')} that take logs${retired}; ` +
      `its producers see ${formatCountOf(partitions, 'partition')} when they ask for its metadata next`,
  )
}

export function parseWholeNumber(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('It must be a whole number.')
  return Number(text)
}
