/**
 * Runs simulations of sources that were broken on purpose: whoever believes a simulation that finds nothing must have seen it find
 * something.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Mutation } from './mutations.ts'

/** The compiled tree that this runs from. */
const compiled = fileURLToPath(new URL('../..', import.meta.url))
/** Beside the compiled tree, so that packages are found as from there. */
const workplace = join(compiled, '..', '.cache')

/** The seed that has found a mutation, or why none has. */
export type Verdict = { seed: number; failure: string } | { problem: string }

/** Runs up to `seeds` simulations with a mutation, from the seed `first` on. */
export function tryMutation({ changes }: Mutation, { first, seeds }: { first: number; seeds: number }): Verdict {
  mkdirSync(workplace, { recursive: true })
  const tree = mkdtempSync(join(workplace, 'sim-'))
  try {
    for (const directory of ['protocol', 'src', 'test/sim', 'test/support', 'test/protocol'])
      cpSync(join(compiled, directory), join(tree, directory), { recursive: true, filter: path => !path.endsWith('.map') })
    for (const { file, from, to } of changes) {
      const parts = readFileSync(join(tree, file), 'utf8').split(from)
      if (parts.length !== 2) return { problem: `it is stale: what it changes stands ${parts.length - 1} times in ${file}` }
      writeFileSync(join(tree, file), parts.join(to))
    }
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [join(tree, 'test/sim/sim.js'), '--seed', String(first), '--seeds', String(seeds)],
      { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 },
    )
    const [, seed, failure] = /^seed (\d+): (.*)$/m.exec(stdout) ?? []
    if (status === 1 && seed !== undefined) return { seed: Number(seed), failure: failure! }
    return { problem: status === 0 ? `${seeds} seeds have not found it` : `the simulation broke: ${stderr}` }
  } finally {
    rmSync(tree, { recursive: true })
  }
}
