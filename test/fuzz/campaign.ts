/**
 * Runs cases against a whole server, for a time or for a number of them, and watches it all the while:
 *
 *     cases ──▶ server ◀── a healthy client            answers and log lines of each case are compared with the oracle's
 *                 ▲
 *     every second: do its processes live, are they the same, is their memory bounded, does it warn, does it index
 *     at the end:   is everything that was acknowledged stored, are connections and files closed, does it stop and start again
 */
import { randomInt } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { defaultLimits } from '../../src/config/limits.ts'
import { hasProc, Server, type LogLine } from '../support/server.ts'
import { until } from '../support/wait.ts'
import { makeCase, type Case } from './cases.ts'
import { ACCESS_KEY, OTHER_TOPIC, PROJECT, readCorpus, SERVER_NAME, TOPIC } from './corpus.ts'
import { HealthyClient } from './healthy.ts'
import { endingOf, expectationOf, type Ending, type Expectation } from './oracle.ts'
import { HANG_MS, play, type Played } from './play.ts'
import { assertAcknowledged, type AcknowledgedBy } from './stored.ts'
import { Tally } from './tally.ts'

export interface CampaignOptions {
  seed: number
  /** How many cases, or for how long; or just the one of that number. */
  cases?: number
  minutes?: number
  only?: number
  /** Where cases that fail are written to. */
  failures: string
  /** Called with what is to be shown. */
  report: (text: string) => void
}

export interface Outcome {
  tally: Tally
  /** A sentence for each failure. */
  failures: readonly string[]
}

/** A case that runs or has run, known by the port of its client; by its number, since there are many and some are large. */
interface Watched {
  number: number
  /** What the log may say of its end, and what it has said. */
  allowed: ReadonlySet<Ending>
  endings: Ending[]
}

const CONCURRENCY = 6
/** Cases that dawdle stay open while others come and go, beside those. */
const MAX_DAWDLING = 64
/** So many other cases come and go between two steps of one that dawdles; if there are no others, it takes this long. */
const DAWDLE_CASES = 10
const DAWDLE_MS = 50
const MAX_FAILURES = 10
const POLL_MS = 10
const WATCH_MS = 1000
const PROGRESS_MS = 5000
/** Indexing that brings no row of the healthy client for so long has stopped; a batch of a million records takes seconds. */
const INDEXING_MS = 60_000

const MiB = 1024 * 1024

/**
 * What a process may have in memory. `serve`: 120 MiB by itself, 272 of requests, 128 of a message set that is decompressed, as much
 * again for the batch made of it, and what the collector has not got to. The indexer: 96 MiB of rows that wait, and 128 of
 * a batch that is decompressed, twice while its rows are made. The engine: 400 MB that it is given, and 200 of its own.
 */
const MEMORY_BYTES = { serve: 1024 * MiB, indexer: 768 * MiB, engine: 900 * MiB }
/** Files that come and go beside connections: two segments of the journal, a checkpoint, the catalog, those of the control socket. */
const SPARE_FILES = 12

/** Nothing but a handshake is ended for the time that it takes: all clients come from one address, and some dawdle. */
const limits = { exemptNetworks: ['127.0.0.0/8'], handshakeMs: '6 s', unauthenticatedMs: '10 min' }

export function drawSeed(): number {
  return randomInt(2 ** 31)
}

export async function runCampaign(options: CampaignOptions): Promise<Outcome> {
  // Each connection that is lost has a line of that level.
  const server = await Server.start({ hosts: [SERVER_NAME], settings: { limits, log: { level: 'debug' } } })
  try {
    await server.createLogstore(`${PROJECT}/${TOPIC}`, { shards: 1 })
    await server.createLogstore(`${PROJECT}/${OTHER_TOPIC}`, { shards: 3 })
    await server.createKey(PROJECT, ACCESS_KEY)
    await server.whenReady()
    return await new Campaign(server, options).run()
  } finally {
    await server.remove().catch(() => {})
  }
}

class Campaign {
  readonly #server: Server
  readonly #options: CampaignOptions
  readonly #corpus = readCorpus()
  readonly #tally = new Tally()
  readonly #failures: string[] = []
  readonly #acknowledged: AcknowledgedBy[] = []
  readonly #watched = new Map<number, Watched>()
  readonly #running = new Set<Case>()
  readonly #dawdling = new Set<Promise<void>>()
  /** Cases that dawdle, and the number of cases that must be over before they go on. */
  #waiting: { from: number; resume: () => void }[] = []
  #finished = 0
  #next = 0
  #endAt = Infinity
  #isOver = false
  #isStopping = false
  /** Nothing is sent any more: what was acknowledged is looked for. */
  #isFinishing = false
  #pids: Record<string, number> = {}
  #warnings = 0

  constructor(server: Server, options: CampaignOptions) {
    this.#server = server
    this.#options = options
  }

  async run(): Promise<Outcome> {
    const healthy = await HealthyClient.start(this.#server)
    await until('records of the healthy client', () => healthy.acknowledged > 0)
    const base = await this.#resources()
    this.#pids = this.#findPids()
    this.#endAt = Date.now() + (this.#options.minutes ?? Infinity) * 60_000
    const watching = [this.#readLog(), this.#watch(healthy)]
    const { only } = this.#options
    if (only !== undefined) await this.#play(only)
    else await Promise.all(Array.from({ length: CONCURRENCY }, () => this.#work()))
    await Promise.all(this.#dawdling)
    if (!this.#isStopping) await this.#check('the end', () => this.#finish(healthy, base))
    this.#isOver = true
    await Promise.all([...watching, healthy.stop()])
    this.#tally.worstWaitMs = healthy.worstWaitMs
    return { tally: this.#tally, failures: this.#failures }
  }

  async #work(): Promise<void> {
    while (!this.#isStopping && Date.now() < this.#endAt && this.#next < (this.#options.cases ?? Infinity)) {
      const number = this.#next++
      const playing = this.#play(number)
      if (this.#dawdling.size < MAX_DAWDLING && this.#isDawdler(number)) {
        const dawdling: Promise<void> = playing.finally(() => this.#dawdling.delete(dawdling))
        this.#dawdling.add(dawdling)
      } else await playing
    }
  }

  #isDawdler(number: number): boolean {
    // Handshakes that cannot come to an end are waited for until they take too long.
    const takesLong = ({ dawdles, end, transport }: Case): boolean => dawdles || end === 'deaf' || transport === 'plain'
    return [...this.#running].some(running => running.number === number && takesLong(running))
  }

  #make(number: number): Case {
    return makeCase(this.#options.seed, number, this.#corpus)
  }

  async #play(number: number): Promise<void> {
    const made = this.#make(number)
    this.#running.add(made)
    const expectation = expectationOf(Buffer.concat(made.chunks), defaultLimits)
    const watched: Watched = { number, allowed: allowedEndings(made, expectation), endings: [] }
    const played = await play(this.#server, made, expectation, {
      onPort: port => void this.#watched.set(port, watched),
      dawdle: () => this.#dawdle(),
    })
    try {
      if (played.problem !== undefined) throw new Error(played.problem)
      this.#checkAnswers(made, expectation, played, watched)
      await this.#checkEnding(made, expectation, played, watched)
    } catch (error) {
      if (!this.#isStopping) this.#fail((error as Error).message, made, played)
    }
    this.#running.delete(made)
    this.#tally.addCase(made.kind, watched.endings)
    this.#finished++
    const due = this.#waiting.filter(({ from }) => from <= this.#finished)
    this.#waiting = this.#waiting.filter(({ from }) => from > this.#finished)
    for (const { resume } of due) resume()
  }

  #dawdle(): Promise<void> {
    return new Promise(resolve => {
      setTimeout(resolve, DAWDLE_MS)
      this.#waiting.push({ from: this.#finished + DAWDLE_CASES, resume: resolve })
    })
  }

  #checkAnswers(
    { transport, number, end }: Case,
    { answers, certain }: Expectation,
    { frames }: Played,
    { endings }: Watched,
  ): void {
    if (transport === 'plain') return
    if (frames.length > answers.length) throw new Error(`${frames.length} answers to ${answers.length} requests`)
    frames.forEach((frame, index) => {
      try {
        const { api, codes, acknowledged } = answers[index]!(frame)
        this.#tally.addAnswer(api, codes)
        this.#acknowledged.push(...acknowledged.map(batch => ({ ...batch, by: number })))
      } catch (error) {
        throw new Error(`answer ${index}: ${(error as Error).message}`, { cause: error })
      }
    })
    const isWhole = transport === 'tls' && (end === 'answers' || end === 'fin')
    if (isWhole && frames.length < certain && !endings.includes('busy'))
      throw new Error(`${frames.length} answers, not ${certain}`)
  }

  /** A connection that the server ended has a line that says why. */
  async #checkEnding(made: Case, expectation: Expectation, { endedByServer }: Played, { endings }: Watched): Promise<void> {
    const { transport, end } = made
    const isWhole = end === 'answers' || end === 'fin'
    const { ends, endsLater, isCut } = expectation
    // A client that is gone is not told of a batch that is refused later.
    const mustEnd = transport === 'tls' && isWhole && (ends || isCut || (endsLater && end === 'answers'))
    const mustFail = transport === 'plain' && isWhole
    if (!mustEnd && !mustFail && !endedByServer) return
    const deadline = Date.now() + HANG_MS
    while (endings.length === 0) {
      if (Date.now() > deadline) throw new Error('the connection ended and the log does not say why')
      await delay(POLL_MS)
    }
    // Who is told goodbye may be gone already.
    const farewells = endings.filter(ending => ending !== 'lost')
    if (farewells.length > 1) throw new Error(`the log says more than once why the connection ended: ${farewells.join()}`)
  }

  async #readLog(): Promise<void> {
    while (!this.#isOver) {
      for (const line of this.#server.log.splice(0)) this.#readLine(line)
      await delay(POLL_MS)
    }
  }

  #readLine(line: LogLine): void {
    const port = typeof line['peer'] === 'string' ? Number(line['peer'].split(':').at(-1)) : undefined
    const watched = port === undefined ? undefined : this.#watched.get(port)
    const ending = endingOf(line)
    if (watched !== undefined && ending !== undefined) {
      watched.endings.push(ending)
      if (!watched.allowed.has(ending))
        this.#fail(`it was not to end like this: ${JSON.stringify(line).slice(0, 2000)}`, this.#make(watched.number))
    }
    // The engine has a bound, and an insert beside a merge of large logs may have to be tried again.
    if (/MEMORY_LIMIT_EXCEEDED/.test(String(line['problem']))) return void this.#tally.memoryWaits++
    // Nothing that a client sends is worth a warning, let alone an error: those are about the server's own disk, engine and bugs.
    // But for a client that is gone before it is accepted: it has no address any more, and is in no network then.
    const isNobody = line['source'] === ''
    if (Number(line['level']) >= 40 && !isNobody && this.#warnings++ < MAX_FAILURES)
      this.#fail(`the server warned: ${JSON.stringify(line).slice(0, 2000)}`, watched && this.#make(watched.number))
  }

  async #watch(healthy: HealthyClient): Promise<void> {
    const { report } = this.#options
    const startedAt = Date.now()
    let progressAt = startedAt + PROGRESS_MS
    let indexed = { rows: 0, at: startedAt }
    while (!this.#isOver) {
      await delay(WATCH_MS)
      if (this.#isStopping || this.#isOver) continue
      this.#watchProcesses()
      if (healthy.problem !== undefined) this.#giveUp(healthy.problem)
      if (Date.now() < progressAt || this.#isStopping) continue
      progressAt = Date.now() + PROGRESS_MS
      const rows = await this.#server.countRows(`${PROJECT}/healthy`).catch(() => indexed.rows)
      if (rows > indexed.rows) indexed = { rows, at: Date.now() }
      if (Date.now() - indexed.at > INDEXING_MS && !this.#isFinishing)
        this.#giveUp(`nothing was indexed for ${INDEXING_MS / 1000} s`)
      const seconds = Math.round((Date.now() - startedAt) / 1000)
      const behind = healthy.acknowledged - rows
      report(
        `${seconds} s: ${this.#finished} cases, ${this.#dawdling.size} dawdle, ${healthy.acknowledged} records of the healthy client, ` +
          `${behind} not indexed yet; ${this.#tally.memoryLine}`,
      )
    }
  }

  /** The same processes as in the beginning, and none of them too large. */
  #watchProcesses(): void {
    if (!hasProc) return
    const found = this.#findPids()
    for (const [role, pid] of Object.entries(this.#pids))
      if (found[role] !== pid)
        return this.#giveUp(`the ${role} ended, or was started again: ${pid} is ${found[role] ?? 'no process'} now`)
    for (const [role, pid] of Object.entries(found)) {
      const bytes = residentBytes(pid)
      this.#tally.addMemory(role, bytes)
      const most = MEMORY_BYTES[role as keyof typeof MEMORY_BYTES]
      if (bytes > most)
        this.#giveUp(`the ${role} has ${Math.round(bytes / MiB)} MiB in memory, at most ${most / MiB} were expected`)
    }
  }

  #findPids(): Record<string, number> {
    const found = this.#server.processes.filter(({ role }) => role !== undefined)
    return Object.fromEntries(found.map(({ pid, role }) => [role!, pid]))
  }

  /** What connections cost, as long as there are any. */
  async #resources(): Promise<{ connections: number; files: number }> {
    const { text } = await this.#server.get('/metrics')
    const connections = Number(/^sluice_connections (\d+)/m.exec(text)?.[1])
    return { connections, files: hasProc ? readdirSync(`/proc/${this.#server.pid}/fd`).length : 0 }
  }

  async #finish(healthy: HealthyClient, base: { connections: number; files: number }): Promise<void> {
    const server = this.#server
    this.#isFinishing = true
    await until('the end of all connections but the healthy one', async () => {
      const { connections, files } = await this.#resources()
      return connections === base.connections && files <= base.files + SPARE_FILES
    })
    await healthy.stop()
    if (healthy.problem !== undefined) throw new Error(healthy.problem)
    await healthy.assertStored()
    this.#tally.rows = await assertAcknowledged(server, `${PROJECT}/${TOPIC}`, this.#acknowledged)
    this.#watchProcesses()
    this.#pids = {}
    const code = await server.kill('SIGTERM')
    if (code !== 0) throw new Error(`the server ended with ${code}`)
    await server.restart()
    const before = healthy.acknowledged
    await healthy.resume()
    await until('acknowledgements after the restart', () => healthy.acknowledged > before || healthy.problem !== undefined)
    await healthy.stop()
    if (healthy.problem !== undefined) throw new Error(healthy.problem)
    await server.whenReady()
    await healthy.assertStored()
  }

  async #check(what: string, check: () => Promise<void>): Promise<void> {
    try {
      await check()
    } catch (error) {
      this.#fail(`${what}: ${(error as Error).message}`)
    }
  }

  /** What goes wrong for all: nothing after it says anything about its own case. */
  #giveUp(problem: string): void {
    if (this.#isStopping) return
    this.#fail(problem)
    this.#isStopping = true
  }

  #fail(problem: string, made?: Case, played?: Played): void {
    const { seed, failures, report } = this.#options
    const among = made === undefined ? [...this.#running] : [made]
    const numbers = among.map(({ number }) => number).join(' or ')
    const sentence = `seed ${seed}${numbers === '' ? '' : `, case ${numbers}`}: ${problem}`
    this.#failures.push(sentence)
    report(sentence)
    mkdirSync(failures, { recursive: true })
    const file = join(failures, `${seed}-${made?.number ?? `all-${this.#failures.length}`}.txt`)
    const repeat = among.map(({ number }) => `npm run test:fuzz -- --seed ${seed} --case ${number}\n`).join('')
    writeFileSync(
      file,
      `${problem}\n\n${repeat}${among.map(one => describeCase(one, one === made ? played : undefined)).join('')}`,
    )
    if (this.#failures.length >= MAX_FAILURES) this.#isStopping = true
  }
}

function allowedEndings({ transport, end }: Case, { endings, isCut }: Expectation): Set<Ending> {
  if (transport === 'plain') return new Set<Ending>(['handshake failed'])
  const allowed = new Set(endings)
  if (isCut) allowed.add('cut')
  // Whoever resets the connection, or damages it, may do so at any moment.
  const others: Ending[] = ['lost', 'cut', 'handshake failed']
  if (transport === 'tampered' || end === 'reset' || end === 'deaf') for (const other of others) allowed.add(other)
  return allowed
}

const MOST_BYTES = 100_000

function describeCase({ number, kind, transport, dawdles, end, chunks }: Case, played?: Played): string {
  const sent = Buffer.concat(chunks)
  const answers = played === undefined ? '' : `\nanswers\n${played.frames.map(hexOf).join('\n')}\n`
  return `\ncase ${number}: ${kind}, ${transport}, end: ${end}${dawdles ? ', dawdles' : ''}, ${chunks.length} writes, ${sent.length} bytes\n${hexOf(sent)}\n${answers}`
}

function hexOf(bytes: Buffer): string {
  return (
    bytes.subarray(0, MOST_BYTES).toString('hex') + (bytes.length > MOST_BYTES ? ` and ${bytes.length - MOST_BYTES} more` : '')
  )
}

function residentBytes(pid: number): number {
  try {
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 0) * 1024
  } catch {
    return 0
  }
}
