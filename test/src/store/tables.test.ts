import assert from 'node:assert/strict'
import type { IndexLevel, Logstore } from '../../../src/catalog/model.ts'
import { fieldColumn } from '../../../src/store/fields.ts'
import type { Store } from '../../../src/store/store.ts'
import { layoutOf } from '../../../src/store/table-layout.ts'
import { indexLevels } from '../../../src/catalog/model.ts'
import { planMigration, tableComment } from '../../../src/store/table-migration.ts'
import { ask, insertRows, makeLogstore, openStore, type StoreFixture } from './fixture.ts'

type Fields = Logstore['fields']

const levelAndStatus: Fields = [
  { path: ['level'], type: 'keyword' },
  { path: ['status'], type: 'integer' },
]

describe('tables', () => {
  let fixture: StoreFixture
  let store: Store

  before(async () => {
    fixture = await openStore()
    store = fixture.store
  })

  after(() => fixture.close())

  /** What the service user sees, in a statement that no method of the store makes. */
  async function asService(query: string): Promise<string> {
    const { url, username, password } = fixture.engine.connection!
    const headers = { 'X-ClickHouse-User': username, 'X-ClickHouse-Key': password, connection: 'close' }
    const answer = await fetch(url, { method: 'POST', headers, body: query })
    const text = await answer.text()
    assert.equal(answer.status, 200, text)
    return text.trim()
  }

  const columnsOf = async (name: string): Promise<string[]> => {
    const columns = await asService(
      `SELECT name FROM system.columns WHERE database = 'p_web-shop_1' AND table = '${name}' ORDER BY name`,
    )
    return columns.split('\n')
  }
  const definitionOf = (name: string): Promise<string> =>
    asService(`SHOW CREATE TABLE \`p_web-shop_1\`.\`${name}\` FORMAT TSVRaw`)
  const json = (document: unknown): Buffer => Buffer.from(JSON.stringify(document))

  describe('of layout version 1', () => {
    /** As it was made then, word for word. */
    const makeVersion1 = async (name: string): Promise<void> => {
      const value = (element: string): string =>
        String.raw`tupleElement(JSONExtract(if(match(content, '^\\s*[{]'), content, ''), 'Tuple(\`level\` LowCardinality(String), \`status\` Nullable(Int64))'), '${element}')`
      await asService('CREATE DATABASE IF NOT EXISTS `p_web-shop_1`')
      await asService(`CREATE TABLE \`p_web-shop_1\`.\`${name}\` (_shard UInt16, _offset Int64 CODEC(Delta, ZSTD(1)),
        _index UInt32 CODEC(Delta, ZSTD(1)), _entry UInt64 CODEC(Delta, ZSTD(1)), _time DateTime64(3, 'UTC') CODEC(Delta, LZ4),
        _received DateTime64(3, 'UTC') CODEC(Delta, LZ4), _source LowCardinality(String), _client LowCardinality(String),
        _key String, _headers Map(LowCardinality(String), String), content String CODEC(ZSTD(1)), _error LowCardinality(String),
        \`f_level\` LowCardinality(String) DEFAULT ${value('level')} CODEC(ZSTD(1)),
        \`f_status\` Nullable(Int64) DEFAULT ${value('status')} CODEC(ZSTD(1)),
        INDEX content_text content TYPE text(tokenizer = splitByNonAlpha, preprocessor = lower(content)),
        INDEX time_minmax _time TYPE minmax GRANULARITY 1)
        ENGINE = MergeTree PARTITION BY toYYYYMMDD(_received, 'UTC') ORDER BY (_shard, _offset, _index)
        TTL _received + toIntervalDay(30) SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 1000,
        fsync_after_insert = 1, fsync_part_directory = 1, min_level_for_wide_part = 1, merge_selector_base = 10
        COMMENT '{"sluice":1,"logstore":"${name}"}'`)
      await asService(`INSERT INTO \`p_web-shop_1\`.\`${name}\`
        (_shard, _offset, _index, _entry, _time, _received, _source, _client, _key, _headers, content, _error)
        SELECT number % 2, number, 0, number, now64(3), now64(3), '10.0.0.1', 'old', 'k', map('h', toString(number)),
        multiIf(number % 3 = 0, concat('{"level":"info","status":', toString(number), ',"host":"a"}'), number % 3 = 1, 'plain', '[1]'),
        if(number = 5, 'broken', '') FROM numbers(1000)`)
    }
    const oldColumns =
      '_shard, _offset, _index, _entry, _time, _received, _source, _client, _key, _headers, content, _error, f_level, f_status'
    const oldRows = (name: string): Promise<string> =>
      asService(`SELECT ${oldColumns} FROM \`p_web-shop_1\`.\`${name}\` WHERE _client = 'old' ORDER BY _offset FORMAT TSV`)

    it('is brought up to date with all its logs', async () => {
      await makeVersion1('version-1')
      const before = await oldRows('version-1')
      assert.equal(before.split('\n').length, 1000)
      const logstore = makeLogstore({
        id: 'version-1',
        fields: [...levelAndStatus, { path: ['host'], type: 'keyword' }],
      })
      await insertRows(store, logstore, [
        { offset: 2000, content: Buffer.from('level=warn'), fields: '{"level":"warn","status":7}', tags: ['late', 'odd'] },
        { offset: 2001, content: json({ level: 'debug', status: 8, host: 'b' }) },
      ])
      assert.equal(await oldRows('version-1'), before)
      const newest = 'SELECT f_level, f_status, f_host, _tags FROM log WHERE _client != {old:String} ORDER BY _offset'
      assert.deepEqual(await ask(store, logstore, newest.replace('{old:String}', "'old'")), [
        { f_level: 'warn', f_status: 7, f_host: '', _tags: ['late', 'odd'] },
        { f_level: 'debug', f_status: 8, f_host: 'b', _tags: [] },
      ])
      const oldHosts = "SELECT count() AS logs FROM log WHERE _client = 'old' AND f_host = 'a' AND _fields = ''"
      assert.deepEqual(await ask(store, logstore, oldHosts), [{ logs: 334 }])
      assert.match(await definitionOf('version-1'), /COMMENT '\{"sluice":2,"logstore":"version-1","layout":"[0-9a-f]{16}"\}'/)
    })

    it('is brought up to date after that was cut short', async () => {
      await makeVersion1('cut-short')
      const before = await oldRows('cut-short')
      const table = '`p_web-shop_1`.`cut-short`'
      await asService(`ALTER TABLE ${table} ADD COLUMN _fields String, ADD COLUMN f_host LowCardinality(String)`)
      const logstore = makeLogstore({ id: 'cut-short', fields: [...levelAndStatus, { path: ['host'], type: 'keyword' }] })
      await store.ensureTable(logstore)
      const migrated = await definitionOf('cut-short')
      assert.equal(await oldRows('cut-short'), before)
      // Everything was done but the last step.
      await asService(`ALTER TABLE ${table} MODIFY COMMENT '{"sluice":1,"logstore":"cut-short"}'`)
      store.connect(fixture.engine.connection)
      await store.ensureTable(logstore)
      assert.equal(await definitionOf('cut-short'), migrated)
    })
  })

  it('get the comment last that says what they are, and no command once they are so', () => {
    const logstore = makeLogstore({ id: 'planned', fields: levelAndStatus })
    const steps = planMigration(logstore, {
      columns: new Map([['f_level', 'String']]),
      indexes: [],
      comment: '{"sluice":1,"logstore":"planned"}',
    })
    assert.deepEqual(
      steps.map(commands => commands.includes('MODIFY COMMENT')),
      [false, false, true],
    )
    const columns = new Map([...layoutOf(logstore).columns.keys()].map(name => [name, '']))
    for (const [name, { type }] of layoutOf(logstore).fields) columns.set(name, type)
    const present = { columns, indexes: [...layoutOf(logstore).indexes.keys()], comment: tableComment(logstore) }
    assert.deepEqual(planMigration(logstore, present), [])
    assert.equal(planMigration({ ...logstore, index: 'light' }, present).length, 2)
    // To drop an index that is not there holds up all inserts for seconds.
    for (const index of indexLevels) assert.equal(steps.concat(planMigration({ ...logstore, index }, present)).filter(commands => /DROP INDEX IF EXISTS (?!content_text)/.test(commands)).length, 0) // prettier-ignore
  })

  it('leave a table alone that a later version made', async () => {
    const logstore = makeLogstore({ id: 'newer', fields: levelAndStatus })
    await store.ensureTable(logstore)
    await asService(`ALTER TABLE \`p_web-shop_1\`.newer MODIFY COMMENT '{"sluice":3,"logstore":"newer"}'`)
    const before = await definitionOf('newer')
    store.connect(fixture.engine.connection)
    await assert.rejects(store.ensureTable({ ...logstore, fields: [] }), { code: 'TABLE_NEWER' })
    await assert.rejects(store.ensureTable({ ...logstore, index: 'none' }), { code: 'TABLE_NEWER', message: /newer sluice/ })
    assert.equal(await definitionOf('newer'), before)
  })

  describe('at each level of indexing', () => {
    const levels: IndexLevel[] = ['full', 'light', 'fields', 'none']
    const searches = {
      word: "hasToken(lower(content), 'timeout')",
      'word, however written': "content ILIKE '%TIMEOUT%'",
      'all words': "hasAllTokens(lower(content), ['upstream', 'timeout'])",
      phrase: "positionCaseInsensitive(content, 'upstream timeout') > 0",
      'field = value': "JSONExtractString(_document, 'level') = 'error'",
      'field in a range': "JSONExtractInt(_document, 'status') >= 504",
    }
    const logs = Array.from({ length: 60 }, (_, number) => ({
      offset: number,
      content:
        number % 5 === 4
          ? Buffer.from(`level=error status=${number + 500} upstream timeout`)
          : json({
              level: number % 3 === 0 ? 'error' : 'info',
              status: 500 + number,
              text: number % 2 ? 'Upstream Timeout' : 'timeout',
            }),
      fields: number % 5 === 4 ? JSON.stringify({ level: 'error', status: number + 500 }) : '',
    }))
    const countAll = async (logstore: Logstore): Promise<string[]> => {
      const counts = []
      for (const condition of Object.values(searches)) {
        const [row] = await ask<{ logs: number }>(store, logstore, `SELECT toUInt32(count()) AS logs FROM log WHERE ${condition}`)
        counts.push(String(row!.logs))
      }
      return counts
    }

    it('find the same', async () => {
      const found = new Map<string, string[]>()
      for (const index of levels) {
        const logstore = makeLogstore({ id: `level-${index}`, index, fields: levelAndStatus })
        await insertRows(store, logstore, logs)
        found.set(index, await countAll(logstore))
      }
      assert.deepEqual(found.get('full'), ['60', '60', '36', '36', '28', '56'])
      for (const index of levels) assert.deepEqual(found.get(index), found.get('full'), index)
      for (const index of ['full', 'light', 'fields'] as const) {
        const sql = "SELECT toUInt32(countIf(f_level = 'error')) AS errors, toUInt32(countIf(f_status >= 504)) AS high FROM log"
        const logstore = makeLogstore({ id: `level-${index}`, index, fields: levelAndStatus })
        assert.deepEqual(await ask(store, logstore, sql), [{ errors: 28, high: 56 }], index)
      }
    })

    it('use the index that they have, through the view', async () => {
      const explain = async (index: IndexLevel, condition: string): Promise<string> => {
        const logstore = makeLogstore({ id: `level-${index}`, index, fields: levelAndStatus })
        const lines = await ask<{ explain: string }>(
          store,
          logstore,
          `EXPLAIN indexes = 1 SELECT count() FROM log WHERE ${condition}`,
        )
        return lines.map(({ explain }) => explain).join('\n')
      }
      assert.match(await explain('full', "hasAllTokens(content, 'timeout')"), /content_text/)
      assert.match(await explain('light', searches.word), /content_bloom/)
      assert.doesNotMatch(await explain('fields', searches.word), /content_/)
    })

    it('change from any to any, and keep finding the same', async () => {
      const fields: Fields = levelAndStatus
      const logstore = makeLogstore({ id: 'changing', fields })
      await insertRows(store, logstore, logs)
      const expected = await countAll(logstore)
      const order: IndexLevel[] = [
        'light',
        'full',
        'fields',
        'light',
        'none',
        'full',
        'none',
        'light',
        'fields',
        'none',
        'fields',
        'full',
      ]
      for (const [turn, index] of order.entries()) {
        const changed = { ...logstore, index }
        await store.ensureTable(changed)
        assert.deepEqual(await countAll(changed), expected, `${turn}: ${index}`)
        const columns = await columnsOf('changing')
        assert.equal(columns.includes('f_level') && columns.includes('f_status'), index !== 'none', index)
        const definition = await definitionOf('changing')
        assert.equal(definition.includes('INDEX content_text'), index === 'full', index)
        assert.equal(definition.includes('INDEX content_bloom'), index === 'light', index)
        assert(definition.includes('INDEX time_minmax'))
      }
      const [row] = await ask<{ errors: number }>(
        store,
        logstore,
        "SELECT toUInt32(countIf(f_level = 'error')) AS errors FROM log",
      )
      assert.equal(row!.errors, 28)
    })
  })

  describe('the document of a log', () => {
    const logstore = makeLogstore({ id: 'documents', fields: [{ path: ['a', 'b'], type: 'integer' }] })

    before(() =>
      insertRows(store, logstore, [
        { offset: 0, content: json({ a: { b: 1 } }) },
        { offset: 1, content: Buffer.from('<a><b>2</b></a>'), fields: '{"a":{"b":2}}' },
        // Looks like JSON, and is something else to the format of the logstore.
        { offset: 2, content: Buffer.from('{"a":{"b":9}} b=3'), fields: '{"a":{"b":3}}' },
        { offset: 3, content: json({ a: { b: 4 } }), error: 'refused' },
        { offset: 4, content: Buffer.from('plain') },
      ]),
    )

    it('fills the columns whatever its format, but of a log that could not be decoded', async () => {
      const rows = await ask<{ f_a__b: number | null }>(store, logstore, 'SELECT f_a__b FROM log ORDER BY _offset')
      assert.deepEqual(
        rows.map(row => row.f_a__b),
        [1, 2, 3, null, null],
      )
    })

    it('is a column of the view, which `SELECT *` leaves out and others do not pay for', async () => {
      const sql = "SELECT toInt32(JSONExtractInt(_document, 'a', 'b')) AS b FROM log ORDER BY _offset"
      const rows = await ask<{ b: number }>(store, logstore, sql)
      assert.deepEqual(
        rows.map(({ b }) => b),
        [1, 2, 3, 4, 0],
      )
      const [row] = await ask<object>(store, logstore, 'SELECT * FROM log LIMIT 1')
      assert.equal('_document' in row!, false)
      assert.deepEqual(Object.keys(row!).sort(), (await columnsOf('documents')).sort())
      const plan = await ask<{ explain: string }>(store, logstore, 'EXPLAIN actions = 1 SELECT count() FROM log WHERE f_a__b = 1')
      assert.doesNotMatch(plan.map(({ explain }) => explain).join('\n'), /content|_fields/)
    })
  })

  describe('a field', () => {
    it('goes when it was removed, also from the view, and comes back with another type', async () => {
      const fields: Fields = [...levelAndStatus, { path: ['code'], type: 'text' }]
      const logstore = makeLogstore({ id: 'removed', fields })
      await insertRows(store, logstore, [{ offset: 0, content: json({ code: 5, level: 'info' }) }])
      const removed = { ...logstore, fields: levelAndStatus, removedFields: [['code']] }
      await store.ensureTable(removed)
      assert((await columnsOf('removed')).includes('f_level'))
      assert(!(await columnsOf('removed')).includes('f_code'))
      assert.deepEqual(await ask(store, removed, 'SELECT f_level, content FROM log'), [
        { f_level: 'info', content: '{"code":5,"level":"info"}' },
      ])
      await assert.rejects(ask(store, removed, 'SELECT f_code FROM log'), { code: 'STORE_REFUSED' })
      const back = { ...logstore, fields: [...levelAndStatus, { path: ['code'], type: 'integer' as const }] }
      assert.deepEqual(await ask(store, back, 'SELECT f_code FROM log'), [{ f_code: 5 }])
      // Both steps while nobody looked.
      const again = { ...logstore, fields: [...levelAndStatus, { path: ['code'], type: 'keyword' as const }] }
      assert.deepEqual(await ask(store, again, 'SELECT f_code FROM log'), [{ f_code: '5' }])
    })

    it('is not dropped by somebody who has not heard of it', async () => {
      const logstore = makeLogstore({ id: 'unheard', fields: levelAndStatus })
      await store.ensureTable(logstore)
      await store.ensureTable({ ...logstore, fields: [...levelAndStatus, { path: ['new'], type: 'text' }] })
      await store.ensureTable(logstore)
      assert((await columnsOf('unheard')).includes('f_new'))
    })

    it('comes back when its column was dropped by hand', async () => {
      const logstore = makeLogstore({ id: 'by-hand', fields: levelAndStatus })
      await insertRows(store, logstore, [{ content: json({ level: 'info', status: 1 }) }])
      await asService('ALTER TABLE `p_web-shop_1`.`by-hand` DROP COLUMN f_status')
      store.connect(fixture.engine.connection)
      assert.deepEqual(await ask(store, logstore, 'SELECT f_level, f_status FROM log'), [{ f_level: 'info', f_status: 1 }])
    })

    it('shares the parse of the document with all others, whenever they were added', async () => {
      const logstore = makeLogstore({ id: 'shared', fields: levelAndStatus.slice(0, 1) })
      await store.ensureTable(logstore)
      await store.ensureTable({ ...logstore, fields: levelAndStatus })
      const defaults = await asService(
        `SELECT uniqExact(extract(default_expression, '(JSONExtract.*Tuple.*\\)\\'\\))')), count() FROM system.columns
         WHERE database = 'p_web-shop_1' AND table = 'shared' AND startsWith(name, 'f_')`,
      )
      assert.equal(defaults, '1\t2')
    })
  })

  describe('odd documents', () => {
    const fields: Fields = [
      { path: ['level'], type: 'keyword' },
      { path: ['text'], type: 'text' },
      { path: ['n'], type: 'integer' },
      { path: ['x'], type: 'number' },
      { path: ['o', 'a'], type: 'text' },
      { path: ['_time'], type: 'text' },
      { path: ['content'], type: 'text' },
      { path: ['null'], type: 'text' },
      { path: [''], type: 'text' },
    ]
    const none = { level: '', text: '', n: null, x: null, 'o.a': '', _time: '', content: '', null: '', '': '' }
    const nested = (depth: number): string => `{"level":"l","o":${'{"o":'.repeat(depth - 1)}1${'}'.repeat(depth)}`
    const many = Object.fromEntries(Array.from({ length: 10_000 }, (_, number) => [`key ${number}`, number]))
    const odd: Record<string, [content: string | Buffer, values: Record<string, unknown>]> = {
      'a key twice': ['{"level":"first","level":"second","n":1,"n":2}', { level: 'first', n: 1 }],
      'a number beyond 2^53': [
        '{"n":9007199254740993,"text":9007199254740993}',
        { n: '9007199254740993', text: '9007199254740993' },
      ],
      'the ends of Int64': ['{"n":-9223372036854775808}', { n: '-9223372036854775808' }],
      'a number beyond Int64': ['{"n":9223372036854775808,"level":"l"}', { level: 'l' }],
      'a number beyond UInt64': ['{"n":123456789012345678901234567890,"level":"l"}', {}],
      'a number beyond Float64': ['{"x":1e999,"level":"l"}', {}],
      'a fraction': ['{"n":1.5,"x":1.5}', { x: 1.5 }],
      'a whole number with a point': ['{"n":2.0,"x":2}', { n: '2', x: 2 }],
      'a truth value': ['{"level":true,"text":false}', { level: 'true', text: 'false' }],
      nulls: ['{"level":null,"text":null,"n":null,"x":null,"o":null}', {}],
      'bytes that are no UTF-8': [Buffer.from('{"level":"\xff\xfe","text":"t"}', 'latin1'), {}],
      'a lone surrogate': [String.raw`{"level":"\ud800","text":"t"}`, {}],
      'a zero byte, escaped': [String.raw`{"level":"a\u0000b"}`, { level: 'a\0b' }],
      'a zero byte': ['{"level":"a\0b","text":"t"}', {}],
      'a depth of 1,000': [nested(1000), { level: 'l' }],
      'a depth of 1,023': [nested(1023), { level: 'l' }],
      'a depth of 1,024': [nested(1024), {}],
      'a depth of 2,000': [nested(2000), {}],
      '10,000 keys': [JSON.stringify({ ...many, level: 'last' }), { level: 'last' }],
      'reserved names': ['{"_time":"t","content":"c","null":"n","":"e"}', { _time: 't', content: 'c', null: 'n', '': 'e' }],
      'a scalar for an object': ['{"o":5,"level":"l"}', { level: 'l' }],
      'an object for a scalar': ['{"level":{"a":1},"n":{"a":1}}', { level: '{"a":1}' }],
      'an array for a scalar': ['{"text":[1,"b"],"n":[1]}', { text: '[1,"b"]' }],
      'an array': ['[{"level":"l"}]', {}],
      'half a document': ['{"level":"l","n":', {}],
      'more behind the document': ['{"level":"l"} and more', {}],
      '1 MiB': [JSON.stringify({ text: 'x'.repeat(2 ** 20), level: 'l' }), { text: 'x'.repeat(2 ** 20), level: 'l' }],
      nothing: ['', {}],
    }

    it('leave columns empty or fill them rightly, and fail no insert', async () => {
      const logstore = makeLogstore({ id: 'odd-documents', fields })
      // Each beside ordinary ones, so that nobody gets a neighbour's values.
      const contents = Object.values(odd).flatMap(([content], place) => [
        Buffer.from(content as string),
        json({
          level: `level ${place}`,
          text: `text ${place}`,
          n: place,
          x: place + 0.5,
          o: { a: `a ${place}` },
          '': 'e',
          null: 'n',
        }),
      ])
      await insertRows(
        store,
        logstore,
        contents.map(content => ({ content })),
      )
      const select = fields.map(({ path }) => {
        const column = fieldColumn(path)
        return path[0] === 'n' ? `toString(${column}) AS ${column}` : column
      })
      const rows = await ask<Record<string, unknown>>(store, logstore, `SELECT ${select.join(', ')} FROM log ORDER BY _offset`)
      const valuesOf = (row: Record<string, unknown>): object =>
        Object.fromEntries(fields.map(({ path }) => [path.join('.'), row[fieldColumn(path)]]))
      Object.entries(odd).forEach(([name, [, values]], place) => {
        const expected = { ...none, ...values, ...(typeof values.n === 'number' && { n: String(values.n) }) }
        assert.deepEqual(valuesOf(rows[2 * place]!), expected, name)
        const neighbour = {
          level: `level ${place}`,
          text: `text ${place}`,
          n: String(place),
          x: place + 0.5,
          'o.a': `a ${place}`,
        }
        assert.deepEqual(valuesOf(rows[2 * place + 1]!), { ...none, ...neighbour, '': 'e', null: 'n' }, `beside ${name}`)
      })
    })
  })
})
