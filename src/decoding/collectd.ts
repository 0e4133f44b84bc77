/**
 * Commands of collectd's plain text protocol: `PUTVAL web1/cpu-0/cpu-idle interval=10.000 1700000000.123:98.5`.
 *
 *     {"host":"web1","plugin":"cpu","plugin_instance":"0","type":"cpu","type_instance":"idle",
 *      "interval":10.000,"time":1700000000.123,"values":[98.5]}
 *
 * The names are those of collectd's JSON. A value that is not known (U) is null.
 */
import { float, member, object, quote, type Parsed } from './json-text.ts'
import { epochTime } from './time.ts'

const command = /^PUTVAL +(?:"([^"\\]*(?:\\.[^"\\]*)*)"|([^\s"]+)) +/i
const option = /(\w+)=(?:"([^"\\]*(?:\\.[^"\\]*)*)"|([^\s"]+)) +/y
const value = /^(?:U|nan|[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)$/
const time = /^(?:N|\d{1,19}(?:\.\d{1,9})?)$/

export function parseCollectd(text: string): Parsed | undefined {
  const line = text.trim()
  const begin = command.exec(line)
  if (begin === null) return undefined
  const [host, plugin, type, ...rest] = (begin[2] ?? unescape(begin[1]!)).split('/')
  if (host === undefined || plugin === undefined || type === undefined || rest.length > 0) return undefined
  const members = [member('host', quote(host)), ...named('plugin', plugin), ...named('type', type)]

  option.lastIndex = begin[0].length
  let position = option.lastIndex
  for (let found = option.exec(line); found !== null; found = option.exec(line)) {
    const [, key = '', quoted, plain] = found
    const text = plain ?? unescape(quoted!)
    members.push(member(key, value.test(text) ? float(text) : quote(text)))
    position = option.lastIndex
  }
  // One list of values: commands with several, which nobody seems to send, are not read.
  const [timestamp = '', ...values] = line.slice(position).split(':')
  if (!time.test(timestamp) || values.length === 0 || !values.every(text => text.length < 400 && value.test(text)))
    return undefined
  const timeMs = epochTime(Number(timestamp))
  if (timeMs !== undefined) members.push(member('time', float(timestamp)))
  members.push(member('values', `[${values.map(float).join(',')}]`))
  return { document: object(members), timeMs }
}

/** `cpu-0` is the plugin `cpu` and its instance `0`. */
function named(key: string, text: string): string[] {
  const dash = text.indexOf('-')
  if (dash === -1) return [member(key, quote(text))]
  return [member(key, quote(text.slice(0, dash))), member(`${key}_instance`, quote(text.slice(dash + 1)))]
}

function unescape(text: string): string {
  return text.replace(/\\(.)/g, '$1')
}
