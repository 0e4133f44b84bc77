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
      '  # a batch of these has to stay below 16 MiB',
      '  metric_batch_size = 1000',
    ),
  password: `Telegraf takes it from its environment: \`${passwordVariable}\`, for instance in /etc/default/telegraf.`,
  keeps: [
    'What was not acknowledged stays in the buffer of the output and is sent again with the next flush, also what was ' +
      'stored of it.',
    'The buffer is in memory: metrics that wait are lost with the process, unless the agent has `buffer_strategy = ' +
      '"disk"` (since 1.32).',
    'A metric above 1,000,000 bytes makes Telegraf discard the whole batch; so it does if the server answers ' +
      'INVALID_TIMESTAMP, which sluice never does.',
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
      says: 'Message too large, consider increasing `max_message_bytes`; dropping batch',
      cause: 'One metric is larger than `max_message_bytes`. The batch is lost.',
      fix: 'Raise it.',
    },
  ],
}
