/** Logstash, output kafka. */
import { addressOf, lines, passwordVariable, type Agent } from './agent.ts'
import { javaSays } from './client-words.ts'

export const logstash: Agent = {
  name: 'logstash',
  title: 'Logstash',
  about: 'the output kafka of logstash-integration-kafka',
  language: 'conf',
  file: '/etc/logstash/conf.d/sluice.conf',
  security: 'tls',
  configure: target =>
    lines(
      'input {',
      '  file {',
      '    # what to send: put yours here',
      `    path => "/var/log/${target.logstore}/*.log"`,
      '  }',
      '}',
      '',
      'output {',
      '  kafka {',
      `    bootstrap_servers => "${addressOf(target)}"`,
      '    # the logstore',
      `    topic_id => "${target.logstore}"`,
      '    client_id => "logstash"',
      '    # the default, plain, sends the message alone',
      '    codec => json',
      '    security_protocol => "SASL_SSL"',
      '    # the default is GSSAPI',
      '    sasl_mechanism => "PLAIN"',
      '    # the user name is the project',
      "    sasl_jaas_config => 'org.apache.kafka.common.security.plain.PlainLoginModule required " +
        `username="${target.project}" password="${target.password ?? `\${${passwordVariable}}`}";'`,
      target.ca !== undefined && '    # a PEM file as it is; before Logstash 8 make a JKS of it with keytool',
      target.ca !== undefined && '    ssl_truststore_type => "PEM"',
      target.ca !== undefined && `    ssl_truststore_location => "${target.ca}"`,
      '    acks => "all"',
      '    compression_type => "gzip"',
      '    # no retries here: without the setting Logstash tries for ever',
      '  }',
      '}',
    ),
  password:
    `Logstash takes it from its keystore (\`logstash-keystore add ${passwordVariable}\`) or from the environment variable ` +
    `\`${passwordVariable}\`.`,
  keeps: [
    'What can be sent again is, for ever, as long as `retries` is not set.',
    'Logstash drops an event that was refused for good, with a warning: after TOPIC_AUTHORIZATION_FAILED, and where the ' +
      'certificate is not trusted.',
    'So it does with an event above 1 MiB: `max_request_size` raises that, up to the 16 MiB of sluice.',
    'While the logstore is missing, or the server away, it waits.',
    'Events between input and output are in memory; `queue.type: persisted` in logstash.yml keeps them on disk.',
    'A JAAS file with `jaas_path` works as well; it holds for all Kafka plugins of the process.',
  ],
  check:
    '`logstash -t -f FILE` checks the file. `curl localhost:9600/_node/stats/pipelines` counts `events.out`; the log ' +
    'has no `producer send ' +
    'failed`.',
  says: {
    ...javaSays,
    refused:
      'producer send failed, dropping record {:exception=>…TopicAuthorizationException, :message=>"Not authorized to ' +
      'access topics: [nginx]"',
    unknown:
      'The metadata response from the cluster reported a recoverable issue with correlation id … : ' +
      '{nginx=UNKNOWN_TOPIC_OR_PARTITION}',
  },
  then: 'What was refused for good is dropped with `dropping record`; everything else is sent again, for ever.',
  mistakes: [
    {
      says: 'Could not find a KafkaClient entry in the JAAS configuration',
      cause: '`sasl_jaas_config` and `jaas_path` are both missing.',
      fix: 'Take the line as it is printed.',
    },
  ],
}
