/**
 * `npm run test:soak`: a server under a mixed load for a long time, with restarts; what it holds is sampled and plotted.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { plot, type Mark } from '../../tools/plot/time.ts'
import { hasProc, Server } from '../support/server.ts'
import { Verifier } from '../support/verifier.ts'
import { Load, logstores } from './clients.ts'
import { findTrends, roles, takeSample, type Sample } from './samples.ts'

const USAGE = `usage: npm run test:soak -- [--minutes N] [--plot FILE]

Starts a server, has clients of all kinds send to it, stops it and kills it now and then, and looks whether anything is lost and
whether its memory and its open files grow.

  --minutes N  for how long, 30 if not given
  --plot FILE  where the plot goes, docs/soak.svg if not given
  --help       this text

The exit code is 1 if what was acknowledged is not what is stored, or if anything grows.`

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '30' },
    plot: { type: 'string', default: 'docs/soak.svg' },
    help: { type: 'boolean', default: false },
  },
})

const SAMPLE_MS = 1000
const PROGRESS_MS = 30_000
/** A run has so many stretches; each ends with a comparison and a restart, in turns in order and by SIGKILL, but for the last. */
const STRETCHES = 6
const MiB = 1024 * 1024

/** What goes wrong, as sentences. */
const problems: string[] = []

async function run(minutes: number): Promise<void> {
  const server = await Server.start({ settings: { journal: { segmentBytes: '4 MiB' } } })
  try {
    await soak(server, minutes)
  } catch (error) {
    problems.push((error as Error).message)
  }
  if (problems.length === 0) return server.remove()
  server.abandon()
  console.log(`the data directory is kept: ${server.data}`)
}

async function soak(server: Server, minutes: number): Promise<void> {
  const load = new Load(server)
  await server.whenReady()
  await load.start(text => console.log(text))
  const beganAt = Date.now()
  const seconds = (): number => (Date.now() - beganAt) / 1000
  const verifier = new Verifier(server, logstores)
  const samples: Sample[] = []
  const restarts: Mark[] = []
  let compared = 0
  let unpromised = 0
  let stored = 0
  const promising = load.streams.filter(({ promised }) => promised !== 'none')
  const acknowledged = (): number => promising.reduce((sum, stream) => sum + stream.acknowledged, compared)
  const sampling = setInterval(() => samples.push(takeSample(server, seconds(), acknowledged())), SAMPLE_MS)
  const progress = setInterval(() => {
    const last = samples.at(-1)
    const memory = roles.map(role => `${role} ${Math.round((last?.memoryBytes[role] ?? 0) / MiB)} MiB`).join(', ')
    console.log(
      `${Math.round(seconds())} s: ${acknowledged().toLocaleString('en')} records acknowledged, ${load.came} clients came and went, ` +
        `${load.refused} were refused; ${memory}`,
    )
  }, PROGRESS_MS)

  async function compare(): Promise<void> {
    await load.pause()
    for (const { anomalies, problem, rows } of await verifier.verify(load.streams)) {
      stored += rows.length
      problems.push(
        ...anomalies.map(({ kind, topic, stream, number, detail }) => `${kind}: ${number} of ${stream} in ${topic} ${detail}`),
      )
      if (problem !== undefined) problems.push(problem)
    }
    for (const stream of load.streams) {
      if (stream.promised === 'none') unpromised += stream.acknowledged
      else compared += stream.acknowledged
      if (stream.givenUp > 0) problems.push(`${stream.name} gave up ${stream.givenUp} records`)
      stream.forget()
    }
  }

  try {
    for (let stretch = 1; stretch <= STRETCHES && problems.length === 0; stretch++) {
      await delay(Math.max(0, (minutes * 60 * stretch) / STRETCHES - seconds()) * 1000)
      if (stretch < STRETCHES) {
        // Under load, as it happens to servers; what the clients know is compared when they have gone on.
        const signal = stretch % 2 === 1 ? 'SIGTERM' : 'SIGKILL'
        restarts.push({ minutes: seconds() / 60, label: signal })
        await server.kill(signal)
        await server.restart()
        server.log.length = 0
      }
      await compare()
      load.resume()
    }
  } finally {
    clearInterval(sampling)
    clearInterval(progress)
    await Promise.race([load.close(), delay(30_000)])
  }

  writePlot(samples, restarts)
  const [sent, taken, found] = [unpromised, compared, stored].map(count => count.toLocaleString('en'))
  console.log(`\n${taken} records were acknowledged, ${sent} more were sent with acks = 0; ${found} rows are stored`)
  console.log(
    `${load.came} clients came and went, ${load.refused} were refused, the server was restarted ${restarts.length} times`,
  )
  for (const { what, second, last, isFlat } of findTrends(samples)) {
    const show = (value: number): string => (what.startsWith('memory') ? `${Math.round(value / MiB)} MiB` : String(value))
    console.log(`${what}: median ${show(second)} in the second quarter, ${show(last)} in the last`)
    if (!isFlat) problems.push(`the ${what} grows: ${show(second)} in the second quarter, ${show(last)} in the last`)
  }
}

function writePlot(samples: readonly Sample[], restarts: readonly Mark[]): void {
  const minutesOf = ({ seconds }: Sample): number => seconds / 60
  const line = (name: string, valueOf: (sample: Sample) => number | undefined) => ({
    name,
    points: samples.flatMap(sample => {
      const value = valueOf(sample)
      return value === undefined ? [] : [{ minutes: minutesOf(sample), value }]
    }),
  })
  const rate = samples.slice(1).map((sample, index) => {
    const before = samples[index]!
    const value = (sample.acknowledged - before.acknowledged) / (sample.seconds - before.seconds)
    return { minutes: minutesOf(sample), value }
  })
  const svg = plot({
    title: 'A server under a mixed load, and its restarts',
    panels: [
      {
        title: 'Resident memory',
        unit: 'MiB',
        lines: roles.map(role => line(role, ({ memoryBytes }) => memoryBytes[role] && memoryBytes[role] / MiB)),
      },
      { title: 'Open files', unit: 'number', lines: roles.map(role => line(role, ({ files }) => files[role])) },
      { title: 'Acknowledged', unit: 'logs per second', lines: [{ name: 'all', points: rate }] },
    ],
    marks: restarts,
  })
  mkdirSync(dirname(values.plot), { recursive: true })
  writeFileSync(values.plot, svg)
  console.log(`\nthe plot is ${values.plot}, ${Math.ceil(svg.length / 1000)} KB`)
}

if (values.help) console.log(USAGE)
else if (!hasProc) {
  console.error('processes are found through /proc, which only Linux has')
  process.exitCode = 1
} else if (!/^\d+(\.\d+)?$/.test(values.minutes)) {
  console.error(`--minutes must be a number\n\n${USAGE}`)
  process.exitCode = 1
} else {
  process.once('SIGINT', () => process.exit(130))
  await run(Number(values.minutes))
  console.log(problems.length === 0 ? '\nall of it is stored, and nothing grows' : `\n${problems.slice(0, 50).join('\n')}`)
  process.exit(problems.length === 0 ? 0 : 1)
}
