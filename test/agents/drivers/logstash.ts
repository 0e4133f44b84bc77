/** Logstash, emulated: kafka-clients in the version of the plugin, its settings, and how it sends a batch (java/LogstashOutput.java). */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { passwordVariable } from '../../../src/agents/agent.ts'
import { prepareJava } from '../../clients/java.ts'
import type { AgentUnderTest } from '../agent-under-test.ts'
import { assertKnown, expandVariables, startEmulated } from './emulated.ts'

const PLUGIN = '12.1.4'
const CLIENT = '4.2.0'

/** What the plugin tells the client unless it is set. */
const defaults: Readonly<Record<string, string>> = {
  acks: '1',
  batch_size: '16384',
  buffer_memory: '33554432',
  client_dns_lookup: 'use_all_dns_ips',
  compression_type: 'none',
  connections_max_idle_ms: '540000',
  linger_ms: '5',
  max_request_size: '1048576',
  metadata_max_age_ms: '300000',
  receive_buffer_bytes: '32768',
  reconnect_backoff_ms: '50',
  request_timeout_ms: '40000',
  retry_backoff_ms: '100',
  sasl_mechanism: 'GSSAPI',
  security_protocol: 'PLAINTEXT',
  send_buffer_bytes: '131072',
  ssl_endpoint_identification_algorithm: 'https',
}

/** Those without a default. */
const others = [
  'bootstrap_servers',
  'client_id',
  'sasl_jaas_config',
  'ssl_truststore_type',
  'ssl_truststore_location',
  'ssl_truststore_password',
]

export const logstash: AgentUnderTest = {
  name: 'logstash',
  how: 'emulated',
  isQuick: true,
  async prepare(directory) {
    const source = '../../agents/drivers/java/LogstashOutput.java'
    const program = await prepareJava(join(directory, 'logstash'), CLIENT, source)
    return {
      version: `plugin ${PLUGIN}, kafka-clients ${CLIENT}`,
      start({ directory: own, printed, password }) {
        const configuration = expandVariables(readFileSync(printed, 'utf8'), { [passwordVariable]: password })
        const { topic_id: topic, codec, ...given } = readPlugin(configuration, 'output', 'kafka')
        const { path } = readPlugin(configuration, 'input', 'file')
        assert.equal(codec, 'json', 'another codec sends something else')
        // Settings that are not emulated would change nothing here, as `retries`.
        assertKnown(given, [...Object.keys(defaults), ...others])
        const settings = { ...defaults, ...given }
        const properties = Object.fromEntries(Object.entries(settings).map(([name, value]) => [name.replaceAll('_', '.'), value]))
        const job = { topic, properties, retryBackoffMs: Number(settings['retry_backoff_ms']) }
        const fields = { message: 'message', time: '@timestamp' }
        return startEmulated({ ...program, directory: own, job, fields, encode: (line, time) => encode(line, time, path!) })
      },
    }
  },
}

/** An event of the input file, as codec json writes it. */
function encode(line: string, time: Date, path: string): string {
  return JSON.stringify({
    '@timestamp': time.toISOString(),
    '@version': '1',
    event: { original: line },
    host: { name: 'web-1' },
    log: { file: { path: path.replace('*', 'app') } },
    message: line,
  })
}

/** The settings of the one plugin of a section, as strings. */
function readPlugin(configuration: string, section: string, plugin: string): Record<string, string> {
  const tokens = configuration.match(/#.*|=>|[{}]|"[^"]*"|'[^']*'|[^\s{}"'#=]+/g)!.filter(token => !token.startsWith('#'))
  const start = tokens.findIndex((token, index) => token === section && tokens[index + 2] === plugin)
  assert(start >= 0, `there is no plugin ${plugin} in ${section}`)
  const settings: Record<string, string> = {}
  for (let at = start + 4; tokens[at] !== '}'; at += 3) {
    const [name, arrow, value] = tokens.slice(at, at + 3)
    assert(arrow === '=>' && value !== undefined, `what is set is not clear: ${name} ${arrow} ${value}`)
    settings[name!] = value.replace(/^(["'])(.*)\1$/, '$2')
  }
  return settings
}
