/** The Java clients: kafka-clients, as Logstash, Kafka Connect and most JVM programs have it, from 2.1 to today. */
import { basename, delimiter, join, resolve } from 'node:path'
import { codecs, type ClientUnderTest } from './client.ts'
import { build } from './build.ts'

/**
 * Makes the directory one with a version of kafka-clients and a program that uses it, unless it is that already; returns the command
 * that runs the program. The source is a path below test/clients/drivers. Rejects where the JDK, Maven or the network is missing.
 */
export async function prepareJava(
  directory: string,
  version: string,
  source: string,
): Promise<{ command: string; args: string[] }> {
  await build({
    directory,
    sources: ['java/pom.xml', source],
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
      ['javac', '-cp', join('lib', '*'), basename(source)],
    ],
  })
  // Warnings say why a client tries again; they go to standard error.
  const level = '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn'
  const own = resolve(directory)
  return { command: 'java', args: [level, '-cp', [own, join(own, 'lib', '*')].join(delimiter), basename(source, '.java')] }
}

function kafkaClients(version: string): ClientUnderTest {
  const name = `kafka-clients-${version}`
  return {
    name,
    library: 'kafka-clients (Java)',
    version,
    codecs,
    isIdempotent: true,
    prepare: directory => prepareJava(join(directory, name), version, 'java/ProducerDriver.java'),
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
