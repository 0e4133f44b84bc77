/**
 * What each agent does when something goes wrong: all of them send to one server, which is slow, refuses, is killed or does not know
 * them, and is well again. `npm run test:agents -- --failures` runs it.
 */
import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { hasProc, Server } from '../support/server.ts'
import { waitUntilIndexed } from '../support/verifier.ts'
import type { AgentUnderTest, PreparedAgent, RunningAgent } from './agent-under-test.ts'
import { chosen, PREPARE_MS, prepare } from './chosen.ts'
import { conditions, type Condition } from './conditions.ts'
import { configureAgent, idOf, listeners } from './configured.ts'
import { mayLose } from './expected.ts'
import { assertAsThePageSays, describeFate, fateOf } from './fate.ts'
import { addFailure, addSkipped } from './page.ts'
import { findLost, readStock, waitForRecords } from './stock.ts'
import { findComplaint } from './words.ts'

/** Records up to the first number come before something goes wrong, up to the second meanwhile, up to the third afterwards. */
const [BEFORE, MEANWHILE, RECORDS] = [100, 200, 300] as const
/** Agents wait for up to half a minute before they try again, and longer if they always had to wait. */
const QUIET_MS = 60_000
const CONDITION_MS = 15 * 60_000

/** An agent under one condition. */
interface Participant {
  agent: AgentUnderTest
  logstore: string
  format: string | undefined
  password: string
  running: RunningAgent
}

interface Outcome {
  lost: number[]
  twice: number
  rows: number
  others: number
  printed: string
}

describe('when things go wrong', () => {
  const prepared = new Map<AgentUnderTest, PreparedAgent>()

  before(async function () {
    if (!hasProc) this.skip()
    this.timeout(chosen.length * PREPARE_MS)
    for (const agent of chosen) {
      const found = await prepare(agent)
      if (typeof found === 'string') addSkipped(agent, found)
      else prepared.set(agent, found)
    }
  })

  for (const condition of conditions)
    describe(condition.title, () => {
      let outcomes: Map<AgentUnderTest, Outcome | Error>

      before(async function () {
        this.timeout(CONDITION_MS)
        outcomes = await run(condition, prepared)
      })

      for (const agent of chosen)
        it(idOf(agent), function () {
          const outcome = outcomes.get(agent)
          if (outcome === undefined) this.skip()
          if (outcome instanceof Error) throw outcome
          const { lost, twice, rows, printed, others } = outcome
          const { name, variant } = agent
          const fate = fateOf(lost, { from: MEANWHILE, to: RECORDS })
          addFailure({
            agent: name,
            variant,
            version: prepared.get(agent)!.version,
            condition: condition.name,
            records: RECORDS,
            rows,
            lost: lost.length,
            twice,
            printed: findComplaint(printed, logstoreOf(agent)),
            verdict: describeFate(condition, { fate, lost: lost.length, twice, others }),
          })
          if (condition.mustKeep) {
            if (mayLose[name] === undefined) assert.deepEqual(lost, [], printed)
          } else assertAsThePageSays(condition, agent, { fate, printed, logstore: logstoreOf(agent) })
        })
    })
})

/** No word that agents say of themselves. */
function logstoreOf(agent: AgentUnderTest): string {
  return `${idOf(agent)}-logs`
}

/** Puts all agents under one condition; those that fail have their error. */
async function run(
  condition: Condition,
  prepared: ReadonlyMap<AgentUnderTest, PreparedAgent>,
): Promise<Map<AgentUnderTest, Outcome | Error>> {
  const outcomes = new Map<AgentUnderTest, Outcome | Error>()
  if (prepared.size === 0) return outcomes
  const server = await Server.start({ settings: { listeners, ...condition.settings } })
  const started: RunningAgent[] = []
  let participants: Participant[] = []

  /** Does something with each agent that has not failed yet, all at once. */
  async function each(act: (participant: Participant) => Promise<unknown>): Promise<void> {
    await Promise.all(
      participants.map(participant => act(participant).catch((error: Error) => void outcomes.set(participant.agent, error))),
    )
    participants = participants.filter(({ agent }) => !(outcomes.get(agent) instanceof Error))
  }

  const put = (from: number, to: number) => each(({ running }) => running.put(from, to))
  const wait = (records: number) =>
    each(({ running, logstore }) => waitForRecords(server, { logstore, agent: running, records, quietMs: QUIET_MS }))

  try {
    await server.whenReady()
    const setups = new Map<AgentUnderTest, Awaited<ReturnType<typeof configureAgent>>>()
    for (const agent of prepared.keys()) setups.set(agent, await configureAgent(server, agent.name, logstoreOf(agent), agent))
    await condition.prepare?.(server, [...setups.values()])
    for (const [agent, found] of prepared) {
      const setup = setups.get(agent)!
      try {
        const running = await found.start(setup)
        started.push(running)
        if (condition.name !== 'large' || running.putLarge !== undefined)
          participants.push({ agent, running, format: agent.format, ...setup })
      } catch (error) {
        outcomes.set(agent, error as Error)
      }
    }
    await put(0, BEFORE)
    if (condition.name !== 'missing') await wait(BEFORE)
    await put(BEFORE, (BEFORE + MEANWHILE) / 2)
    await condition.begin(server, participants)
    await put((BEFORE + MEANWHILE) / 2, MEANWHILE)
    await delay(condition.lastsMs)
    await condition.end(server, participants)
    await delay(condition.settlesMs ?? 0)
    await put(MEANWHILE, RECORDS)
    await wait(RECORDS)
    // Without what it says of its end.
    const printed = new Map(participants.map(({ agent, running }) => [agent, running.printed]))
    await each(({ running }) => running.stop())
    await waitUntilIndexed(server)
    await each(async ({ agent, running, logstore }) => {
      const stock = await readStock(server, logstore, running)
      for (const [n, rows] of stock.byNumber) for (const row of rows) running.assertSame(row, n)
      const { rows, twice, others } = stock
      const lost = findLost(stock, RECORDS)
      outcomes.set(agent, { lost, twice, others: others.length, rows: rows.length - others.length, printed: printed.get(agent)! })
    })
  } finally {
    for (const running of started) await running.stop().catch(() => {})
    await server.remove()
  }
  return outcomes
}
