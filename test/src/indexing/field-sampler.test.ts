import assert from 'node:assert/strict'
import type { FieldReport } from '../../../src/catalog/field-statistics.ts'
import { distinctValues } from '../../../src/catalog/field-statistics.ts'
import { FieldSampler } from '../../../src/indexing/field-sampler.ts'
import type { Row } from '../../../src/store/row-block.ts'

describe('the sampler of fields', () => {
  let reports: FieldReport[]
  let sampler: FieldSampler

  beforeEach(() => {
    reports = []
    sampler = new FieldSampler(report => reports.push(structuredClone(report)))
  })

  afterEach(() => sampler.stop())

  function observe(content: unknown, { id = 'id', ...row }: { id?: string } & Partial<Row> = {}): void {
    const text = typeof content === 'string' ? content : JSON.stringify(content)
    sampler.observe(id, { content: Buffer.from(text), fields: '', error: '', ...row })
  }

  /** The report so far, with what was counted of each path. */
  function report(): { logs: number; samples: number; fields: Record<string, Record<string, number>> } {
    sampler.report()
    const { logs, samples, fields } = reports.at(-1)!
    const counted = fields.map(({ path, values: _, ...counts }): [string, Record<string, number>] => {
      return [JSON.stringify(path), Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0))]
    })
    return { logs, samples, fields: Object.fromEntries(counted) }
  }

  it('counts the kinds of values by path', () => {
    observe({ a: 'x', b: { c: 1, d: 1.5, e: {} }, f: true, g: [1, { h: 2 }], i: null })
    observe({ a: 'y', b: { c: 2 ** 63 }, f: 'no', '': { '': 0 }, 'b.c': 1, __proto__: 1, constructor: 1 })
    observe('{"__proto__":{"x":1}}')
    assert.deepEqual(report(), {
      logs: 3,
      samples: 3,
      fields: {
        '["a"]': { strings: 2 },
        '["b","c"]': { integers: 1, numbers: 1 },
        '["b","d"]': { numbers: 1 },
        '["f"]': { strings: 1, booleans: 1 },
        '["g"]': { arrays: 1 },
        '["i"]': { nulls: 1 },
        '["",""]': { integers: 1 },
        '["b.c"]': { integers: 1 },
        '["constructor"]': { integers: 1 },
        '["__proto__","x"]': { integers: 1 },
      },
    })
  })

  it('tells how many values are different', () => {
    for (let number = 0; number < 300; number++) observe({ few: `v${number % 3}`, many: `v${number}` })
    sampler.report()
    const [few, many] = reports[0]!.fields
    assert.equal(distinctValues(few!), 3)
    assert(distinctValues(many!) > 200)
  })

  it('looks at what was read of other formats, and not at what could not be decoded', () => {
    observe('level=info {"not":1}', { fields: '{"level":"info"}' })
    observe({ poisonous: 1 }, { error: 'refused' })
    for (const nothing of ['plain', '', '[{"a":1}]', '"a"', '{"a":', '5', ' ']) observe(nothing)
    observe('', { content: null })
    observe('\n\t {"spaced":1}')
    assert.deepEqual(report(), { logs: 11, samples: 11, fields: { '["level"]': { strings: 1 }, '["spaced"]': { integers: 1 } } })
  })

  it('looks at all logs at first, then at about one in a hundred', () => {
    for (let number = 0; number < 1000; number++) observe({ a: 1 })
    assert.deepEqual(report(), { logs: 1000, samples: 1000, fields: { '["a"]': { integers: 1000 } } })
    for (let number = 0; number < 100_000; number++) observe({ a: 1 })
    const { logs, samples, fields } = report()
    assert.equal(logs, 100_000)
    assert(samples > 800 && samples < 1200, String(samples))
    assert.equal(fields['["a"]']!.integers, samples)
    observe({ a: 1 }, { id: 'another' })
    sampler.report()
    assert.equal(reports.at(-1)!.samples, 1)
  })

  it('tells by itself, each logstore apart, and nothing without samples', async () => {
    observe({ a: 1 }, { id: 'one' })
    observe({ b: 1 }, { id: 'other' })
    while (reports.length < 2) await new Promise(resolve => setTimeout(resolve, 20))
    assert.deepEqual(
      reports.map(({ logstoreId, fields }) => [logstoreId, fields.length]),
      [
        ['one', 1],
        ['other', 1],
      ],
    )
    sampler.report()
    assert.equal(reports.length, 2)
  })

  it('is bounded by bytes, and goes on with the next report', () => {
    const large = { text: 'x'.repeat(200 * 1024) }
    for (let number = 0; number < 100; number++) observe(large)
    const first = report()
    assert.equal(first.logs, 100)
    assert(first.samples > 0 && first.samples <= 11, String(first.samples))
    observe({ text: 'x'.repeat(300 * 1024) })
    observe({ small: 1 })
    assert.deepEqual(report().fields, { '["small"]': { integers: 1 } })
  })

  it('is bounded by paths, their text and their depth', () => {
    for (let number = 0; number < 10; number++)
      observe(Object.fromEntries(Array.from({ length: 5000 }, (_, key) => [`${number} ${key}`, 1])))
    assert.equal(Object.keys(report().fields).length, 1000)
    const long = Array.from({ length: 900 }, (_, key): [string, number] => [`${'k'.repeat(250)}${key}`, 1])
    observe(Object.fromEntries(long))
    sampler.report()
    assert(JSON.stringify(reports.at(-1)).length < 256 * 1024)
    observe({ ['k'.repeat(257)]: 1, ['k'.repeat(256)]: 1, 'half \ud800': 1 })
    assert.deepEqual(Object.keys(report().fields), [JSON.stringify(['k'.repeat(256)])])
    observe(`${'{"o":'.repeat(5000)}1${'}'.repeat(5000)}`)
    observe(`${'{"o":'.repeat(32)}1${'}'.repeat(32)}`)
    observe(`${'{"o":'.repeat(33)}1${'}'.repeat(33)}`)
    const { samples, fields } = report()
    assert.equal(samples, 3)
    assert.deepEqual(Object.keys(fields), [JSON.stringify(Array.from({ length: 32 }, () => 'o'))])
  })

  it('knows nothing more of a logstore that is forgotten', () => {
    observe({ a: 1 })
    sampler.forget('id')
    sampler.report()
    assert.deepEqual(reports, [])
  })
})
