/** What the tests of the store share: an engine in a temporary directory, logstores and rows. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { silentLog } from '../../../src/base/log.ts'
import type { Logstore } from '../../../src/catalog/model.ts'
import { Engine } from '../../../src/store/engine.ts'
import { RowBlock, type Row } from '../../../src/store/row-block.ts'
import { Store } from '../../../src/store/store.ts'

export interface StoreFixture {
  engine: Engine
  store: Store
  close(): Promise<void>
}

export async function openStore(): Promise<StoreFixture> {
  const directory = await makeDirectory()
  const store = new Store()
  const engine = new Engine({ directory, log: silentLog, onConnection: connection => store.connect(connection) })
  await engine.start()
  return {
    engine,
    store,
    async close() {
      await store.close()
      await engine.stop()
      await rm(directory, { recursive: true })
    },
  }
}

/** A directory whose name tells whether paths are quoted where they have to be. */
export function makeDirectory(): Promise<string> {
  return mkdtemp(join(tmpdir(), "sluice <store> & '"))
}

export function makeLogstore(properties: Partial<Logstore> & { id: string }): Logstore {
  return {
    project: 'web-shop_1',
    name: properties.id,
    mode: 'balanced',
    shards: 4,
    retiredShards: [],
    partitions: 4,
    retentionDays: 30,
    maxBytes: null,
    format: { name: 'auto' },
    masks: [],
    index: 'full',
    fields: [],
    removedFields: [],
    createdAt: '2026-01-01T00:00:00.000Z',
    ...properties,
  }
}

export function makeBlock(rows: Partial<Row>[]): RowBlock {
  const block = new RowBlock()
  rows.forEach((row, index) => block.append(makeRow(index, row)))
  return block
}

export function makeRow(number: number, row: Partial<Row> = {}): Row {
  return {
    shard: 0,
    offset: number,
    index: 0,
    entry: number,
    timeMs: Date.now(),
    receivedMs: Date.now(),
    source: '10.0.0.1',
    client: 'test',
    key: null,
    headers: [],
    content: Buffer.from(`log ${number}`),
    fields: '',
    tags: [],
    error: '',
    ...row,
  }
}

let inserts = 0

/** Inserts rows under a query id and a token of their own. */
export async function insertRows(store: Store, logstore: Logstore, rows: Partial<Row>[]): Promise<void> {
  await store.ensureTable(logstore)
  inserts += 1
  await store.insert(logstore, makeBlock(rows), { queryId: `test-${inserts}`, token: `test-${inserts}` })
}

/** The rows of a person's query. */
export async function ask<Answer>(store: Store, logstore: Logstore, sql?: string): Promise<Answer[]> {
  const lines = await text(await store.query({ logstore, sql }))
  return lines
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line) as Answer)
}

/** Waits for a condition; that it never comes is told by the test's own time limit. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await delay(20)
}
