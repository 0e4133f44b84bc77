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
      '    message("$(format-json --scope none time=${ISODATE} host=${HOST} severity=${PRIORITY} facility=${FACILITY} ' +
        'program=${PROGRAM} pid=${PID} message=${MESSAGE})")',
      '    frac-digits(6)',
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
      '      # never given up: the default is five minutes',
      '      message.timeout.ms("0")',
      '    )',
      '    # not yes: that means transactions, which sluice has not',
      '    sync-send(no)',
      '    # what waits goes to disk',
      '    disk-buffer(reliable(yes) disk-buf-size(10737418240) mem-buf-size(67108864) dir("/var/lib/syslog-ng"))',
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
    'What the library has not taken yet is in the disk buffer. What it holds, at most 100,000 logs, is in memory: if ' +
      'it cannot be sent within a minute of the end of syslog-ng, it is lost, and syslog-ng says so.',
    'A log above `log-msg-size()`, which is 64 KiB unless `options` say otherwise, syslog-ng itself makes several logs of.',
    'librdkafka takes TOPIC_AUTHORIZATION_FAILED for final: what was refused is lost.',
  ],
  check:
    '`syslog-ng -s` checks the file. `logger hello` sends a log; `syslog-ng-ctl stats` counts `written` and `dropped` ' +
    'of d_sluice.',
  says: {
    unreachable: librdkafkaSays.unreachable,
    certificate: librdkafkaSays.certificate,
  },
  then:
    'syslog-ng prints nothing when the key, the project or the logstore is a wrong one, or is missing for more than ' +
    '30 seconds: these logs are lost. The log of sluice has a line `a client is refused` with the reason. While the ' +
    'server cannot be reached logs wait.',
  mistakes: [
    {
      says: 'kafka: init_transactions failed; … transactions are not supported: set no transactional.id',
      cause: '`sync-send(yes)` makes syslog-ng use transactions.',
      fix: 'Set `sync-send(no)`.',
    },
  ],
}
