/** Fluent Bit, out_kafka. */
import { addressOf, lines, passwordVariable, type Agent } from './agent.ts'
import { librdkafkaSays } from './client-words.ts'

export const fluentBit: Agent = {
  name: 'fluent-bit',
  title: 'Fluent Bit',
  about: 'the output kafka',
  language: 'yaml',
  file: '/etc/fluent-bit/fluent-bit.yaml',
  security: 'tls',
  configure: target =>
    lines(
      'service:',
      '  # what waits goes to disk',
      '  storage.path: /var/lib/fluent-bit/storage',
      '  # so many seconds it may send on when it is stopped; the default is 5',
      '  grace: 60',
      '',
      'pipeline:',
      '  inputs:',
      '    - name: tail',
      '      # what to send: put yours here',
      `      path: '/var/log/${target.logstore}/*.log'`,
      '      # how far each file was read',
      '      db: /var/lib/fluent-bit/tail.db',
      '      storage.type: filesystem',
      '',
      '  outputs:',
      '    - name: kafka',
      "      match: '*'",
      `      brokers: '${addressOf(target)}'`,
      '      # the logstore',
      `      topics: '${target.logstore}'`,
      '      format: json',
      '      timestamp_format: iso8601',
      '      rdkafka.security.protocol: SASL_SSL',
      target.ca !== undefined && `      rdkafka.ssl.ca.location: '${target.ca}'`,
      '      rdkafka.sasl.mechanism: PLAIN',
      '      # the project',
      `      rdkafka.sasl.username: '${target.project}'`,
      `      rdkafka.sasl.password: '${target.password ?? `\${${passwordVariable}}`}'`,
      '      rdkafka.compression.codec: gzip',
      '      # a batch that is sent again is stored once',
      "      rdkafka.enable.idempotence: 'true'",
      '      # never given up: the default is five minutes',
      "      rdkafka.message.timeout.ms: '0'",
      '      # for ever; the default is to drop a chunk after one more try',
      '      retry_limit: no_limits',
      '      # 0: it waits for room in the queue of the library as long as it takes',
      '      queue_full_retries: 0',
    ),
  password: `Fluent Bit takes it from its environment: \`${passwordVariable}\`.`,
  keeps: [
    'A chunk counts as sent when librdkafka has taken it: what it holds in memory is lost with the process. Stop ' +
      'Fluent Bit in order, and it is sent before, if the server takes it within `grace`.',
    'librdkafka takes TOPIC_AUTHORIZATION_FAILED for final: what was refused is lost. Start Fluent Bit anew when the ' +
      'key is in order.',
    'A logstore that is missing is waited for, 30 seconds; then what comes is lost until there is one.',
    'A log above 1,000,000 bytes is lost; `rdkafka.message.max.bytes` raises that, up to the 16 MiB of sluice.',
  ],
  check:
    '`fluent-bit --dry-run -c FILE` checks the file. With `http_server: on` `curl localhost:2020/api/v1/metrics` ' +
    'counts `proc_records` and `errors` of kafka.0.',
  says: {
    ...librdkafkaSays,
    refused: '[output:kafka:kafka.0] message delivery failed: Broker: Topic authorization failed',
    unknown: '[output:kafka:kafka.0] message delivery failed: Broker: Unknown topic or partition',
    storage: '[output:kafka:kafka.0] message delivery failed: Broker: Disk error when trying to access log file on disk',
  },
  then: 'What was refused for good is lost; everything else is sent again.',
}
