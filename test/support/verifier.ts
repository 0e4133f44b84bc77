/**
 * Compares, again and again, what clients know with what a server has stored since the last time. The clients have to pause.
 */
import { findAnomalies, readRows, type Comparison, type Row } from './anomalies.ts'
import type { RecordStream } from './record-stream.ts'
import type { Server } from './server.ts'
import { until } from './wait.ts'

/** The engine may have ended so often that it is started again only after its longest back-off. */
const INDEXED_MS = 180_000

export interface Verified extends Comparison {
  topic: string
  rows: readonly Row[]
  /** What is wrong with what was compared the times before; undefined if nothing is. */
  problem: string | undefined
}

export class Verifier {
  readonly #server: Server
  /** By topic, which is not that of another one: its project, and how many rows were compared. */
  readonly #logstores: Map<string, { logstore: string; rows: number }>
  /** The entries before this one were compared. */
  #nextEntry = 0

  constructor(server: Server, logstores: readonly string[]) {
    this.#server = server
    this.#logstores = new Map(logstores.map(logstore => [logstore.split('/')[1]!, { logstore, rows: 0 }]))
  }

  /** Waits until everything is indexed, and compares it. What is compared is forgotten by the caller. */
  async verify(streams: readonly RecordStream[]): Promise<Verified[]> {
    await waitUntilIndexed(this.#server)
    const verified: Verified[] = []
    for (const [topic, compared] of this.#logstores) {
      const rows = await readRows(this.#server, compared.logstore, this.#nextEntry)
      const ofTopic = streams.filter(stream => stream.topic === topic)
      // What was compared before must still be there, and nothing new among it.
      const found = await this.#server.countRows(compared.logstore)
      compared.rows += rows.length
      const problem =
        found === compared.rows
          ? undefined
          : `${topic} has ${found} rows, ${compared.rows} were compared: some came or went afterwards`
      verified.push({ topic, rows, problem, ...findAnomalies(topic, ofTopic, rows) })
    }
    for (const { rows } of verified) this.#nextEntry = Math.max(this.#nextEntry, (rows.at(-1)?.entry ?? -1) + 1)
    return verified
  }
}

/** Resolves when everything that is durable is in the store. */
export async function waitUntilIndexed(server: Server): Promise<void> {
  const isIndexed = async (): Promise<boolean> => {
    const [ready, metrics] = await Promise.all([server.get('/readyz'), server.get('/metrics')])
    return ready.status === 200 && /^sluice_journal_unindexed_bytes 0$/m.test(metrics.text)
  }
  await until('everything to be indexed', isIndexed, INDEXED_MS)
}
