/**
 * Apache Kafka as the benchmarks run it: one broker that is its own controller (KRaft), TLS and SASL/PLAIN, and everything else as
 * its release configures it. It comes from Maven Central; nothing is installed outside of the cache directory and Maven's own.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, openSync } from 'node:fs'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { until } from '../../test/support/wait.ts'
import type { Certificates } from './certificates.ts'
import { checkCommand, runCommand } from './command.ts'
import { PASSWORD, runLoad, USER, type Target } from './generator.ts'
import { cacheDirectory } from './paths.ts'

export interface KafkaOptions {
  /** The broker's own directory, for its configuration, logs and data. */
  directory: string
  certificates: Certificates
  /** Beside those of the release: `log.flush.interval.messages` … */
  properties?: Record<string, string>
}

export const KAFKA_VERSION = '4.4.0'
const libraries = join(cacheDirectory, `kafka-${KAFKA_VERSION}`)
/** Of bin/kafka-server-start.sh and bin/kafka-run-class.sh. */
const javaFlags = [
  '-Xmx1G',
  '-Xms1G',
  '-server',
  '-XX:+UseG1GC',
  '-XX:MaxGCPauseMillis=20',
  '-XX:InitiatingHeapOccupancyPercent=35',
  '-XX:+ExplicitGCInvokesConcurrent',
  '-Djava.awt.headless=true',
  '-Dcom.sun.management.jmxremote=true',
  '-Dcom.sun.management.jmxremote.authenticate=false',
  '-Dcom.sun.management.jmxremote.ssl=false',
]
const STOP_MS = 60_000

/** The published POM, with the log4j 2 that the release has beside it. */
const pom = `<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>bench</groupId><artifactId>kafka</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>${KAFKA_VERSION}</version>
      <!-- Named there, but never published; only command-line tools use it. -->
      <exclusions><exclusion><groupId>org.apache.kafka</groupId><artifactId>kafka-tools-api</artifactId></exclusion></exclusions>
    </dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-core</artifactId><version>2.26.1</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>2.26.1</version></dependency>
  </dependencies>
</project>
`

/** Fetches Kafka unless it is there; resolves with the version of Java. */
export async function installKafka(): Promise<string> {
  const java = await checkCommand('java', ['--version'], 'to run Kafka (17 or newer)')
  if (!existsSync(join(libraries, `kafka_2.13-${KAFKA_VERSION}.jar`))) {
    await checkCommand('mvn', ['--version'], 'to fetch Kafka from Maven Central')
    await rm(libraries, { recursive: true, force: true })
    await mkdir(libraries, { recursive: true })
    const pomFile = join(cacheDirectory, 'kafka-pom.xml')
    await writeFile(pomFile, pom)
    const goal = ['dependency:copy-dependencies', '-DincludeScope=runtime', `-DoutputDirectory=${libraries}`]
    await runCommand('mvn', ['-q', '-B', '-f', pomFile, ...goal])
  }
  return java.split('\n')[0]!
}

export class Kafka implements Target {
  readonly broker: string
  readonly ca: string
  readonly #options: KafkaOptions
  readonly #port: number
  #process: ChildProcess | undefined

  private constructor(options: KafkaOptions, port: number) {
    this.#options = options
    this.#port = port
    this.broker = `127.0.0.1:${port}`
    this.ca = options.certificates.ca
  }

  /** Starts a broker without any data; topics are made when they are first asked for, with 8 partitions. */
  static async start(options: KafkaOptions): Promise<Kafka> {
    await installKafka()
    const kafka = new Kafka(options, await findFreePort())
    await kafka.#format()
    await kafka.restart()
    return kafka
  }

  get pids(): number[] {
    return this.#process?.pid === undefined ? [] : [this.#process.pid]
  }

  /** Starts the broker on the data that it has; it must not be running. `whenStarted` resolves when it takes connections. */
  launch(): void {
    const log = openSync(join(this.#options.directory, 'stdout.log'), 'a')
    const args = [...javaFlags, ...this.#javaArguments(), 'kafka.Kafka', this.#file('server.properties')]
    const child = spawn('java', args, { stdio: ['ignore', log, log] })
    process.once('exit', () => child.kill('SIGKILL'))
    this.#process = child
  }

  async whenStarted(): Promise<void> {
    // The port is bound long before the broker answers on it; a handshake ends only when it does.
    await until('a broker that takes connections', async () => {
      if (this.#process?.exitCode !== null)
        throw new Error(`Kafka did not start: ${(await readFile(this.#file('stdout.log'), 'utf8')).slice(-2000)}`)
      return this.#answers()
    })
  }

  async restart(): Promise<void> {
    await this.stop()
    this.launch()
    await this.whenStarted()
  }

  /** Gives back the disk that a topic takes. */
  async deleteTopic(topic: string): Promise<void> {
    await runLoad(this, { mode: 'delete', topic })
  }

  async stop(): Promise<void> {
    const child = this.#process
    this.#process = undefined
    if (child === undefined || child.exitCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGTERM')
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
    await ended
    clearTimeout(timer)
  }

  /** Ends the broker, and removes its directory. */
  async remove(): Promise<void> {
    await this.stop()
    await rm(this.#options.directory, { recursive: true, force: true })
  }

  #file(name: string): string {
    return join(this.#options.directory, name)
  }

  #javaArguments(): string[] {
    return [`-Dlog4j2.configurationFile=${this.#file('log4j2.properties')}`, '-cp', join(libraries, '*')]
  }

  async #format(): Promise<void> {
    const { directory } = this.#options
    await rm(directory, { recursive: true, force: true })
    await mkdir(directory, { recursive: true })
    await writeFile(this.#file('server.properties'), this.#properties(await findFreePort()))
    await writeFile(this.#file('log4j2.properties'), logProperties(this.#file('server.log')))
    const tool = (...args: string[]): Promise<string> =>
      runCommand('java', ['-Xmx256M', ...this.#javaArguments(), 'kafka.tools.StorageTool', ...args])
    const id = (await tool('random-uuid')).trim().split('\n').at(-1)!
    await tool('format', '-t', id, '-c', this.#file('server.properties'))
  }

  #properties(controllerPort: number): string {
    const { certificates, directory, properties = {} } = this.#options
    const jaas =
      'org.apache.kafka.common.security.plain.PlainLoginModule required ' +
      `username="${USER}" password="${PASSWORD}" user_${USER}="${PASSWORD}";`
    const all = {
      'process.roles': 'broker,controller',
      'node.id': '1',
      'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
      listeners: `SASL_SSL://127.0.0.1:${this.#port},CONTROLLER://127.0.0.1:${controllerPort}`,
      'advertised.listeners': `SASL_SSL://127.0.0.1:${this.#port}`,
      'controller.listener.names': 'CONTROLLER',
      'inter.broker.listener.name': 'SASL_SSL',
      'listener.security.protocol.map': 'SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT',
      'sasl.enabled.mechanisms': 'PLAIN',
      'sasl.mechanism.inter.broker.protocol': 'PLAIN',
      'listener.name.sasl_ssl.plain.sasl.jaas.config': jaas,
      'ssl.keystore.type': 'PEM',
      'ssl.keystore.location': certificates.keyStore,
      'ssl.truststore.type': 'PEM',
      'ssl.truststore.location': certificates.ca,
      ...releaseProperties,
      'log.dirs': join(directory, 'data'),
      'num.partitions': '8',
      // Topics that were deleted must not fill the disk for a minute more.
      'file.delete.delay.ms': '1000',
      ...properties,
    }
    return Object.entries(all)
      .map(([name, value]) => `${name}=${value}\n`)
      .join('')
  }

  #answers(): Promise<boolean> {
    return new Promise(resolve => {
      const socket = connect({ host: '127.0.0.1', port: this.#port, rejectUnauthorized: false, timeout: 1000 })
      const end = (answers: boolean) => (): void => {
        socket.destroy()
        resolve(answers)
      }
      socket.once('secureConnect', end(true)).once('error', end(false)).once('timeout', end(false))
    })
  }
}

/** config/server.properties of the release. */
const releaseProperties = {
  'num.network.threads': '3',
  'num.io.threads': '8',
  'socket.send.buffer.bytes': '102400',
  'socket.receive.buffer.bytes': '102400',
  'socket.request.max.bytes': '104857600',
  'num.recovery.threads.per.data.dir': '2',
  'offsets.topic.replication.factor': '1',
  'share.coordinator.state.topic.replication.factor': '1',
  'share.coordinator.state.topic.min.isr': '1',
  'transaction.state.log.replication.factor': '1',
  'transaction.state.log.min.isr': '1',
  'log.retention.hours': '168',
  'log.segment.bytes': '1073741824',
  'log.retention.check.interval.ms': '300000',
}

function logProperties(file: string): string {
  return [
    'rootLogger.level=info',
    'rootLogger.appenderRef.file.ref=file',
    'appender.file.type=File',
    'appender.file.name=file',
    `appender.file.fileName=${file}`,
    'appender.file.layout.type=PatternLayout',
    'appender.file.layout.pattern=[%d] %p %m (%c)%n',
    '',
  ].join('\n')
}

async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
