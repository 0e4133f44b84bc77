/**
 * How the demo looks: at most 80 columns, in colour on a terminal, and as plain text everywhere else.
 */
import { styleText } from 'node:util'

type Style = 'bold' | 'dim' | 'green' | 'red' | 'cyan'

export const WIDTH = 80

const isColorful = process.stdout.isTTY && !process.env.NO_COLOR && process.env.TERM !== 'dumb'

/** Blocks need a terminal that shows more than ASCII. */
const isUnicode = /utf-?8/i.test(process.env.LC_ALL || process.env.LC_CTYPE || process.env.LANG || '')

export function paint(style: Style, text: string): string {
  // Unless told otherwise, newer versions of Node look at another stream than this file does.
  return isColorful ? styleText(style, text, { validateStream: false }) : text
}

export function print(text = ''): void {
  process.stdout.write(`${text}\n`)
}

const startedAt = performance.now()

/** Prints one step: when it was, since the start of the process, and what. */
export function printStep(name: string, text: string): void {
  print(`${paint('dim', `${formatSeconds(performance.now() - startedAt).padStart(8)}`)}  ${paint('bold', name.padEnd(8))}${text}`)
}

export function printHeading(text: string, detail = ''): void {
  print(`\n${paint('bold', text)}${detail === '' ? '' : `\n  ${paint('dim', detail)}`}\n`)
}

export function formatSeconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}

export function formatCount(count: number): string {
  return count.toLocaleString('en')
}

/** Cuts a line to what is left of the width. */
export function fit(text: string, used: number): string {
  const room = WIDTH - used
  const mark = isUnicode ? '…' : '...'
  return text.length <= room ? text : text.slice(0, room - mark.length) + mark
}

export interface Bar {
  label: string
  count: number
  /** How many of them are to stand out. */
  marked: number
}

const CHART_ROWS = 8

/** A chart of columns, one for each bar, with the scale on the left and a label under every `labelEvery`th. */
export function formatChart(bars: readonly Bar[], labelEvery: number): string[] {
  const top = Math.max(1, ...bars.map(({ count }) => count))
  const margin = String(top).length + 2
  const lines: string[] = []
  for (let row = CHART_ROWS - 1; row >= 0; row--) {
    const scale = row === CHART_ROWS - 1 ? String(top) : ''
    const cells = bars.map(bar => formatCell(bar, row, top)).join('')
    lines.push(`${paint('dim', `${scale.padStart(margin)} ${isUnicode ? '│' : '|'}`)}${cells.trimEnd()}`)
  }
  lines.push(paint('dim', `${'0'.padStart(margin)} ${isUnicode ? '└' : '+'}${(isUnicode ? '─' : '-').repeat(bars.length)}`))
  let labels = ''
  for (let index = 0; index < bars.length; index += labelEvery) {
    const { label } = bars[index]!
    // A label that would stand out over the end is left away.
    if (index + label.length <= bars.length) labels = labels.padEnd(index) + label
  }
  lines.push(paint('dim', ' '.repeat(margin + 2) + labels))
  return lines
}

function formatCell({ count, marked }: Bar, row: number, top: number): string {
  // In eighths of a row, which is what the blocks can show; the marked part is at the bottom.
  const filled = clamp(Math.ceil((count / top) * CHART_ROWS * 8) - row * 8)
  const isMarked = clamp(Math.round((marked / top) * CHART_ROWS * 8) - row * 8) >= 4
  if (filled === 0) return ' '
  if (!isUnicode) return isMarked ? 'x' : filled >= 4 ? '#' : row === 0 ? '.' : ' '
  return isMarked ? paint('red', isColorful ? '█' : '▒') : paint('green', ' ▁▂▃▄▅▆▇█'[filled]!)
}

function clamp(eighths: number): number {
  return Math.max(0, Math.min(8, eighths))
}

/** How the marked part of a chart's columns looks, for its legend. */
export const markedSample = isUnicode ? (isColorful ? paint('red', '█') : '▒') : 'x'
