/** Telegraf, outputs.kafka. */
import { addressOf, lines, passwordVariable, type Agent } from './agent.ts'
import { saramaSays } from './client-words.ts'

export const telegraf: Agent = {
  name: 'telegraf',
  title: 'Telegraf',
  about: 'the Kafka output of InfluxData’s collector of metrics and logs',
  language: 'toml',
  file: '/etc/telegraf/telegraf.d/sluice.conf',
  security: 'tls',
  configure: target =>
    lines(
      '[[outputs.kafka]]',
      `  brokers = ["${addressOf(target)}"]`,
      '  # the logstore',
      `  topic = "${target.logstore}"`,
      '  # the key of each log; it chooses no shard, unless the logstore is keyed',
      '  routing_key = "content"',
      '  # the project',
      `  sasl_username = "${target.project}"`,
      `  sasl_password = "${target.password ?? `\${${passwordVariable}}`}"`,
      '  sasl_mechanism = "PLAIN"',
      '  enable_tls = true',
      target.ca !== undefined && `  tls_ca = "${target.ca}"`,
      '  # gzip',
      '  compression_codec = 1',
      '  # answered when the logs are on disk; never 0',
      '  required_acks = 1',
      '  # json, graphite, carbon2 or influx: sluice reads them all',
      '  data_format = "json"',
      '  # what could not be sent waits in memory, so many metrics at most: the oldest go first',
      '  metric_buffer_limit = 100000',
      '  metric_batch_size = 1000',
      '  # the largest metric; a larger one is never sent, and the default is 1048576',
      '  max_message_bytes = 10485760',
      '  # since 1.31; without it Telegraf ends if the server is away when it starts',
      '  startup_error_behavior = "retry"',
    ),
  password: `Telegraf takes it from its environment: \`${passwordVariable}\`, for instance in /etc/default/telegraf.`,
  keeps: [
    'What was not acknowledged stays in the buffer of the output and is sent again with the next flush, also what was ' +
      'stored of it.',
    'The buffer is in memory: metrics that wait are lost with the process, unless the agent has `buffer_strategy = ' +
      '"disk"` (since 1.32).',
    'A metric above `max_message_bytes` is never sent, and keeps those in the buffer that are in one batch with it: they are stored ' +
      'again with each flush.',
  ],
  check:
    '`telegraf --once` gathers, sends and ends; with `--debug` the log says `Wrote batch of N metrics`. The input ' +
    '`internal` counts ' +
    '`metrics_written` of the output.',
  says: {
    ...saramaSays,
    refused: `Error writing to outputs.kafka: … ${saramaSays.refused}`,
    unknown: `Error writing to outputs.kafka: … ${saramaSays.unknown}`,
  },
  then: 'Telegraf keeps the metrics in its buffer and tries again at the next flush.',
  mistakes: [
    {
      says: 'circuit breaker is open',
      cause:
        'The error was there three times; for ten seconds Telegraf does not ask the server. The error itself is above this line.',
      fix: 'Look for that.',
    },
    {
      says: 'Attempt to produce message larger than configured Producer.MaxMessageBytes: 1234567 > 1048576',
      cause: 'One metric is larger than `max_message_bytes`.',
      fix: 'Raise it to 15000000 at most, or drop the metric with `metricpass` or `fieldexclude`; then start Telegraf anew.',
    },
  ],
}
