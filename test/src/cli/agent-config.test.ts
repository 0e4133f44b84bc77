import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import type { Agent } from '../../../src/agents/agent.ts'
import { agents } from '../../../src/agents/agents.ts'
import { causeNames } from '../../../src/agents/causes.ts'
import { makeAgentPages } from '../../../tools/agent-docs.ts'
import { runSluice, Server, type Outcome } from '../../support/server.ts'

const SECRET = 'a-secret-of-the-test'

interface Printed {
  agent: string
  file: string
  language: string
  configuration: string
  notes: string[]
}

describe('sluice agent-config', () => {
  let server: Server

  before(async () => {
    server = await Server.start({
      settings: {
        listeners: { trusted: [{ name: 'gateway', port: 0, project: 'web', accessKeyId: 'for-gateways' }] },
      },
    })
    for (const logstore of ['web/nginx', 'web/other', 'lonely/logs']) await server.createLogstore(logstore)
    await server.createKey('web', { id: 'for-nginx', secret: SECRET, logstores: ['nginx'] })
    await server.createKey('web', { id: 'for-gateways', logstores: ['other'] })
  })

  after(() => server?.remove())

  function run(args: string[], input = ''): Promise<Outcome> {
    return runSluice(['agent-config', ...args, '--config', server.configFile, '--data', server.data], {
      directory: server.directory,
      input,
    })
  }

  async function print(agent: string, ...args: string[]): Promise<Printed> {
    const { code, stdout, stderr } = await run([agent, 'web/nginx', '--host', 'localhost', '--json', ...args], `${SECRET}\n`)
    assert.equal(code, 0, stderr)
    return JSON.parse(stdout) as Printed
  }

  async function assertFails(args: string[], message: RegExp, input?: string): Promise<void> {
    const { code, stdout, stderr } = await run(args, input)
    assert.deepEqual([code, stdout], [1, ''])
    assert.match(stderr, message)
  }

  it('lists the agents, with a page for each', async () => {
    const [{ stdout }, json] = await Promise.all([run([]), run(['--json'])])
    const lines = stdout.trimEnd().split('\n').slice(1)
    assert.deepEqual(
      lines.map(line => line.split(' ')[0]),
      agents.map(({ name }) => name),
    )
    const listed = json.stdout
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line) as { page: string })
    for (const { page } of listed) assert(readFileSync(page, 'utf8').length > 0, page)
  })

  for (const agent of agents) {
    it(`prints that of ${agent.name}, with the address, the logstore and the login`, async () => {
      const { configuration, file } = await print(agent.name, ...(agent.security === 'none' ? [] : ['--secret-stdin']))
      assert.equal(file, agent.file)
      const port = agent.security === 'none' ? server.port('gateway') : server.port()
      for (const needed of ['localhost', String(port), 'nginx']) assert(configuration.includes(needed), needed)
      if (agent.security !== 'none')
        for (const needed of ['web', `for-nginx#${SECRET}`]) assert(configuration.includes(needed), needed)
      if (agent.security === 'tls') assert(configuration.includes(join(server.data, 'certs', 'ca.pem')))
      assertParses(agent, configuration)
    })
  }

  it('does not know the secret, and says where it has to come from', async () => {
    for (const name of ['filebeat', 'kcat']) {
      const { code, stdout, stderr } = await run([name, 'web/nginx', '--host', 'localhost'])
      assert.equal(code, 0, stderr)
      assert.match(stderr, /the password is for-nginx#YOUR-ACCESS-KEY-SECRET; sluice does not know the secret/)
      assert.match(stdout, name === 'kcat' ? /for-nginx#YOUR-ACCESS-KEY-SECRET/ : /\$\{SLUICE_PASSWORD\}/)
    }
  })

  it('takes another host, port and CA file', async () => {
    const { configuration, notes } = await print('kcat', '--host', 'logs.example.com', '--port', '443', '--ca', '/etc/ca.pem')
    assert.match(configuration, /^bootstrap\.servers=logs\.example\.com:443$/m)
    assert.match(configuration, /^ssl\.ca\.location=\/etc\/ca\.pem$/m)
    assert(notes.some(note => note.includes('is not for logs.example.com') && note.includes('sluice certs')))
  })

  it('configures a gateway without TLS and login for a trusted listener', async () => {
    const apisix = await print('apisix', '--listener', 'gateway')
    assert.deepEqual(parse(apisix.configuration).global_rules[0].plugins['kafka-logger'].broker_list, {
      localhost: server.port('gateway'),
    })
    const kong = await print('kong', '--listener', 'gateway')
    assert.equal(parse(kong.configuration).plugins[0].config.authentication, undefined)
    await assertFails(['filebeat', 'web/nginx', '--listener', 'gateway'], /Filebeat logs in over TLS/)
    await assertFails(['apinto', 'web/nginx', '--listener', 'internet'], /apinto \(APIPark\) speaks neither TLS nor SASL/)
    await assertFails(['kong', 'web/nginx', '--listener', 'nowhere'], /there is no listener "nowhere"/)
  })

  it('says what is wrong, and what was meant', async () => {
    await assertFails(['filebaet', 'web/nginx'], /there is no agent "filebaet"; did you mean filebeat\?/)
    await assertFails(['filebeat'], /name the logstore .*sluice agent-config filebeat PROJECT\/LOGSTORE/)
    await assertFails(['filebeat', 'web/nginy'], /logstore "nginy" does not exist in project "web"/)
    await assertFails(['filebeat', 'web/nginx', '--key', 'nobody'], /access key "nobody" does not exist/)
    await assertFails(
      ['filebeat', 'web/nginx', '--key', 'for-gateways'],
      /access key "for-gateways" may not write to logstore "nginx"/,
    )
    await assertFails(['filebeat', 'web/nginx', '--port', 'x'], /--port must be a port, not x/)
    await assertFails(['filebeat', 'web/nginx', '--ca', "it's.pem"], /--ca has characters/)
    await assertFails(['filebeat', 'web/nginx', '--secret-stdin'], /has characters that mean something else/, 'with "quotes"')
    await assertFails(['filebeat', 'lonely/logs', '--secret-stdin'], /no access key may write to lonely\/logs/, SECRET)
  })

  it('finds agents by their other names', async () => {
    assert.deepEqual(await print('Beats'), await print('filebeat'))
  })
})

describe('the agents', () => {
  it('have a place for the password where it is not written down', () => {
    const target = { host: 'h', port: 1, project: 'p', logstore: 'l', placeholder: 'ID#SECRET', isTrusted: false }
    for (const agent of agents.filter(({ security }) => security !== 'none')) {
      const configuration = agent.configure(target)
      assert.match(configuration, /SLUICE_PASSWORD|sluice_password|sluice-password|ID#SECRET/, agent.name)
      assertParses(agent, configuration)
      assert(!configuration.includes('undefined'), agent.name)
    }
  })
})

describe('the configuration of agents', () => {
  const target = {
    host: '2001:db8::1',
    port: 10_012,
    // Names that are no text in YAML unless they are quoted.
    project: '1e5',
    logstore: 'null',
    ca: '/etc/our: own/ca.pem',
    password: 'key: 1,#a%b@c',
    placeholder: '',
  }
  for (const agent of agents)
    it(`has names, secrets and an IPv6 address as they are: ${agent.name}`, () => {
      const isTrusted = agent.security === 'none'
      const configuration = agent.configure({ ...target, isTrusted, ...(isTrusted && { ca: undefined, password: undefined }) })
      assertParses(agent, configuration)
      const texts = textsOf(agent, configuration)
      const has = (expected: string) => assert(texts.includes(expected), `${expected} is not in ${JSON.stringify(texts)}`)
      assert(texts.includes('[2001:db8::1]:10012') || texts.includes('2001:db8::1'), JSON.stringify(texts))
      // kcat is given it by its command line.
      if (agent.name !== 'kcat') has(target.logstore)
      if (isTrusted) return
      has(target.project)
      has(target.password)
      if (agent.security === 'tls') has(target.ca)
    })
})

describe('docs/agents', () => {
  it('is what src/agents says; "npm run docs" writes it', async () => {
    const pages = await makeAgentPages()
    for (const [path, markdown] of pages) assert.equal(readFileSync(path, 'utf8'), markdown, path)
    assert.deepEqual(readdirSync('docs/agents').sort(), agents.map(({ name }) => `${name}.md`).sort())
  })

  it('has for each cause at least one agent that says it', () => {
    for (const cause of causeNames)
      assert(
        agents.some(({ says }) => says[cause] !== undefined),
        cause,
      )
  })
})

/** All texts of a configuration, as whoever reads it has them; of other languages what stands in quotes, or alone behind a name. */
function textsOf({ language }: Agent, configuration: string): string[] {
  if (language === 'json' || language === 'yaml') return leavesOf(parse(configuration))
  const lines = configuration.split('\n').filter(line => !/^\s*#/.test(line))
  return lines.flatMap(line => [
    ...Array.from(line.matchAll(/"(?:[\w.]+=)?([^"]*)"/g), ([, text]) => text!),
    ...Array.from(line.matchAll(/'([^']*)'/g), ([, text]) => text!),
    line.replace(/^\s*[\w.]+[= ]/, ''),
  ])
}

function leavesOf(value: unknown): string[] {
  if (typeof value === 'string') return [value]
  if (typeof value !== 'object' || value === null) return []
  return [...(Array.isArray(value) ? [] : Object.keys(value)), ...Object.values(value).flatMap(leavesOf)]
}

/** The formats that there is a parser for here; the others are read by the agents themselves, in test/agents. */
function assertParses({ name, language }: Agent, configuration: string): void {
  if (language === 'json') assert.equal(typeof JSON.parse(configuration), 'object')
  if (language === 'yaml') assert.equal(typeof parse(configuration, { strict: true }), 'object', name)
  const settings = configuration.split('\n').filter(line => !/^\s*#/.test(line))
  // Each line of a table of TOML or of properties is a setting.
  if (language === 'toml')
    for (const line of settings) assert.match(line, /^$|^\[\[[\w.]+\]\]$|^ {2}\w+ = (".*"|\d+|true|false|\[".*"\])$/)
}
