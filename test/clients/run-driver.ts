/** Running a client's driver: a job in, a report out. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import type { ClientUnderTest, Job, Report } from './client.ts'

export type Driver = Awaited<ReturnType<ClientUnderTest['prepare']>>

/** A driver that is silent for so long after its client's own time-outs hangs. */
const GRACE_MS = 60_000

/** Rejects if the driver does not end, or says nothing of what came of its records. */
export async function runDriver({ command, args, env }: Driver, job: Job, directory: string): Promise<Report> {
  const child = spawn(command, args, { cwd: directory, env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'pipe'] })
  child.stdin.on('error', () => {})
  child.stdin.end(JSON.stringify(job))
  let complaints = ''
  // Some clients complain many times a second; the last words are those that matter.
  child.stderr.setEncoding('utf8').on('data', (words: string) => (complaints = (complaints + words).slice(-10_000)))
  let isLate = false
  const timer = setTimeout(() => {
    isLate = true
    child.kill('SIGKILL')
  }, job.timeoutMs + GRACE_MS)
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'close') as Promise<[number | null]>])
  clearTimeout(timer)
  if (isLate) throw new Error(`the driver does not end; it complained:\n${complaints}`)
  try {
    if (code === 0) return JSON.parse(output) as Report
  } catch {
    // Told below.
  }
  throw new Error(`the driver ended with ${code} and without a report: ${output}\n${complaints}`)
}
