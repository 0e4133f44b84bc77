/** collectd, write_kafka. */
import { addressOf, lines, type Agent } from './agent.ts'
import { librdkafkaSays } from './client-words.ts'

export const collectd: Agent = {
  name: 'collectd',
  title: 'collectd',
  about: 'write_kafka, the Kafka output of collectd',
  language: 'conf',
  file: '/etc/collectd/collectd.conf.d/sluice.conf',
  security: 'tls',
  configure: target =>
    lines(
      'LoadPlugin write_kafka',
      '<Plugin write_kafka>',
      '  # properties of librdkafka; they have to stand before the topic',
      `  Property "metadata.broker.list" "${addressOf(target)}"`,
      '  Property "security.protocol" "sasl_ssl"',
      target.ca !== undefined && `  Property "ssl.ca.location" "${target.ca}"`,
      '  Property "sasl.mechanism" "PLAIN"',
      '  # the project',
      `  Property "sasl.username" "${target.project}"`,
      `  Property "sasl.password" "${target.password ?? target.placeholder}"`,
      '  Property "compression.codec" "gzip"',
      '  # a batch that is sent again is stored once',
      '  Property "enable.idempotence" "true"',
      '  # what waits while the server is away, in KiB of memory',
      '  Property "queue.buffering.max.kbytes" "1048576"',
      '  Property "queue.buffering.max.messages" "1000000"',
      '  # the logstore',
      `  <Topic "${target.logstore}">`,
      '    # JSON, Command or Graphite: sluice reads them all',
      '    Format JSON',
      '    # the key of each log; it chooses no shard, unless the logstore is keyed',
      '    Key "content"',
      '    # never given up: the default is five minutes',
      '    Property "message.timeout.ms" "0"',
      '  </Topic>',
      '</Plugin>',
    ),
  password: 'collectd has it in its configuration only: let nobody else read the file (`chmod 600`).',
  keeps: [
    'Values wait in memory while the server cannot be reached, and are lost with the process.',
    'collectd does not look at what becomes of a message: a value that the server refused is lost, and nothing is ' +
      'printed. Look at `sluice status` once after a change.',
  ],
  check:
    '`collectd -t` checks the file. Within an interval (10 s) `sluice status PROJECT/LOGSTORE` counts what has ' +
    'arrived; collectd itself ' +
    'says nothing of deliveries.',
  says: { unreachable: librdkafkaSays.unreachable, certificate: librdkafkaSays.certificate },
  then:
    'collectd prints nothing when the key, the project or the logstore is a wrong one, and these values are lost: the ' +
    'log of sluice has a line `a client is refused` with the reason. While the server cannot be reached values wait.',
  mistakes: [
    {
      says: 'write_kafka plugin: cannot create kafka handle.',
      cause:
        'librdkafka does not take the properties as they are, for instance without `sasl.mechanism`: its default needs Kerberos.',
      fix: 'Take them as they are printed.',
    },
  ],
}
