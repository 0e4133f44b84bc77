/** apinto, the gateway of APIPark: its output kafka. */
import { addressOf, lines, type Agent } from './agent.ts'
import { saramaSays } from './client-words.ts'

export const apinto: Agent = {
  name: 'apinto',
  title: 'apinto (APIPark)',
  about: 'the output kafka_output of the gateway; it has no TLS and needs a trusted listener',
  language: 'json',
  file: 'POST to /api/output of the gateway',
  security: 'none',
  configure: target =>
    lines(
      JSON.stringify(
        {
          name: 'sluice',
          driver: 'kafka_output',
          description: 'access logs to sluice',
          scopes: ['access_log'],
          address: addressOf(target),
          topic: target.logstore,
          kafka_version: '1.0.0',
          partition_type: 'random',
          timeout: 10,
          type: 'json',
          formatter: { fields: ['$time_iso8601', '$request_id', '$remote_addr', '$request_method', '$request_uri', '$status'] },
        },
        null,
        2,
      ),
    ),
  password: 'There is none: whoever reaches the trusted listener acts as its access key.',
  keeps: [
    'apinto logs an error and goes on: what could not be sent within a second or so is lost. Nothing of its settings ' +
      'changes that.',
    'A log above 1 MiB is lost, and nothing raises that.',
    '`kafka_version` must have three parts: its own default, `1.0.0.0`, is refused by its library.',
    'A proxy that ends TLS in front of it is the other way, with a listener of `protocol: SASL_PLAINTEXT`.',
  ],
  check: 'Send a request through the gateway; `sluice query PROJECT/LOGSTORE` shows it.',
  says: {
    refused: saramaSays.refused,
    unknown: saramaSays.unknown,
    storage: saramaSays.storage,
    unreachable: saramaSays.unreachable,
  },
  then: 'The logs are lost.',
  mistakes: [
    {
      says: 'invalid version',
      cause: '`kafka_version` has four parts.',
      fix: 'Write `1.0.0`.',
    },
    {
      says: `${saramaSays.unreachable}: EOF`,
      cause: 'The port is one with TLS.',
      fix: 'Use a [trusted listener](../configuration.md#gateways-without-tls).',
    },
  ],
}
