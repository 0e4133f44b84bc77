/** What drawings as SVG have in common: their colours, text, and axes with round numbers. */

/** Told apart also by those who see no red or green (Okabe and Ito). */
export const COLORS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00']

interface TextStyle {
  size?: number
  weight?: string
  anchor?: string
  color?: string
}

export function text(x: number, y: number, content: string, { size, weight, anchor, color = '#222222' }: TextStyle = {}): string {
  const style =
    `fill="${color}"` +
    (size === undefined ? '' : ` font-size="${size}"`) +
    (weight === undefined ? '' : ` font-weight="${weight}"`) +
    (anchor === undefined ? '' : ` text-anchor="${anchor}"`)
  const escaped = content.replace(/&/g, '&amp;').replace(/</g, '&lt;')
  return `<text x="${round(x)}" y="${round(y)}" ${style}>${escaped}</text>`
}

/** Round numbers from 0 to the first that is not below `most`; some five of them. */
export function ticksUpTo(most: number): number[] {
  const rough = most / 5
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = power * [1, 2, 5, 10].find(factor => factor * power >= rough)!
  return Array.from({ length: Math.ceil(most / step) + 1 }, (_, index) => Number((index * step).toPrecision(12)))
}

export function round(value: number): number {
  return Math.round(value * 10) / 10
}
