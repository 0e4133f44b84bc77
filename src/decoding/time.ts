/**
 * When a log was made, as its document says it. All times are milliseconds since 1970; what has no zone is UTC.
 */
import { findMembers } from './json-bytes.ts'

/** Where a document has its time, unless the logstore says where; the first that holds a time counts. */
const usualKeys = ['@timestamp', 'time', 'timestamp', 'ts'].map(key => Buffer.from(key))

/** Smaller numbers are durations or counters, larger ones no time in any unit. */
const MIN_EPOCH = 1e8
const MAX_EPOCH = 1e19
const LONGEST_TIME = 64
const QUOTE = 0x22
const DAY_MS = 24 * 60 * 60 * 1000
const QUARTER_HOUR_MS = 15 * 60 * 1000

/** What DateTime64(3) of the store holds: 1900 to 2299. */
const minTimeMs = Date.UTC(1900, 0, 1)
const maxTimeMs = Date.UTC(2300, 0, 1) - 1

export type TimeTag = 'late' | 'future' | 'out-of-range'

/** What is odd about a log's time; undefined if nothing is. */
export function tagOfTime(timeMs: number, receivedMs: number): TimeTag | undefined {
  if (timeMs < receivedMs - DAY_MS) return timeMs < minTimeMs ? 'out-of-range' : 'late'
  if (timeMs > receivedMs + QUARTER_HOUR_MS) return timeMs > maxTimeMs ? 'out-of-range' : 'future'
  return undefined
}

/** The time in a JSON object, at `path` or where it usually is; undefined if there is none, and if it is no object. */
export function timeInDocument(document: Buffer, path: readonly string[] | undefined): number | undefined {
  if (path !== undefined) {
    let value: Buffer | undefined = document
    for (const key of path) value = value && findMembers(value, [Buffer.from(key)])[0]
    return value && toTime(value)
  }
  for (const value of findMembers(document, usualKeys)) {
    const time = value && toTime(value)
    if (time !== undefined) return time
  }
  return undefined
}

function toTime(value: Buffer): number | undefined {
  if (value.length > LONGEST_TIME) return undefined
  if (value[0] !== QUOTE) return parseTime(value.toString())
  const text = value.toString('latin1', 1, value.length - 1)
  return parseTime(text.includes('\\/') ? text.replaceAll('\\/', '/') : text)
}

/** Seconds, milliseconds, microseconds or nanoseconds since 1970: which of them shows in the size. */
export function epochTime(epoch: number): number | undefined {
  if (!(epoch >= MIN_EPOCH && epoch < MAX_EPOCH)) return undefined
  if (epoch < 1e11) return Math.round(epoch * 1000)
  if (epoch < 1e14) return Math.floor(epoch)
  if (epoch < 1e17) return Math.floor(epoch / 1e3)
  // So many nanoseconds are rounded to 256 of them: a whole millisecond must not become the one before.
  return Math.floor(epoch / 1e6 + 5e-4)
}

/** A time as text: a number as above, ISO 8601, or that of the common log format. */
export function parseTime(text: string): number | undefined {
  if (text.length > LONGEST_TIME) return undefined
  if (/^\d+(?:\.\d+)?(?:[eE]\+?\d{1,2})?$/.test(text)) return epochTime(Number(text))
  return parseIsoTime(text) ?? parseCommonLogTime(text)
}

const isoTime =
  /^(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?(?: ?([Zz]|UTC|[+-]\d\d(?::?\d\d)?))?)?$/

export function parseIsoTime(text: string): number | undefined {
  const parts = isoTime.exec(text)
  if (parts === null) return undefined
  const [, year, month, day, hour = '0', minute = '0', second = '0', fraction = '0', zone] = parts
  const ms = Math.floor(Number(`0.${fraction}`) * 1000 + 1e-6)
  return toUtc(Number(year), Number(month), Number(day), Number(hour), Number(minute), Number(second), ms, zone)
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
const commonLogTime = /^\[?(\d\d)\/([A-Z][a-z]{2})\/(\d{4}):(\d\d):(\d\d):(\d\d)(?: ([+-]\d{4}))?\]?$/

/** `10/Oct/2000:13:55:36 -0700`. */
export function parseCommonLogTime(text: string): number | undefined {
  const parts = commonLogTime.exec(text)
  if (parts === null) return undefined
  const [, day, month, year, hour, minute, second, zone] = parts
  const number = months.indexOf(month!) + 1
  return toUtc(Number(year), number, Number(day), Number(hour), Number(minute), Number(second), 0, zone)
}

const syslogTime = /^([A-Z][a-z]{2}) {1,2}(\d{1,2}) (\d\d):(\d\d):(\d\d)$/

/** `Oct 11 22:14:15`, of the year that brings it closest to its arrival. */
export function parseSyslogTime(text: string, receivedMs: number): number | undefined {
  const parts = syslogTime.exec(text)
  if (parts === null) return undefined
  const [, month, day, hour, minute, second] = parts
  const thisYear = new Date(receivedMs).getUTCFullYear()
  let closest: number | undefined
  for (const year of [thisYear - 1, thisYear, thisYear + 1]) {
    const number = months.indexOf(month!) + 1
    const time = toUtc(year, number, Number(day), Number(hour), Number(minute), Number(second), 0, undefined)
    if (time === undefined) continue
    if (closest === undefined || Math.abs(time - receivedMs) < Math.abs(closest - receivedMs)) closest = time
  }
  return closest
}

const daysOfMonths = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
/** The calendar repeats after so many days; JavaScript takes the years up to 99 for those of the last century. */
const MS_OF_400_YEARS = 146_097 * DAY_MS

/** `month` counts from 1, zone is as `zoneOffset` has it; undefined if there is no such time. Second 60 is a leap second. */
function toUtc(
  year: number,
  month: number,
  day: number,
  hour: number,
  minute: number,
  second: number,
  ms: number,
  zone: string | undefined,
): number | undefined {
  if (!(day >= 1 && day <= (daysOfMonths[month - 1] ?? 0)) || hour > 24 || minute > 59 || second > 60) return undefined
  if (month === 2 && day === 29 && (year % 4 !== 0 || (year % 100 === 0 && year % 400 !== 0))) return undefined
  return Date.UTC(year + 400, month - 1, day, hour, minute, second, ms) - MS_OF_400_YEARS - zoneOffset(zone)
}

/** Of `+02:00`, `-0700`, `+02`, or a name of UTC. */
function zoneOffset(zone: string | undefined): number {
  if (zone === undefined || !/^[+-]/.test(zone)) return 0
  const minutes = Number(zone.slice(1, 3)) * 60 + Number(zone.slice(3).replace(':', '') || 0)
  return (zone.startsWith('-') ? -minutes : minutes) * 60_000
}
