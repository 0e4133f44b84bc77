/** syslog-ng, the destination kafka-c(). */
import { addressOf, lines, passwordVariable, type Agent } from './agent.ts'
import { librdkafkaSays } from './client-words.ts'

export const syslogNg: Agent = {
  name: 'syslog-ng',
  title: 'syslog-ng',
  about: 'the destination kafka-c() (the package syslog-ng-mod-rdkafka)',
  language: 'conf',
  file: '/etc/syslog-ng/conf.d/sluice.conf',
  security: 'tls',
  configure: target =>
    lines(
      'destination d_sluice {',
      '  kafka-c(',
      `    bootstrap-servers("${addressOf(target)}")`,
      '    # the logstore',
      `    topic("${target.logstore}")`,
      '    # as JSON, so that sluice makes columns of the fields',
      '    message("$(format-json --scope rfc5424 --key ISODATE)\\n")',
      '    config(',
      '      security.protocol("sasl_ssl")',
      target.ca !== undefined && `      ssl.ca.location("${target.ca}")`,
      '      sasl.mechanism("PLAIN")',
      '      # the project',
      `      sasl.username("${target.project}")`,
      target.password === undefined
        ? `      # from the environment of syslog-ng\n      sasl.password("\`${passwordVariable}\`")`
        : `      sasl.password("${target.password}")`,
      '      compression.codec("gzip")',
      '      # a batch that is sent again is stored once',
      '      enable.idempotence("true")',
      '    )',
      '    # a log leaves the queue when it is acknowledged, not when the library has taken it',
      '    sync-send(yes)',
      '    # what waits goes to disk',
      '    disk-buffer(reliable(yes) disk-buf-size(10737418240) mem-buf-size(67108864))',
      '  );',
      '};',
      '',
      '# what to send: s_src is the source of the distribution, put yours here',
      'log {',
      '  source(s_src);',
      '  destination(d_sluice);',
      '};',
    ),
  password: `syslog-ng takes it from its environment: \`${passwordVariable}\`, for instance in /etc/default/syslog-ng.`,
  keeps: [
    '`sync-send(yes)` with a reliable disk buffer keeps a log until it is acknowledged, and costs speed: without it what the library holds is lost with the process.',
    'librdkafka takes TOPIC_AUTHORIZATION_FAILED for final: start syslog-ng anew when the key is in order.',
  ],
  check: '`syslog-ng -s` checks the file. `logger hello` sends a log; `syslog-ng-ctl stats` counts `written` and `dropped` of d_sluice.',
  says: librdkafkaSays,
  then: 'The logs stay in the disk buffer and are tried again.',
} // prettier-ignore
