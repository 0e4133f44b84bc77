/**
 * `npm run test:sim`: simulations of the server, as many as one likes.
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { tryMutation } from './mutate.ts'
import { mutations } from './mutations.ts'
import { simulate } from './world.ts'

const USAGE = `usage: npm run test:sim -- [--seeds N] [--seed S] [--trace] [--mutations]

Runs the journal, ingest and the indexer in virtual time, over a disk, a network and a store that fail, through crashes, and
holds what is stored against what was sent. Everything follows from the seed.

  --seeds N    how many simulations, 1000 if not given
  --seed S     the first seed, 1 if not given
  --trace      shows every event
  --mutations  breaks the sources in known ways instead, and says which seed notices; at most N seeds each
  --help       this text

The first simulation that fails ends the run with the exit code 1.`

const { values } = parseArgs({
  options: {
    seeds: { type: 'string' },
    seed: { type: 'string', default: '1' },
    trace: { type: 'boolean', default: false },
    mutations: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

const SEEDS_PER_PROCESS = 250

const print = (line: string): void => console.log(line)

function numberOf(name: string, text: string): number {
  if (/^\d+$/.test(text)) return Number(text)
  console.error(`--${name} must be a whole number\n\n${USAGE}`)
  process.exit(1)
}

/** False if a simulation fails. */
async function runSeeds(first: number, seeds: number): Promise<boolean> {
  const startedMs = performance.now()
  const sums = { batches: 0, rows: 0, events: 0, elapsedMs: 0 }
  for (let seed = first; seed < first + seeds; seed++) {
    const { failure, last, ...counted } = await simulate(seed, values.trace ? print : undefined)
    if (failure !== undefined) {
      print(`seed ${seed}: ${failure}\n\nThe last events before:\n\n${last.join('\n')}\n`)
      print(`npm run test:sim -- --seed ${seed} --seeds 1 --trace\nrepeats it.`)
      return false
    }
    for (const name of ['batches', 'rows', 'events', 'elapsedMs'] as const) sums[name] += counted[name]
  }
  const { batches, rows, events, elapsedMs } = sums
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1)
  const hours = (elapsedMs / 3_600_000).toFixed(1)
  print(`${seeds} seeds in ${seconds} s: ${batches} batches, ${rows} rows, ${events} events, ${hours} hours of virtual time`)
  return true
}

/** As `runSeeds`, in processes of their own: what was going on in a simulation when its power went is never let go. */
function runMany(first: number, seeds: number): boolean {
  for (let done = 0; done < seeds; done += SEEDS_PER_PROCESS) {
    const next = String(Math.min(SEEDS_PER_PROCESS, seeds - done))
    const args = [fileURLToPath(import.meta.url), '--seed', String(first + done), '--seeds', next]
    const { status } = spawnSync(process.execPath, args, { stdio: 'inherit' })
    if (status !== 0) return false
  }
  print(`${seeds} seeds from ${first} on, nothing found`)
  return true
}

/** False if a mutation is not noticed. */
function runMutations(first: number, seeds: number): boolean {
  let areNoticed = true
  for (const mutation of mutations) {
    const verdict = tryMutation(mutation, { first, seeds })
    if ('problem' in verdict) areNoticed = false
    const said = 'problem' in verdict ? `NOT NOTICED: ${verdict.problem}` : `seed ${verdict.seed}: ${verdict.failure}`
    print(`${mutation.name} (${mutation.about})\n    ${said}`)
  }
  return areNoticed
}

if (values.help) print(USAGE)
else {
  const first = numberOf('seed', values.seed)
  const seeds = numberOf('seeds', values.seeds ?? '1000')
  const isFine = values.mutations
    ? runMutations(first, seeds)
    : seeds > SEEDS_PER_PROCESS
      ? runMany(first, seeds)
      : await runSeeds(first, seeds)
  if (!isFine) process.exitCode = 1
}
