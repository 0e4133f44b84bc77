/** What the tests of decoding share: records, and what a decoder makes of them. */
import type { KafkaRecord } from '../../../protocol/records/records.ts'
import { Decoder, type DecodedLog } from '../../../src/decoding/decoder.ts'
import type { LogFormat, Mask } from '../../../src/decoding/log-format.ts'

export const RECEIVED_MS = Date.UTC(2026, 0, 15, 12)

export function recordOf(value: Buffer | string | null, properties: Partial<KafkaRecord> = {}): KafkaRecord {
  const bytes = typeof value === 'string' ? Buffer.from(value) : value
  return { offset: 0, timestamp: RECEIVED_MS, key: null, value: bytes, headers: [], ...properties }
}

export interface Options {
  masks?: Mask[]
  record?: Partial<KafkaRecord>
  isJson?: boolean
}

/** The logs of a value, copied: the decoder fills one object again and again. */
export function decode(
  format: LogFormat['name'] | LogFormat,
  value: Buffer | string | null,
  options: Options = {},
): DecodedLog[] {
  const decoder = new Decoder(typeof format === 'string' ? { name: format } : format, options.masks ?? [])
  const record = decoder.unpack(recordOf(value, options.record))
  return decoder.decode(record, RECEIVED_MS, options.isJson ?? false).map(log => ({ ...log }))
}

/** What was read of a value that is one log; undefined if nothing was. */
export function read(format: LogFormat['name'] | LogFormat, value: Buffer | string): unknown {
  const [log, ...more] = decode(format, value)
  if (log === undefined || more.length > 0) throw new Error(`${more.length + 1} logs`)
  return log.fields === '' ? undefined : JSON.parse(log.fields)
}

export function contents(logs: readonly DecodedLog[]): string[] {
  return logs.map(({ content }) => content!.toString('latin1'))
}
