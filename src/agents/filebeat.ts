/** Filebeat; the other Beats have the same output. */
import { addressOf, lines, passwordVariable, type Agent } from './agent.ts'
import { saramaSays } from './client-words.ts'

export const filebeat: Agent = {
  name: 'filebeat',
  title: 'Filebeat',
  about: 'Elastic Beats; Metricbeat, Winlogbeat and the others have the same output',
  language: 'yaml',
  file: '/etc/filebeat/filebeat.yml',
  security: 'tls',
  configure: target =>
    lines(
      'filebeat.inputs:',
      '  - type: filestream',
      '    # where Filebeat has got to is kept under this id: never change it',
      `    id: sluice-${target.logstore}`,
      '    # what to send: put yours here',
      `    paths: ['/var/log/${target.logstore}/*.log']`,
      '',
      'output.kafka:',
      `  hosts: ['${addressOf(target)}']`,
      '  # the logstore',
      `  topic: '${target.logstore}'`,
      '  # the project',
      `  username: '${target.project}'`,
      `  password: '${target.password ?? `\${${passwordVariable}}`}'`,
      '  sasl.mechanism: PLAIN',
      '  ssl.enabled: true',
      target.ca !== undefined && `  ssl.certificate_authorities: ['${target.ca}']`,
      '  partition.round_robin:',
      '    reachable_only: false',
      '  # answered when the logs are on disk; never 0',
      '  required_acks: 1',
      '  compression: gzip',
      '  # longer than ten seconds in all: after three failures in less Filebeat drops what comes, and counts it as sent',
      '  metadata.retry.max: 20',
      '  metadata.retry.backoff: 1s',
      '  # the largest event; what is larger is dropped, and the default is 1000000',
      '  max_message_bytes: 10485760',
    ),
  password:
    `Filebeat takes it from its keystore (\`filebeat keystore add ${passwordVariable}\`) or from the environment variable ` +
    `\`${passwordVariable}\`.`,
  keeps: [
    'Filebeat tries for ever, whatever `max_retries` says, and remembers how far it is in each file: what it could ' +
      'not send is read again.',
    'Three failures in ten seconds open a circuit breaker in Filebeat 7 and 8, and a batch that meets nothing else counts as sent: ' +
      'its events are lost ([beats#35755](https://github.com/elastic/beats/issues/35755)). `metadata.retry` of more than ten ' +
      'seconds in all keeps it closed while the server is away.',
    'A file that is deleted before it was sent is lost: let log rotation keep more than the longest outage.',
    'An event above `max_message_bytes` is dropped with an error in the log.',
  ],
  check:
    '`filebeat test config` and `filebeat test output` check the file and the way to the server; `filebeat -e` shows ' +
    'its log. In the ' +
    'metrics that it logs every 30 seconds, `output.events.acked` grows.',
  says: {
    refused: saramaSays.refused,
    storage: saramaSays.storage,
    unreachable: saramaSays.unreachable,
    certificate: saramaSays.certificate,
  },
  then:
    'Filebeat keeps the events and tries again, for ever; it says nothing while the logstore is missing, unless it is started ' +
    'with `-d kafka`. A wrong access key is worse: the circuit breaker opens all the same, and small batches are lost.',
  mistakes: [
    {
      says: 'Kafka (topic=nginx): dropping too large message of size 1234567.',
      cause: 'The event is larger than `max_message_bytes`.',
      fix: 'Raise it, to at most 16 MiB with what is around it.',
    },
    {
      says: 'Kafka (topic=nginx): dropping invalid message',
      cause: 'The server answered CORRUPT_MESSAGE: the batch was damaged on the way.',
      fix: 'Look for what changes bytes between the two. The event is lost.',
    },
  ],
}
