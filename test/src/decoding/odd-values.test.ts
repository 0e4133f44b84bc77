/**
 * Odd values, each with a rule in docs/formats.md: what becomes of it here, and that a real ClickHouse takes all of them in one
 * block and gives the bytes back.
 */
import assert from 'node:assert/strict'
import { Decoder } from '../../../src/decoding/decoder.ts'
import type { LogFormat } from '../../../src/decoding/log-format.ts'
import type { Row } from '../../../src/store/row-block.ts'
import { ask, insertRows, makeLogstore, openStore, type StoreFixture } from '../store/fixture.ts'
import { contents, decode, read, recordOf, RECEIVED_MS } from './fixtures.ts'

const everyByte = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
const controls = Buffer.from(Array.from({ length: 32 }, (_, byte) => byte))
const keys = Array.from({ length: 10_000 }, (_, index) => index)
const reserved = '{"_time":1,"_offset":"x","content":"y","__proto__":{"a":1},"constructor":2,"toString":3,"":4}'

/** The odd value and its name; what is not text is bytes that are no UTF-8. */
const values: Record<string, [LogFormat['name'] | LogFormat, Buffer]> = {
  'no bytes': ['auto', Buffer.alloc(0)],
  'every byte': ['auto', everyByte],
  'a NUL byte': ['text', Buffer.from('a\0b')],
  'JSON with invalid UTF-8': ['auto', Buffer.concat([Buffer.from('{"level":"a'), Buffer.from([0xff]), Buffer.from('"}')])],
  'JSON with a NUL byte in a text': ['auto', Buffer.from('{"level":"a\0b"}')],
  'JSON with control characters in a text': ['auto', Buffer.concat([Buffer.from('{"level":"'), controls, Buffer.from('"}')])],
  'JSON with NUL as an escape': ['auto', Buffer.from('{"level":"a\\u0000b"}')],
  'JSON with half a surrogate pair': ['auto', Buffer.from('{"level":"\\ud800"}')],
  'JSON with numbers beyond 2^53': [
    'auto',
    Buffer.from('{"level":"big","status":9007199254740993,"other":18446744073709551615}'),
  ],
  'JSON with a number beyond 2^64': ['auto', Buffer.from('{"level":"huge","status":123456789012345678901234567890}')],
  'JSON with duplicate keys': ['auto', Buffer.from('{"level":"first","level":"second"}')],
  'JSON with reserved names': ['auto', Buffer.from(reserved)],
  'JSON of 1 MiB': ['auto', Buffer.from(`{"level":"long","text":"${'x'.repeat(2 ** 20)}"}`)],
  'JSON of depth 1,000': ['auto', Buffer.from(`{"level":"deep","a":${'{"a":'.repeat(998)}1${'}'.repeat(998)}}`)],
  'JSON of depth 100,000': ['auto', Buffer.from(`${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`)],
  'JSON of 10,000 keys': ['auto', Buffer.from(`{"level":"many",${keys.map(key => `"k${key}":${key}`).join(',')}}`)],
  'JSON behind a byte order mark': ['auto', Buffer.from('\ufeff{"level":"a"}')],
  'two JSON documents': ['auto', Buffer.from('{"level":"a"}\n{"level":"b"}')],
  'JSON that is cut off': ['auto', Buffer.from('{"level":"a","st')],
  'text of 1 MiB': ['auto', Buffer.alloc(2 ** 20, 'a b')],
  'logfmt of 10,000 keys': ['logfmt', Buffer.from(keys.map(key => `k${key}=${key}`).join(' '))],
  'logfmt of 1 MiB': ['logfmt', Buffer.from(`level=long text="${'x'.repeat(2 ** 20)}"`)],
  'logfmt with reserved names, twice': ['logfmt', Buffer.from('__proto__=1 content=2 _time=3 constructor=4 content=5')],
  'logfmt with invalid UTF-8': ['logfmt', Buffer.concat([Buffer.from('level=a'), Buffer.from([0xff, 0xfe])])],
  'logfmt with control characters': ['logfmt', Buffer.from('level="a\0\x01\x1f\\u0000\\ud800" b=\x7f')],
  'influx with a number beyond 64 bits': [
    'influx',
    Buffer.from('m a=99999999999999999999i,b=9223372036854775807i,c=12345678901234567890123,d=1e999'),
  ],
  'XML with reserved names': ['xml', Buffer.from('<a><content _time="1">x</content><__proto__>1</__proto__></a>')],
  'XML of depth 1,000': ['xml', Buffer.from(`${'<a>'.repeat(1000)}${'</a>'.repeat(1000)}`)],
  'XML of depth 100,000': ['xml', Buffer.from(`${'<a>'.repeat(100_000)}${'</a>'.repeat(100_000)}`)],
  'XML of 10,000 elements': [
    'xml',
    Buffer.from(`<log><level>many</level>${keys.map(key => `<k${key}>1</k${key}>`).join('')}</log>`),
  ],
  'XML that refers to a file': ['xml', Buffer.from('<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>')],
  'CSV with reserved names': [{ name: 'csv', columns: ['__proto__', 'content'] }, Buffer.from('1,2')],
}

describe('an odd value', () => {
  for (const [name, [format, value]] of Object.entries(values))
    it(`is kept as it came: ${name}`, () => {
      const logs = decode(format, value)
      assert.equal(logs.length, 1)
      assert(logs[0]!.content!.equals(value))
      if (logs[0]!.fields !== '') JSON.parse(logs[0]!.fields)
    })

  const tagsOf = (name: string): readonly string[] => decode(...values[name]!)[0]!.tags
  const fieldsOf = (name: string): string => decode(...values[name]!)[0]!.fields

  it('that is not UTF-8 is tagged, and its fields have U+FFFD in place of what is wrong', () => {
    assert.deepEqual(tagsOf('every byte'), ['invalid-utf8'])
    assert.deepEqual(tagsOf('JSON with invalid UTF-8'), ['invalid-utf8'])
    assert.equal(fieldsOf('JSON with invalid UTF-8'), '{"level":"a\ufffd"}')
    assert.equal(fieldsOf('logfmt with invalid UTF-8'), '{"level":"a\ufffd\ufffd"}')
    const array = Buffer.concat([Buffer.from('[{"level":"a'), Buffer.from([0xff]), Buffer.from('"},{}]')])
    assert.deepEqual(decode('auto', array).map(({ fields }) => fields), ['{"level":"a\ufffd"}', '{}']) // prettier-ignore
  })

  it('that is a JSON object is not read here, however odd it is', () => {
    for (const [name, [, value]] of Object.entries(values))
      if (value[0] === 0x7b && !name.includes('UTF-8')) assert.deepEqual([fieldsOf(name), tagsOf(name)], ['', []], name)
  })

  it('has its keys as they are, also twice', () => {
    assert.equal(
      fieldsOf('logfmt with reserved names, twice'),
      '{"__proto__":1,"content":2,"_time":3,"constructor":4,"content":5}',
    )
    assert.equal(fieldsOf('CSV with reserved names'), '{"__proto__":1,"content":2}')
    assert.deepEqual(tagsOf('XML with reserved names'), ['not-xml'])
    assert.deepEqual(read('xml', '<a><constructor>1</constructor></a>'), undefined)
    assert.equal(Object.keys(read('logfmt', values['logfmt of 10,000 keys']![1]) as object).length, 10_000)
  })

  it('has no number that whoever reads it would stop at', () => {
    const fields = '"fields":{"a":"99999999999999999999","b":9223372036854775807,"c":1.2345678901234568e+22,"d":null}'
    assert(fieldsOf('influx with a number beyond 64 bits').includes(fields))
  })

  it('that is too deep costs its fields', () => {
    assert.deepEqual(tagsOf('XML of depth 100,000'), ['not-xml'])
    assert.notEqual(fieldsOf('XML of depth 1,000'), '')
  })

  it('is read in a time that grows with its length and no more', function () {
    this.timeout(20_000)
    for (const [format, begin, piece] of [
      ['auto', '[', '{'],
      ['auto', '[{"', '\\'],
      ['influx', 'a', ',a=b'],
      ['influx', 'a b="', '\\'],
      ['graphite', 'a', ';a=b'],
      ['carbon2', 'a=b', ' '],
      ['carbon2', 'a=b', ' a=b'],
      ['collectd', 'PUTVAL a/b/c ', 'a=b '],
      ['collectd', 'PUTVAL "', '\\'],
      ['logfmt', 'a', ' a'],
      ['logfmt', 'a="', '\\a'],
      ['logfmt', '', ' '],
      ['nginx', '', 'a '],
      ['nginx', 'a b c [', '"[ '],
      ['syslog', '<1>1 a b c d e [a', ' b="c"'],
      ['syslog', '<1>1 a b c d e ', '[a]'],
      ['xml', '<a>', '<b>'],
      ['xml', '<a>', '<b/>'],
      ['xml', '<a', ' xmlns="b"'],
      ['xml', '', '<!--'],
      ['auto', '', ' a=b'],
    ] as const)
      decode(format, Buffer.from(begin + piece.repeat(2 ** 20 / piece.length)))
  })

  describe('in ClickHouse', () => {
    let fixture: StoreFixture
    before(async () => {
      fixture = await openStore()
    })

    after(() => fixture?.close())

    it('is taken with all the others in one block, and comes back byte for byte', async () => {
      const fields = [
        { path: ['level'], type: 'keyword' as const },
        { path: ['status'], type: 'integer' as const },
      ]
      const logstore = makeLogstore({ id: '0e5f24a1-1a9c-4c8e-9a51-5d0f3a9f3c11', name: 'odd', fields })
      const rows: Partial<Row>[] = Object.values(values).map(([format, value], offset) => {
        const decoder = new Decoder(typeof format === 'string' ? { name: format } : format, [])
        return { offset, ...decoder.decode(recordOf(value), RECEIVED_MS, false)[0]! }
      })
      await insertRows(fixture.store, logstore, rows)
      const stored = await ask<{ name: number; content: string; level: string; status: string | null }>(
        fixture.store,
        logstore,
        'SELECT toUInt32(_offset) AS name, hex(content) AS content, f_level AS level, toString(f_status) AS status FROM log ORDER BY _offset',
      )
      const names = Object.keys(values)
      assert.equal(stored.length, names.length)
      for (const { name, content } of stored) assert(values[names[name]!]![1].equals(Buffer.from(content, 'hex')), names[name])

      const column = (name: string): [string, string | null] => {
        const { level, status } = stored[names.indexOf(name)]!
        return [level, status]
      }
      // What docs/formats.md says of documents that the store reads, or does not.
      assert.deepEqual(column('JSON with numbers beyond 2^53'), ['big', '9007199254740993'])
      assert.deepEqual(column('JSON with a number beyond 2^64'), ['', null])
      assert.deepEqual(column('JSON with duplicate keys'), ['first', null])
      assert.deepEqual(column('JSON with NUL as an escape'), ['a\0b', null])
      assert.deepEqual(column('JSON with a NUL byte in a text'), ['', null])
      assert.deepEqual(column('JSON with half a surrogate pair'), ['', null])
      assert.deepEqual(column('JSON of 1 MiB'), ['long', null])
      assert.deepEqual(column('JSON of depth 1,000'), ['deep', null])
      assert.deepEqual(column('JSON of depth 100,000'), ['', null])
      assert.deepEqual(column('JSON of 10,000 keys'), ['many', null])
      assert.deepEqual(column('two JSON documents'), ['', null])
    })

    it('has times that it can hold', async () => {
      const logstore = makeLogstore({ id: '5c0f3f10-7f43-4d53-8f39-4b1a41a6f2aa', name: 'times' })
      const decoder = new Decoder({ name: 'auto' }, [])
      const times = [RECEIVED_MS * 1e6, -1, 0, Date.UTC(1850, 0, 1)]
      const rows = times.map((timestamp, offset) => ({ offset, ...decoder.decode(recordOf('x', { timestamp }), RECEIVED_MS, false)[0]! })) // prettier-ignore
      await insertRows(fixture.store, logstore, rows)
      const stored = await ask(fixture.store, logstore, 'SELECT toString(_time) AS time, _tags AS tags FROM log ORDER BY _offset')
      assert.deepEqual(stored, [
        { time: '2299-12-31 23:59:59.999', tags: ['out-of-range'] },
        { time: '2026-01-15 12:00:00.000', tags: [] },
        { time: '1970-01-01 00:00:00.000', tags: ['late'] },
        { time: '2026-01-15 12:00:00.000', tags: [] },
      ])
    })
  })

  it('in an array is kept as it came too', () => {
    const elements = [reserved, '{"n":123456789012345678901234567890}', '{"a":"\\u0000","a":1}']
    assert.deepEqual(contents(decode('auto', `[${elements.join(',')}]`)), elements)
  })
})
