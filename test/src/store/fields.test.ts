import assert from 'node:assert/strict'
import { fieldColumn } from '../../../src/store/fields.ts'
import { tableNameOf } from '../../../src/store/sql.ts'

describe('fieldColumn', () => {
  it('keeps plain keys readable', () => {
    assert.equal(fieldColumn(['level']), 'f_level')
    assert.equal(fieldColumn(['trace_id']), 'f_trace_id')
    assert.equal(fieldColumn(['http', 'status']), 'f_http__status')
  })

  it('gives each path a column of its own, of letters, digits and underscores', () => {
    const paths = [
      ['a', 'b'],
      ['a_b'],
      ['a__b'],
      ['a_', 'b'],
      ['a', '_b'],
      ['a.b'],
      ['a-b'],
      ['a b'],
      ['A', 'b'],
      [''],
      ['', ''],
      ['_'],
      ['é'],
      ['😀'],
      ['a'.repeat(200)],
      ['a'.repeat(201)],
    ]
    const columns = paths.map(fieldColumn)
    assert.equal(new Set(columns).size, paths.length)
    for (const column of columns) assert.match(column, /^f_\w{1,100}$/)
  })
})

describe('tableNameOf', () => {
  it('names a database per project and one per logstore', () => {
    assert.deepEqual(tableNameOf({ id: '1', project: 'web-shop', name: 'nginx_1' }), {
      database: 'p_web-shop',
      table: 'nginx_1',
      viewDatabase: 'q_web-shop/nginx_1',
    })
  })

  it('keeps names apart that are too long for the file system', () => {
    const name = `a${'-'.repeat(60)}`
    const first = tableNameOf({ id: '1', project: `${name}b1`, name: `${name}c1` })
    const second = tableNameOf({ id: '2', project: `${name}b2`, name: `${name}c2` })
    assert.equal(new Set([first.database, second.database]).size, 2)
    assert.equal(new Set([first.table, second.table]).size, 2)
    assert.equal(new Set([first.viewDatabase, second.viewDatabase]).size, 2)
  })
})
