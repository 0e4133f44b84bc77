/**
 * Bars as SVG: panels one below the other, in each a group of bars for each thing that was measured, a bar for each system.
 */
import { COLORS, round, text, ticksUpTo } from './svg.ts'

export interface BarPanel {
  title: string
  /** Of the values: `CPU s/GB`. */
  unit: string
  systems: readonly string[]
  /** With a value for each system, undefined where there is none. */
  groups: readonly { name: string; values: readonly (number | undefined)[] }[]
}

const WIDTH = 960
const MARGIN = { left: 170, right: 70, top: 56, panel: 64, bottom: 24 }
const PLOT_WIDTH = WIDTH - MARGIN.left - MARGIN.right
const BAR = { height: 14, gap: 2, group: 12 }

export function plotBars({ title, panels }: { title: string; panels: readonly BarPanel[] }): string {
  const drawn: string[] = []
  let top = MARGIN.top
  for (const panel of panels) {
    drawn.push(...drawPanel(panel, top))
    top += heightOf(panel) + MARGIN.panel
  }
  const height = top - MARGIN.panel + MARGIN.bottom
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="13">`,
    `<rect width="100%" height="100%" fill="#ffffff"/>`,
    text(24, 24, title, { size: 16, weight: 'bold' }),
    ...drawn,
    '</svg>',
  ]
  return `${parts.join('\n')}\n`
}

function heightOf({ systems, groups }: BarPanel): number {
  return groups.length * (systems.length * (BAR.height + BAR.gap) + BAR.group)
}

function drawPanel(panel: BarPanel, top: number): string[] {
  const { title, unit, systems, groups } = panel
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
  for (const [index, system] of systems.entries()) {
    const left = WIDTH - MARGIN.right - (systems.length - index) * 130
    drawn.push(`<rect x="${left}" y="${top - 19}" width="12" height="12" fill="${COLORS[index % COLORS.length]!}"/>`)
    drawn.push(text(left + 18, top - 8, system))
  }
  let y = top + BAR.group / 2
  for (const { name, values } of groups) {
    drawn.push(text(MARGIN.left - 8, y + (systems.length * (BAR.height + BAR.gap)) / 2 + 4, name, { anchor: 'end' }))
    for (const [index, value] of values.entries()) {
      if (value !== undefined) {
        const color = COLORS[index % COLORS.length]!
        const width = round(value * scale)
        drawn.push(`<rect x="${MARGIN.left}" y="${y}" width="${width}" height="${BAR.height}" fill="${color}"/>`)
        drawn.push(text(MARGIN.left + width + 6, y + 11, formatValue(value), { size: 11 }))
      }
      y += BAR.height + BAR.gap
    }
    y += BAR.group
  }
  return drawn
}

/** With three digits that count. */
function formatValue(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en') : String(Number(value.toPrecision(3)))
}
