/**
 * A plot as SVG: panels one below the other over one axis of time, for people who read it in a page or a browser.
 */
import { COLORS, round, text, ticksUpTo } from './svg.ts'

export interface Panel {
  title: string
  /** Of the vertical axis: `MiB`. */
  unit: string
  lines: readonly { name: string; points: readonly Point[] }[]
}

export interface Point {
  minutes: number
  value: number
}

/** Something that happened, drawn through all panels. */
export interface Mark {
  minutes: number
  label: string
}

const WIDTH = 960
const PANEL_HEIGHT = 210
const MARGIN = { left: 64, right: 24, top: 56, panel: 48, bottom: 56 }
const PLOT_WIDTH = WIDTH - MARGIN.left - MARGIN.right
/** More would not be seen, and each takes some ten bytes. */
const MAX_POINTS = 300

export function plot({ title, panels, marks }: { title: string; panels: readonly Panel[]; marks: readonly Mark[] }): string {
  const points = panels.flatMap(({ lines }) => lines.flatMap(line => line.points))
  const minutes = points.reduce((most, point) => Math.max(most, point.minutes), 1)
  const bottom = MARGIN.top + panels.length * (PANEL_HEIGHT + MARGIN.panel) - MARGIN.panel
  const ticks = ticksUpTo(minutes).filter(tick => tick <= minutes)
  const x = (minute: number): number => MARGIN.left + (minute / minutes) * PLOT_WIDTH
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${bottom + MARGIN.bottom}" font-family="sans-serif" font-size="13">`,
    `<rect width="100%" height="100%" fill="#ffffff"/>`,
    text(MARGIN.left, 24, title, { size: 16, weight: 'bold' }),
    ...marks.map(mark => drawMark(x(mark.minutes), bottom, mark.label)),
    ...panels.flatMap((panel, index) => drawPanel(panel, MARGIN.top + index * (PANEL_HEIGHT + MARGIN.panel), x)),
    ...ticks.map(tick => text(x(tick), bottom + 20, String(tick), { anchor: 'middle' })),
    text(MARGIN.left + PLOT_WIDTH / 2, bottom + 42, 'minutes', { anchor: 'middle' }),
    '</svg>',
  ]
  return `${parts.join('\n')}\n`
}

function drawPanel({ title, unit, lines }: Panel, top: number, x: (minute: number) => number): string[] {
  const highest = lines.flatMap(({ points }) => points).reduce((most, { value }) => Math.max(most, value), 1)
  const ticks = ticksUpTo(highest)
  const most = ticks.at(-1)!
  const y = (value: number): number => top + PANEL_HEIGHT - (value / most) * PANEL_HEIGHT
  const right = MARGIN.left + PLOT_WIDTH
  const drawn = [text(MARGIN.left, top - 8, `${title}, ${unit}`, { weight: 'bold' })]
  for (const tick of ticks) {
    drawn.push(`<path d="M${MARGIN.left} ${round(y(tick))}H${right}" stroke="#dddddd"/>`)
    drawn.push(text(MARGIN.left - 8, y(tick) + 4, tick.toLocaleString('en'), { anchor: 'end' }))
  }
  for (const [index, { name, points }] of lines.entries()) {
    const color = COLORS[index % COLORS.length]!
    const path = thin(points).map(({ minutes, value }) => `${round(x(minutes))} ${round(y(value))}`)
    drawn.push(`<path d="M${path.join('L')}" fill="none" stroke="${color}" stroke-width="1.5" stroke-linejoin="round"/>`)
    if (lines.length === 1) continue
    const left = right - (lines.length - index) * 90
    drawn.push(`<path d="M${left} ${top - 12}h20" stroke="${color}" stroke-width="3"/>`, text(left + 26, top - 8, name))
  }
  return drawn
}

function drawMark(at: number, bottom: number, label: string): string {
  const line = `<path d="M${round(at)} ${MARGIN.top}V${bottom}" stroke="#888888" stroke-dasharray="4 4"/>`
  // Below the first panel, where no line is.
  return line + text(at + 4, MARGIN.top + PANEL_HEIGHT + 16, label, { size: 11, color: '#555555' })
}

/** At most MAX_POINTS, of each stretch the highest: peaks are what one looks for. */
export function thin(points: readonly Point[]): Point[] {
  const stretch = Math.ceil(points.length / MAX_POINTS)
  const thinned: Point[] = []
  for (let first = 0; first < points.length; first += stretch)
    thinned.push(points.slice(first, first + stretch).reduce((highest, point) => (point.value > highest.value ? point : highest)))
  return thinned
}
