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
      '# never given up: the default is five minutes',
      'message.timeout.ms=0',
    ),
  password: 'kcat has it in the file: let nobody else read it (`chmod 600`). With `-X sasl.password=…` other users see it in the list of processes.',
  keeps: [
    'kcat ends with a status that is not 0 if a log was not acknowledged, and says which. With `message.timeout.ms=0` it waits for the server as long as it takes.',
    'With `-T` it passes on what it sends.',
  ],
  check: '`kcat -F sluice.conf -L` lists the logstores that the key may write to. After sending, `sluice query PROJECT/LOGSTORE` shows the logs.',
  says: { ...librdkafkaSays, refused: '% Delivery failed for message: Broker: Topic authorization failed' },
  then: 'kcat ends with an error when something was refused for good, and tries again otherwise.',
} // prettier-ignore
