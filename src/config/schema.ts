/**
 * Every setting of the configuration: its name, what is legal, its default and what it is for. The type `Config`, the errors,
 * the nearest name to a mistyped one and the commented default file all come from this declaration.
 *
 * Messages are the end of a sentence that begins with the setting's name (`http.port must be …`).
 */
import { resolve } from 'node:path'
import { z } from 'zod'
import { isNetwork } from '../base/networks.ts'
import { defaultLimits, minIdleMs } from './limits.ts'
import { isServerUrl } from './store.ts'
import { formatBytes, formatMs, parseBytes, parseMs } from './units.ts'

export type ConfigSchema = ReturnType<typeof createConfigSchema>

/** The configuration as the server is given it: complete, checked, frozen, with absolute paths. */
export type Config = z.output<ConfigSchema>

export type ListenerConfig = Config['listeners']['internet']
export type TrustedListenerConfig = Config['listeners']['trusted'][number]

/** What a region may be called, as the end of a sentence. Host names of its intranet put "-intranet" behind the region's name. */
export const regionRule =
  '1 to 50 of a-z, 0-9 and "-", beginning and ending with a letter or digit, and not ending with "-intranet"'

export function isRegion(name: string): boolean {
  return /^[a-z0-9]([a-z0-9-]{0,48}[a-z0-9])?$/.test(name) && !name.endsWith('-intranet')
}

/** The schema for a configuration whose relative paths start at `directory`. */
export function createConfigSchema(directory: string) {
  const path = text.transform(given => resolve(directory, given))

  const advertised = optionalSection({
    host: text.describe('the host name that clients are told to connect to'),
    port: wholeNumber(1, 65_535).optional().describe('the port that clients see, where another one is mapped to this listener'),
  }).describe('where clients reach it, if not by the name that they came by')

  const listener = (defaultPort: number) =>
    section({
      enabled: flag.default(true).describe('whether the listener is opened'),
      host: text.optional().describe('the address to listen on; every address of the machine, IPv6 and IPv4, if absent'),
      port: port.default(defaultPort).describe('the port to listen on; 0 picks a free one'),
      networks: networks('0.0.0.0/0', '::/0').describe('the networks that clients may come from'),
      advertised,
      tls: optionalSection({
        cert: path.describe('a PEM file with the certificate, followed by those between it and its CA'),
        key: path.describe('a PEM file with the private key'),
      }),
    })

  const quota = {
    bytesPerSecond: size(1024).optional().describe('how much it may send in a second; as much as it likes if absent'),
    requestsPerSecond: wholeNumber(1, 1_000_000)
      .optional()
      .describe('how many Produce requests it may send in a second; as many as it likes if absent'),
  }

  const trustedListener = section({
    name: text
      .regex(/^[a-z][a-z0-9-]{0,30}$/, 'must be a letter and up to 30 of a-z, 0-9 and "-"')
      .describe('what the log calls it'),
    protocol: oneOf('PLAINTEXT', 'SASL_PLAINTEXT').default('PLAINTEXT').describe('whether clients log in'),
    host: text.default('127.0.0.1').describe('the address to listen on'),
    port: port.describe('the port to listen on; 0 picks a free one'),
    networks: networks().describe('the networks that clients may come from, if the address is not a loopback one'),
    advertised,
    project: text.optional().describe('with PLAINTEXT: the project of all its clients'),
    accessKeyId: text.optional().describe('with PLAINTEXT: the access key of that project that all its clients have'),
    insecure: flag
      .default(false)
      .describe('must be true if the address is not a loopback one: what is sent there can be read on the way'),
  })

  return section({
    data: path.prefault('./data').describe('the directory of journal, catalog, certificates and tables'),
    region: z
      .string(`must be ${regionRule}`)
      .refine(isRegion, `must be ${regionRule}`)
      .default('local')
      .describe('the region of this server: the second label of PROJECT.REGION.DOMAIN'),
    listeners: section({
      internet: listener(10_012),
      intranet: listener(10_011),
      trusted: z
        .array(trustedListener, 'must be a list of listeners')
        .default([])
        .readonly()
        .describe('listeners without TLS, for gateways that have none; each has'),
    }),
    http: section({
      host: text.default('127.0.0.1').describe('the address of the HTTP API and the console'),
      port: port.default(10_013).describe('their port; 0 picks a free one'),
    }),
    store: section({
      discard: flag
        .default(false)
        .describe('whether logs are thrown away once they are on disk, which is for measuring: no ClickHouse is started'),
      memoryBytes: size(100e6).default(400e6).describe('memory that the embedded ClickHouse may use, beside 200 MB of its own'),
      url: z
        .string('must be text')
        .refine(
          isServerUrl,
          'has to be the address of a ClickHouse server, as "https://clickhouse.example.com:8443", without user or path',
        )
        .optional()
        .describe('a ClickHouse server in place of the embedded one; the other settings are for it'),
      user: text.default('sluice').describe('the user that owns the tables; docs/store.md has the rights of both'),
      password: secret.optional().describe('its password'),
      passwordFile: path.optional().describe('a file with its password, in place of that'),
      queryUser: text.default('sluice_query').describe("the user that runs people's SQL"),
      queryPassword: secret.optional().describe('its password'),
      queryPasswordFile: path.optional().describe('a file with its password, in place of that'),
      tls: optionalSection({
        ca: path.describe("a PEM file with the authority that the server's certificate is from, if the system does not know it"),
      }),
      cluster: text.optional().describe('the name of the cluster whose servers share the logs, if the server is one of them'),
    }),
    journal: section({
      segmentBytes: size(2 ** 20, 2 ** 30)
        .default(2 ** 26)
        .describe('the size of one file of the journal'),
      maxBytes: size(2 ** 22)
        .default(10 * 2 ** 30)
        .describe('how much of it may wait for the store; producers are slowed down before that, and refused at it'),
      reserveBytes: size(0)
        .default(2 ** 29)
        .describe('the disk space that is left to the store; producers are slowed down before that, and refused at it'),
      parkedBytes: size(2 ** 20)
        .default(2 ** 30)
        .describe('how many bytes of logs may wait for a table that cannot be written, for each logstore'),
      sync: oneOf('always', 'interval')
        .default('always')
        .describe('when a log is acknowledged: always after it is on disk, or before, to be on disk after syncIntervalMs'),
      syncIntervalMs: duration(1).default(100).describe('with interval: how much of what was acknowledged a power cut may take'),
    }),
    indexing: section({
      memoryBytes: size(2 ** 24)
        .default(96 * 2 ** 20)
        .describe('memory for logs on their way from the journal to the store'),
      flushMs: duration(10)
        .default(300)
        .describe('how long a log waits for others to be stored with it; longer, up to 5 s, if many logstores have logs'),
    }),
    quotas: section({
      ...quota,
      projects: z
        .array(section({ project: text.describe('the name of a project'), ...quota }), 'must be a list of quotas')
        .default([])
        .readonly()
        .describe('quotas of single projects in place of that; each has'),
    }).describe('what each project may send; who sends more is slowed down, and refused when that does not help'),
    limits: section({
      requestBytes: size(1024, 2 ** 31 - 1)
        .default(defaultLimits.requestBytes)
        .describe('the largest request of a client that has authenticated'),
      unauthenticatedRequestBytes: size(1024, 2 ** 31 - 1)
        .default(defaultLimits.unauthenticatedRequestBytes)
        .describe('the largest request of a client that has not authenticated'),
      bufferedBytes: size(1024)
        .default(defaultLimits.bufferedBytes)
        .describe('memory for the requests of all connections together'),
      unauthenticatedBufferedBytes: size(1024)
        .default(defaultLimits.unauthenticatedBufferedBytes)
        .describe('memory for the requests of all connections without a right access key'),
      connections: wholeNumber(1, 1_000_000)
        .default(defaultLimits.connections)
        .describe('how many clients may be connected at once'),
      connectionsPerSource: wholeNumber(1, 1_000_000)
        .default(defaultLimits.connectionsPerSource)
        .describe('how many clients may be connected from one IPv4 address, or one /64 network of IPv6'),
      exemptNetworks: networks(...defaultLimits.exemptNetworks).describe(
        'networks to which limits per address do not apply, as a fleet behind one address',
      ),
      idleMs: duration(minIdleMs).default(defaultLimits.idleMs).describe('after how long a silent connection is closed'),
      unauthenticatedMs: duration(1000)
        .default(defaultLimits.unauthenticatedMs)
        .describe('how long a client may stay connected without a right access key'),
      unauthenticatedRequests: wholeNumber(1, 1_000_000)
        .default(defaultLimits.unauthenticatedRequests)
        .describe('how many requests a client may send without a right access key'),
      handshakeMs: duration(100).default(defaultLimits.handshakeMs).describe('how long a TLS handshake may take'),
      handshakes: wholeNumber(1, 1_000_000)
        .default(defaultLimits.handshakes)
        .describe('how many TLS handshakes may be under way at once; other clients wait for their turn'),
      requestsInFlight: wholeNumber(1, 1_000_000)
        .default(defaultLimits.requestsInFlight)
        .describe('how many requests of one connection may wait for their answers'),
    }),
    auth: section({
      reject: oneOf('topic', 'sasl')
        .default('topic')
        .describe('where a wrong access key is refused: on each topic, as the log service does, or at once in SASL'),
      sessionMs: duration(1000)
        .optional()
        .describe('after how long a client has to authenticate again (KIP-368); never if absent'),
    }),
    log: section({
      level: oneOf('debug', 'info', 'warn', 'error', 'silent')
        .default('info')
        .describe('the least important lines that are written'),
    }),
  })
}

const notASection = 'must be a section with settings of its own'
const text = z.string('must be text').min(1, 'must be text that is not empty')
/** What stands there is not repeated in a message, as it is where one begins with "must be". */
const secret = z.string('has to be text in quotes').min(1, 'has to be text that is not empty')
const flag = z.boolean('must be true or false')
const port = wholeNumber(0, 65_535)
const network = text.refine(isNetwork, 'must be a network, such as "10.0.0.0/8" or "2001:db8::/32", or an address')

function networks(...networksByDefault: readonly string[]) {
  return z
    .array(network, 'must be a list of networks, such as ["10.0.0.0/8"]')
    .default([...networksByDefault])
    .readonly()
}

/** A mapping with these settings and no others; one that is absent, or has nothing under it, is all defaults. */
function section<Shape extends z.ZodRawShape>(shape: Shape) {
  return z.preprocess(given => given ?? {}, z.strictObject(shape, notASection).readonly())
}

/** A mapping that may be absent as a whole; then there are no defaults either. */
function optionalSection<Shape extends z.ZodRawShape>(shape: Shape) {
  return z.preprocess(given => given ?? undefined, z.strictObject(shape, notASection).readonly().optional())
}

function wholeNumber(min: number, max: number) {
  const message = `must be a whole number from ${min} to ${max}`
  return z.int(message).min(min, message).max(max, message)
}

function oneOf<const Choices extends readonly string[]>(...choices: Choices) {
  return z.enum(choices, `must be ${choices.map(choice => JSON.stringify(choice)).join(' or ')}`)
}

function size(min: number, max = Number.MAX_SAFE_INTEGER) {
  const bound = max === Number.MAX_SAFE_INTEGER ? '' : ` and at most ${formatBytes(max)}`
  return quantity(parseBytes, min, max, `must be a size of at least ${formatBytes(min)}${bound}, such as "64 MiB"`)
}

function duration(min: number) {
  return quantity(parseMs, min, Number.MAX_SAFE_INTEGER, `must be a duration of at least ${formatMs(min)}, such as "15 min"`)
}

function quantity(parse: (given: unknown) => number | undefined, min: number, max: number, message: string) {
  return z.unknown().transform((given, context) => {
    const value = parse(given)
    if (value !== undefined && value >= min && value <= max) return value
    context.issues.push({ code: 'custom', message, input: given })
    return z.NEVER
  })
}
