/**
 * A ClickHouse in memory, as the indexer meets it on a bad day.
 *
 *     a call      is lost before it does anything · does its work and its answer is lost · takes its time · succeeds
 *     an insert   is one part: its rows come all at once or never; it goes on after its caller has given up, and lands
 *                 whenever it likes, unless it is killed before
 *     a log       may be one that is refused, by itself and in every insert that holds it, unless it comes with an error
 *     the server  is not reached for a while, or restarts: then what was running has landed or is gone
 *
 * Tokens count for nothing here: an insert that is sent twice is stored twice, which the oracle does not forgive.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { crc32c } from '../../protocol/records/crc32c.ts'
import { sluiceError } from '../../src/base/errors.ts'
import type { DeletedLogstore, Logstore } from '../../src/catalog/model.ts'
import type { RowBlock } from '../../src/store/row-block.ts'
import type { Store } from '../../src/store/store.ts'
import type { Random } from '../protocol/random.ts'
import type { SimulatedProcess } from './process.ts'
import { readRows, type StoredRow } from '../support/stored-rows.ts'
import type { Trace } from './trace.ts'

/** What the indexer calls of a store. */
type IndexedStore = Pick<
  Store,
  'ensureTable' | 'insert' | 'resolveInserts' | 'highestOffsets' | 'newestReceived' | 'dropLogstore'
>
type Named = Pick<Logstore, 'id' | 'project' | 'name'>

export interface Table {
  /** The logstore that it was made for, as its comment says. */
  id: string
  rows: StoredRow[]
  /** The highest offset by shard. */
  highest: Map<number, number>
}

/** An insert that has begun and is not over. */
interface Running {
  queryId: string
  table: Table
  rows: StoredRow[]
  /** Ends the insert: its rows are there from now on, or never. */
  end: (landed: boolean) => void
}

export interface SimulatedStoreOptions {
  random: Random
  trace: Trace
  /** Called before every call. */
  onCall: () => void
  /** Called when rows have come into a table. */
  onStored: (table: Table, rows: readonly StoredRow[]) => void
}

export class SimulatedStore {
  /** One in so many calls fails; none if 0. */
  failEvery = 0
  /** About one in so many logs is refused; none if 0. */
  refuseEvery = 0
  /** False while nobody reaches it. */
  isReachable = true
  readonly tables = new Map<string, Table>()
  readonly #options: SimulatedStoreOptions
  readonly #running = new Set<Running>()

  constructor(options: SimulatedStoreOptions) {
    this.#options = options
  }

  /** Whether a log is refused as long as it has no error: always, or never. */
  isPoisonous({ content }: StoredRow): boolean {
    return this.refuseEvery > 0 && crc32c(content) % this.refuseEvery === 0
  }

  /** How many inserts have begun and are not over. */
  get running(): number {
    return this.#running.size
  }

  /** The table of a logstore; undefined if it has none. */
  findTable({ project, name, id }: Named): Table | undefined {
    const table = this.tables.get(`${project}/${name}`)
    return table?.id === id ? table : undefined
  }

  /** The server ends: of what was running each insert is there as a whole or gone. */
  endAll(): void {
    for (const running of this.#running) running.end(this.#options.random.below(2) === 0)
  }

  /** The store as a process calls it. */
  clientFor(process: SimulatedProcess): Store {
    const client: IndexedStore = {
      ensureTable: (logstore, deletedIds) =>
        process.call(() => this.#call('ensureTable', logstore, () => this.#ensureTable(logstore, deletedIds))),
      insert: (logstore, block, { queryId }) => process.call(() => this.#insert(logstore, block, queryId)),
      resolveInserts: (logstore, nodeId) =>
        process.call(() =>
          this.#call('resolveInserts', logstore, () => this.#resolve(`sluice-insert:${nodeId}:${logstore.id}:`)),
        ),
      highestOffsets: logstore =>
        process.call(() => this.#call('highestOffsets', logstore, () => new Map(this.findTable(logstore)?.highest))),
      newestReceived: logstore =>
        process.call(() => this.#call('newestReceived', logstore, () => newestReceived(this.findTable(logstore)?.rows ?? []))),
      dropLogstore: logstore => process.call(() => this.#call('dropLogstore', logstore, () => this.#drop(logstore))),
    }
    // The class has private fields, so nothing else is of its type.
    return client as unknown as Store
  }

  /** A call that does `act` at some moment, unless it fails before. */
  async #call<Result>(name: string, logstore: Named, act: () => Result): Promise<Result> {
    const { random } = this.#options
    await this.#arrive(name, logstore)
    const fails = this.#fails()
    if (fails && random.below(2) === 0) throw this.#lost(name, 'before')
    const result = act()
    await delay(random.below(20))
    if (fails || !this.isReachable) throw this.#lost(name, 'after')
    this.#options.trace.add('store', `${name} has succeeded`)
    return result
  }

  async #insert(logstore: Named, { encoded, rows: count }: RowBlock, queryId: string): Promise<void> {
    const { random, trace } = this.#options
    const rows = readRows(Buffer.from(encoded))
    if (rows.length !== count) throw new RangeError(`a block of ${count} rows sends ${rows.length}`)
    const what = `insert of ${rows.length} rows, entries ${rows[0]!.entry} to ${rows.at(-1)!.entry}`
    await this.#arrive(what, logstore)
    const fails = this.#fails()
    const fate = fails ? random.pick(['refused', 'given up', 'given up', 'answer lost', 'broken'] as const) : 'stored'
    if (fate === 'refused') throw this.#lost(what, 'before')
    if (rows.some(row => row.error === '' && this.isPoisonous(row))) {
      trace.add('store', `${what} is refused`)
      throw sluiceError('STORE_REFUSED', { problem: 'a value cannot be read' })
    }
    const table = this.tables.get(`${logstore.project}/${logstore.name}`)
    if (table === undefined) throw sluiceError('STORE_UNAVAILABLE', { problem: 'the table is gone' })
    const landed = this.#run({ queryId, table, rows }, fate === 'given up' ? random.pick([50, 1000, 20_000]) : random.below(60))
    if (fate === 'given up') {
      await delay(random.below(200))
      throw this.#lost(what, 'while it runs on')
    }
    if (!(await landed)) throw this.#lost(what, 'since it was killed')
    await delay(random.below(10))
    if (fails || !this.isReachable) throw this.#lost(what, 'after')
    trace.add('store', `${what} has succeeded`)
  }

  /** Resolves when the insert is over: with whether its rows are there. */
  #run({ queryId, table, rows }: Omit<Running, 'end'>, afterMs: number): Promise<boolean> {
    return new Promise(resolve => {
      const timer = setTimeout(() => running.end(true), afterMs)
      const end = (landed: boolean): void => {
        clearTimeout(timer)
        this.#running.delete(running)
        if (landed) this.#store(table, rows)
        resolve(landed)
      }
      const running: Running = { queryId, table, rows, end }
      this.#running.add(running)
    })
  }

  #store(table: Table, rows: StoredRow[]): void {
    this.#options.trace.add('store', `${rows.length} rows have come, entries ${rows[0]!.entry} to ${rows.at(-1)!.entry}`)
    table.rows.push(...rows)
    for (const { shard, offset } of rows) table.highest.set(shard, Math.max(table.highest.get(shard) ?? -1, offset))
    this.#options.onStored(table, rows)
  }

  #ensureTable({ project, name, id }: Logstore, deletedIds: ReadonlySet<string> = new Set()): void {
    const path = `${project}/${name}`
    const table = this.tables.get(path)
    if (table?.id === id) return
    if (table !== undefined && !deletedIds.has(table.id))
      throw sluiceError('TABLE_NOT_OURS', { table: path, found: `logstore ${table.id}` })
    this.tables.set(path, { id, rows: [], highest: new Map() })
  }

  /** What is running ends now; some of it as it would have anyway. */
  #resolve(prefix: string): void {
    for (const running of this.#running) if (running.queryId.startsWith(prefix)) running.end(this.#options.random.below(3) === 0)
  }

  #drop(logstore: DeletedLogstore): void {
    if (this.findTable(logstore) !== undefined) this.tables.delete(`${logstore.project}/${logstore.name}`)
  }

  async #arrive(name: string, logstore: Named): Promise<void> {
    const { onCall, trace, random } = this.#options
    trace.add('store', `${name} into ${logstore.name}`)
    onCall()
    await delay(random.below(5))
    if (!this.isReachable) throw this.#lost(name, 'before')
  }

  #fails(): boolean {
    return this.failEvery > 0 && this.#options.random.below(this.failEvery) === 0
  }

  #lost(name: string, when: string): Error {
    this.#options.trace.add('store', `${name} has failed ${when}`)
    return sluiceError('STORE_UNAVAILABLE', { problem: `the call was lost ${when}` })
  }
}

/** By shard. */
function newestReceived(rows: readonly StoredRow[]): Map<number, number> {
  const newest = new Map<number, number>()
  for (const { shard, receivedMs } of rows) newest.set(shard, Math.max(receivedMs, newest.get(shard) ?? 0))
  return newest
}
