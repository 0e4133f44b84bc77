/**
 * Asks before something is lost.
 */
import { createInterface } from 'node:readline/promises'
import { sluiceError } from '../base/errors.ts'

/** Resolves if the user agrees, here or beforehand with `--yes`. Rejects if he does not, or cannot be asked. */
export async function confirm(question: string, yes: boolean): Promise<void> {
  if (yes) return
  if (!process.stdin.isTTY) throw sluiceError('INVALID_ARGUMENT', { problem: `${question} Add --yes to agree.` })
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  try {
    const answer = await terminal.question(`${question} [y/N] `)
    if (!/^y(es)?$/i.test(answer.trim())) throw sluiceError('INVALID_ARGUMENT', { problem: 'nothing was changed' })
  } finally {
    terminal.close()
  }
}
