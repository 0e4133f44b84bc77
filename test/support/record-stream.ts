/**
 * What one producer sends to one partition of a logstore: numbered records, and what the producer was told of each. It is the
 * side of the client in a comparison with the rows (`anomalies.ts`), and knows nothing of servers.
 *
 * Records are forgotten once they were compared, so that a run of days takes no more memory than one of minutes.
 */

/** What the producer may rely on: `once` if it is idempotent, `again` if it may store twice what it sends again, `none` with acks = 0. */
export type Promised = 'once' | 'again' | 'none'

/** What is known of a record: nothing yet, or that it is stored, or that the client has given it up. */
const [IN_DOUBT, ACKNOWLEDGED, GIVEN_UP] = [0, 1, 2] as const

export interface SentRecord {
  number: number
  value: string
}

export class RecordStream {
  /** Of a client, the logstore's name without its project, and a partition; together they are no other stream's. */
  readonly client: string
  readonly topic: string
  readonly partition: number
  readonly promised: Promised
  /** All records before this one were compared, and are forgotten. */
  #first = 0
  #states: number[] = []
  /** The record that stands last in the table, of those that were compared. */
  lastStored = -1
  /** Of those that are not forgotten, as is the next. */
  acknowledged = 0
  givenUp = 0

  constructor(options: { client: string; topic: string; partition: number; promised: Promised }) {
    this.client = options.client
    this.topic = options.topic
    this.partition = options.partition
    this.promised = options.promised
  }

  /** As its records name it; without spaces. */
  get name(): string {
    return `${this.client}/${this.partition}`
  }

  /** The first record that is not forgotten. */
  get first(): number {
    return this.#first
  }

  /** How many records were taken to be sent. */
  get sent(): number {
    return this.#first + this.#states.length
  }

  /** The next records to send. */
  take(count: number): SentRecord[] {
    return Array.from({ length: count }, () => {
      const number = this.sent
      this.#states.push(IN_DOUBT)
      return { number, value: valueOf(this.name, number) }
    })
  }

  acknowledge(number: number): void {
    this.#states[number - this.#first] = ACKNOWLEDGED
    this.acknowledged++
  }

  giveUp(number: number): void {
    this.#states[number - this.#first] = GIVEN_UP
    this.givenUp++
  }

  isAcknowledged(number: number): boolean {
    return this.#states[number - this.#first] === ACKNOWLEDGED
  }

  /** How many records there are of which the client was not told yet what became of them. */
  get inDoubt(): number {
    return this.#states.length - this.acknowledged - this.givenUp
  }

  /** Forgets everything that was sent: it was compared. */
  forget(): void {
    this.#first = this.sent
    this.#states = []
    this.acknowledged = this.givenUp = 0
  }
}

/** Lines that look like logs, of which each record has another piece: the same one each time it is asked for. */
const TEXT = Array.from(
  { length: 1000 },
  (_, line) =>
    `198.51.100.${line % 200} "GET /items/${(line * 7919) % 100_003}" ${200 + (line % 300)} ${(line * 104_729) % 99_991};`,
).join('')
const SHORTEST = 100
const LONGEST = 800

/** The value of a record: `STREAM NUMBER text …`. */
export function valueOf(stream: string, number: number): string {
  const length = SHORTEST + ((number * 613) % (LONGEST - SHORTEST))
  const start = (number * 7919) % (TEXT.length - LONGEST)
  return `${stream} ${number} ${TEXT.slice(start, start + length)}`
}
