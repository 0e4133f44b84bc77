/**
 * Sizes and durations as people write them: `64 MiB`, `30d`. A number without a unit is bytes or milliseconds. `KB`, `MB`
 * and `GB` are powers of 1000, `KiB`, `MiB` and `GiB` of 1024.
 */

const bytesPer: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
}

const msPer: Readonly<Record<string, number>> = { '': 1, ms: 1, s: 1e3, m: 60e3, min: 60e3, h: 3600e3, d: 86_400e3 }

/** The number of bytes that a size says, or undefined if it is none. */
export function parseBytes(size: unknown): number | undefined {
  return parseQuantity(size, bytesPer)
}

/** The number of milliseconds that a duration says, or undefined if it is none. */
export function parseMs(duration: unknown): number | undefined {
  return parseQuantity(duration, msPer)
}

/** A size as the configuration would say it, in the largest unit that needs no fraction. */
export function formatBytes(bytes: number): string {
  return formatQuantity(bytes, { GiB: 2 ** 30, MiB: 2 ** 20, GB: 1e9, MB: 1e6, KiB: 2 ** 10 })
}

/** A duration as the configuration would say it, in the largest unit that needs no fraction. */
export function formatMs(ms: number): string {
  return formatQuantity(ms, { d: 86_400e3, h: 3600e3, min: 60e3, s: 1e3, ms: 1 })
}

function parseQuantity(value: unknown, units: Readonly<Record<string, number>>): number | undefined {
  if (typeof value !== 'number' && typeof value !== 'string') return undefined
  const [, amount, unit] = /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/i.exec(String(value)) ?? []
  const factor = units[unit?.toLowerCase() ?? '?']
  if (amount === undefined || factor === undefined) return undefined
  const quantity = Number(amount) * factor
  return Number.isSafeInteger(quantity) ? quantity : undefined
}

function formatQuantity(value: number, units: Readonly<Record<string, number>>): string {
  for (const [unit, factor] of Object.entries(units)) if (value > 0 && value % factor === 0) return `${value / factor} ${unit}`
  return String(value)
}
