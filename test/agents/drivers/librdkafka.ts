/**
 * Vector and Fluent Bit, emulated: librdkafka in their version, the properties that they make of their configuration, and what they
 * do with records that were refused (python/librdkafka_output.py).
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'
import { passwordVariable } from '../../../src/agents/agent.ts'
import { preparePython } from '../../clients/python.ts'
import type { AgentUnderTest, Setup } from '../agent-under-test.ts'
import { assertKnown, expandVariables, startEmulated, type Emulation } from './emulated.ts'

/** What the program is told. */
interface Job {
  topic: string
  properties: Record<string, string>
  /** How long the agent waits when the queue of the library is full. */
  queueFullMs: number
  /** What the agent says of a record that the server refused, and of one that the library did not take. */
  refused: string
  failed: string
}

interface LibrdkafkaAgent extends Pick<Emulation, 'fields'> {
  name: string
  version: string
  /** A wheel with the librdkafka of the agent. */
  wheel: string
  read: (setup: Setup) => { job: Job; path: string }
  encode: (line: string, time: Date, path: string) => string
}

const program = fileURLToPath(new URL('../../../../test/agents/drivers/python/librdkafka_output.py', import.meta.url))

function librdkafkaAgent({ name, version, wheel, read, encode, fields }: LibrdkafkaAgent): AgentUnderTest {
  return {
    name,
    how: 'emulated',
    isQuick: true,
    async prepare(directory) {
      const python = await preparePython(join(directory, name), [`confluent-kafka==${wheel}`])
      const ask = 'import confluent_kafka; print(confluent_kafka.libversion()[0])'
      const librdkafka = execFileSync(python, ['-c', ask], { encoding: 'utf8' }).trim()
      return {
        version: `${version}, librdkafka ${librdkafka}`,
        start(setup) {
          const { job, path } = read(setup)
          const own = { command: python, args: [program], directory: setup.directory, job, fields }
          return startEmulated({ ...own, encode: (line, time) => encode(line, time, path.replace('*', 'app')) })
        },
      }
    },
  }
}

interface VectorConfiguration {
  secret: Record<string, { type: string }>
  sources: Record<string, { type: string; include: string[] }>
  sinks: Record<
    string,
    {
      inputs: string[]
      bootstrap_servers: string
      topic: string
      encoding: { codec: string }
      compression?: string
      message_timeout_ms?: number
      sasl: { enabled: boolean; mechanism: string; username: string; password: string }
      tls: { enabled: boolean; ca_file: string }
      librdkafka_options?: Record<string, string>
    }
  >
}

const vector = librdkafkaAgent({
  name: 'vector',
  version: '0.58',
  wheel: '2.12.2',
  fields: { message: 'message', time: 'timestamp' },
  read({ printed, password }) {
    const { secret, sources, sinks } = parse(readFileSync(printed, 'utf8')) as VectorConfiguration
    const sink = sinks['sluice']!
    const { sasl, tls, librdkafka_options: options = {} } = sink
    const known = 'type inputs bootstrap_servers topic encoding compression sasl tls message_timeout_ms librdkafka_options'
    assertKnown(sink, [...known.split(' '), 'acknowledgements', 'buffer'])
    assertKnown(tls, ['enabled', 'ca_file'])
    assert.deepEqual(sink.encoding, { codec: 'json' })
    // A file of a directory, of which the test knows the content.
    const backend = /^SECRET\[(\w+)\.sluice_password\]$/.exec(sasl.password)?.[1]
    assert.equal(secret[backend ?? '']?.type, 'directory')
    const refused =
      'Service call failed. No retries or retries exhausted. error=Some(KafkaError (Message production error: {name} ({text})))'
    const job = {
      topic: sink.topic,
      properties: {
        'bootstrap.servers': sink.bootstrap_servers,
        'socket.timeout.ms': '60000',
        'statistics.interval.ms': '1000',
        'security.protocol': `${sasl.enabled ? 'sasl_' : ''}${tls.enabled ? 'ssl' : 'plaintext'}`,
        'sasl.mechanism': sasl.mechanism,
        'sasl.username': sasl.username,
        'sasl.password': password,
        'ssl.ca.location': tls.ca_file,
        'compression.codec': sink.compression ?? 'none',
        'message.timeout.ms': String(sink.message_timeout_ms ?? 300_000),
        ...options,
      },
      queueFullMs: 100,
      refused,
      failed: refused,
    }
    return { job, path: sources[sink.inputs[0]!]!.include[0]! }
  },
  // Its fields are sorted.
  encode: (line, time, path) =>
    JSON.stringify({ file: path, host: 'web-1', message: line, source_type: 'file', timestamp: time.toISOString() }),
})

interface FluentBitConfiguration {
  pipeline: {
    inputs: { name: string; path: string }[]
    outputs: ({ brokers: string; topics: string; format: string; timestamp_format: string } & Record<string, string>)[]
  }
}

const fluentBit = librdkafkaAgent({
  name: 'fluent-bit',
  version: '5.0',
  wheel: '2.15.0',
  fields: { message: 'log', time: '@timestamp' },
  read({ printed, password }) {
    const text = expandVariables(readFileSync(printed, 'utf8'), { [passwordVariable]: password })
    const { inputs, outputs } = (parse(text) as FluentBitConfiguration).pipeline
    const { brokers, topics, ...others } = outputs[0]!
    const own = Object.entries(others).filter(([name]) => name.startsWith('rdkafka.'))
    const known = 'name match format timestamp_format retry_limit queue_full_retries'
    assertKnown(others, [...known.split(' '), ...own.map(([name]) => name)])
    assert.deepEqual([others.format, others.timestamp_format], ['json', 'iso8601'])
    const job = {
      topic: topics,
      properties: {
        'client.id': 'fluent-bit',
        'bootstrap.servers': brokers,
        ...Object.fromEntries(own.map(([name, value]) => [name.slice('rdkafka.'.length), value])),
      },
      queueFullMs: 1000,
      refused: '[output:kafka:kafka.0] message delivery failed: {text}',
      failed: '% Failed to produce to topic {topic}: {text}',
    }
    return { job, path: inputs[0]!.path }
  },
  // The time comes first, in microseconds, and what is not ASCII is escaped.
  encode: (line, time) =>
    JSON.stringify({ '@timestamp': time.toISOString().replace('Z', '000Z'), log: line }).replace(
      /[\u007f-\uffff]/g,
      character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
    ),
})

export const librdkafkaAgents: readonly AgentUnderTest[] = [vector, fluentBit]
