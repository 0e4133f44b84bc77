/**
 * A block that cannot be inserted as a whole: what is refused of it is found, in order, and stored with the reason.
 */
import assert from 'node:assert/strict'
import { ClickHouseError } from '@clickhouse/client'
import { SluiceError, sluiceError } from '../../../src/base/errors.ts'
import { BlockInsert, type BlockTable } from '../../../src/indexing/block-insert.ts'
import type { RowBlock } from '../../../src/store/row-block.ts'
import { readRows, type StoredRow } from '../../support/stored-rows.ts'
import { makeBlock } from '../store/fixture.ts'

/** A table in memory, and what it does with each insert. */
class Table implements BlockTable {
  readonly rows: StoredRow[] = []
  /** What each insert held, also one that failed. */
  readonly inserts: StoredRow[][] = []
  readonly tokens: string[] = []
  /** Called with what an insert holds, before it is stored: what it throws is what the insert rejects with. */
  judge: (rows: StoredRow[], token: string) => void = () => {}
  /** Called when it is stored. */
  answer: () => void = () => {}

  insert(rows: RowBlock, token: string): Promise<void> {
    const read = readRows(Buffer.from(rows.encoded))
    assert.equal(read.length, rows.rows)
    this.inserts.push(read)
    this.tokens.push(token)
    return Promise.resolve().then(() => {
      this.judge(read, token)
      this.rows.push(...read)
      this.answer()
    })
  }

  highestOffsets(): Promise<Map<number, number>> {
    const highest = new Map<number, number>()
    for (const { shard, offset } of this.rows) highest.set(shard, Math.max(offset, highest.get(shard) ?? -1))
    return Promise.resolve(highest)
  }

  settle(): Promise<Map<number, number>> {
    return this.highestOffsets()
  }

  get contents(): string[] {
    return this.rows.map(({ content }) => content.toString())
  }

  get errors(): string[] {
    return this.rows.filter(({ error }) => error !== '').map(({ content }) => content.toString())
  }
}

const refusal = (): SluiceError => sluiceError('STORE_REFUSED', { problem: 'a value cannot be read' })
const loss = (): SluiceError => sluiceError('STORE_UNAVAILABLE', { problem: 'the connection is gone' })

function outOfMemory(): SluiceError {
  const cause = new ClickHouseError({ message: 'too much', code: '241', type: 'MEMORY_LIMIT_EXCEEDED' })
  return sluiceError('STORE_UNAVAILABLE', { problem: 'too much' }, cause)
}

/** Refuses rows with one of these contents, unless they have an error. */
function refuse(...poison: string[]): Table['judge'] {
  return rows => {
    if (rows.some(({ content, error }) => error === '' && poison.includes(content.toString()))) throw refusal()
  }
}

/** `offsets` offsets that alternate between two shards, of `elements` rows each. */
function blockOf(offsets: number, elements = 1): RowBlock {
  return makeBlock(
    Array.from({ length: offsets * elements }, (_, row) => {
      const offset = Math.floor(row / elements)
      return { shard: offset % 2, offset: offset >> 1, index: row % elements, entry: offset, content: Buffer.from(`${row}`) }
    }),
  )
}

function numbers(count: number): string[] {
  return Array.from({ length: count }, (_, number) => `${number}`)
}

function insertOf(rows: RowBlock, table: Table, isStopped = () => false): BlockInsert {
  return new BlockInsert({ rows, token: 'block', table, isStopped, onStep: () => {} })
}

/** Runs it until it is through. */
async function runThrough(insert: BlockInsert): Promise<void> {
  for (let tries = 0; tries < 100; tries++)
    try {
      return await insert.run()
    } catch (error) {
      assert(error instanceof SluiceError)
    }
  assert.fail('it does not get through')
}

describe('the insert of a block', () => {
  it('is one insert if nothing is wrong', async () => {
    const table = new Table()
    await insertOf(blockOf(100), table).run()
    assert.deepEqual([table.contents, table.inserts.length], [numbers(100), 1])
    await insertOf(blockOf(0), table).run()
    assert.equal(table.inserts.length, 1)
  })

  for (const poison of [['0'], ['99'], ['50'], ['0', '99'], ['49', '50', '51'], numbers(100)])
    it(`stores each log once and in order where ${poison.length === 1 ? poison[0] : poison.length} of 100 are refused`, async () => {
      const table = new Table()
      table.judge = refuse(...poison)
      const insert = insertOf(blockOf(100), table)
      await insert.run()
      assert.deepEqual(table.contents, numbers(100))
      assert.deepEqual(table.errors, poison)
      assert.equal(insert.refused, poison.length)
      assert.match(table.rows[Number(poison[0])]!.error, /a value cannot be read/)
      if (poison.length === 1) assert(table.inserts.length <= 2 * 8, `there are ${table.inserts.length} inserts`)
    })

  it('never parts the rows of an offset, and gives all of them the error', async () => {
    const table = new Table()
    table.judge = refuse('22', '0')
    await insertOf(blockOf(10, 7), table).run()
    assert.deepEqual(table.contents, numbers(70))
    assert.deepEqual(table.errors, [...numbers(7), '21', '22', '23', '24', '25', '26', '27'])
    for (const rows of table.inserts) assert.deepEqual([rows[0]!.index, rows.at(-1)!.index], [0, 6])
    assert(new Set(table.tokens).size === table.tokens.length)
  })

  it('rejects when a log is refused with its error too, and begins anew where it was when the table is mended', async () => {
    const table = new Table()
    let isBroken = true
    table.judge = rows => {
      if (isBroken && rows.some(({ content }) => Number(content) >= 30)) throw refusal()
    }
    const insert = insertOf(blockOf(100), table)
    await assert.rejects(insert.run(), { code: 'STORE_REFUSED' })
    await assert.rejects(insert.run(), { code: 'STORE_REFUSED' })
    assert.deepEqual(table.contents, numbers(30))
    isBroken = false
    const before = table.inserts.length
    await insert.run()
    assert.deepEqual([table.contents, table.errors, insert.refused], [numbers(100), [], 0])
    assert.equal(table.inserts.length, before + 1)
  })

  it('is divided where memory is short, and no log has an error for it', async () => {
    const table = new Table()
    let most = 10
    table.judge = rows => {
      if (rows.length > most) throw outOfMemory()
    }
    await insertOf(blockOf(100), table).run()
    assert.deepEqual([table.contents, table.errors], [numbers(100), []])

    most = 0
    const insert = insertOf(makeBlock([{ shard: 5 }, { shard: 6 }]), table)
    await assert.rejects(insert.run(), { code: 'STORE_UNAVAILABLE' })
    await assert.rejects(insert.run(), { code: 'STORE_UNAVAILABLE' })
    most = 10
    await insert.run()
    assert.deepEqual([table.rows.length, table.errors], [102, []])
  })

  it('is not divided when it is not known what became of it', async () => {
    const table = new Table()
    let answers = 0
    table.answer = () => {
      if (answers++ === 0) throw loss()
    }
    const insert = insertOf(blockOf(10), table)
    await assert.rejects(insert.run(), { code: 'STORE_UNAVAILABLE' })
    await insert.run()
    assert.deepEqual([table.contents, table.inserts.length], [numbers(10), 1])
  })

  it('stores each log once wherever answers are lost between refusals', async () => {
    for (let lost = 1; lost < 30; lost++) {
      const table = new Table()
      table.judge = refuse('3', '4', '12')
      let answers = 0
      table.answer = () => {
        if (++answers % lost === 0) throw loss()
      }
      if (lost === 1) table.answer = () => { if (++answers % 2 === 0) throw loss() } // prettier-ignore
      await runThrough(insertOf(blockOf(16), table))
      assert.deepEqual([table.contents, table.errors], [numbers(16), ['3', '4', '12']])
    }
  })

  it('goes on in another life where it was stopped, and comes to the same', async () => {
    for (let stop = 1; stop < 14; stop++) {
      const table = new Table()
      table.judge = refuse('3', '4', '12')
      await insertOf(blockOf(16), table, () => table.inserts.length >= stop).run()
      assert(table.rows.length < 16)
      // The next life reads what is missing and puts other blocks together.
      const left = blockOf(16).slice(table.rows.length, 16)
      for (const [begin, end] of [
        [0, left.rows >> 1],
        [left.rows >> 1, left.rows],
      ] as const)
        // prettier-ignore
        await insertOf(left.slice(begin, end), table).run()
      assert.deepEqual([table.contents, table.errors], [numbers(16), ['3', '4', '12']])
    }
  })

  it('is repeated under another token if the table has not what a repetition was acknowledged for', async () => {
    const table = new Table()
    const remembered = new Set<string>()
    let isFirst = true
    // The engine has written the token down and was killed before the rows were there.
    table.insert = (rows, token) => {
      if (remembered.has(token)) return Promise.resolve()
      remembered.add(token)
      if (isFirst) {
        isFirst = false
        return Promise.reject(loss())
      }
      return Table.prototype.insert.call(table, rows, token)
    }
    const insert = insertOf(blockOf(10), table)
    await assert.rejects(insert.run(), { code: 'STORE_UNAVAILABLE' })
    await insert.run()
    assert.deepEqual(table.contents, numbers(10))
  })
})
