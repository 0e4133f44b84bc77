/**
 * Access logs of nginx (combined, also with the forwarded address behind it) and Apache (common, combined):
 *
 *     10.0.0.1 - bob [10/Oct/2000:13:55:36 -0700] "GET /a HTTP/1.1" 200 2326 "http://example.com/" "curl/8"
 *
 *     {"remote_addr":"10.0.0.1","remote_user":"bob","time_local":"10/Oct/2000:13:55:36 -0700","method":"GET","path":"/a",
 *      "protocol":"HTTP/1.1","status":200,"body_bytes_sent":2326,"http_referer":"http://example.com/","http_user_agent":"curl/8"}
 *
 * The names are nginx's. What is "-" is left out; what is behind it all is `extra`.
 */
import { integer, member, object, quote, type Parsed } from './json-text.ts'
import { parseCommonLogTime } from './time.ts'

const LONGEST_LINE = 64 * 1024

const text = String.raw`"([^"\\]*(?:\\.[^"\\]*)*)"`
const line = new RegExp(
  String.raw`^(\S+) (\S+) ([^\[\n]+) \[([^\]\n]{20,40})\] ${text} (\d{3}) (\d{1,19}|-)(?: ${text} ${text}(?: ${text})?)?(?: (.*))?$`,
)
const requestLine = /^([A-Z]+) (\S+) (HTTP\/\d(?:\.\d)?)$/
const names = ['http_referer', 'http_user_agent', 'http_x_forwarded_for', 'extra']

export function parseAccessLog(log: string): Parsed | undefined {
  if (log.length > LONGEST_LINE) return undefined
  const parts = line.exec(log.trimEnd())
  if (parts === null) return undefined
  const [, address, identity, user, time = '', request = '', status = '', bytes = '', ...rest] = parts
  const timeMs = parseCommonLogTime(time)
  if (timeMs === undefined) return undefined
  const members: string[] = []
  const add = (name: string, value: string | undefined) => {
    if (value !== undefined && value !== '-') members.push(member(name, quote(value)))
  }
  add('remote_addr', address)
  add('identity', identity)
  add('remote_user', user)
  add('time_local', time)
  const [, method, path, protocol] = requestLine.exec(request) ?? []
  if (method === undefined) add('request', request)
  add('method', method)
  add('path', path)
  add('protocol', protocol)
  members.push(member('status', String(Number(status))))
  if (bytes !== '-') members.push(member('body_bytes_sent', integer(String(BigInt(bytes)))))
  names.forEach((name, index) => add(name, rest[index]))
  return { document: object(members), timeMs }
}
