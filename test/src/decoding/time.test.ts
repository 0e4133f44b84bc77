/** When a log was made: which of its times counts, how times are written, and what is odd about them. */
import assert from 'node:assert/strict'
import { decode, RECEIVED_MS, type Options } from './fixtures.ts'
import type { LogFormat } from '../../../src/decoding/log-format.ts'

const NO_TIMESTAMP: Options = { record: { timestamp: -1 } }
const TIME = Date.UTC(2026, 0, 15, 11, 30, 0, 250)

function timeOf(value: string, format: LogFormat['name'] | LogFormat = 'auto', options = NO_TIMESTAMP): string {
  return new Date(decode(format, value, options)[0]!.timeMs).toISOString()
}

describe('the time of a log', () => {
  it("is the record's, whatever the log says", () => {
    assert.equal(decode('auto', '{"time":"2020-01-01"}')[0]?.timeMs, RECEIVED_MS)
    assert.equal(decode('auto', 'a.b 1 1600000000')[0]?.timeMs, RECEIVED_MS)
    assert.equal(decode('auto', '{"time":1600000000}', { record: { timestamp: 5 } })[0]?.timeMs, 5)
  })

  it('is that of a field that the logstore names, before any other', () => {
    const format: LogFormat = { name: 'json', timeField: ['event', 'at'] }
    const value = `{"time":"2020-01-01","event":{"at":${TIME}}}`
    assert.equal(decode(format, value)[0]?.timeMs, TIME)
    assert.equal(decode(format, '{"time":"2020-01-01"}')[0]?.timeMs, RECEIVED_MS)
    assert.equal(timeOf('{"time":"2020-01-01"}', format), '2020-01-01T00:00:00.000Z')
    assert.equal(timeOf(`a_b at=${TIME}`, { name: 'logfmt', timeField: ['at'] }, {}), '2026-01-15T11:30:00.250Z')
    assert.equal(timeOf(`[{"event":{"at":${TIME}}}]`, format, {}), '2026-01-15T11:30:00.250Z')
  })

  it('is that of arrival where there is none', () => {
    for (const value of [
      '{"a":1}',
      '{"time":',
      'text',
      '{"ts":12.5}',
      '{"time":{"time":1}}',
      '{"b":{"time":1600000000}}',
      '["time"]',
    ])
      assert.equal(decode('auto', value, NO_TIMESTAMP)[0]?.timeMs, RECEIVED_MS, value)
    assert.equal(decode('auto', null, NO_TIMESTAMP)[0]?.timeMs, RECEIVED_MS)
  })

  const fields: [string, string][] = [
    ['"@timestamp":"2026-01-15T11:30:00.250Z","time":1', '2026-01-15T11:30:00.250Z'],
    ['"time":"soon","timestamp":1768476600', '2026-01-15T11:30:00.000Z'],
    ['"ts":1768476600.25', '2026-01-15T11:30:00.250Z'],
    ['"ts":1768476600250', '2026-01-15T11:30:00.250Z'],
    ['"ts":99999999999', '5138-11-16T09:46:39.000Z'],
    ['"ts":99999999999999', '5138-11-16T09:46:39.999Z'],
    ['"ts":150000000000000', '1974-10-03T02:40:00.000Z'],
    ['"ts":1768476600250999', '2026-01-15T11:30:00.250Z'],
    ['"ts":1768476600250999000', '2026-01-15T11:30:00.250Z'],
    ['"ts":"1768476600.25"', '2026-01-15T11:30:00.250Z'],
    ['"ts":1.76847660025e+09', '2026-01-15T11:30:00.250Z'],
    ['"time":"10\\/Oct\\/2000:13:55:36 -0700"', '2000-10-10T20:55:36.000Z'],
    ['"time":"2026-01-15 11:30:00,250"', '2026-01-15T11:30:00.250Z'],
    ['"time":"2026-01-15T13:30:00.250999999+02:00"', '2026-01-15T11:30:00.250Z'],
    ['"time":"2026-01-15T04:30:00-0700"', '2026-01-15T11:30:00.000Z'],
    ['"time":"2026-01-15"', '2026-01-15T00:00:00.000Z'],
    ['"time":"0031-01-15T00:00:00Z"', '0031-01-15T00:00:00.000Z'],
    ['"time":"10/Oct/2000:13:55:36 -0700"', '2000-10-10T20:55:36.000Z'],
    ['"time":"2016-12-31T23:59:60Z"', '2017-01-01T00:00:00.000Z'],
  ]
  for (const [field, expected] of fields)
    it(`is read from {${field}}`, () => {
      assert.equal(timeOf(`{${field}}`), expected)
    })

  for (const text of [
    '2026-02-30T00:00:00Z',
    '2026-13-01',
    '2026-01-15T25:00:00Z',
    '32/Oct/2000:13:55:36 -0700',
    '0x6a0b1c2d',
    '-1',
    '',
  ])
    it(`is not read from ${JSON.stringify(text)}`, () => {
      assert.equal(decode('auto', JSON.stringify({ time: text }), NO_TIMESTAMP)[0]?.timeMs, RECEIVED_MS)
    })

  const own: [LogFormat['name'], string, string][] = [
    ['influx', 'cpu idle=1 1768476600250000000', '2026-01-15T11:30:00.250Z'],
    ['graphite', 'a.b 1 1768476600', '2026-01-15T11:30:00.000Z'],
    ['carbon2', 'metric=a  1 1768476600', '2026-01-15T11:30:00.000Z'],
    ['collectd', 'PUTVAL a/b/c interval=10 1768476600.250:1', '2026-01-15T11:30:00.250Z'],
    ['nginx', '::1 - - [15/Jan/2026:11:30:00 +0000] "GET / HTTP/1.1" 200 1', '2026-01-15T11:30:00.000Z'],
    ['syslog', '<165>1 2026-01-15T11:30:00.250Z host app - - - x', '2026-01-15T11:30:00.250Z'],
    ['syslog', '<34>Jan 15 11:30:00 host su: x', '2026-01-15T11:30:00.000Z'],
    ['syslog', '<34>Dec 31 23:59:59 host su: last year', '2025-12-31T23:59:59.000Z'],
    ['logfmt', 'ts=2026-01-15T11:30:00.250Z a=1', '2026-01-15T11:30:00.250Z'],
  ]
  for (const [format, value, expected] of own)
    it(`is that of the format: ${value}`, () => {
      assert.equal(timeOf(value, format), expected)
    })

  it('is kept and tagged where it is odd', () => {
    const day = 24 * 60 * 60 * 1000
    const tagsAt = (timestamp: number) => decode('auto', 'x', { record: { timestamp } })[0]
    const odd: [number, string[]][] = [
      [RECEIVED_MS, []],
      [RECEIVED_MS - day, []],
      [RECEIVED_MS - day - 1, ['late']],
      [0, ['late']],
      [RECEIVED_MS + 15 * 60 * 1000, []],
      [RECEIVED_MS + 15 * 60 * 1000 + 1, ['future']],
      [Date.UTC(2300, 0, 1) - 1, ['future']],
      [Date.UTC(2300, 0, 1), ['out-of-range']],
      [RECEIVED_MS * 1e6, ['out-of-range']],
    ]
    for (const [timestamp, tags] of odd) assert.deepEqual([tagsAt(timestamp)?.timeMs, tagsAt(timestamp)?.tags], [timestamp, tags])
    assert.deepEqual(decode('auto', '{"time":"1850-01-01"}', NO_TIMESTAMP)[0]?.tags, ['out-of-range'])
  })
})
