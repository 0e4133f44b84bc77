/** kcat, for scripts and to try things out. */
import { addressOf, lines, type Agent } from './agent.ts'
import { librdkafkaSays } from './client-words.ts'

export const kcat: Agent = {
  name: 'kcat',
  title: 'kcat',
  about: 'a Kafka client for the shell, once called kafkacat',
  language: 'conf',
  file: 'sluice.conf, for kcat -F sluice.conf',
  security: 'tls',
  configure: target =>
    lines(
      `# kcat -F sluice.conf -P -t ${target.logstore} -l FILE`,
      '# sends each line of a file as a log; without -l what comes from standard input',
      `bootstrap.servers=${addressOf(target)}`,
      'security.protocol=SASL_SSL',
      target.ca !== undefined && `ssl.ca.location=${target.ca}`,
      'sasl.mechanism=PLAIN',
      '# the project',
      `sasl.username=${target.project}`,
      `sasl.password=${target.password ?? target.placeholder}`,
      'compression.codec=gzip',
      '# a batch that is sent again is stored once',
      'enable.idempotence=true',
    ),
  password:
    'kcat has it in the file: let nobody else read it (`chmod 600`). With `-X sasl.password=…` other users see it in ' +
    'the list of processes.',
  keeps: [
    'kcat ends with a status that is not 0 if a log was not acknowledged, and if no server can be reached: a script ' +
      'has to look at it, and send again.',
    'With `-E` it goes on while no server can be reached, and sends what waits when there is one: for a kcat that runs for ' +
      'long.',
    'From standard input it takes blocks of 1,024 bytes: the last lines wait until more come, or until it ends.',
    'A line above 1,000,000 bytes ends kcat; `message.max.bytes=16000000` in the file lets it take larger ones.',
    'What the server refuses for good is lost, and kcat goes on.',
    'With `-T` it passes on what it sends.',
  ],
  check:
    '`kcat -F sluice.conf -L` lists the logstores that the key may write to. After sending, `sluice query ' +
    'PROJECT/LOGSTORE` shows the logs.',
  says: {
    ...librdkafkaSays,
    unknown: '% Delivery failed for message: Broker: Unknown topic or partition',
    unreachable: '% ERROR: Local: All broker connections are down: 1/1 brokers are down: terminating',
  },
  then: 'kcat ends with status 1. A logstore that does not exist is waited for, 30 seconds, in case it is still made.',
  mistakes: [
    {
      says: '% ERROR: Input is too large, maximum size is 1000001',
      cause: 'A line is larger than `message.max.bytes`.',
      fix: 'Raise it, to 16000000 at most.',
    },
  ],
}
