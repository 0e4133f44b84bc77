/**
 * `npm run test:fuzz`: a server under damaged requests, for as long as one likes.
 */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { drawSeed, runCampaign } from './campaign.ts'

const USAGE = `usage: npm run test:fuzz -- [--minutes N] [--seed S] [--case N]

Starts a server and sends it damaged requests, while a healthy client has to be served.

  --minutes N  for how long, 3 if not given
  --seed S     the cases of an earlier run: everything follows from the seed
  --case N     just the case of this number
  --help       this text

A case that breaks anything is written to a file below .cache/fuzz, and the exit code is 1.`

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '3' },
    seed: { type: 'string' },
    case: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
})

function numberOf(name: string, text: string): number {
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text)
  console.error(`--${name} must be a number\n\n${USAGE}`)
  process.exit(1)
}

if (values.help) console.log(USAGE)
else {
  const seed = values.seed === undefined ? drawSeed() : numberOf('seed', values.seed)
  console.log(`seed ${seed}`)
  const failuresDirectory = join('.cache', 'fuzz')
  const amount =
    values.case === undefined ? { minutes: numberOf('minutes', values.minutes) } : { only: numberOf('case', values.case) }
  const report = (text: string): void => console.log(text)
  const { tally, failures } = await runCampaign({ seed, ...amount, failures: failuresDirectory, report })
  console.log(`\n${tally}`)
  if (failures.length > 0) console.log(`\n${failures.length} failures, written to ${failuresDirectory}:\n${failures.join('\n')}`)
  // Of a TLS connection that was damaged the client's half may be open for good.
  process.exit(failures.length > 0 ? 1 : 0)
}
