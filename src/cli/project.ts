/**
 * `sluice project`: create, list, delete.
 */
import { Command } from 'commander'
import type { Project } from '../catalog/model.ts'
import { withControl } from './client.ts'
import { printList } from './output.ts'
import { addPlaceOptions, configOf, type PlaceOptions } from './place.ts'

type JsonOption = PlaceOptions & { json?: boolean }

export function projectCommand(): Command {
  const command = new Command('project').description('projects: who sends logs, each with its own logstores and access keys')

  addPlaceOptions(command.command('create'))
    .description('make a project')
    .argument('<name>', '3 to 63 of a-z, 0-9, "-" and "_"; the user name that producers log in with')
    .option('--region <region>', 'where it lives (default: the region of this server)')
    .option('--json', 'print the project as JSON')
    .action(async (name: string, { region, json, ...place }: JsonOption & { region?: string }) => {
      const project = await withControl(configOf(place), control =>
        control.call<Project>('POST', '/v1/projects', { name, region }),
      )
      console.log(json === true ? JSON.stringify(project) : `project "${project.name}" is there, in region ${project.region}`)
    })

  addPlaceOptions(command.command('list'))
    .description('list the projects')
    .option('--json', 'print an object per line')
    .action(async ({ json, ...place }: JsonOption) => {
      const projects = await withControl(configOf(place), control => control.call<Project[]>('GET', '/v1/projects'))
      printList(projects, ['name', 'region', 'createdAt'], json === true)
    })

  addPlaceOptions(command.command('delete'))
    .description('delete a project that has no logstores any more, with its access keys')
    .argument('<name>')
    .action(async (name: string, place: PlaceOptions) => {
      await withControl(configOf(place), control => control.call('DELETE', `/v1/projects/${encodeURIComponent(name)}`))
      console.log(`project "${name}" is deleted`)
    })

  return command
}
