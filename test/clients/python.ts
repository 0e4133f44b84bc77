/** The Python clients: confluent-kafka, which is librdkafka, and the two that are written in Python, kafka-python and aiokafka. */
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { codecs, type ClientUnderTest } from './client.ts'
import { build } from './build.ts'

const drivers = fileURLToPath(new URL('../../../test/clients/drivers/python', import.meta.url))

/**
 * Makes the directory a virtual environment, with exactly what is required and nothing that this would require in turn, unless it
 * is that already; returns its interpreter. Rejects where Python, a wheel for it, or the network is missing.
 */
export async function preparePython(directory: string, requirements: readonly string[]): Promise<string> {
  const own = resolve(directory)
  const python = join(own, 'bin', 'python')
  await build({
    directory: own,
    sources: [],
    commands: [
      ['python3', '-m', 'venv', '.'],
      // Wheels only: what would have to be compiled needs more than Python.
      [python, ...'-m pip --disable-pip-version-check install --quiet --no-deps --only-binary :all:'.split(' '), ...requirements],
    ],
  })
  return python
}

interface PythonClient extends Pick<ClientUnderTest, 'name' | 'library' | 'version'> {
  driver: string
  requirements: readonly string[]
  isIdempotent?: boolean
}

function pythonClient({ name, library, version, driver, requirements, isIdempotent = true }: PythonClient): ClientUnderTest {
  return {
    name,
    library,
    version,
    codecs,
    isIdempotent,
    async prepare(directory) {
      const command = await preparePython(join(directory, name), requirements)
      // The sources stay free of compiled files.
      return { command, args: [join(drivers, driver)], env: { PYTHONDONTWRITEBYTECODE: '1' } }
    },
  }
}

function confluentKafka(version: string, librdkafka: string): ClientUnderTest {
  return pythonClient({
    name: `confluent-kafka-${version}`,
    library: 'confluent-kafka (Python)',
    version: `${version}, librdkafka ${librdkafka}`,
    driver: 'confluent_driver.py',
    requirements: [`confluent-kafka==${version}`],
  })
}

function kafkaPython(version: string, isIdempotent: boolean): ClientUnderTest {
  return pythonClient({
    name: `kafka-python-${version}`,
    library: 'kafka-python (Python)',
    version,
    driver: 'kafka_python_driver.py',
    requirements: [`kafka-python==${version}`, 'python-snappy==0.7.3', 'cramjam==2.14.0', 'lz4==4.4.5', 'zstandard==0.25.0'],
    isIdempotent,
  })
}

export const pythonClients: readonly ClientUnderTest[] = [
  // Speaks Produce 7, and concludes from other requests what the server can do.
  confluentKafka('2.0.2', '2.0.2'),
  confluentKafka('2.6.1', '2.6.1'),
  confluentKafka('2.16.1', '2.16.0'),
  // Logs in with SaslHandshake 0 and a bare token, and names its user twice. Of no use from Python 3.12 on.
  kafkaPython('2.0.2', false),
  kafkaPython('2.2.21', true),
  kafkaPython('3.0.12', true),
  pythonClient({
    name: 'aiokafka-0.14.0',
    library: 'aiokafka (Python)',
    version: '0.14.0',
    driver: 'aiokafka_driver.py',
    requirements: ['aiokafka==0.14.0', 'async-timeout==5.0.1', 'packaging==26.3', 'typing_extensions==4.16.0', 'cramjam==2.14.0'],
  }),
]
