/**
 * A plot as SVG: panels one below the other over one axis of time, for people who read it in a page or a browser.
 */

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
/** Told apart also by those who see no red or green (Okabe and Ito). */
const COLORS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7']

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

interface TextStyle {
  size?: number
  weight?: string
  anchor?: string
  color?: string
}

function text(x: number, y: number, content: string, { size, weight, anchor, color = '#222222' }: TextStyle = {}): string {
  const style =
    `fill="${color}"` +
    (size === undefined ? '' : ` font-size="${size}"`) +
    (weight === undefined ? '' : ` font-weight="${weight}"`) +
    (anchor === undefined ? '' : ` text-anchor="${anchor}"`)
  const escaped = content.replace(/&/g, '&amp;').replace(/</g, '&lt;')
  return `<text x="${round(x)}" y="${round(y)}" ${style}>${escaped}</text>`
}

/** At most MAX_POINTS, of each stretch the highest: peaks are what one looks for. */
export function thin(points: readonly Point[]): Point[] {
  const stretch = Math.ceil(points.length / MAX_POINTS)
  const thinned: Point[] = []
  for (let first = 0; first < points.length; first += stretch)
    thinned.push(points.slice(first, first + stretch).reduce((highest, point) => (point.value > highest.value ? point : highest)))
  return thinned
}

/** Round numbers from 0 to the first that is not below `most`; some five of them. */
export function ticksUpTo(most: number): number[] {
  const rough = most / 5
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = power * [1, 2, 5, 10].find(factor => factor * power >= rough)!
  return Array.from({ length: Math.ceil(most / step) + 1 }, (_, index) => Number((index * step).toPrecision(12)))
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}
