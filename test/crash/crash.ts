/**
 * `npm run test:crash`: a server that is killed again and again while clients send, for as many times as one likes.
 */
import { randomInt } from 'node:crypto'
import { parseArgs } from 'node:util'
import { hasProc } from '../support/server.ts'
import { runCampaign } from './campaign.ts'
import { Clock } from './clock.ts'
import { countProblems, formatState, newState, readState, targets, writeState, type Target } from './state.ts'

/** libfaketime has a lock for a server and its children, which one that is killed alone may hold for ever. */
const WITH_CLOCK: readonly Target[] = ['server', 'all', 'start']

const USAGE = `usage: npm run test:crash -- [--cycles N] [--kill PARTS] [--clock] [--seed S] [--resume FILE] [--json]

Starts a server, has clients send to it, and ends its processes with kill -9 again and again. Every few cycles what the
clients know is compared with what is stored.

  --cycles N     how many cycles, 100 if not given; about 2 s each
  --kill PARTS   what is killed: of ${targets.join(',')}; all of it if not given, but
                 with --clock ${WITH_CLOCK.join(',')}
  --clock        steps the server's clock back and forth over midnight before each kill; needs libfaketime
  --seed S       what is killed, and when, as in an earlier run
  --resume FILE  goes on from what the file holds, up to N cycles in all, and writes it after each comparison
  --json         prints the tally as JSON; progress goes to standard error
  --help         this text

Ctrl-C ends it after the cycle that runs. The exit code is 1 if there was an anomaly; then the data directory is kept.`

const { values } = parseArgs({
  options: {
    cycles: { type: 'string', default: '100' },
    kill: { type: 'string' },
    clock: { type: 'boolean', default: false },
    seed: { type: 'string' },
    resume: { type: 'string' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

function numberOf(name: string, text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text)
  console.error(`--${name} must be a whole number\n\n${USAGE}`)
  process.exit(1)
}

function parseTargets(text: string): Target[] {
  const parts = text.split(',')
  const found = targets.filter(target => parts.includes(target))
  if (found.length === parts.length) return found
  console.error(`--kill must be some of ${targets.join(',')}\n\n${USAGE}`)
  process.exit(1)
}

function openClock(): Clock {
  try {
    return new Clock()
  } catch (error) {
    console.error((error as Error).message)
    process.exit(1)
  }
}

/** The second Ctrl-C ends it where it stands; npm passes on the first one twice, at once. */
const TWICE_MS = 1000

function stopSignal(): AbortSignal {
  const stopping = new AbortController()
  let firstMs: number | undefined
  process.on('SIGINT', () => {
    if (firstMs !== undefined && performance.now() - firstMs > TWICE_MS) process.exit(130)
    firstMs ??= performance.now()
    stopping.abort()
  })
  return stopping.signal
}

if (values.help) console.log(USAGE)
else if (!hasProc) {
  console.error('processes are found through /proc, which only Linux has')
  process.exitCode = 1
} else {
  const report = (text: string): void => (values.json ? console.error(text) : console.log(text))
  const cycles = numberOf('cycles', values.cycles)
  const clock = values.clock ? openClock() : undefined
  const kill = values.kill === undefined ? (clock === undefined ? targets : WITH_CLOCK) : parseTargets(values.kill)
  const { resume } = values
  const resumed = resume === undefined ? undefined : readState(resume)
  const state = resumed ?? newState(values.seed === undefined ? randomInt(2 ** 31) : numberOf('seed', values.seed))
  report(resumed === undefined ? `seed ${state.seed}` : `seed ${state.seed}, after ${state.cycles} cycles`)
  const signal = stopSignal()
  await runCampaign({
    state,
    cycles,
    kill,
    clock,
    mayInstall: true,
    report,
    signal,
    ...(resume !== undefined && { onVerified: now => writeState(resume, now) }),
  })
  clock?.remove()
  if (resume !== undefined) writeState(resume, state)
  console.log(values.json ? JSON.stringify(state, null, 2) : `\n${formatState(state)}`)
  process.exit(countProblems(state) === 0 ? 0 : 1)
}
