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
      'plugin_metadata:',
      '  - id: kafka-logger',
      '    # what may wait in memory while the server is away; the default is 8192 since 3.18, more is dropped',
      '    max_pending_entries: 100000',
      '',
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
            '        # versions before 3.18 have no TLS: they need a trusted listener',
            '        tls:',
            '          verify: true',
          ]),
      '        # the logstore',
      `        kafka_topic: '${target.logstore}'`,
      '        # async, the default, counts a batch as sent at once, and loses it where the server is away for a second',
      '        producer_type: sync',
      '        # answered when the logs are on disk; never 0',
      '        required_acks: 1',
      '        # as an object; origin sends the request as text',
      '        meta_format: default',
      '        # several logs are one JSON array, of which sluice makes a row each',
      '        batch_max_size: 1000',
      '        inactive_timeout: 1',
      '        # the default keeps logs in memory for a minute',
      '        buffer_duration: 5',
      '        # once a second, about a quarter of an hour',
      '        max_retry_count: 1000',
      '        retry_delay: 1',
      '#END',
    ),
  password: 'It stands in the configuration of the plugin. APISIX encrypts it in etcd if `enable_encrypt_fields` is on.',
  keeps: [
    'Logs wait in the memory of a worker and are lost with it, and when the retries are used up. APISIX says so in its error log.',
    'Batches that a worker sends at the same moment share a buffer of the library: some are then stored several times, and while the ' +
      'server is away one may be lost. `batch_max_size: 1` makes that frequent.',
    'Connections are kept by host and port, not by who logged in: two projects on one APISIX need a host name each, ' +
      '`PROJECT.REGION.DOMAIN`.',
    'The certificate is checked against `apisix.ssl.ssl_trusted_certificate` of config.yaml: put `certs/ca.pem` ' +
      'there. `verify: true` needs a host name, not an address.',
    'With `--listener NAME` the configuration is one for a [trusted ' +
      'listener](../configuration.md#gateways-without-tls), with `broker_list`, without TLS and login.',
    '`api_version: 0` cannot be read by any Kafka: leave it at its default.',
  ],
  check:
    'Send a request through the gateway and wait `buffer_duration`. logs/error.log must be silent; `sluice query ' +
    'PROJECT/LOGSTORE` shows the request.',
  says: {
    refused: 'failed to send data to Kafka topic: not found topic',
    unknown: 'failed to send data to Kafka topic: not found topic',
    unreachable: 'all brokers failed in fetch topic metadata',
    certificate: 'failed to do SSL handshake: 20: unable to get local issuer certificate',
  },
  then:
    'The batch is tried again as often as is set, then dropped. Which of the causes it is, the log says at the level `info` only; ' +
    'the log of sluice names a wrong key.',
}
