/** The agents of this run, as tools/test-agents.mjs has chosen them, and how they are got ready. */
import { mkdirSync } from 'node:fs'
import { resolve } from 'node:path'
import { shorten } from '../clients/page.ts'
import type { AgentUnderTest, PreparedAgent } from './agent-under-test.ts'
import { agentsUnderTest } from './agents-under-test.ts'
import { idOf } from './configured.ts'

/** Enough to download compilers and libraries. */
export const PREPARE_MS = 30 * 60_000

const named = process.env['SLUICE_AGENTS']?.split(',')

export const chosen = agentsUnderTest.filter(agent => named?.includes(idOf(agent)) ?? true)

/** Where agents are installed and built. */
export function cacheDirectory(): string {
  const directory = resolve('.cache', 'agents')
  mkdirSync(directory, { recursive: true })
  return directory
}

/** The agent, or the reason why it is left out. */
export async function prepare(agent: AgentUnderTest): Promise<PreparedAgent | string> {
  process.stdout.write(`    ${idOf(agent)}: getting it ready …\n`)
  return agent.prepare(cacheDirectory()).catch((error: Error) => shorten(error.message))
}
