import assert from 'node:assert/strict'
import { formatBytes, formatMs, parseBytes, parseMs } from '../../../src/config/units.ts'

describe('sizes', () => {
  for (const [given, bytes] of [
    [0, 0],
    [104_857_600, 104_857_600],
    ['104857600', 104_857_600],
    ['64 MiB', 67_108_864],
    ['64mib', 67_108_864],
    ['400 MB', 400_000_000],
    ['1.5 KiB', 1536],
    ['2 GiB', 2_147_483_648],
    ['7 B', 7],
  ] as const)
    it(`reads ${given} as ${bytes} bytes and writes that so that it reads the same`, () => {
      assert.equal(parseBytes(given), bytes)
      assert.equal(parseBytes(formatBytes(bytes)), bytes)
    })

  for (const given of [
    '',
    'MiB',
    '-1',
    -1,
    '1 2',
    '5 XB',
    '64 constructor',
    0.5,
    NaN,
    Infinity,
    '0.3 KiB',
    '9999999 GiB',
    null,
    true,
    {},
  ])
    it(`takes ${JSON.stringify(given)} for none`, () => assert.equal(parseBytes(given), undefined))

  it('are written in the largest unit that needs no fraction', () => {
    assert.deepEqual([2 ** 26, 4e8, 524_288, 1536, 1000].map(formatBytes), ['64 MiB', '400 MB', '512 KiB', '1536', '1000'])
  })
})

describe('durations', () => {
  for (const [given, ms] of [
    [250, 250],
    ['250ms', 250],
    ['1.5s', 1500],
    ['10 min', 600_000],
    ['10m', 600_000],
    ['12 h', 43_200_000],
    ['30d', 2_592_000_000],
  ] as const)
    it(`reads ${given} as ${ms} ms and writes that so that it reads the same`, () => {
      assert.equal(parseMs(given), ms)
      assert.equal(parseMs(formatMs(ms)), ms)
    })
})
