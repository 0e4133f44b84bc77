/**
 * The formats: how a value of each is told, divided and read.
 */
import { parseAccessLog } from './access-log.ts'
import { parseCollectd } from './collectd.ts'
import { createCsvParser, splitCsv } from './csv.ts'
import { createRegexParser } from './expression.ts'
import { parseCarbon2, parseGraphite } from './graphite.ts'
import { parseInflux } from './influx.ts'
import { skipBlanks, splitArray } from './json-bytes.ts'
import type { Parsed, Parser } from './json-text.ts'
import { splitLines } from './lines.ts'
import type { LogFormat } from './log-format.ts'
import { parseEvidentLogfmt, parseLogfmt } from './logfmt.ts'
import { beginsAsOtlp, splitOtlp } from './otlp-json.ts'
import { parseSyslog } from './syslog.ts'
import { parseXml, splitXml } from './xml.ts'

/** A log in a value: its bytes, and what was read of them; undefined if nothing was, or nothing has to be. */
export interface Piece {
  bytes: Buffer
  parsed: Parsed | undefined
}

/**
 * Reads a value that is not empty: the logs in it; undefined if the value is one log as it came, of which nothing is read. `not-divided`
 * is one log too, since its logs would take too much memory.
 */
export type Reader = (value: Buffer, receivedMs: number) => readonly Piece[] | 'not-divided' | undefined

/** More logs than anybody puts into one record; a record of more stays one log. They all go into one block of rows. */
const MAX_PIECES = 50_000
/** What is read of a value takes several times its memory. */
export const MAX_PARSED_BYTES = 2 * 1024 * 1024

const OPEN_BRACE = 0x7b
const OPEN_BRACKET = 0x5b
const LESS_THAN = 0x3c
const DIGIT_0 = 0x30
const DIGIT_9 = 0x39

/** The reader of a format. Throws an Error whose message says what is wrong with a pattern. */
export function createReader(format: LogFormat): Reader {
  switch (format.name) {
    case 'auto':
      return readAuto
    case 'json':
      return readJson
    case 'xml':
      return dividing(splitXml, parseXml)
    case 'influx':
      return dividing(splitLines, parseInflux)
    case 'graphite':
      return dividing(splitLines, parseGraphite)
    case 'carbon2':
      return dividing(splitLines, parseCarbon2)
    case 'collectd':
      return dividing(splitLines, parseCollectd)
    case 'otlp-json':
    case 'otlp-protobuf':
      return readOtlp
    case 'csv':
      return dividing(splitCsv, createCsvParser(format.columns ?? []))
    case 'logfmt':
      return reading(parseLogfmt)
    case 'regex':
      return reading(createRegexParser(format.pattern ?? ''))
    case 'nginx':
    case 'apache':
      return reading(parseAccessLog)
    case 'syslog':
      return reading(parseSyslog)
    case 'text':
      return () => undefined
  }
}

/** Protobuf was made JSON before. */
const readOtlp: Reader = value => splitOtlp(value, MAX_PIECES)

/** An object is read by the store itself, from `content`: nothing is done with it here. */
export const readJson = (value: Buffer): readonly Piece[] | undefined => {
  if (value[skipBlanks(value, 0)] !== OPEN_BRACKET) return undefined
  return splitArray(value, MAX_PIECES)?.map(bytes => ({ bytes, parsed: undefined }))
}

/** Whether a value begins as a JSON object does. */
export function isObject(value: Buffer): boolean {
  return value[0] === OPEN_BRACE || value[skipBlanks(value, 0)] === OPEN_BRACE
}

function reading(parse: Parser): Reader {
  return (value, receivedMs) => {
    if (value.length > MAX_PARSED_BYTES) return undefined
    const parsed = parse(value.toString(), receivedMs)
    return parsed && [{ bytes: value, parsed }]
  }
}

function dividing(split: (value: Buffer, maxPieces: number) => Buffer[] | undefined, parse: Parser): Reader {
  return (value, receivedMs) => {
    if (value.length > MAX_PARSED_BYTES) return undefined
    return (split(value, MAX_PIECES) ?? [value]).map(bytes => ({ bytes, parsed: parse(bytes.toString(), receivedMs) }))
  }
}

/** Decides on the first bytes. Text is not divided: lines are logs only if each is a metric of the same format, with its time. */
function readAuto(value: Buffer, receivedMs: number): ReturnType<Reader> {
  const begin = skipBlanks(value, 0)
  const first = value[begin]
  if (first === OPEN_BRACE) return beginsAsOtlp(value) ? readOtlp(value, receivedMs) : undefined
  if (first === undefined) return undefined
  const elements = first === OPEN_BRACKET ? readJson(value) : undefined
  if (elements !== undefined) return elements
  if (first === LESS_THAN) {
    const second = value[begin + 1]!
    return second >= DIGIT_0 && second <= DIGIT_9 ? readSyslog(value, receivedMs) : readXml(value, receivedMs)
  }
  return readMetrics(value) ?? readEvident(value, receivedMs)
}

const readSyslog = reading(parseSyslog)
/** One log, also if it is a list: what is around the elements would be lost. */
const readXml = reading(parseXml)
const readEvident = reading(text => parseAccessLog(text) ?? parseEvidentLogfmt(text))
const metricParsers = [parseInflux, parseCarbon2, parseGraphite, parseCollectd]

function readMetrics(value: Buffer): readonly Piece[] | undefined {
  if (value.length > MAX_PARSED_BYTES || !mayEndMetric(value[value.length - 1]!)) return undefined
  const lines = splitLines(value, MAX_PIECES)
  if (lines === undefined) return undefined
  for (const parse of metricParsers) {
    const pieces: Piece[] = []
    for (const bytes of lines) {
      const parsed = parse(bytes.toString())
      if (parsed?.timeMs === undefined) break
      pieces.push({ bytes, parsed })
    }
    if (pieces.length === lines.length) return pieces
  }
  return undefined
}

/** Metrics with a time end with a digit, or with a line ending; of collectd also with `U`. */
function mayEndMetric(byte: number): boolean {
  return byte <= 0x20 || (byte >= DIGIT_0 && byte <= DIGIT_9) || byte === 0x55
}
