import assert from 'node:assert/strict'
import { findTrends, medianOf, type Sample } from './samples.ts'

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
