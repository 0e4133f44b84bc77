/** The clients for Node: kafkajs and @platformatic/kafka. */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { codecs, type ClientUnderTest } from './client.ts'
import { build } from './build.ts'

const drivers = fileURLToPath(new URL('../../../test/clients/drivers/node', import.meta.url))

/** Installs packages into a directory of their own, unless that was done before. */
async function prepareNode(directory: string, packages: readonly string[]): Promise<void> {
  const options = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
  await build({
    directory,
    sources: [],
    // Without it npm would look for a project in the directories above.
    files: { 'package.json': '{ "private": true }\n' },
    commands: [['npm', 'install', ...options, ...packages]],
  })
}

const { platform, arch } = process
/** npm's package with the Node of this system; the package `node` itself would fetch it in an install script. */
const nodePackage = `${platform === 'darwin' && arch === 'arm64' ? 'node-bin' : 'node'}-${platform}-${arch}`

export const nodeClients: readonly ClientUnderTest[] = [
  {
    name: 'kafkajs-2.2.4',
    library: 'kafkajs (Node)',
    version: '2.2.4',
    // Its packages for the other two have to be compiled, and are too old for that.
    codecs: ['none', 'gzip', 'snappy'],
    isIdempotent: true,
    async prepare(directory) {
      const own = join(directory, this.name)
      await prepareNode(own, ['kafkajs@2.2.4', 'kafkajs-snappy@1.1.0'])
      return { command: process.execPath, args: [join(drivers, 'kafkajs-driver.mjs'), own] }
    },
  },
  {
    name: 'platformatic-kafka-2.12.1',
    library: '@platformatic/kafka (Node)',
    version: '2.12.1',
    codecs,
    isIdempotent: true,
    async prepare(directory) {
      const own = join(directory, this.name)
      // It needs a newer Node than sluice does.
      await prepareNode(own, ['@platformatic/kafka@2.12.1', `${nodePackage}@22.23.2`])
      const command = join(own, 'node_modules', nodePackage, 'bin', 'node')
      return { command, args: [join(drivers, 'platformatic-driver.mjs'), own] }
    },
  },
]
