import assert from 'node:assert/strict'
import { plot, thin, ticksUpTo, type Point } from './plot.ts'
import { findTrends, medianOf, type Sample } from './samples.ts'

function linear(count: number, slope: number): Point[] {
  return Array.from({ length: count }, (_, index) => ({ minutes: index / 60, value: 100 + index * slope }))
}

describe('a plot', () => {
  it('has a path for each line, axes with units, a legend and the marks, and stays small', () => {
    const lines = ['serve', 'indexer', 'engine'].map((name, index) => ({ name, points: linear(36_000, index) }))
    const panels = ['Memory', 'Open files'].map(title => ({ title, unit: 'MiB', lines }))
    const svg = plot({ title: 'A & B', panels, marks: [{ minutes: 5, label: 'SIGKILL' }] })
    assert.match(svg, /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" viewBox="[\d ]+"[^>]*>\n/)
    assert.equal(svg.match(/stroke-linejoin/g)?.length, 6)
    for (const text of ['A &amp; B', 'Memory, MiB', 'minutes', 'SIGKILL', 'indexer'])
      assert(svg.includes(`>${text}</text>`), text)
    assert(!/NaN|undefined|Infinity/.test(svg))
    assert(svg.length < 60_000, `${svg.length} bytes`)
  })

  it('keeps the peaks of what it leaves out', () => {
    const points = linear(10_000, 0)
    points[1234] = { minutes: 1234 / 60, value: 9999 }
    const thinned = thin(points)
    assert(thinned.length <= 300)
    assert(thinned.some(({ value }) => value === 9999))
  })

  it('has round numbers at its axes, up to what there is', () => {
    assert.deepEqual(ticksUpTo(30), [0, 10, 20, 30])
    assert.deepEqual(ticksUpTo(437), [0, 100, 200, 300, 400, 500])
    assert.deepEqual(ticksUpTo(1), [0, 0.2, 0.4, 0.6, 0.8, 1])
  })
})

describe('the trend of samples', () => {
  const MiB = 1024 * 1024

  function samplesOf(memoryMiB: (quarter: number) => number, files: (quarter: number) => number): Sample[] {
    return Array.from({ length: 400 }, (_, seconds) => {
      const quarter = Math.floor(seconds / 100)
      const noise = seconds % 7 === 0 ? 300 : seconds % 3
      return {
        seconds,
        memoryBytes: { serve: (memoryMiB(quarter) + noise) * MiB },
        files: { serve: files(quarter) },
        acknowledged: seconds,
      }
    })
  }

  function growing(samples: readonly Sample[]): string[] {
    return findTrends(samples)
      .filter(({ isFlat }) => !isFlat)
      .map(({ what }) => what)
  }

  it('is flat where peaks and restarts come and go, and where only the first quarter is lower', () => {
    assert.deepEqual(
      growing(
        samplesOf(
          quarter => (quarter === 0 ? 50 : 200),
          () => 40,
        ),
      ),
      [],
    )
  })

  it('is not where memory or open files are higher in the last quarter than in the second', () => {
    assert.deepEqual(
      growing(
        samplesOf(
          quarter => 200 + quarter * 100,
          quarter => 40 + quarter * 30,
        ),
      ),
      ['memory of serve', 'open files of serve'],
    )
  })

  it('goes by medians', () => {
    assert.equal(medianOf([5, 1, 3]), 3)
    assert.equal(medianOf([4, 1, 3, 2]), 2.5)
  })
})
