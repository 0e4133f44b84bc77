/**
 * docs/clients.md: what came of the tests with real clients. It holds nothing that differs between two runs of the same code.
 */
import { format, resolveConfig } from 'prettier'
import type { ClientUnderTest, Codec } from './client.ts'

/** What a server refuses. */
export const refusals = ['wrong password', 'unknown topic', 'no right'] as const

export type Refusal = (typeof refusals)[number]

/** What came of one client. */
export interface Result {
  client: ClientUnderTest
  /** Why it was not tested. */
  skipped?: string
  codecs: Set<Codec>
  /** Those that it sent with as an idempotent producer. */
  idempotentCodecs: Set<Codec>
  /** What its user sees. */
  refusals: Map<Refusal, string>
  /** What came of its records when the server was killed; only of the newest version of a library. */
  killed?: string
}

const intro = `
<!-- Written by \`npm run test:clients\`: change that, not this page. -->

# Clients

Kafka clients that sluice is tested with: the real libraries, over TLS with SASL/PLAIN, against a real server.
\`npm run test:clients\` runs them all and writes this page; \`npm run test:clients -- NAME\` runs one.

With each codec a client sends 2,000 records with acks = 1, and 2,000 more as an idempotent producer. Each record has to be reported as
delivered and to be found in the table; those of an idempotent producer exactly once. Then the newest version of each library sends
100,000 records as an idempotent producer, and the server is killed with SIGKILL in the middle of them and started again: whatever the
client reported as delivered has to be in the table, and nothing twice.
`

const refused = `
## What users see

When nothing can be delivered, each client reports it in its own words. The password was a wrong one, the topic a logstore that does not
exist, the right that of an access key for another logstore. Every client had 40 seconds for a record: those that go on trying, since
the logstore might still be made, end with a time-out.
`

const notes = `
## Worth knowing

- librdkafka reports an unknown topic after 30 seconds, and a time-out if \`message.timeout.ms\` is shorter.
- kafka-python 2.0 does not pass on why a topic was refused: its users see a time-out.
- Sarama tries three times within a second or so, then reports a record as failed: with its defaults, a server that is restarted
  costs records. \`Producer.Retry.Max\` and \`Producer.Retry.Backoff\` are what to raise.
- kafkajs chooses another partition for each attempt, and its batch is then not known as the one before: for exactly once, name the
  \`partition\` of each message, as is done here. Its packages for lz4 and zstd have to be compiled and are left out here.
`

export async function formatPage(results: readonly Result[]): Promise<string> {
  return formatMarkdown(`${intro}\n${formatWorks(results)}\n${refused}\n${formatRefusals(results)}\n${notes}`)
}

/** The rows of the page. */
export async function formatResults(results: readonly Result[]): Promise<string> {
  return formatMarkdown(`${formatWorks(results)}\n\n${formatRefusals(results)}`)
}

/** The first line of an error, without what differs from run to run and from machine to machine. */
export function shorten(error: string): string {
  const line = (error.trim().split('\n')[0] ?? '')
    .replace(/\b(localhost|127\.0\.0\.1|\[::1\])(\/127\.0\.0\.1)?(:\d+)?/g, 'HOST')
    .replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, 'ID')
    .replace(/\b\d+(\.\d+)?( ?)(ms|secs?|seconds|s)\b/g, 'N$2$3')
    .replace(/\/([^\s/'"]+\/)+/g, '')
  return line.length > 200 ? `${line.slice(0, 200)}…` : line
}

function formatWorks(results: readonly Result[]): string {
  return formatTable(
    ['client', 'version', 'codecs', 'idempotent', 'server killed'],
    results.map(({ client: { library, version, isIdempotent }, skipped, codecs, idempotentCodecs, killed }) =>
      skipped !== undefined
        ? [library, version, `not tested: ${skipped}`, '', '']
        : [library, version, list(codecs), formatIdempotence(isIdempotent, codecs, idempotentCodecs), killed ?? ''],
    ),
  )
}

function formatIdempotence(isIdempotent: boolean, codecs: Set<Codec>, idempotentCodecs: Set<Codec>): string {
  if (!isIdempotent) return 'not supported'
  return list(codecs) === list(idempotentCodecs) ? 'yes' : `with ${list(idempotentCodecs)}`
}

function formatRefusals(results: readonly Result[]): string {
  return formatTable(
    ['client', 'version', ...refusals],
    results
      .filter(({ skipped }) => skipped === undefined)
      .map(({ client: { library, version }, refusals: seen }) => [
        library,
        version,
        ...refusals.map(refusal => quote(seen.get(refusal) ?? '')),
      ]),
  )
}

function formatTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return ''
  const lines = [head, head.map(() => '---'), ...rows].map(cells => cells.map(cell => cell.replaceAll('|', '\\|')).join(' | '))
  return lines.map(line => `| ${line} |`).join('\n')
}

function quote(words: string): string {
  return words === '' ? '' : `\`${words.replaceAll('`', "'")}\``
}

function list(items: Iterable<string>): string {
  return [...items].join(', ')
}

async function formatMarkdown(markdown: string): Promise<string> {
  return format(markdown, { ...(await resolveConfig('docs/clients.md')), parser: 'markdown' })
}
