/** Kong Gateway, the plugins kafka-log and kafka-upstream. */
import { lines, type Agent } from './agent.ts'

export const kong: Agent = {
  name: 'kong',
  title: 'Kong',
  about: 'the plugin kafka-log of Kong Gateway; kafka-upstream has the same settings',
  language: 'yaml',
  file: 'kong.yaml, or the same as JSON to the Admin API',
  security: 'both',
  configure: target =>
    lines(
      "_format_version: '3.0'",
      'plugins:',
      '  - name: kafka-log',
      '    config:',
      '      bootstrap_servers:',
      `        - host: '${target.host}'`,
      `          port: ${target.port}`,
      '      # the logstore',
      `      topic: '${target.logstore}'`,
      ...(target.isTrusted
        ? []
        : [
            '      authentication:',
            '        # without the strategy nothing of the rest counts',
            '        strategy: sasl',
            '        mechanism: PLAIN',
            '        # the project',
            `        user: '${target.project}'`,
            `        password: '${target.password ?? '{vault://env/sluice-password}'}'`,
            '      security:',
            '        ssl: true',
            '        # checks the certificate: for Kong 3.13, which has it first; the default from 3.14 on',
            '        # ssl_verify: true',
          ]),
      '      # keep-alive off: with it connections are used that never logged in, and their logs are lost',
      '      keepalive_enabled: false',
      '      # answered when the logs are on disk; never 0',
      '      producer_request_acks: 1',
      '      producer_request_retries_max_attempts: 100',
      '      producer_request_retries_backoff_timeout: 1000',
      '      # one connection for many logs, not one for each',
      '      producer_async: true',
      '      producer_async_flush_timeout: 1000',
      '      # what waits in memory; more is dropped',
      '      producer_async_buffering_limits_messages_in_memory: 50000',
    ),
  password: 'Kong takes it from its environment, `SLUICE_PASSWORD`, as a vault reference; any other vault does as well.',
  keeps: [
    'Logs wait in the memory of a worker and are lost with it, and when the retries are used up. Kong says so in its error log.',
    'Connections are kept by host and port, not by who logged in: two projects on one Kong need a host name each, ' +
      '`PROJECT.REGION.DOMAIN`.',
    'Kong checks the certificate from 3.14 on, and in 3.13 with `security.ssl_verify: true`: put `certs/ca.pem` into ' +
      '`lua_ssl_trusted_certificate` of kong.conf.',
    'With `--listener NAME` the configuration is one for a [trusted ' +
      'listener](../configuration.md#gateways-without-tls), without TLS and login.',
    'With batches the log is a JSON array; sluice makes a row of each element.',
  ],
  check:
    'Send a request through the gateway. The error log of Kong must be silent; `sluice query PROJECT/LOGSTORE` shows ' +
    'the request.',
  says: {
    refused: 'failed to send a message on topic nginx: not found topic',
    unknown: 'failed to send a message on topic nginx: not found topic',
    unreachable: 'all brokers failed in fetch topic metadata',
    certificate: 'failed to do SSL handshake: 20: unable to get local issuer certificate',
  },
  then: 'Kong tries again as often as is set, then drops the logs.',
}
