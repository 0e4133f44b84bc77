/** docs/formats.md says what is so. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { formatNames, type FormatName, type LogFormat } from '../../../src/decoding/log-format.ts'
import { read } from './fixtures.ts'

const text = readFileSync('docs/formats.md', 'utf8')

describe('docs/formats.md', () => {
  it('has every format in its table', () => {
    const [, table = ''] = /(\n\| format[^]*?)\n\n/.exec(text) ?? []
    assert.deepEqual([...table.matchAll(/^\| `([\w-]+)`/gm)].map(([, name]) => name).sort(), [...formatNames].sort())
  })

  const examples = [...text.matchAll(/```([\w-]+)(?: (.+))?\n(.+)\n(.+)\n```/g)]
  it('has examples', () => assert(examples.length >= 10))

  for (const [, name, argument, value, fields] of examples)
    it(`has an example that is so: ${name}`, () => {
      const format: LogFormat = { name: name as FormatName }
      if (name === 'csv') format.columns = argument?.split(',')
      if (name === 'regex') format.pattern = argument
      assert.deepEqual(read(format, value!), JSON.parse(fields!))
    })
})
