/** What is refused of formats and masks, and in which words. */
import assert from 'node:assert/strict'
import { findFormatProblem, findMasksProblem } from '../../../src/decoding/check-settings.ts'
import { formatNames, type LogFormat, type Mask } from '../../../src/decoding/log-format.ts'

describe('the settings of a format', () => {
  it('are in order for each format with what it needs', () => {
    for (const name of formatNames) {
      const pattern = name === 'regex' ? '(?P<a>b)' : undefined
      const columns = name === 'csv' ? ['a', '__proto__', 'b c'] : undefined
      assert.equal(findFormatProblem({ name, pattern, columns, timeField: ['a', '__proto__'] }), undefined)
    }
  })

  const refused: [LogFormat, RegExp][] = [
    [{ name: 'regex' }, /"regex" needs a pattern/],
    [{ name: 'json', pattern: 'a' }, /"json" has no pattern/],
    [{ name: 'csv' }, /"csv" needs the names of its columns/],
    [{ name: 'csv', columns: [] }, /1 to 1000 columns/],
    [{ name: 'csv', columns: Array.from({ length: 1001 }, (_, index) => `c${index}`) }, /1 to 1000 columns/],
    [{ name: 'csv', columns: ['a', ''] }, /names of columns have 1 to 256 characters/],
    [{ name: 'csv', columns: ['a', 'a'] }, /two columns have the same name/],
    [{ name: 'auto', columns: ['a'] }, /"auto" has no columns/],
    [{ name: 'auto', timeField: [] }, /keys of the time field/],
    [{ name: 'auto', timeField: ['a'.repeat(257)] }, /keys of the time field/],
    [{ name: 'regex', pattern: '(' }, /the pattern "\(" cannot be used: .*missing closing \)/],
    [{ name: 'regex', pattern: '(?P<a>x)\\1' }, /cannot be used: .*invalid escape sequence/],
    [{ name: 'regex', pattern: '(a)' }, /names no fields/],
    [{ name: 'regex', pattern: `(?P<a>${'x'.repeat(4096)})` }, /longer than 4096 characters/],
  ]
  for (const [format, expected] of refused)
    it(`are refused if they are ${JSON.stringify(format).slice(0, 60)}`, () => {
      assert.match(findFormatProblem(format) ?? '', expected)
    })
})

describe('masks', () => {
  it('are in order with patterns of RE2', () => {
    assert.equal(findMasksProblem([{ pattern: '(?P<a>b)(c)', replacement: '${a}$2$$' }]), undefined)
    assert.equal(findMasksProblem(Array.from({ length: 32 }, () => ({ pattern: 'a', replacement: '' }))), undefined)
  })

  const refused: [Mask, RegExp][] = [
    [{ pattern: '(?=a)', replacement: '' }, /the mask "\(\?=a\)" cannot be used: .*Perl syntax/],
    [{ pattern: '', replacement: '' }, /it is empty/],
    [{ pattern: 'a*', replacement: '' }, /it matches where there is nothing/],
    [{ pattern: 'a', replacement: '$1' }, /names the group "1", which the pattern does not have/],
    [{ pattern: '(?P<a>b)', replacement: '${c}' }, /names the group "c"/],
    [{ pattern: '(?P<a>b)', replacement: '${__proto__}' }, /names the group "__proto__"/],
    [{ pattern: 'a'.repeat(4097), replacement: '' }, /longer than 4096 characters/],
    [{ pattern: 'a', replacement: 'a'.repeat(4097) }, /replacement of a mask is longer/],
    [{ pattern: '((a{1,100}){1,10}){1,10}', replacement: '' }, /cannot be used/],
  ]
  for (const [mask, expected] of refused)
    it(`are refused with ${JSON.stringify(mask).slice(0, 60)}`, () => {
      assert.match(findMasksProblem([mask]) ?? '', expected)
    })

  it('are refused if there are too many', () => {
    const masks = Array.from({ length: 33 }, () => ({ pattern: 'a', replacement: '' }))
    assert.match(findMasksProblem(masks) ?? '', /32 masks at most/)
  })
})
