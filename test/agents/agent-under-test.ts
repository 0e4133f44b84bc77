/**
 * What the tests with agents know of one: how it is got, how it runs with what `sluice agent-config` prints, how it is given records,
 * and what has to come of them. Which records they are the agent's own test decides: record n is always the same, and no other is.
 */

export interface AgentUnderTest {
  /** As `sluice agent-config` has it. */
  name: string
  /** What sets it apart where an agent is tested in more than one way: `influx`. Named on the command line as `telegraf-influx`. */
  variant?: string
  /** Whether the agent itself runs, or its Kafka client with the agent's settings, or its recorded bytes. */
  how: 'real' | 'emulated'
  /** Whether it is got and run within a minute or so, with what every CI has. */
  isQuick: boolean
  /** Whether it takes so long to get that it is left out unless it is named with its variant. */
  isHeavy?: boolean
  /** It has neither TLS nor a login, so it comes to a trusted listener. */
  isTrusted?: boolean
  /**
   * A library in an application, for which no configuration is printed: it takes part where things go wrong, and its `printed` has
   * `{ broker, ca, user }` as JSON.
   */
  isLibrary?: boolean
  /** That of the logstore, where it is not told by itself. */
  format?: string
  /** Whether the secret has to be in the configuration, since the agent takes it from nowhere else. */
  isSecretWritten?: boolean
  /**
   * Installs or builds what it needs below the directory, unless that was done before. Rejects with the reason where that cannot be
   * done on this machine.
   */
  prepare: (directory: string) => Promise<PreparedAgent>
}

export interface PreparedAgent {
  /** Of the agent; of what is emulated, also of the client: `0.49, librdkafka 2.10.1`. */
  version: string
  start: (setup: Setup) => Promise<RunningAgent>
}

/** What an agent is started with. */
export interface Setup {
  /** Its own, empty but for the printed configuration, with no space in its name. */
  directory: string
  /** The file with the printed configuration. */
  printed: string
  /** For the environment of the agent, as `SLUICE_PASSWORD`. */
  password: string
  logstore: string
}

export interface RunningAgent {
  /** Gives it the records from one number up to another; resolves when its input has them, sent or not. */
  put: (from: number, to: number) => Promise<void>
  /** Gives it one record of so many bytes, of `makeLargeLine`, that belongs to no number; absent where its input takes none. */
  putLarge?: (bytes: number) => Promise<void>
  /** The number of the record that a row is; undefined if it is none of those that were put in. */
  numberOf: (row: Row) => number | undefined
  /** Throws unless the row is record n, in each of its fields. */
  assertSame: (row: Row, n: number) => void
  /** The end of what it has printed. */
  readonly printed: string
  /** Lets it send what it has, and ends it. */
  stop: () => Promise<void>
}

/** A row of the logstore's view. */
export interface Row {
  content: string
  /** Of the record, as text; empty without one. */
  _key?: string
  /** What was read of it; empty where it is its own document. */
  _fields?: string
  _error: string
}
