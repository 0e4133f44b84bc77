import assert from 'node:assert/strict'
import { LineCutter, MAX_LINE_BYTES } from '../../../src/push/lines.ts'

function cut(pieces: readonly string[]): [string, number][] {
  const cutter = new LineCutter('input')
  const lines = [...pieces.flatMap(piece => [...cutter.cut(Buffer.from(piece))]), ...cutter.finish()]
  return lines.map(({ value, end }) => [value.toString(), end])
}

describe('LineCutter', () => {
  it('gives lines without their ends, and where the next one begins', () => {
    assert.deepEqual(cut(['one\ntwo\r\n\n\r\nthree']), [
      ['one', 4],
      ['two', 9],
      ['', 10],
      ['', 12],
      ['three', 17],
    ])
    assert.deepEqual(cut([]), [])
    assert.deepEqual(cut(['', '']), [])
  })

  it('leaves a CR that is no line end', () => {
    assert.deepEqual(cut(['a\rb\r\r\nc\r']), [
      ['a\rb\r', 6],
      ['c\r', 8],
    ])
  })

  it('gives the same lines wherever the input is divided', () => {
    const content = 'one\r\ntwo\n\nthree ä\r\nfour'
    const whole = cut([content])
    for (let at = 0; at <= content.length; at++) assert.deepEqual(cut([content.slice(0, at), content.slice(at)]), whole)
    assert.deepEqual(cut([...content]), whole)
  })

  it('refuses a line that is too long, behind those before it', () => {
    const longest = 'x'.repeat(MAX_LINE_BYTES)
    assert.equal(cut([longest, '\nnext']).length, 2)
    for (const pieces of [[`${longest}y`], [longest, 'y'], [`${longest}y\n`], [longest, 'y\n']]) {
      const cutter = new LineCutter('app.log')
      assert.equal([...cutter.cut(Buffer.from('one\n'))].length, 1)
      assert.throws(
        () => pieces.forEach(piece => [...cutter.cut(Buffer.from(piece))]),
        /^SluiceError: line 2 of app\.log is longer/,
      )
    }
  })
})
