/**
 * What happened in a campaign, counted, for people.
 */
import { errorName } from '../../protocol/error-codes.ts'

const MiB = 1024 * 1024

export class Tally {
  worstWaitMs = 0
  /** How often an insert had to wait for memory of the engine. */
  memoryWaits = 0
  rows = { rows: 0, errors: 0 }
  readonly #cases = new Map<string, number>()
  readonly #answers = new Map<string, number>()
  readonly #endings = new Map<string, number>()
  /** The largest resident memory of each process. */
  readonly #memory = new Map<string, number>()

  get cases(): number {
    return [...this.#cases.values()].reduce((sum, count) => sum + count, 0)
  }

  /** By API and error code. */
  get answers(): ReadonlyMap<string, number> {
    return this.#answers
  }

  get endings(): ReadonlyMap<string, number> {
    return this.#endings
  }

  addCase(kind: string, endings: readonly string[]): void {
    add(this.#cases, kind)
    for (const ending of endings) add(this.#endings, ending)
  }

  addAnswer(api: string, codes: readonly number[]): void {
    for (const code of new Set(codes)) add(this.#answers, `${api} ${errorName(code)}`)
  }

  addMemory(role: string, bytes: number): void {
    this.#memory.set(role, Math.max(bytes, this.#memory.get(role) ?? 0))
  }

  get memoryLine(): string {
    return [...this.#memory].map(([role, bytes]) => `${role} ${Math.round(bytes / MiB)} MiB`).join(', ')
  }

  toString(): string {
    return [
      `${this.cases} cases`,
      ...lines(this.#cases),
      'answers that have the error code, by API',
      ...lines(this.#answers),
      'connections that ended with a line in the log, by reason',
      ...lines(this.#endings),
      `rows of the cases: ${this.rows.rows}, with an _error ${this.rows.errors}`,
      `largest resident memory: ${this.memoryLine}`,
      `inserts that waited for memory of the engine: ${this.memoryWaits}`,
      `worst wait of the healthy client: ${Math.round(this.worstWaitMs)} ms`,
    ].join('\n')
  }
}

function add(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1)
}

function lines(counts: ReadonlyMap<string, number>): string[] {
  return [...counts].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, count]) => `  ${String(count).padStart(8)}  ${name}`)
}
