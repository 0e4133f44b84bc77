/** Which records of an agent are in its logstore: those that are missing, those that are there twice, and what is no record of it. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Server } from '../support/server.ts'
import type { Row, RunningAgent } from './agent-under-test.ts'
import { PROJECT } from './configured.ts'

const POLL_MS = 500

export interface Stock {
  rows: readonly Row[]
  /** The rows of each record. */
  byNumber: Map<number, Row[]>
  /** Those that are no record of the agent. */
  others: Row[]
  /** How many rows there are too many. */
  twice: number
}

export async function readStock(server: Server, logstore: string, agent: RunningAgent): Promise<Stock> {
  const rows = await server.query<Row>(`${PROJECT}/${logstore}`, 'SELECT content, _key, _fields, _error FROM log')
  const byNumber = new Map<number, Row[]>()
  const others: Row[] = []
  for (const row of rows) {
    const number = agent.numberOf(row)
    if (number === undefined) others.push(row)
    else byNumber.set(number, [...(byNumber.get(number) ?? []), row])
  }
  return { rows, byNumber, others, twice: rows.length - others.length - byNumber.size }
}

/** The records up to a number that are not there. */
export function findLost({ byNumber }: Stock, records: number): number[] {
  return Array.from({ length: records }, (_, n) => n).filter(n => !byNumber.has(n))
}

/** Resolves when all records are there, or when none has come for so long; with whether they are. */
export async function waitForRecords(
  server: Server,
  { logstore, agent, records, quietMs }: { logstore: string; agent: RunningAgent; records: number; quietMs: number },
): Promise<boolean> {
  let rows = 0
  let changedMs = performance.now()
  for (;;) {
    // While the engine starts again, or there is no logstore, there is no answer.
    const stock = await readStock(server, logstore, agent).catch(() => undefined)
    if (stock !== undefined && findLost(stock, records).length === 0) return true
    if (stock !== undefined && stock.rows.length !== rows) {
      rows = stock.rows.length
      changedMs = performance.now()
    }
    if (performance.now() - changedMs > quietMs) return false
    await delay(POLL_MS)
  }
}
