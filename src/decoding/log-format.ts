/**
 * How the value of a log is read: what a logstore says of its logs.
 */

export const formatNames = [
  'auto',
  'json',
  'xml',
  'influx',
  'graphite',
  'carbon2',
  'collectd',
  'otlp-json',
  'otlp-protobuf',
  'logfmt',
  'csv',
  'text',
  'regex',
  'nginx',
  'apache',
  'syslog',
] as const

export type FormatName = (typeof formatNames)[number]

export interface LogFormat {
  name: FormatName
  /** With `regex`: an expression of RE2 with named groups, which become the fields. */
  pattern?: string | undefined
  /** With `csv`: the names of the columns, in their order. */
  columns?: string[] | undefined
  /** Where a document has the time of its log, if not in one of the usual fields: keys from the outermost to the innermost. */
  timeField?: string[] | undefined
}

/** What must not get into the store as it came. */
export interface Mask {
  /** An expression of RE2. */
  pattern: string
  /** What stands in the store in place of each match; `$1` or `${name}` is what a group matched. */
  replacement: string
}
