/** Pieces of Markdown that sections of the report have in common. */

/** A part of docs/performance.md: its text, and drawings by their file name in docs/performance/. */
export interface Section {
  markdown: string
  drawings?: Readonly<Record<string, string>>
}

/** A table whose columns are as wide as what is in them, so that it can be read in a terminal too. */
export function formatTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((title, column) => Math.max(3, title.length, ...rows.map(row => row[column]!.length)))
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column]!)).join(' | ')} |`
  return [line(header), line(widths.map(width => '-'.repeat(width))), ...rows.map(line)].join('\n')
}

/** With three digits that count; nothing of what was not measured. */
export function formatNumber(value: number | undefined): string {
  if (value === undefined) return ''
  return Math.abs(value) >= 100 ? Math.round(value).toLocaleString('en') : String(Number(value.toPrecision(3)))
}
