/**
 * The demo's logs: an hour of a web shop, with a rush of visitors and, in it, a database that does not keep up.
 */
import { randomBytes, randomInt } from 'node:crypto'

export interface SampleLog {
  timeMs: number
  value: string
}

const HOUR_MS = 60 * 60_000

/** Where in the hour things happen, 0 being its beginning and 1 its end. */
const rush = { from: 0.55, to: 0.8 }
const outage = { from: 0.68, to: 0.75 }

/** `count` logs of the hour before `endMs`, oldest first. */
export function makeLogs(count: number, endMs: number): SampleLog[] {
  const moments = Array.from({ length: count }, drawMoment).sort((a, b) => a - b)
  return moments.map(moment => {
    const timeMs = Math.round(endMs - HOUR_MS + moment * HOUR_MS)
    return { timeMs, value: chance(0.06) ? makeText(moment, timeMs) : makeAccess(moment) }
  })
}

/** Drawn so that there is more of it where there is more to do. */
function drawMoment(): number {
  for (;;) {
    const moment = Math.random()
    const wave = 0.35 + 0.12 * Math.sin(moment * 9)
    if (Math.random() < (isIn(rush, moment) ? wave + 0.5 * bump(rush, moment) : wave)) return moment
  }
}

function makeAccess(moment: number): string {
  const [method, path] = pick(requests)
  // No time: the record that carries the log has it.
  const isFailing = isIn(outage, moment) && path.startsWith('/api/') && chance(0.55)
  const status = isFailing
    ? pick([500, 503, 503, 504])
    : chance(0.004)
      ? 500
      : pick(method === 'POST' ? writeStatuses : readStatuses)
  const level = status >= 500 ? 'error' : status >= 400 ? 'warn' : 'info'
  const latencyMs = status === 504 ? 10_000 + randomInt(40) : Math.round((isFailing ? 1800 : 9) * Math.exp(2.2 * Math.random()))
  return JSON.stringify({
    level,
    method,
    path: path.replace('ID', () => String(randomInt(1000, 99_999))),
    status,
    latency_ms: latencyMs,
    bytes: status >= 400 ? randomInt(90, 300) : randomInt(200, 48_000),
    client: `203.0.113.${randomInt(1, 255)}`,
    trace_id: randomBytes(16).toString('hex'),
    ...(level === 'error' && { error: pick(errors) }),
  })
}

function makeText(moment: number, timeMs: number): string {
  const time = new Date(timeMs).toISOString().slice(0, 19).replace('T', ' ')
  if (isIn(outage, moment) && chance(0.8))
    return `${time} ERROR db-pool: no free connection after 10000 ms, 50 of 50 in use, ${randomInt(20, 400)} waiting`
  return pick([
    () => `${time} INFO  scheduler: job "send-mails" finished, ${randomInt(1, 60)} mails, ${randomInt(40, 900)} ms`,
    () => `${time} INFO  cache: evicted ${randomInt(100, 4000)} entries, hit ratio ${(0.8 + 0.19 * Math.random()).toFixed(3)}`,
    () =>
      `${time} WARN  db: slow query, ${randomInt(500, 3000)} ms: SELECT * FROM orders WHERE customer = ${randomInt(1000, 99_999)}`,
    () => `${time} DEBUG session ${randomBytes(4).toString('hex')} opened from 203.0.113.${randomInt(1, 255)}`,
  ])()
}

/** What comes often stands there often. */
const requests: readonly (readonly [method: string, path: string])[] = [
  ...times(6, ['GET', '/'] as const),
  ...times(9, ['GET', '/api/products/ID'] as const),
  ...times(4, ['GET', '/api/search'] as const),
  ...times(5, ['GET', '/assets/app.js'] as const),
  ...times(3, ['GET', '/api/orders/ID'] as const),
  ...times(2, ['POST', '/api/orders'] as const),
  ...times(2, ['POST', '/api/login'] as const),
  ['PUT', '/api/cart/ID'],
  ['DELETE', '/api/cart/ID'],
]
const readStatuses = [...times(40, 200), ...times(6, 304), ...times(2, 404), 301]
const writeStatuses = [...times(20, 201), ...times(3, 400), ...times(2, 401), 409]
const errors = ['connection pool exhausted', 'upstream timed out', 'database is not reachable', 'deadline exceeded']

interface Span {
  from: number
  to: number
}

function isIn({ from, to }: Span, moment: number): boolean {
  return moment >= from && moment < to
}

/** Rises from 0 at both ends of the span to 1 in its middle. */
function bump({ from, to }: Span, moment: number): number {
  return Math.sin((Math.PI * (moment - from)) / (to - from))
}

function chance(probability: number): boolean {
  return Math.random() < probability
}

function pick<Item>(items: readonly Item[]): Item {
  return items[randomInt(items.length)]!
}

function times<Item>(count: number, item: Item): Item[] {
  return Array.from({ length: count }, () => item)
}
