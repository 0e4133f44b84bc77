/**
 * Turns the value of a record into logs: their bytes, what was read of them, their times, and what is odd about them.
 *
 * The bytes are always kept as they came. What cannot be read costs a log its fields and gives it a tag, never more.
 */
import { isUtf8 } from 'node:buffer'
import type { KafkaRecord } from '../../protocol/records/records.ts'
import { createReader, isObject, MAX_PARSED_BYTES, readJson, type Reader } from './formats.ts'
import type { FormatName, LogFormat, Mask } from './log-format.ts'
import { Masker } from './masks.ts'
import { beginsAsOtlp } from './otlp-json.ts'
import { otlpJsonOf } from './otlp-protobuf.ts'
import { tagOfTime, timeInDocument } from './time.ts'

export interface DecodedLog {
  /** The bytes of the log as they came; null where the record had no value. */
  content: Buffer | null
  /** What was read of bytes that are no JSON object, as one; '' otherwise. */
  fields: string
  /** Milliseconds since 1970. */
  timeMs: number
  /** `late`, `future`, `out-of-range`, `invalid-utf8`, `not-xml` and so on, `not-divided`; docs/formats.md explains them. */
  tags: readonly string[]
}

const OPEN_BRACE = 0x7b
const NO_TAGS: readonly string[] = []
/** The logs of one record are all held at once, each with the key and the headers of the record. */
const MAX_COPIED_BYTES = 32 * 1024 * 1024

export class Decoder {
  /** Undefined where nothing is masked. */
  readonly masker: Masker | undefined
  readonly #name: FormatName
  readonly #read: Reader
  readonly #timeField: readonly string[] | undefined
  /** What most records become: filled anew each time. */
  readonly #log: DecodedLog = { content: null, fields: '', timeMs: 0, tags: NO_TAGS }
  readonly #single: readonly DecodedLog[] = [this.#log]

  /** Throws an Error if a pattern is none; the catalog takes no such setting. */
  constructor(format: LogFormat, masks: readonly Mask[]) {
    this.masker = masks.length === 0 ? undefined : new Masker(masks)
    this.#name = format.name
    this.#read = createReader(format)
    this.#timeField = format.timeField
  }

  /**
   * The record with its value as text, where the format is one of bytes: masks look at texts. A value that cannot be read is left
   * as it came.
   */
  unpack(record: KafkaRecord): KafkaRecord {
    const { value } = record
    if (this.#name !== 'otlp-protobuf' || value === null || value.length === 0 || value[0] === OPEN_BRACE) return record
    const json = otlpJsonOf(value)
    return json === undefined ? record : { ...record, value: json }
  }

  /**
   * The logs of a record that was unpacked and masked already; never none. `isJson` asks for JSON whatever the format. What is returned is good
   * until the next call.
   */
  decode(record: KafkaRecord, receivedMs: number, isJson: boolean): readonly DecodedLog[] {
    const { value, timestamp } = record
    if (value === null || value.length === 0) return this.#fillSingle(value, '', this.#timeOf(timestamp, receivedMs), receivedMs)
    const tags = isUtf8(value) ? NO_TAGS : ['invalid-utf8']
    const mayBeJson = isJson || this.#name === 'auto' || this.#name === 'json'
    const read = isJson ? readJson : this.#read
    const isDocument = mayBeJson && isObject(value)
    const isDivided = !isDocument || (!isJson && this.#name === 'auto' && beginsAsOtlp(value))
    const pieces = isDivided ? this.#readPieces(read, value, receivedMs) : undefined
    if (isDocument && pieces === undefined) {
      // The store reads no document that is not UTF-8: it is given one where what is wrong is replaced.
      const fields = tags === NO_TAGS ? '' : repaired(value)
      return this.#fillSingle(value, fields, this.#timeOf(timestamp, receivedMs, value, fields), receivedMs, tags)
    }
    if (pieces === undefined) return this.#unread(record, receivedMs, isJson ? 'json' : this.#name, tags)
    if (pieces === 'not-divided' || (pieces.length > 1 && sizeOfRest(record) * pieces.length > MAX_COPIED_BYTES))
      return this.#fillSingle(value, '', this.#timeOf(timestamp, receivedMs), receivedMs, [...tags, 'not-divided'])
    return pieces.map(({ bytes, parsed }) => {
      const isUnread = parsed === undefined && !mayBeJson
      const fields = parsed?.document ?? (tags !== NO_TAGS && mayBeJson ? repaired(bytes) : '')
      const isOwn = parsed?.isTimeOfLog === true && parsed.timeMs !== undefined
      const timeMs = this.#timeOf(isOwn ? -1 : timestamp, receivedMs, bytes, fields, parsed?.timeMs)
      const ofPiece = isUnread ? [...tags, `not-${this.#name}`] : tags
      return { content: bytes, fields, timeMs, tags: withTimeTag(ofPiece, timeMs, receivedMs) }
    })
  }

  /** A parser that fails in whatever way costs no more than what it would have read. */
  #readPieces(read: Reader, value: Buffer, receivedMs: number): ReturnType<Reader> {
    try {
      return read(value, receivedMs)
    } catch {
      return undefined
    }
  }

  /** A value of which nothing was read, or nothing is to be read. */
  #unread(
    { value, timestamp }: KafkaRecord,
    receivedMs: number,
    name: FormatName,
    tags: readonly string[],
  ): readonly DecodedLog[] {
    const isExpected = name === 'auto' || name === 'text'
    return this.#fillSingle(
      value,
      '',
      this.#timeOf(timestamp, receivedMs),
      receivedMs,
      isExpected ? tags : [...tags, `not-${name}`],
    )
  }

  #fillSingle(content: Buffer | null, fields: string, timeMs: number, receivedMs: number, tags = NO_TAGS): readonly DecodedLog[] {
    const log = this.#log
    log.content = content
    log.fields = fields
    log.timeMs = timeMs
    log.tags = withTimeTag(tags, timeMs, receivedMs)
    return this.#single
  }

  /**
   * The field that the logstore names goes before the record's timestamp (somebody wants it so), that before the time of the format and
   * the usual fields, and those before the time of arrival. `bytes` are those of a log that may have fields, or their text is given.
   */
  #timeOf(timestamp: number, receivedMs: number, bytes?: Buffer, fields = '', ownMs?: number): number {
    const path = this.#timeField
    const named = path === undefined || bytes === undefined ? undefined : timeInDocument(documentOf(bytes, fields), path)
    if (named !== undefined) return named
    if (timestamp >= 0) return timestamp
    if (ownMs !== undefined) return ownMs
    return (bytes && timeInDocument(documentOf(bytes, fields), undefined)) ?? receivedMs
  }
}

/** A document in which what is not UTF-8 is replaced; none of one that would take too much memory. */
function repaired(bytes: Buffer): string {
  return bytes.length > MAX_PARSED_BYTES ? '' : bytes.toString()
}

/** What there is of a log as JSON: its fields, or itself if it has none. */
function documentOf(bytes: Buffer, fields: string): Buffer {
  return fields === '' ? bytes : Buffer.from(fields)
}

function withTimeTag(tags: readonly string[], timeMs: number, receivedMs: number): readonly string[] {
  const tag = tagOfTime(timeMs, receivedMs)
  return tag === undefined ? tags : [...tags, tag]
}

/** What each of several logs of a record has of it beside its own bytes. */
function sizeOfRest({ key, headers }: KafkaRecord): number {
  let bytes = key?.length ?? 0
  for (const header of headers) bytes += header.key.length + (header.value?.length ?? 0)
  return bytes
}
