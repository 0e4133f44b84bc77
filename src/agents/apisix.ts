/** Apache APISIX, the plugin kafka-logger. */
import { lines, type Agent } from './agent.ts'

export const apisix: Agent = {
  name: 'apisix',
  title: 'Apache APISIX',
  about: 'the plugin kafka-logger',
  language: 'yaml',
  file: 'conf/apisix.yaml (standalone), or the plugin as JSON to the Admin API',
  security: 'both',
  configure: target =>
    lines(
      'global_rules:',
      '  - id: sluice',
      '    plugins:',
      '      kafka-logger:',
      ...(target.isTrusted
        ? ['        broker_list:', `          '${target.host}': ${target.port}`]
        : [
            '        brokers:',
            `          - host: '${target.host}'`,
            `            port: ${target.port}`,
            '            sasl_config:',
            '              mechanism: PLAIN',
            '              # the project',
            `              user: '${target.project}'`,
            `              password: '${target.password ?? target.placeholder}'`,
            '        # versions before this setting (2026) have no TLS: they need a trusted listener',
            '        tls:',
            '          verify: true',
          ]),
      '        # the logstore',
      `        kafka_topic: '${target.logstore}'`,
      '        # the requests of a burst share a connection; sync stores some of them several times',
      '        producer_type: async',
      '        # answered when the logs are on disk; never 0',
      '        required_acks: 1',
      '        # as an object; origin sends the request as text',
      '        meta_format: default',
      '        # several logs are one JSON array, of which sluice makes a row each',
      '        batch_max_size: 1000',
      '        inactive_timeout: 5',
      '        max_retry_count: 60',
      '        retry_delay: 1',
      '#END',
    ),
  password: 'It stands in the configuration of the plugin. APISIX encrypts it in etcd if `enable_encrypt_fields` is on.',
  keeps: [
    'Logs wait in the memory of a worker and are lost with it, and after three tries of the library. APISIX says so ' +
      'in its error log.',
    'Connections are kept by host and port, not by who logged in: two projects on one APISIX need a host name each, ' +
      '`PROJECT.REGION.DOMAIN`.',
    'The certificate is checked against `apisix.ssl.ssl_trusted_certificate` of config.yaml: put `certs/ca.pem` ' +
      'there. `verify: true` needs a host name, not an address.',
    'With `--listener NAME` the configuration is one for a [trusted ' +
      'listener](../configuration.md#gateways-without-tls), with `broker_list`, without TLS and login.',
    '`api_version: 0` cannot be read by any Kafka: leave it at its default.',
  ],
  check:
    'Send a request through the gateway and wait `inactive_timeout`. logs/error.log must be silent; `sluice query ' +
    'PROJECT/LOGSTORE` shows the request.',
  says: {
    refused: 'buffered messages send to kafka err: not found topic, retryable: true, topic: nginx, partition_id: -1',
    unknown: 'buffered messages send to kafka err: not found topic, retryable: true, topic: nginx, partition_id: -1',
    unreachable: 'all brokers failed in fetch topic metadata',
    certificate: 'failed to do SSL handshake: 20: unable to get local issuer certificate',
  },
  then:
    'The batch is tried three times, then dropped. Which of the causes it is, the log says at the level `info` only; ' +
    'the log of sluice names a wrong key.',
}
