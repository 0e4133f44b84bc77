/**
 * Bars as SVG: panels one below the other, in each a group of bars for each thing that was measured, a bar for each system.
 */
import { COLORS, round, text, ticksUpTo } from './svg.ts'

export interface BarPanel {
  title: string
  /** Of the values: `CPU s/GB`. */
  unit: string
  /** With a value for each system of the drawing, undefined where there is none. */
  groups: readonly { name: string; values: readonly (number | undefined)[] }[]
}

const WIDTH = 960
const MARGIN = { left: 170, right: 70, top: 56, panel: 64, bottom: 24 }
const PLOT_WIDTH = WIDTH - MARGIN.left - MARGIN.right
const BAR = { height: 14, gap: 2, group: 12 }
const LEGEND_WIDTH = 130

/** A system has its colour in all panels. */
export function plotBars({
  title,
  systems,
  panels,
}: {
  title: string
  systems: readonly string[]
  panels: readonly BarPanel[]
}): string {
  const drawn: string[] = []
  let top = MARGIN.top
  for (const panel of panels) {
    drawn.push(...drawPanel(panel, systems, top))
    top += heightOf(panel) + MARGIN.panel
  }
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${top - MARGIN.panel + MARGIN.bottom}" font-family="sans-serif" font-size="13">`,
    `<rect width="100%" height="100%" fill="#ffffff"/>`,
    text(24, 24, title, { size: 16, weight: 'bold' }),
    ...drawn,
    '</svg>',
  ]
  return `${parts.join('\n')}\n`
}

function heightOf({ groups }: BarPanel): number {
  const bars = groups.flatMap(({ values }) => values.filter(value => value !== undefined))
  return groups.length * BAR.group + bars.length * (BAR.height + BAR.gap)
}

function drawPanel(panel: BarPanel, systems: readonly string[], top: number): string[] {
  const { title, unit, groups } = panel
  const highest = groups.flatMap(({ values }) => values).reduce<number>((most, value) => Math.max(most, value ?? 0), 0)
  const ticks = ticksUpTo(highest === 0 ? 1 : highest)
  const scale = PLOT_WIDTH / ticks.at(-1)!
  const bottom = top + heightOf(panel)
  const drawn = [text(24, top - 8, `${title}, ${unit}`, { weight: 'bold' })]
  for (const tick of ticks) {
    const x = MARGIN.left + tick * scale
    drawn.push(`<path d="M${round(x)} ${top}V${bottom}" stroke="#dddddd"/>`)
    drawn.push(text(x, bottom + 16, tick.toLocaleString('en'), { anchor: 'middle' }))
  }
  const shown = systems
    .map((name, index) => ({ name, index }))
    .filter(({ index }) => groups.some(({ values }) => values[index] !== undefined))
  for (const [place, { name, index }] of shown.entries()) {
    const left = WIDTH - MARGIN.right - (shown.length - place) * LEGEND_WIDTH
    drawn.push(
      `<rect x="${left}" y="${top - 19}" width="12" height="12" fill="${colorOf(index)}"/>`,
      text(left + 18, top - 8, name),
    )
  }
  let y = top + BAR.group / 2
  for (const { name, values } of groups) {
    const first = y
    for (const [index, value] of values.entries()) {
      if (value === undefined) continue
      const width = round(value * scale)
      drawn.push(`<rect x="${MARGIN.left}" y="${y}" width="${width}" height="${BAR.height}" fill="${colorOf(index)}"/>`)
      drawn.push(text(MARGIN.left + width + 6, y + 11, formatValue(value), { size: 11 }))
      y += BAR.height + BAR.gap
    }
    drawn.push(text(MARGIN.left - 8, (first + y) / 2 + 4, name, { anchor: 'end' }))
    y += BAR.group
  }
  return drawn
}

function colorOf(system: number): string {
  return COLORS[system % COLORS.length]!
}

/** With three digits that count. */
function formatValue(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en') : String(Number(value.toPrecision(3)))
}
