/** What goes wrong while agents send: what the server does, and for how long. */
import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { ErrorCode } from '../../protocol/error-codes.ts'
import { RawClient } from '../support/raw-client.ts'
import type { Server } from '../support/server.ts'
import { until } from '../support/wait.ts'
import type { RunningAgent } from './agent-under-test.ts'
import { PROJECT } from './configured.ts'

export type ConditionName = 'slow' | 'refusing' | 'killed' | 'revoked' | 'missing' | 'large'

/** An agent that sends while something goes wrong. */
export interface Sender {
  logstore: string
  /** What its logstore has to be made with, if the agent needs that. */
  format?: string | undefined
  /** `ID#SECRET` of its own access key. */
  password: string
  running: RunningAgent
}

export interface Condition {
  name: ConditionName
  title: string
  /** What is done, as a sentence of the page. */
  about: string
  /** Whether the settings that are printed have to keep every record. */
  mustKeep: boolean
  settings?: Record<string, unknown>
  /** Before the agents start. */
  prepare?: (server: Server, senders: readonly Omit<Sender, 'running'>[]) => Promise<void>
  begin: (server: Server, senders: readonly Sender[]) => Promise<void>
  /** How long the agents send before it ends. */
  lastsMs: number
  end: (server: Server, senders: readonly Sender[]) => Promise<void>
  /** How long it takes after that until clients have come again. */
  settlesMs?: number
}

const KiB = 1024
/** Larger than anything that the server takes. */
const LARGE_BYTES = 17 * KiB * KiB

/** Of the batches that have filled the journal. */
let refusedToFill = 0

const nothing = () => Promise.resolve()

export const conditions: readonly Condition[] = [
  {
    name: 'slow',
    title: 'The server is slow',
    about:
      'It stands still (SIGSTOP) for 3 seconds three times, then for 35, which is longer than most clients wait for an answer.',
    mustKeep: true,
    async begin(server) {
      for (let time = 0; time < 3; time++) {
        process.kill(server.pid, 'SIGSTOP')
        await delay(3_000)
        process.kill(server.pid, 'SIGCONT')
        await delay(1_000)
      }
      process.kill(server.pid, 'SIGSTOP')
    },
    lastsMs: 35_000,
    end: server => Promise.resolve(void process.kill(server.pid, 'SIGCONT')),
  },
  {
    name: 'refusing',
    title: 'The server refuses for a while',
    about: 'Its journal is full and nothing is indexed, so that it answers NOT_ENOUGH_REPLICAS for 20 seconds.',
    mustKeep: true,
    settings: { journal: { segmentBytes: '1 MiB', maxBytes: '4 MiB' } },
    async begin(server) {
      process.kill(await until('the indexer', () => server.findPid('indexer')), 'SIGSTOP')
      await fillJournal(server)
    },
    lastsMs: 20_000,
    async end(server) {
      assert((await countRefused(server)) > refusedToFill, 'the agents were refused')
      process.kill(server.findPid('indexer')!, 'SIGCONT')
    },
  },
  {
    name: 'killed',
    title: 'The server is killed',
    about: 'It gets SIGKILL while it takes records, and is started again 20 seconds later.',
    mustKeep: true,
    begin: async server => void (await server.kill()),
    lastsMs: 20_000,
    async end(server) {
      await server.restart()
      await server.whenReady()
    },
  },
  {
    name: 'revoked',
    title: 'The access key is revoked',
    about:
      '`sluice key delete`; 20 seconds later `sluice key create` makes it again, with the same id and secret. A client that has ' +
      'logged in with a wrong key is disconnected after `limits.unauthenticatedMs`, which is 5 seconds here and 60 by default.',
    mustKeep: false,
    settings: { limits: { unauthenticatedMs: '5 s' } },
    async begin(server, senders) {
      for (const [id] of keysOf(senders)) await server.run('key', 'delete', PROJECT, id)
    },
    lastsMs: 20_000,
    async end(server, senders) {
      for (const [id, secret] of keysOf(senders)) await server.run('key', 'create', PROJECT, '--id', id, '--secret', secret)
    },
    settlesMs: 20_000,
  },
  {
    name: 'missing',
    title: 'The logstore is missing',
    about: 'It is not there when the agent starts; `sluice logstore create` makes it 40 seconds later.',
    mustKeep: false,
    async prepare(server, senders) {
      for (const { logstore } of senders) await server.run('logstore', 'delete', `${PROJECT}/${logstore}`, '--yes')
    },
    begin: nothing,
    lastsMs: 40_000,
    async end(server, senders) {
      for (const { logstore, format = 'auto' } of senders)
        await server.run('logstore', 'create', `${PROJECT}/${logstore}`, '--format', format)
    },
  },
  {
    name: 'large',
    title: 'A record is too large',
    about: 'One of 17 MiB comes between others; sluice takes 16 MiB, and many agents far less.',
    mustKeep: false,
    async begin(_server, senders) {
      for (const { running } of senders) await running.putLarge?.(LARGE_BYTES)
    },
    lastsMs: 1_000,
    end: nothing,
  },
]

/** Fills what room the journal has, to the last byte that is taken. */
async function fillJournal(server: Server): Promise<void> {
  await server.createLogstore('fill/logs')
  const client = await RawClient.login(server, 'fill', await server.createKey('fill'))
  for (let bytes = 256 * KiB; bytes > 10;) {
    const value = 'x'.repeat(bytes)
    const [answer] = await client.produce([{ topic: 'logs', batch: { records: [{ value }] } }])
    if (answer!.errorCode === ErrorCode.NOT_ENOUGH_REPLICAS) bytes = Math.floor(bytes / 16)
  }
  client.close()
  refusedToFill = await countRefused(server)
}

async function countRefused(server: Server): Promise<number> {
  const { text } = await server.get('/metrics')
  return Number(/^sluice_refused_total\{error="NOT_ENOUGH_REPLICAS"\} (\d+)$/m.exec(text)?.[1] ?? 0)
}

/** The different ones: agents without a login share one. */
function keysOf(senders: readonly Sender[]): [id: string, secret: string][] {
  return [...new Set(senders.map(({ password }) => password))].map(password => password.split('#') as [string, string])
}
