import assert from 'node:assert/strict'
import { plotBars } from '../../tools/plot/bars.ts'
import { plotLines } from '../../tools/plot/lines.ts'
import { ticksUpTo } from '../../tools/plot/svg.ts'
import { plot, thin, type Point } from '../../tools/plot/time.ts'

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

describe('bars', () => {
  const systems = ['Kafka', 'sluice']
  const groups = [
    { name: '64 KB & more', values: [3.2, 1.1] },
    { name: '1 MB', values: [2.8, undefined] },
  ]

  it('have a bar for each value that there is, with the value, and a legend', () => {
    const svg = plotBars({ title: 'CPU', systems, panels: [{ title: 'by row', unit: 's/GB', groups }] })
    assert.equal(svg.match(/<rect x=/g)?.length, 3 + systems.length)
    for (const text of ['CPU', 'by row, s/GB', '64 KB &amp; more', '1 MB', '3.2', 'Kafka', 'sluice'])
      assert(svg.includes(`>${text}</text>`), text)
    assert(!/NaN|undefined|Infinity/.test(svg))
  })

  it('are as long as their values say', () => {
    const svg = plotBars({ title: 'CPU', systems, panels: [{ title: 'by row', unit: 's/GB', groups }] })
    const widths = [...svg.matchAll(/width="([\d.]+)" height="14"/g)].map(([, width]) => Number(width))
    assert.equal(widths.length, 3)
    assert(Math.abs(widths[0]! / widths[1]! - 3.2 / 1.1) < 0.05)
  })
})

describe('lines', () => {
  it('have a panel each with its own sizes, and one scale', () => {
    const panelOf = (title: string, values: number[]) => ({
      title,
      points: values.map((value, index) => ({ label: `${title} ${index}`, value })),
    })
    const svg = plotLines({
      title: 'Growth',
      level: 1,
      panels: [panelOf('a', [1, 2]), panelOf('b', [1, 1]), panelOf('c', [2, 1, 1])],
    })
    const heights = [...svg.matchAll(/<circle cx="[\d.]+" cy="([\d.]+)"/g)].map(([, y]) => Number(y))
    assert.deepEqual(
      heights.map(y => heights.indexOf(y)),
      [0, 1, 0, 0, 1, 0, 0],
    )
    assert(heights[1]! < heights[0]!)
    for (const text of ['Growth', 'a', 'b 1', 'c 2']) assert(svg.includes(`>${text}</text>`), text)
    assert(!/NaN|undefined|Infinity/.test(svg))
  })
})
