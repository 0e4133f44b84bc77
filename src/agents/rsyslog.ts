/** rsyslog, omkafka. */
import { addressOf, lines, passwordVariable, type Agent } from './agent.ts'

export const rsyslog: Agent = {
  name: 'rsyslog',
  title: 'rsyslog',
  about: 'omkafka (the package rsyslog-kafka)',
  language: 'conf',
  file: '/etc/rsyslog.d/50-sluice.conf',
  security: 'tls',
  configure: target =>
    lines(
      'module(load="omkafka")',
      '',
      '# the time with its zone and fraction, and fields that sluice makes columns of',
      'template(name="sluice" type="list" option.jsonf="on") {',
      '  property(outname="time" name="timereported" dateFormat="rfc3339" format="jsonf")',
      '  property(outname="host" name="hostname" format="jsonf")',
      '  property(outname="severity" name="syslogseverity-text" format="jsonf")',
      '  property(outname="facility" name="syslogfacility-text" format="jsonf")',
      '  property(outname="program" name="programname" format="jsonf")',
      '  property(outname="pid" name="procid" format="jsonf")',
      '  property(outname="message" name="msg" format="jsonf")',
      '}',
      '',
      'action(',
      '  type="omkafka"',
      '  template="sluice"',
      `  broker=["${addressOf(target)}"]`,
      '  # the logstore',
      `  topic="${target.logstore}"`,
      '  # all partitions; the default is the first one alone',
      '  partitions.auto="on"',
      '  confParam=[',
      '    "security.protocol=sasl_ssl",',
      target.ca !== undefined && `    "ssl.ca.location=${target.ca}",`,
      '    "sasl.mechanism=PLAIN",',
      '    # the project',
      `    "sasl.username=${target.project}",`,
      target.password === undefined
        ? `    # from the environment of rsyslogd\n    \`echo sasl.password=$${passwordVariable}\`,`
        : `    "sasl.password=${target.password}",`,
      '    "compression.codec=gzip",',
      '    # a batch that is sent again is stored once',
      '    "enable.idempotence=true"',
      '  ]',
      '  # what librdkafka has given up is sent again',
      '  resubmitOnFailure="on"',
      '  # and survives a restart of rsyslog in this file',
      '  keepFailedMessages="on"',
      '  failedMsgFile="/var/spool/rsyslog/sluice-failed"',
      '  # for ever; the default is to drop a log after one try',
      '  action.resumeRetryCount="-1"',
      '  action.resumeInterval="5"',
      '  # what waits goes to disk',
      '  queue.type="LinkedList"',
      '  queue.filename="sluice"',
      '  queue.maxDiskSpace="10g"',
      '  queue.saveOnShutdown="on"',
      ')',
    ),
  password:
    `rsyslog takes it from its environment: \`${passwordVariable}\`, with \`systemctl edit rsyslog\` and ` +
    '`EnvironmentFile=`.',
  keeps: [
    'With `resubmitOnFailure`, `keepFailedMessages` and a disk queue a log is sent until it is acknowledged, also ' +
      'after a restart. All three are off by default.',
    'A log with which rsyslog notices that the server has gone is there twice afterwards.',
    'rsyslog itself cuts a log at `maxMessageSize`, which is 8 KiB unless `global()` says otherwise.',
    'A log that the server calls too large is dropped; sluice takes 16 MiB.',
    'What was refused is sent again with the next log. If rsyslog 8.2302 is stopped before that next log comes, the ' +
      'last line of the file is lost.',
  ],
  check:
    '`rsyslogd -N1` checks the file. `logger hello` sends a log; `sluice query PROJECT/LOGSTORE` shows it. impstats ' +
    'counts `failures` of omkafka.',
  says: {
    unreachable: 'omkafka: action will suspended due to kafka error -195: Local: Broker transport failure',
    certificate: 'omkafka: action will suspended due to kafka error -181: Local: SSL error',
  },
  then:
    'rsyslog keeps the logs and tries again with the next one. It prints nothing when the key, the project or the ' +
    'logstore is a wrong one: `failures` and `failures_unknown_topic` of impstats count that, and the log of sluice has ' +
    'a line `a client is refused` with the reason.',
}
