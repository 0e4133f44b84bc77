/**
 * What the tests with real Kafka clients know of a client, and what its driver is told and tells.
 *
 * A driver is a small program that uses the client as its users do. It reads one `Job` as JSON from its standard input, sends the
 * records, waits for every delivery report, and prints one `Report` as JSON on its standard output. It ends with 0 also where
 * records were refused: what its user saw is the result.
 */
export const codecs = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const

export type Codec = (typeof codecs)[number]

export interface ClientUnderTest {
  /** Unique, as it is named on the command line: `confluent-kafka-2.6.0`. */
  name: string
  /** For the table: `confluent-kafka (Python)`. */
  library: string
  /** For the table: `2.6.0, librdkafka 2.6.0`. */
  version: string
  codecs: readonly Codec[]
  /** Whether it can be an idempotent producer. */
  isIdempotent: boolean
  /**
   * Installs the client and builds its driver below the directory, unless that was done before; returns the command that runs the
   * driver. Rejects with the reason where it cannot be installed.
   */
  prepare(directory: string): Promise<{ command: string; args: string[]; env?: Record<string, string> }>
}

export interface Job {
  /** `HOST:PORT` of a listener with TLS. */
  bootstrap: string
  /** The file with the CA's certificate. */
  ca: string
  user: string
  password: string
  /** Record n goes to number n % topics.length of them. */
  topics: readonly string[]
  codec: Codec
  idempotent: boolean
  acks: 1 | -1
  /**
   * How many records to send: number n (from 0) has no key and the value `{"run":RUN,"n":n,"message":"…"}` with a message of some
   * 200 bytes that compresses as logs do.
   */
  records: number
  run: string
  /** After how long a record that was not delivered counts as failed: the client's own setting for it where it has one. */
  timeoutMs: number
}

export interface Report {
  /** How many records the client told its user were delivered. */
  delivered: number
  /** How many it told its user had failed. */
  failed: number
  /** The first failure, in the client's own words; null if there was none. */
  error: string | null
}
