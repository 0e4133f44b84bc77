import assert from 'node:assert/strict'
import { FieldStatistics, typeOf, type FieldReport, type SampledField } from '../../../src/catalog/field-statistics.ts'
import type { Field } from '../../../src/catalog/model.ts'
import {
  addToSketch,
  createSketch,
  estimateDistinct,
  MAX_DISTINCT,
  mergeSketches,
  writeSketch,
} from '../../../src/catalog/value-sketch.ts'

const NONE = { strings: 0, integers: 0, numbers: 0, booleans: 0, arrays: 0, nulls: 0, values: '' }
const logstore = { fields: [] as Field[], removedFields: [] as string[][] }

function sketchOf(count: number, prefix = 'value'): Uint8Array {
  const sketch = createSketch()
  for (let number = 0; number < count; number++) addToSketch(sketch, `${prefix} ${number}`)
  return sketch
}

/** A field as a report has it; of its strings so many are different. */
function makeField(name: string | string[], counts: Partial<SampledField>, different = 0): SampledField {
  const path = typeof name === 'string' ? name.split('.') : name
  return { ...NONE, path, ...counts, ...(different > 0 && { values: writeSketch(sketchOf(different)) }) }
}

function makeReport(samples: number, ...fields: SampledField[]): FieldReport {
  return { logstoreId: 'id', logs: samples * 10, samples, fields }
}

function proposalsOf(report: FieldReport, of: Partial<typeof logstore> = {}): Record<string, string> {
  const statistics = new FieldStatistics()
  statistics.take(report, 0)
  return Object.fromEntries(statistics.propose({ ...logstore, ...of }, 0).map(({ path, type }) => [path.join('.'), type]))
}

describe('the sketch of values', () => {
  it('counts some hundreds of different texts about rightly, and each once', () => {
    for (const count of [0, 1, 10, 100, 400]) {
      const sketch = sketchOf(count)
      const estimate = estimateDistinct(sketch)
      assert(Math.abs(estimate - count) <= Math.max(1, count * 0.25), `${count} are taken for ${estimate}`)
      assert.equal(estimateDistinct(mergeSketches(sketch, sketchOf(count))), estimate)
    }
    assert.equal(estimateDistinct(sketchOf(100_000)), MAX_DISTINCT)
  })

  it('adds up', () => {
    const both = estimateDistinct(mergeSketches(sketchOf(100, 'one'), sketchOf(100, 'other')))
    assert(both > 150 && both < 250, String(both))
  })
})

describe('the statistics of fields', () => {
  it('tell the types by the values', () => {
    assert.equal(typeOf(makeField('a', { strings: 100 }, 5)), 'keyword')
    assert.equal(typeOf(makeField('a', { strings: 100 }, 90)), 'text')
    assert.equal(typeOf(makeField('a', { strings: 10_000 }, 5000)), 'text')
    assert.equal(typeOf(makeField('a', { integers: 100, nulls: 900 })), 'integer')
    assert.equal(typeOf(makeField('a', { integers: 100, numbers: 1 })), 'number')
    assert.equal(typeOf(makeField('a', { strings: 1, integers: 1000 }, 1)), 'text')
    assert.equal(typeOf(makeField('a', { booleans: 100 })), 'boolean')
    assert.equal(typeOf(makeField('a', { booleans: 100, integers: 1 })), 'text')
    assert.equal(typeOf(makeField('a', { arrays: 100, integers: 1 })), 'array')
    assert.equal(typeOf(makeField('a', { nulls: 1 })), 'null')
  })

  it('propose what is in more than a few per cent of the logs', () => {
    const proposed = proposalsOf(
      makeReport(
        1000,
        makeField('level', { strings: 1000 }, 4),
        makeField('http.status', { integers: 900 }),
        makeField('flag', { booleans: 200 }),
        makeField('message', { strings: 800 }, 790),
        makeField('rare', { strings: 40 }, 2),
        makeField('mostly null', { strings: 40, nulls: 900 }, 2),
        makeField('tags', { arrays: 1000 }),
        makeField('nothing', { nulls: 1000 }),
      ),
    )
    assert.deepEqual(proposed, {
      level: 'keyword',
      'http.status': 'integer',
      flag: 'keyword',
      message: 'text',
    })
  })

  it('propose nothing that is there, was removed, or cannot be read together with the others', () => {
    const report = makeReport(
      100,
      ...['there', 'removed', 'branch.leaf', 'null', 'a.NULL'].map(name => makeField(name, { integers: 50 })),
      makeField('branch', { integers: 60 }),
      makeField([''], { integers: 50 }),
      makeField('there.below', { integers: 50 }),
      makeField('new', { integers: 50 }),
    )
    const proposed = proposalsOf(report, { fields: [{ path: ['there'], type: 'text' }], removedFields: [['removed']] })
    assert.deepEqual(Object.keys(proposed).sort(), ['branch', 'new'])
  })

  it('fill up to 64 columns, with the most frequent', () => {
    const many = Array.from({ length: 100 }, (_, number) => makeField(`field ${number}`, { integers: 100 + number }))
    const fields: Field[] = [{ path: ['level'], type: 'keyword' }]
    const proposed = Object.keys(proposalsOf(makeReport(200, ...many), { fields }))
    assert.equal(proposed.length, 63)
    assert.equal(proposed[0], 'field 99')
  })

  it('wait for enough evidence: a hundred samples, or some and a while', () => {
    const statistics = new FieldStatistics()
    const field = makeField('a', { integers: 19 })
    statistics.take(makeReport(19, field), 1000)
    assert.deepEqual(statistics.propose(logstore, 100_000), [])
    statistics.take(makeReport(1, field), 2000)
    assert.deepEqual(statistics.propose(logstore, 60_000), [])
    assert.equal(statistics.propose(logstore, 61_000).length, 1)
    statistics.take(makeReport(80, field), 3000)
    assert.equal(statistics.propose(logstore, 3000).length, 1)
  })

  it('notice what is new in an old logstore', () => {
    const statistics = new FieldStatistics()
    for (let turn = 0; turn < 1000; turn++) statistics.take(makeReport(1000, makeField('old', { integers: 1000 })), turn)
    for (let turn = 0; turn < 2; turn++) statistics.take(makeReport(1000, makeField('new', { integers: 1000 })), turn)
    assert.deepEqual(
      statistics.propose(logstore, 0).map(({ path }) => path[0]),
      ['old', 'new'],
    )
    const [old] = statistics.list()
    assert.equal(old!.field.logs, 10_000_000)
  })

  it('are bounded: of many paths the rarest go, and those of long ago', () => {
    const statistics = new FieldStatistics()
    for (let turn = 0; turn < 50; turn++) {
      const random = Array.from({ length: 1000 }, (_, number) => makeField(`random ${turn} ${number}`, { integers: 1 }))
      statistics.take(makeReport(20, makeField('steady', { integers: 10 }), ...random), turn)
    }
    const paths = statistics.list().map(({ field }) => field.path[0]!)
    assert.equal(paths.length, 1000)
    assert.equal(paths[0], 'steady')
    assert(paths.slice(1).every(path => path.startsWith('random 49 ')))
  })

  it('are the same when they were written and read', () => {
    const statistics = new FieldStatistics()
    statistics.take(makeReport(100, makeField('a', { strings: 100 }, 7), makeField('b', { numbers: 3 })), 5)
    const content: unknown = JSON.parse(JSON.stringify(statistics.content))
    const read = new FieldStatistics(content as typeof statistics.content)
    assert.deepEqual(read.list(), statistics.list())
    assert.deepEqual(read.propose(logstore, 5), statistics.propose(logstore, 5))
  })
})
