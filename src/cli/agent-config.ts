/**
 * `sluice agent-config`: the configuration with which an agent sends to a logstore, complete, with the settings that lose no log.
 */
import { text } from 'node:stream/consumers'
import { Command } from 'commander'
import { distance } from 'fastest-levenshtein'
import { passwordVariable, type Agent, type Target } from '../agents/agent.ts'
import { agents, findAgent } from '../agents/agents.ts'
import { sluiceError, type SluiceError } from '../base/errors.ts'
import type { AccessKey } from '../catalog/model.ts'
import { findAddress, type Address } from './agent-address.ts'
import { withControl } from './client.ts'
import { parseLogstoreName } from './logstore-argument.ts'
import { printList } from './output.ts'
import { addPlaceOptions, configOf, type PlaceOptions } from './place.ts'

interface Options extends PlaceOptions {
  key?: string
  host?: string
  port?: string
  ca?: string
  listener?: string
  secretStdin?: boolean
  json?: boolean
}

export function agentConfigCommand(): Command {
  return addPlaceOptions(new Command('agent-config'))
    .description('print the configuration of an agent that sends to a logstore; without arguments, which agents there are')
    .argument('[agent]', 'filebeat, fluentd, rsyslog …')
    .argument('[project/logstore]', 'where it is to send')
    .option('--key <id>', 'the access key (default: the one that may write to the logstore, if there is only one)')
    .option('--secret-stdin', 'read the secret of the key from standard input and write it into the configuration')
    .option('--host <host>', 'the name by which the agent reaches the server (default: what the server advertises, or its name)')
    .option('--port <port>', 'the port (default: that of the listener)')
    .option('--ca <file>', 'where the agent has the CA certificate (default: where the server has it)')
    .option('--listener <name>', 'internet, intranet or a trusted listener (default: internet)')
    .option('--json', 'print an object')
    .addHelpText(
      'after',
      `
The configuration goes to standard output, and what is left to do to standard error: sluice keeps hashes of secrets only, so that
the agent has to be given the secret, by the environment variable ${passwordVariable} in most cases.

    sluice agent-config rsyslog web/nginx --host logs.example.com > 50-sluice.conf`,
    )
    .action(async (name: string | undefined, logstore: string | undefined, options: Options) => {
      if (name === undefined) return printList(agents.map(toLine), ['name', 'about', 'page'], options.json === true)
      const agent = getAgent(name)
      if (logstore === undefined)
        throw invalid(`name the logstore that ${agent.title} is to send to: sluice agent-config ${agent.name} PROJECT/LOGSTORE`)
      const { target, notes } = await findTarget(agent, logstore, options)
      const configuration = agent.configure(target)
      if (options.json === true) {
        const { title, file, language } = agent
        return console.log(JSON.stringify({ agent: agent.name, title, file, language, configuration, notes }))
      }
      process.stdout.write(configuration)
      for (const note of [`${agent.title}: ${agent.file}`, ...notes]) console.error(note)
    })
}

function toLine({ name, title, about }: Agent) {
  return { name, title, about: about.startsWith(title) ? about : `${title}: ${about}`, page: `docs/agents/${name}.md` }
}

function getAgent(name: string): Agent {
  const agent = findAgent(name)
  if (agent !== undefined) return agent
  const names = agents.map(({ name }) => name)
  const nearest = names.reduce((best, other) => (distance(name, other) < distance(name, best) ? other : best))
  throw invalid(`there is no agent ${JSON.stringify(name)}; did you mean ${nearest}? "sluice agent-config" lists them all`)
}

/** Where and as whom the agent sends, and what whoever sets it up has to know. */
async function findTarget(agent: Agent, name: string, options: Options): Promise<{ target: Target; notes: string[] }> {
  const config = configOf(options)
  const { project, logstore, path } = parseLogstoreName(name)
  const address = await findAddress(config, agent, project, options)
  const keys = await withControl(config, async control => {
    await control.call('GET', path)
    return control.call<AccessKey[]>('GET', `/v1/projects/${encodeURIComponent(project)}/keys`)
  })
  const { password, placeholder, notes } = await findPassword(agent, { project, logstore, keys, address, options })
  const { host, port, ca, isTrusted } = address
  return { target: { host, port, ca, project, logstore, password, placeholder, isTrusted }, notes: [...notes, ...address.notes] }
}

interface KeySearch {
  project: string
  logstore: string
  keys: readonly AccessKey[]
  address: Address
  options: Options
}

async function findPassword(
  agent: Agent,
  { project, logstore, keys, address, options }: KeySearch,
): Promise<Pick<Target, 'password' | 'placeholder'> & { notes: string[] }> {
  if (address.isTrusted) {
    if (options.key !== undefined || options.secretStdin === true)
      throw invalid('clients of a trusted listener do not log in: leave out --key and --secret-stdin')
    return { password: undefined, placeholder: '', notes: [] }
  }
  const { id, notes } = chooseKey(keys, { project, logstore, wanted: options.key })
  const placeholder = `${id}#YOUR-ACCESS-KEY-SECRET`
  if (options.secretStdin !== true)
    return {
      password: undefined,
      placeholder,
      notes: [...notes, `the password is ${placeholder}; sluice does not know the secret. ${agent.password.replaceAll('`', '')}`],
    }
  if (notes.length > 0) throw invalid(notes.join('; '))
  const password = `${id}#${(await text(process.stdin)).replace(/\r?\n$/, '')}`
  // These mean themselves in every one of the files.
  if (!/^[\w.~+/=@%:,#-]+$/.test(password))
    throw invalid(
      'the secret is empty, or has characters that mean something else in configuration files; ' +
        `"sluice key create ${project}" makes a key of letters and digits`,
    )
  return { password, placeholder, notes: ['the configuration holds the secret: let nobody read it who need not'] }
}

/** The key that is to be used, or what stands for it, with the reason. */
function chooseKey(
  keys: readonly AccessKey[],
  { project, logstore, wanted }: { project: string; logstore: string; wanted: string | undefined },
): { id: string; notes: string[] } {
  const mayWrite = keys.filter(({ logstores }) => logstores === null || logstores.includes(logstore))
  if (wanted !== undefined) {
    if (!keys.some(({ id }) => id === wanted)) throw sluiceError('ACCESS_KEY_NOT_FOUND', { project, accessKeyId: wanted })
    if (!mayWrite.some(({ id }) => id === wanted))
      throw invalid(
        `access key "${wanted}" may not write to logstore "${logstore}"; "sluice key list ${project}" shows which may`,
      )
    return { id: wanted, notes: [] }
  }
  const [only, ...others] = mayWrite
  if (only !== undefined && others.length === 0) return { id: only.id, notes: [] }
  const note =
    only === undefined
      ? `no access key may write to ${project}/${logstore}: "sluice key create ${project} --logstore ${logstore}" makes one`
      : `several access keys may write to ${project}/${logstore}: choose one with --key, of ${mayWrite.map(({ id }) => id).join()}`
  return { id: 'YOUR-ACCESS-KEY-ID', notes: [note] }
}

function invalid(problem: string): SluiceError {
  return sluiceError('INVALID_ARGUMENT', { problem })
}
