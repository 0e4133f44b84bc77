/**
 * Lines of Graphite and Carbon 2.0: a name, a value, and seconds since 1970.
 */
import { float, member, object, quote, type Parsed } from './json-text.ts'
import { epochTime } from './time.ts'

const number = /^(?:[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|nan|NaN|[+-]?inf)$/
const seconds = /^(?:-1|N|\d{1,19}(?:\.\d{1,9})?)$/
const LONGEST_NUMBER = 400

/**
 * `servers.web1.load;rack=a 0.5 1700000000`:
 *
 *     {"name":"servers.web1.load","tags":{"rack":"a"},"value":0.5,"timestamp":1700000000}
 */
export function parseGraphite(text: string): Parsed | undefined {
  const words = text.trim().split(/ +/, 4)
  const [path, value, timestamp] = words
  if (words.length !== 3 || !isPoint(value!, timestamp!)) return undefined
  const [name, ...parts] = path!.split(';')
  if (name === '' || /[\s\0]/.test(name!)) return undefined
  const tags: string[] = []
  for (const part of parts) {
    const equals = part.indexOf('=')
    if (equals < 1) return undefined
    tags.push(member(part.slice(0, equals), quote(part.slice(equals + 1))))
  }
  return toParsed([member('name', quote(name!)), member('tags', object(tags))], value!, timestamp!)
}

/**
 * `metric=cpu host=web1  rack=a 0.5 1700000000`; what is before the two spaces tells the metric, what is behind them is said of it:
 *
 *     {"tags":{"metric":"cpu","host":"web1"},"meta":{"rack":"a"},"value":0.5,"timestamp":1700000000}
 */
export function parseCarbon2(text: string): Parsed | undefined {
  const line = text.trim()
  const gap = line.indexOf('  ')
  if (gap < 1) return undefined
  const words = line.slice(gap + 2).split(' ')
  const [value, timestamp] = words.splice(-2)
  if (timestamp === undefined || !isPoint(value!, timestamp)) return undefined
  const tags = readPairs(line.slice(0, gap).split(' '))
  const meta = readPairs(words)
  if (tags === undefined || meta === undefined) return undefined
  return toParsed([member('tags', object(tags)), member('meta', object(meta))], value!, timestamp)
}

function readPairs(words: readonly string[]): string[] | undefined {
  const members: string[] = []
  for (const word of words) {
    const equals = word.indexOf('=')
    if (equals < 1) return undefined
    members.push(member(word.slice(0, equals), quote(word.slice(equals + 1))))
  }
  return members
}

function isPoint(value: string, timestamp: string): boolean {
  return value.length <= LONGEST_NUMBER && number.test(value) && seconds.test(timestamp)
}

/** A timestamp of -1 or N stands for the time of arrival. */
function toParsed(members: string[], value: string, timestamp: string): Parsed {
  members.push(member('value', float(value)))
  const timeMs = epochTime(Number(timestamp))
  if (timeMs !== undefined) members.push(member('timestamp', float(timestamp)))
  return { document: object(members), timeMs }
}
