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
