/**
 * Reads the fixtures: golden vectors of messages and records, made by Kafka's own serialisers.
 */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { Chunks } from '../../protocol/chunks.ts'

const fixtures = path.resolve('test/fixtures')

/** A message in one version: its fields, and the bytes that they must encode to. */
export interface Vector {
  readonly type: 'request' | 'response'
  readonly version: number
  readonly flexible: boolean
  /** The version of the header before it; absent in the vectors of headers themselves. */
  readonly headerVersion: number
  /** `minimal`: defaults, nulls, empty arrays. `full`: two elements in every array, every tagged field. */
  readonly sample: 'minimal' | 'full'
  /** int64 as decimal strings, bytes and records in hexadecimal. */
  readonly value: Readonly<Record<string, unknown>>
  readonly hex: string
}

export function readVectors(api: string): readonly Vector[] {
  return readJson<{ vectors: Vector[] }>(`vectors/${api}.json`).vectors
}

/** The content of a records field, and what Kafka makes of it. */
export interface RecordsCase {
  readonly name: string
  readonly hex: string
  readonly expected: { readonly batches?: readonly ExpectedBatch[] }
  readonly broker: { readonly error: string }
}

export interface ExpectedBatch {
  readonly position: number
  readonly sizeInBytes: number
  readonly magic: number
  readonly crc: number
  readonly crcValid: boolean
  readonly attributes: number
  readonly compression: string | null
  readonly timestampType: string
  readonly baseOffset: number
  readonly partitionLeaderEpoch: number
  readonly lastOffsetDelta: number
  readonly baseTimestamp: number
  readonly maxTimestamp: number
  readonly producerId: number
  readonly producerEpoch: number
  readonly baseSequence: number
  readonly recordCount: number
  readonly records?: readonly ExpectedRecord[]
  readonly keyAndValueBytes?: number
  readonly error?: { readonly stage: string }
}

/** Key and values in base64. */
export interface ExpectedRecord {
  readonly offset: number
  readonly timestamp: number
  readonly key: string | null
  readonly value: string | null
  readonly headers: readonly { readonly key: string; readonly value: string | null }[]
}

export const themes = ['batches', 'codecs', 'codec-variants', 'message-sets', 'malformed', 'sequences', 'bombs'] as const

export function readCases(theme: (typeof themes)[number]): readonly RecordsCase[] {
  return readJson<{ cases: RecordsCase[] }>(`records/${theme}.json`).cases
}

/** The bytes in pieces of a given size. */
export function inPieces(bytes: Buffer, pieceBytes: number): Chunks {
  const count = Math.ceil(bytes.length / pieceBytes)
  return Chunks.of(...Array.from({ length: count }, (_, i) => bytes.subarray(i * pieceBytes, (i + 1) * pieceBytes)))
}

function readJson<T>(file: string): T {
  return JSON.parse(readFileSync(path.join(fixtures, file), 'utf8')) as T
}
