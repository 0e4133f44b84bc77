/**
 * What commands print: for people, or with `--json` for programs.
 */

/** Prints a list: one JSON object per line, or a table with the columns that are named. */
export function printList<Item extends object>(
  items: readonly Item[],
  columns: readonly (keyof Item & string)[],
  asJson: boolean,
): void {
  if (asJson) for (const item of items) console.log(JSON.stringify(item))
  else console.log(formatTable([columns, ...items.map(item => columns.map(column => formatCell(item[column])))]))
}

function formatCell(value: unknown): string {
  if (value === null) return 'all'
  return Array.isArray(value) ? value.join(', ') : String(value)
}

function formatTable(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map(row => row[column]!.length)))
  return rows.map(row => row.map((cell, column) => cell.padEnd(widths[column]!)).join('  ').trimEnd()).join('\n') // prettier-ignore
}

/** A whole number with commas. */
export function formatCount(count: number): string {
  return count.toLocaleString('en')
}

/** A number of things: `1 entry`, `2,000 entries`. */
export function formatCountOf(count: number, one: string, many = `${one}s`): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`
}

/** About how much it is, as people say it: `1.4 MiB`. */
export function formatSize(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB']
  const step = Math.max(0, Math.min(units.length - 1, Math.floor(Math.log2(Math.max(bytes, 1)) / 10)))
  const amount = bytes / 1024 ** step
  return `${amount.toFixed(Number.isInteger(amount) || amount >= 100 ? 0 : 1)} ${units[step]}`
}

/** About how long it is, as people say it: `5 min`. */
export function formatDuration(ms: number): string {
  const units: [number, string][] = [[86_400_000, 'days'], [3_600_000, 'h'], [60_000, 'min'], [1000, 's'], [1, 'ms'], [0.001, 'µs']] // prettier-ignore
  const [size, unit] = units.find(([size]) => ms >= 2 * size) ?? units.at(-1)!
  const amount = ms / size
  return `${amount.toFixed(amount < 10 && !Number.isInteger(amount) ? 1 : 0)} ${unit}`
}
