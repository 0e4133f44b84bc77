/** Values that hold several logs: each has its own bytes, and nothing that is one log is divided. */
import assert from 'node:assert/strict'
import type { LogFormat } from '../../../src/decoding/log-format.ts'
import { contents, decode } from './fixtures.ts'

const csv: LogFormat = { name: 'csv', columns: ['id', 'text'] }

describe('a JSON array of objects', () => {
  const elements = ['{"a":"]},{\\"","b":[{},[]]}', '{}', '{"a" : "\\\\"}', '{"n":123456789012345678901234567890,"n":1.10}']

  for (const format of ['auto', 'json'] as const)
    it(`is a log for each in the format ${format}, with exactly its bytes`, () => {
      const logs = decode(format, ` [${elements.join(' ,\n')}\t] \r\n`)
      assert.deepEqual(contents(logs), elements)
      assert(logs.every(({ fields, tags }) => fields === '' && tags.length === 0))
    })

  it('has views of the value, not copies', () => {
    const value = Buffer.from('[{"a":1}]')
    assert.equal(decode('auto', value)[0]?.content?.buffer, value.buffer)
  })

  for (const value of [
    '[]',
    '[{"a":1},2]',
    '[{"a":1},]',
    '[{"a":1}',
    '[{"a":1}]x',
    '[{"a":"1}]',
    '[{"a":1]]',
    '[{"a":1} {"a":2}]',
    '[',
    '[{"a\\',
  ])
    it(`that is none stays one log: ${value}`, () => {
      assert.deepEqual(contents(decode('auto', value)), [value])
      assert.deepEqual(decode('auto', value)[0]?.tags, [])
      assert.deepEqual(decode('json', value)[0]?.tags, ['not-json'])
    })

  it('stays one log if it has more elements than a block should', () => {
    const array = (count: number): string => `[${'{},'.repeat(count - 1)}{}]`
    assert.equal(decode('auto', array(50_000)).length, 50_000)
    assert.equal(decode('auto', array(50_001)).length, 1)
  })

  it('stays one log if the copies of its key and headers would take too much memory, and says so', () => {
    const array = `[${'{},'.repeat(999)}{}]`
    const logs = decode('auto', array, {
      record: { key: Buffer.alloc(20_000), headers: [{ key: 'h', value: Buffer.alloc(20_000) }] },
    })
    assert.deepEqual([contents(logs), logs[0]?.tags], [[array], ['not-divided']])
  })

  it('is scanned as deep as it is', () => {
    const deep = `{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`
    assert.deepEqual(contents(decode('auto', `[${deep},${deep}]`)), [deep, deep])
  })
})

describe('several lines', () => {
  const lines: [LogFormat['name'], string, string][] = [
    ['influx', 'cpu,host=a idle=1 1700000000000000000', 'cpu,host=b idle=2 1700000000000000000'],
    ['graphite', 'a.b 1 1700000000', 'a.c 2 1700000000'],
    ['carbon2', 'metric=a  1 1700000000', 'metric=b  2 1700000000'],
    ['collectd', 'PUTVAL a/b/c interval=10 1700000000:1', 'PUTVAL a/b/d interval=10 1700000000:2'],
  ]
  for (const [format, first, second] of lines) {
    it(`of ${format} are a log each, also in the format auto`, () => {
      for (const name of [format, 'auto'] as const) {
        const logs = decode(name, `${first}\r\n\n${second}\n`)
        assert.deepEqual(contents(logs), [first, second])
        assert(logs.every(({ fields }) => fields.startsWith('{')))
      }
    })

    it(`of ${format} and others are a log each where the format is said, and text where it is not`, () => {
      const logs = decode(format, `${first}\nsomething else`)
      assert.deepEqual(
        [contents(logs), logs.map(({ tags }) => tags)],
        [
          [first, 'something else'],
          [[], [`not-${format}`]],
        ],
      )
      const value = `${first}\nsomething else 1700000000`
      assert.deepEqual(contents(decode('auto', value)), [value])
    })
  }

  it('of CSV are a log each; line endings in quotation marks end none', () => {
    const logs = decode(csv, '1,a\r\n2,"b\nc"\n3,d')
    assert.deepEqual(contents(logs), ['1,a', '2,"b\nc"', '3,d'])
    assert.deepEqual(logs.map(({ fields }) => fields), ['{"id":1,"text":"a"}', '{"id":2,"text":"b\\nc"}', '{"id":3,"text":"d"}']) // prettier-ignore
  })

  it('of text and of anything else are one log', () => {
    for (const format of ['auto', 'text', 'logfmt', 'nginx', 'syslog'] as const)
      assert.equal(decode(format, 'level=info a=1\nlevel=info a=2\n').length, 1)
  })

  it('of nothing but line endings are one log', () => {
    for (const format of ['influx', csv] as const) assert.deepEqual(contents(decode(format, '\n\r\n\n')), ['\n\r\n\n'])
  })
})

describe('an XML list', () => {
  const elements = ['<log a="1>2"><log/><!-- </log> --><![CDATA[</log>]]></log>', '<log/>', '<log><b>2</b></log>']
  const list = `<?xml version="1.0"?>\n<!-- logs --><logs xmlns:x="y">\n ${elements.join('\n')}<!-- end --></logs>\n`

  it('is a log for each element where the format is XML, with exactly its bytes', () => {
    const logs = decode('xml', list)
    assert.deepEqual(contents(logs), elements)
    assert.equal(logs[0]?.fields, '{"log":{"log":"","#text":"</log>","@a":"1>2"}}')
  })

  it('is one log in the format auto', () => {
    assert.deepEqual(contents(decode('auto', list)), [list])
  })

  for (const value of [
    '<logs><log/></logs>',
    '<logs><log/><other/></logs>',
    '<logs host="a"><log/><log/></logs>',
    '<logs>text<log/><log/></logs>',
    '<logs><log/><log/>',
    '<logs><log/><log></logs>',
    '<logs><log/><log/></logs><more/>',
  ])
    it(`is none, and one log, if it is ${value}`, () => {
      assert.deepEqual(contents(decode('xml', value)), [value])
    })
})
