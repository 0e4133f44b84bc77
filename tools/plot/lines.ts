/**
 * Lines as SVG: small panels side by side, in each one line over sizes that stand as far apart as they are many, all with the same
 * vertical axis, so that their shapes can be compared.
 */
import { COLORS, round, text, ticksUpTo } from './svg.ts'

export interface LinePanel {
  title: string
  points: readonly { label: string; value: number }[]
}

const WIDTH = 960
const COLUMNS = 3
const MARGIN = { left: 48, right: 16, top: 56, panel: 64, bottom: 40 }
const PANEL = { width: WIDTH / COLUMNS - MARGIN.left - MARGIN.right, height: 150 }
const [COLOR] = COLORS

/** `level` is drawn through all panels, to be compared with. */
export function plotLines({ title, panels, level }: { title: string; panels: readonly LinePanel[]; level: number }): string {
  const highest = panels.flatMap(({ points }) => points).reduce((most, { value }) => Math.max(most, value), level)
  const ticks = ticksUpTo(highest)
  const drawn = panels.flatMap((panel, index) => {
    const left = MARGIN.left + (index % COLUMNS) * (WIDTH / COLUMNS)
    const top = MARGIN.top + Math.floor(index / COLUMNS) * (PANEL.height + MARGIN.panel) + 16
    return drawPanel(panel, { left, top, ticks, level })
  })
  const lines = Math.ceil(panels.length / COLUMNS)
  const height = MARGIN.top + lines * (PANEL.height + MARGIN.panel) - MARGIN.panel + 16 + MARGIN.bottom
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="13">`,
    `<rect width="100%" height="100%" fill="#ffffff"/>`,
    text(MARGIN.left, 24, title, { size: 16, weight: 'bold' }),
    ...drawn,
    '</svg>',
  ]
  return `${parts.join('\n')}\n`
}

function drawPanel(
  { title, points }: LinePanel,
  { left, top, ticks, level }: { left: number; top: number; ticks: number[]; level: number },
): string[] {
  const x = (index: number): number => left + ((index + 0.5) / points.length) * PANEL.width
  const y = (value: number): number => top + PANEL.height - (value / ticks.at(-1)!) * PANEL.height
  const right = left + PANEL.width
  const path = points.map(({ value }, index) => `${round(x(index))} ${round(y(value))}`)
  return [
    text(left, top - 10, title, { weight: 'bold' }),
    ...ticks.flatMap(tick => [
      `<path d="M${round(left)} ${round(y(tick))}H${round(right)}" stroke="#dddddd"/>`,
      text(left - 8, y(tick) + 4, tick.toLocaleString('en'), { anchor: 'end', size: 11 }),
    ]),
    `<path d="M${round(left)} ${round(y(level))}H${round(right)}" stroke="#888888" stroke-dasharray="4 4"/>`,
    `<path d="M${path.join('L')}" fill="none" stroke="${COLOR}" stroke-width="1.5" stroke-linejoin="round"/>`,
    ...points.flatMap(({ label, value }, index) => [
      `<circle cx="${round(x(index))}" cy="${round(y(value))}" r="3" fill="${COLOR}"/>`,
      text(x(index), top + PANEL.height + 18, label, { anchor: 'middle', size: 11 }),
    ]),
  ]
}
