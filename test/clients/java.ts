/** The Java clients: kafka-clients, as Logstash, Kafka Connect and most JVM programs have it, from 2.1 to today. */
import { delimiter, join } from 'node:path'
import { codecs, type ClientUnderTest } from './client.ts'
import { build } from './build.ts'

function kafkaClients(version: string): ClientUnderTest {
  const name = `kafka-clients-${version}`
  return {
    name,
    library: 'kafka-clients (Java)',
    version,
    codecs,
    isIdempotent: true,
    async prepare(directory) {
      const own = join(directory, name)
      await build({
        directory: own,
        sources: ['java/pom.xml', 'java/ProducerDriver.java'],
        commands: [
          // First what costs least: without a JDK nothing is downloaded.
          ['java', '-version'],
          ['javac', '-version'],
          [
            'mvn',
            '--batch-mode',
            '--quiet',
            '-Dstyle.color=never',
            `-Dkafka.version=${version}`,
            'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies',
            '-DoutputDirectory=lib',
          ],
          ['javac', '-cp', join('lib', '*'), 'ProducerDriver.java'],
        ],
      })
      // Warnings say why a client tries again; they go to standard error.
      const level = '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn'
      return { command: 'java', args: [level, '-cp', [own, join(own, 'lib', '*')].join(delimiter), 'ProducerDriver'] }
    },
  }
}

export const javaClients: readonly ClientUnderTest[] = [
  // Speaks TLS 1.2 at most, and resumes its sessions.
  kafkaClients('2.1.1'),
  kafkaClients('2.8.2'),
  // From 3.0 on idempotent unless it is told otherwise.
  kafkaClients('3.9.2'),
  kafkaClients('4.4.0'),
]
