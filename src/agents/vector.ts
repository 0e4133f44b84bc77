/** Vector, the sink kafka. */
import { addressOf, lines, type Agent } from './agent.ts'

export const vector: Agent = {
  name: 'vector',
  title: 'Vector',
  about: 'the sink kafka',
  language: 'yaml',
  file: '/etc/vector/vector.yaml',
  security: 'tls',
  configure: target =>
    lines(
      'data_dir: /var/lib/vector',
      '',
      ...(target.password === undefined
        ? [
            'secret:',
            '  # a file of this directory holds the password: /etc/vector/secrets/sluice_password',
            '  files:',
            '    type: directory',
            '    path: /etc/vector/secrets',
            '    remove_trailing_whitespace: true',
            '',
          ]
        : []),
      'sources:',
      '  files:',
      '    type: file',
      '    # what to send: put yours here',
      `    include: ['/var/log/${target.logstore}/*.log']`,
      '',
      'sinks:',
      '  sluice:',
      '    type: kafka',
      '    inputs: [files]',
      `    bootstrap_servers: '${addressOf(target)}'`,
      '    # the logstore',
      `    topic: '${target.logstore}'`,
      '    encoding:',
      '      codec: json',
      '    compression: gzip',
      '    sasl:',
      '      enabled: true',
      '      mechanism: PLAIN',
      '      # the project',
      `      username: '${target.project}'`,
      `      password: '${target.password ?? 'SECRET[files.sluice_password]'}'`,
      '    tls:',
      '      enabled: true',
      target.ca !== undefined && `      ca_file: '${target.ca}'`,
      '    # never given up: the default is five minutes',
      '    message_timeout_ms: 0',
      '    librdkafka_options:',
      '      # a batch that is sent again is stored once',
      "      enable.idempotence: 'true'",
      '    # a file counts as read when its logs are in the buffer below, not before',
      '    acknowledgements:',
      '      enabled: true',
      '    # what waits goes to disk',
      '    buffer:',
      '      type: disk',
      '      max_size: 1073741824',
      '      when_full: block',
    ),
  password:
    'Vector takes it from the file /etc/vector/secrets/sluice_password. Variables of the environment are not read by ' +
    'default since Vector 0.57.',
  keeps: [
    'With the disk buffer and `message_timeout_ms: 0` a log is sent until it is acknowledged.',
    'Vector takes TOPIC_AUTHORIZATION_FAILED for final: it drops what was refused, also what comes of the disk buffer.',
    'It waits 30 seconds for a logstore that is missing, then drops its logs until there is one.',
    'A log above 1,000,000 bytes is dropped; `message.max.bytes` in `librdkafka_options` raises that, up to the 16 MiB of sluice.',
  ],
  check:
    '`vector validate` checks the file and the way to the server. `vector top` counts what the sink has sent and its errors.',
  says: {
    refused:
      'Service call failed. No retries or retries exhausted. error=Some(KafkaError (Message production error: ' +
      'TopicAuthorizationFailed (Broker: Topic authorization failed)))',
    unknown:
      'Service call failed. No retries or retries exhausted. error=Some(KafkaError (Message production error: ' +
      'UnknownTopicOrPartition (Broker: Unknown topic or partition)))',
    storage: 'Broker: Disk error when trying to access log file on disk',
    unreachable: 'librdkafka: … Connect to ipv4#192.0.2.10:10012 failed: Connection refused',
    certificate: 'librdkafka: … SSL handshake failed: … certificate verify failed',
  },
  then: 'What was refused for good is dropped; everything else is sent again.',
}
