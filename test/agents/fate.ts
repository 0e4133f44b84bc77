/** What became of an agent's records, in words, and whether that is what its page says. */
import assert from 'node:assert/strict'
import { agents } from '../../src/agents/agents.ts'
import type { AgentUnderTest } from './agent-under-test.ts'
import type { Condition } from './conditions.ts'
import { expectedFates } from './expected.ts'
import { findComplaint, isSaid } from './words.ts'

/** `stops`: not even what came afterwards arrives. */
export type Fate = 'nothing lost' | 'some lost' | 'stops'

/** By the numbers of the records that are lost, and which of them came when all was well again. */
export function fateOf(lost: readonly number[], { from, to }: { from: number; to: number }): Fate {
  if (lost.length === 0) return 'nothing lost'
  return lost.filter(n => n >= from).length === to - from ? 'stops' : 'some lost'
}

export function describeFate(
  { name }: Condition,
  { fate, lost, twice, others }: { fate: Fate; lost: number; twice: number; others: number },
): string {
  const parts = others === 1 ? 'the record is cut' : `the record comes in ${others} parts`
  const large = others === 0 ? 'the record alone is lost' : parts
  const kept = name === 'large' ? large : 'nothing lost'
  const words = { 'nothing lost': kept, 'some lost': `${lost} lost`, stops: `${lost} lost, and it sends no more` }
  return `${words[fate]}${twice === 0 ? '' : `, ${twice} twice`}`
}

/** What the page of an agent says of a refusal, by what goes wrong. */
const causeOf = { revoked: 'refused', missing: 'unknown' } as const

export function assertAsThePageSays(
  { name }: Condition,
  { name: agentName }: AgentUnderTest,
  { fate, printed, logstore }: { fate: Fate; printed: string; logstore: string },
): void {
  if (name !== 'revoked' && name !== 'missing' && name !== 'large') return
  const expected = expectedFates[agentName]?.[name]
  if (expected === undefined) {
    process.stdout.write(`      test/agents/expected.ts does not say what ${agentName} does: ${fate}\n`)
    return
  }
  assert.equal(fate, expected.fate)
  const page = agents.find(agent => agent.name === agentName)
  if (page === undefined) return
  assert(
    [...page.keeps, page.then].some(text => text.includes(expected.page!)),
    `the page does not say: ${expected.page}`,
  )
  if (name === 'large') return
  const says = page.says[causeOf[name]]
  if (says === undefined) assert.equal(findComplaint(printed, logstore), '')
  else assert(isSaid(printed, says, logstore), `it does not say "${says}", but: ${printed}`)
}
