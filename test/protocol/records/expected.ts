/**
 * Records as the fixtures have them.
 */
import type { KafkaRecord } from '../../../protocol/records/records.ts'
import type { ExpectedRecord } from '../fixtures.ts'

export function asExpected({ offset, timestamp, key, value, headers }: KafkaRecord): ExpectedRecord {
  return {
    offset,
    timestamp,
    key: asBase64(key),
    value: asBase64(value),
    headers: headers.map(header => ({ key: header.key, value: asBase64(header.value) })),
  }
}

export function withoutTime(record: ExpectedRecord): ExpectedRecord {
  return { ...record, timestamp: 0 }
}

function asBase64(bytes: Buffer | null): string | null {
  return bytes?.toString('base64') ?? null
}
