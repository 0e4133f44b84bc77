/** Members of JSON objects, found as bytes: what JSON.parse finds, if they are written as anybody writes them. */
import assert from 'node:assert/strict'
import { findMembers } from '../../../src/decoding/json-bytes.ts'

function find(text: string, ...keys: string[]): (string | undefined)[] {
  const found = findMembers(Buffer.from(text), keys.map(key => Buffer.from(key))) // prettier-ignore
  return found.map(value => value?.toString())
}

describe('the members of an object', () => {
  const values = ['1', '-1.5e3', '"a"', '"\\"}],\\\\"', 'true', 'null', '{"b":{"c":[1,{"b":2}]}}', '[{"a":"]"},"}"]', '""']

  it('are found whatever is before and behind them', () => {
    for (const before of values)
      for (const value of values)
        for (const text of [`{"x":${before},"a":${value},"y":${before}}`, ` {\n"x" :\t${before} , "a" : ${value} }\n`])
          assert.deepEqual(find(text, 'a', 'missing'), [value, undefined], text)
  })

  it('are those of the object itself, and the first of those that repeat', () => {
    assert.deepEqual(find('{"b":{"a":1},"a":2,"a":3,"":4}', 'a', 'b', ''), ['2', '{"a":1}', '4'])
  })

  it('are found up to where the object is broken', () => {
    assert.deepEqual(find('{"a":1,"b', 'a', 'b'), ['1', undefined])
    assert.deepEqual(find('{"a":1 "b":2}', 'a', 'b'), ['1', undefined])
    for (const text of ['', '[', '"a"', '{', '{"a"', '{a:1}', '{"a', '["a",1]', 'text'])
      assert.deepEqual(find(text, 'a'), [undefined], text)
    for (const text of ['{"a":', '{"a":"x', '{"a":{']) assert(find(text, 'a')[0] !== '1', text)
  })

  it('are those that JSON.parse finds, in random documents', () => {
    let seed = 7
    const random = (below: number): number => (seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31) % below
    const make = (depth: number): unknown => {
      const kind = random(depth > 3 ? 3 : 5)
      if (kind === 3) return Array.from({ length: random(4) }, () => make(depth + 1))
      if (kind === 4) return makeObject(depth + 1)
      return [random(1e6) / 10, ['', '{"', '\\', 'é]'][random(4)], null][kind]
    }
    const makeObject = (depth: number): object =>
      Object.fromEntries(Array.from({ length: random(5) }, () => ['abcde'[random(5)], make(depth)]))
    for (let round = 0; round < 2000; round++) {
      const object = makeObject(0) as Record<string, unknown>
      const found = find(JSON.stringify(object, null, random(3)), 'a', 'b')
      assert.deepEqual(found.map(text => text && (JSON.parse(text) as unknown)), [object['a'], object['b']]) // prettier-ignore
    }
  })
})
