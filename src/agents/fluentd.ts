/** Fluentd, fluent-plugin-kafka: out_kafka2, and what to know of out_kafka. */
import { addressOf, lines, passwordVariable, type Agent, type Target } from './agent.ts'

/** What both outputs have in common: where they send to, as whom, and how. */
function connect(target: Target): string[] {
  return [
    `  brokers ${addressOf(target)}`,
    '  # the logstore',
    `  default_topic ${target.logstore}`,
    '  # the key of each log; it chooses no shard, unless the logstore is keyed',
    '  default_message_key content',
    '  # the project',
    `  username ${target.project}`,
    target.password === undefined
      ? `  password "#{ENV['${passwordVariable}']}"`
      : `  # in single quotes: elsewhere # can begin a comment\n  password '${target.password}'`,
    '  sasl_over_ssl true',
    '  # without one of the two that Fluentd knows for the CA there is no TLS at all',
    target.ca === undefined ? '  ssl_ca_certs_from_system true' : `  ssl_ca_cert ${target.ca}`,
    '  # answered when the logs are on disk; never 0',
    '  required_acks 1',
    '  compression_codec gzip',
  ]
}

export const fluentd: Agent = {
  name: 'fluentd',
  title: 'Fluentd',
  about: 'out_kafka2 of fluent-plugin-kafka; out_kafka, which has no buffer, is below',
  language: 'conf',
  file: '/etc/fluent/conf.d/sluice.conf',
  security: 'tls',
  configure: target =>
    lines(
      '<source>',
      '  @type tail',
      '  # what to send: put yours here',
      `  path /var/log/${target.logstore}/*.log`,
      `  pos_file /var/log/fluent/${target.logstore}.pos`,
      '  tag app.log',
      '  <parse>',
      '    @type none',
      '  </parse>',
      '</source>',
      '',
      '# not **: that would send the log of Fluentd itself, too',
      '<match app.**>',
      '  @type kafka2',
      ...connect(target),
      '  # the time of the event, not that of sending it',
      '  use_event_time true',
      '  <format>',
      '    @type json',
      '  </format>',
      '  <inject>',
      '    tag_key tag',
      '    time_key time',
      '    time_type string',
      '    time_format %Y-%m-%dT%H:%M:%S.%L%z',
      '  </inject>',
      '  # on disk: what waits survives a restart',
      '  <buffer topic>',
      '    @type file',
      '    path /var/log/fluent/sluice',
      '    flush_interval 1s',
      '    chunk_limit_size 8m',
      '    # never given up; the default is to drop a chunk after some tries',
      '    retry_forever true',
      '    retry_max_interval 30s',
      '    # a full buffer holds up the input; the default is to raise an error',
      '    overflow_action block',
      '  </buffer>',
      '</match>',
    ),
  variant: {
    title: 'out_kafka',
    about:
      'The output without a buffer, for where it is in use already. Format, tag and time are settings of its own, and tries take the ' +
      'place of the buffer: while it tries, the input waits.',
    configure: target =>
      lines(
        '<match app.**>',
        '  @type kafka',
        ...connect(target),
        '  output_data_type json',
        '  output_include_tag true',
        '  output_include_time true',
        '  # the default is 1, then the logs are lost',
        '  max_send_retries 10000',
        '</match>',
      ),
  },
  password: `Fluentd takes it from its environment: \`${passwordVariable}\`, for instance in /etc/default/fluentd.`,
  keeps: [
    'With the file buffer and `retry_forever` a chunk is sent until it is acknowledged.',
    'After a flush that failed the library still holds its records and adds those of the next try: what was stored ' +
      'late may be there several times.',
    '`@type kafka` (out_kafka) has no buffer: it connects anew for each emit and loses what is not acknowledged after ' +
      '`max_send_retries`. Use it only where a configuration exists already.',
    '`@type rdkafka2` uses TLS only if `ssl_ca_cert` is set.',
  ],
  check:
    '`fluentd --dry-run -c FILE` checks the file. At the start the log says `initialized kafka producer`; `warn` ' +
    'lines with `failed to flush ' +
    'the buffer` must not come.',
  says: {
    refused: 'failed to flush the buffer. … error_class=Kafka::TopicAuthorizationFailed',
    unknown: 'error_class=Kafka::DeliveryFailed error="Failed to assign partitions to 3 messages to nginx"',
    storage: 'error_class=Kafka::DeliveryFailed error="Failed to send messages to nginx/0"',
    unreachable:
      'error_class=Kafka::ConnectionError error="Could not connect to any of the seed brokers:\\n- ' +
      'kafka://logs.example.com:10012: Connection refused',
    certificate: 'SSL_connect returned=1 errno=0 … certificate verify failed (unable to get local issuer certificate)',
  },
  then: 'The chunk stays in the buffer and is tried again, at most every 30 seconds.',
}
