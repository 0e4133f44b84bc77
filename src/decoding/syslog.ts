/**
 * Messages of syslog: RFC 5424, and RFC 3164 as it is found in the field (also with ISO 8601 times, without a tag, without a priority).
 *
 *     <165>1 2003-10-11T22:14:15.003Z web1 app 42 ID7 [origin ip="10.0.0.1"] it is done
 *
 *     {"facility":"local4","severity":"notice","timestamp":"2003-10-11T22:14:15.003Z","hostname":"web1","appname":"app",
 *      "procid":"42","msgid":"ID7","structured_data":{"origin":{"ip":"10.0.0.1"}},"message":"it is done"}
 */
import { member, object, quote, type Parsed } from './json-text.ts'
import { parseIsoTime, parseSyslogTime } from './time.ts'

const facilities =
  'kern user mail daemon auth syslog lpr news uucp cron authpriv ftp ntp security console solaris-cron ' +
  'local0 local1 local2 local3 local4 local5 local6 local7'
const facilityNames = facilities.split(' ')
const severityNames = ['emerg', 'alert', 'crit', 'err', 'warning', 'notice', 'info', 'debug']

const priority = /^<(\d{1,3})>/
const header5424 = /^<\d{1,3}>1 (\S{1,64}) (\S{1,255}) (\S{1,255}) (\S{1,255}) (\S{1,255}) (?=-|\[)/
const element = /\[([^\s="\]]+)((?: +[^\s="\]]+="[^"\\\]]*(?:\\.[^"\\\]]*)*")*) *\]/sy
const parameter = / ([^\s="\]]+)="([^"\\\]]*(?:\\.[^"\\\]]*)*)"/gs
const time3164 = /([A-Z][a-z]{2} {1,2}\d{1,2} \d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT\S{1,40}) /y
const host3164 = /(\S{1,255}) /y
const tag3164 = /([^\s:[\]]{1,255})(?:\[([^\s\]]{1,255})\])?:(?: |$)/y

export function parseSyslog(text: string, receivedMs: number): Parsed | undefined {
  const log = text.trimEnd()
  const number = Number(priority.exec(log)?.[1] ?? NaN)
  if (number > 191) return undefined
  const members: string[] = []
  if (!Number.isNaN(number)) {
    members.push(member('facility', quote(facilityNames[number >> 3]!)), member('severity', quote(severityNames[number & 7]!)))
  }
  return parse5424(log, members) ?? parse3164(log, members, receivedMs)
}

function parse5424(log: string, members: string[]): Parsed | undefined {
  const header = header5424.exec(log)
  if (header === null) return undefined
  const [{ length }, timestamp = '', hostname = '', appname = '', procid = '', msgid = ''] = header
  const data = readStructuredData(log, length)
  if (data === undefined) return undefined
  const timeMs = parseIsoTime(timestamp)
  if (timestamp !== '-' && timeMs === undefined) return undefined
  const all = [...members]
  for (const [name, value] of Object.entries({ timestamp, hostname, appname, procid, msgid }))
    if (value !== '-') all.push(member(name, quote(value)))
  if (data.members.length > 0) all.push(member('structured_data', object(data.members)))
  all.push(member('message', quote(log.slice(data.end + 1).replace(/^\ufeff/, ''))))
  return { document: object(all), timeMs }
}

function readStructuredData(log: string, begin: number): { members: string[]; end: number } | undefined {
  const members: string[] = []
  let end = begin
  if (log[begin] === '-') end++
  else
    for (element.lastIndex = begin; log[end] === '['; end = element.lastIndex) {
      const found = element.exec(log)
      if (found === null) return undefined
      const [, id = '', parameters = ''] = found
      const values = Array.from(parameters.matchAll(parameter), ([, name = '', value = '']) =>
        member(name, quote(value.replace(/\\(["\\\]])/g, '$1'))),
      )
      members.push(member(id, object(values)))
    }
  return end === log.length || log[end] === ' ' ? { members, end } : undefined
}

/** The host is left out by some devices, the tag by others; without a time of its own a message is all that there is. */
function parse3164(log: string, members: string[], receivedMs: number): Parsed | undefined {
  let position = priority.exec(log)?.[0].length ?? 0
  const read = (expression: RegExp): (string | undefined)[] | undefined => {
    expression.lastIndex = position
    const found = expression.exec(log)
    if (found === null) return undefined
    position = expression.lastIndex
    return found
  }
  const timestamp = read(time3164)?.[1]
  if (timestamp === undefined && position === 0) return undefined
  const all = [...members]
  const timeMs = timestamp === undefined ? undefined : (parseSyslogTime(timestamp, receivedMs) ?? parseIsoTime(timestamp))
  if (timestamp !== undefined) {
    all.push(member('timestamp', quote(timestamp)))
    const tagFirst = read(tag3164)
    const hostname = tagFirst === undefined ? read(host3164)?.[1] : undefined
    if (hostname !== undefined) all.push(member('hostname', quote(hostname)))
    const [, appname, procid] = tagFirst ?? read(tag3164) ?? []
    if (appname !== undefined) all.push(member('appname', quote(appname)))
    if (procid !== undefined) all.push(member('procid', quote(procid)))
  }
  all.push(member('message', quote(log.slice(position))))
  return { document: object(all), timeMs }
}
