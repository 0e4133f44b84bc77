/**
 * What the tests of the indexer share: a journal and an indexer on a file system in memory, tables in memory that can be broken,
 * and a clock that is moved by hand.
 */
import assert from 'node:assert/strict'
import { syncBuiltinESMExports } from 'node:module'
import { install, type Clock } from '@sinonjs/fake-timers'
import { sluiceError } from '../../../src/base/errors.ts'
import type { Files } from '../../../src/base/files.ts'
import { silentLog } from '../../../src/base/log.ts'
import type { FieldReport } from '../../../src/catalog/field-statistics.ts'
import type { Logstore } from '../../../src/catalog/model.ts'
import { Indexer } from '../../../src/indexing/indexer.ts'
import type { FromIndexer } from '../../../src/indexing/messages.ts'
import type { Journal } from '../../../src/journal/journal.ts'
import type { Store } from '../../../src/store/store.ts'
import { DIRECTORY, MYSQL, NGINX, take, turns } from '../journal/fixtures.ts'
import { readRows, type StoredRow } from '../../support/stored-rows.ts'
import { makeLogstore } from '../store/fixture.ts'

export const PARKED = `${DIRECTORY}/parked`
export const LOGSTORES = [makeLogstore({ id: NGINX, name: 'nginx' }), makeLogstore({ id: MYSQL, name: 'mysql' })]

/** A clock for a whole `describe`: time passes only when `pass` says so. File operations and promises go on by themselves. */
export function useClock(): void {
  let clock: Clock
  before(() => {
    clock = install({ now: 1_700_000_000_000, toFake: ['setTimeout', 'clearTimeout', 'Date'] })
    syncBuiltinESMExports()
    tick = ms => clock.tick(ms)
  })
  after(() => {
    clock.uninstall()
    syncBuiltinESMExports()
  })
}

let tick: (ms: number) => void

/** Lets time pass, until `isOver` says so if it is given. */
export async function pass(ms: number, isOver = () => false): Promise<void> {
  for (let passed = 0; passed < ms && !isOver(); passed += 50) {
    await turns(12)
    tick(50)
  }
  await turns(12)
}

/** Lets time pass until something is so; an hour is more than anything takes. */
export async function passUntil(what: string, isSo: () => boolean): Promise<void> {
  await pass(3_600_000, isSo)
  assert(isSo(), `${what} comes`)
}

/** How the table of a logstore is broken: it is another's, or it refuses inserts; or the whole store is away. */
export type Breakage = 'not ours' | 'refuses' | 'away'

/** Tables that outlive the process that fills them. */
export class MemoryTables {
  readonly #rows = new Map<string, StoredRow[]>()
  readonly broken = new Map<string, Breakage>()
  /** Which inserts end with a lost connection although they were made. */
  losesAnswer: () => boolean = () => false
  /** Logs that hold this are refused, unless they have an error. */
  poison = '\0'
  /** The logstores as the tables were made of them last, by id. */
  readonly made = new Map<string, Logstore>()
  /** Called before each insert. */
  onInsert: (rows: readonly StoredRow[]) => void = () => {}

  /** Tables that hold the same, and whose fate is their own. */
  copy(): MemoryTables {
    const copy = new MemoryTables()
    for (const [id, rows] of this.#rows) copy.#rows.set(id, rows)
    copy.poison = this.poison
    return copy
  }

  rows(logstoreId: string): StoredRow[] {
    return this.#rows.get(logstoreId) ?? []
  }

  contents(logstoreId: string): string[] {
    return this.rows(logstoreId).map(({ content }) => content.toString())
  }

  /** The store as one process has it; nothing it has begun goes on once `isDead`. */
  connect(isDead = () => false): Store {
    const call = async (id: string, ...breakages: Breakage[]): Promise<void> => {
      await turns(2)
      if (isDead()) await new Promise(() => {})
      const broken = this.broken.get(id)
      if (broken === undefined || !breakages.includes(broken)) return
      if (broken === 'away') throw sluiceError('STORE_UNAVAILABLE', { problem: 'it is away' })
      if (broken === 'not ours') throw sluiceError('TABLE_NOT_OURS', { table: id, found: 'it has no comment' })
      throw sluiceError('STORE_REFUSED', { problem: 'there is no such column' })
    }
    const store: Pick<
      Store,
      'ping' | 'ensureTable' | 'resolveInserts' | 'highestOffsets' | 'newestReceived' | 'insert' | 'dropLogstore'
    > = {
      ping: () => call(''),
      ensureTable: async logstore => {
        await call(logstore.id, 'not ours', 'away')
        this.made.set(logstore.id, logstore)
      },
      resolveInserts: ({ id }) => call(id, 'away'),
      highestOffsets: async ({ id }) => {
        await call(id, 'away')
        const highest = new Map<number, number>()
        for (const { shard, offset } of this.rows(id)) highest.set(shard, Math.max(offset, highest.get(shard) ?? -1))
        return highest
      },
      newestReceived: async ({ id }) => {
        await call(id, 'away')
        const newest = new Map<number, number>()
        for (const { shard, receivedMs } of this.rows(id)) newest.set(shard, Math.max(receivedMs, newest.get(shard) ?? 0))
        return newest
      },
      insert: async ({ id }, block) => {
        const rows = readRows(Buffer.from(block.encoded))
        this.onInsert(rows)
        await call(id, 'not ours', 'refuses', 'away')
        if (rows.some(({ content, error }) => error === '' && content.includes(this.poison)))
          throw sluiceError('STORE_REFUSED', { problem: 'a value cannot be read' })
        this.#rows.set(id, [...this.rows(id), ...rows])
        await call(id)
        if (this.losesAnswer()) throw sluiceError('STORE_UNAVAILABLE', { problem: 'the connection is gone' })
      },
      dropLogstore: async ({ id }) => {
        await call(id, 'away')
        this.#rows.delete(id)
      },
    }
    return store as Store
  }
}

export interface Running {
  indexer: Indexer
  /** What it has told last, by logstore id. */
  parkedBytes: Map<string, number>
  problems: Map<string, string>
  dropped: string[]
  fieldReports: FieldReport[]
  /** Why it ended by itself. */
  failure?: Error
}

/** Starts an indexer on a journal, as the acknowledging process does. */
export function startIndexer(
  files: Files,
  journal: Journal,
  store: Store,
  { logstores = LOGSTORES, isDead = () => false }: { logstores?: Logstore[]; isDead?: () => boolean } = {},
): Running {
  const tell = (message: FromIndexer): void => {
    if (isDead()) return
    // It goes through a pipe.
    const told = structuredClone(message)
    if (told.kind === 'indexed') journal.setIndexed(told.indexed)
    else if (told.kind === 'dropped') running.dropped.push(told.logstoreId)
    else if (told.kind === 'parked') running.parkedBytes.set(told.logstoreId, told.bytes)
    else if (told.kind === 'fields') running.fieldReports.push(told.report)
    else if (told.problem === null) running.problems.delete(told.logstoreId)
    else running.problems.set(told.logstoreId, told.problem)
  }
  const options = { files, directory: DIRECTORY, indexed: structuredClone(journal.indexed), nodeId: journal.id }
  const settings = { memoryBytes: 96 * 2 ** 20, flushMs: 300 }
  const indexer = new Indexer({ ...options, ...settings, store, log: silentLog, tell })
  const running: Running = { indexer, parkedBytes: new Map(), problems: new Map(), dropped: [], fieldReports: [] }
  indexer.run().catch((error: Error) => (running.failure = error))
  indexer.setCatalog(logstores, [])
  indexer.setStore(true)
  indexer.advance(journal.readLimit)
  return running
}

/** Writes a log to a logstore, and lets the indexer read it. */
export async function send(journal: Journal, indexer: Indexer, logstoreId: string, ...values: string[]): Promise<void> {
  await take(journal, { logstoreId, values }).durable.promise
  indexer.advance(journal.readLimit)
}
