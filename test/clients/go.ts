/** The Go clients: Sarama as agents have it compiled in, from 2021 to today, and franz-go. */
import { join } from 'node:path'
import { build } from './build.ts'
import { codecs, type ClientUnderTest } from './client.ts'

interface GoClient extends Pick<ClientUnderTest, 'name' | 'library' | 'version'> {
  /** The directory of its main.go below test/clients/drivers/go. */
  source: string
  /** The rest of its go.mod. */
  requirements: string
}

function goClient({ name, library, version, source, requirements }: GoClient): ClientUnderTest {
  return {
    name,
    library,
    version,
    codecs,
    isIdempotent: true,
    async prepare(directory) {
      const own = join(directory, name)
      await build({
        directory: own,
        sources: ['go/job.go', `go/${source}/main.go`],
        files: { 'go.mod': `module driver\n\ngo 1.21\n\n${requirements}\n` },
        // The modules that are required by the one that is named are looked up by Go itself, in the versions that it names.
        commands: [['go', 'build', '-mod=mod', '-buildvcs=false', '-o', 'driver', '.']],
        env: { CGO_ENABLED: '0', GOWORK: 'off' },
      })
      return { command: join(own, 'driver'), args: [] }
    },
  }
}

/** Until 2023 Sarama belonged to Shopify. Its packages are imported by the newer name, so that one source serves all versions. */
function sarama({ version, owner, defaultVersion }: { version: string; owner: 'IBM' | 'Shopify'; defaultVersion: string }) {
  const replacement = owner === 'IBM' ? '' : `\n\nreplace github.com/IBM/sarama => github.com/${owner}/sarama v${version}`
  return goClient({
    name: `sarama-${version}`,
    library: 'Sarama (Go)',
    version: `${version}, as for Kafka ${defaultVersion}`,
    source: 'sarama',
    requirements: `require github.com/IBM/sarama v${version}${replacement}`,
  })
}

export const goClients: readonly ClientUnderTest[] = [
  // Logs in with SaslHandshake 0 and a bare token, and never asks for ApiVersions: as Filebeat and Telegraf did for years.
  sarama({ version: '1.29.1', owner: 'Shopify', defaultVersion: '1.0.0' }),
  // Logs in with SaslAuthenticate; still sends the versions of its table, whatever the server has.
  sarama({ version: '1.43.2', owner: 'IBM', defaultVersion: '2.1.0' }),
  // Asks for ApiVersions before it logs in, and keeps to them.
  sarama({ version: '1.61.1', owner: 'IBM', defaultVersion: '2.8.0' }),
  goClient({
    name: 'franz-go-1.22.2',
    library: 'franz-go (Go)',
    version: '1.22.2',
    source: 'franz-go',
    requirements: 'require github.com/twmb/franz-go v1.22.2',
  }),
]
