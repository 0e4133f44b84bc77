/**
 * A block of rows, encoded as ClickHouse's RowBinary while it is filled: what one insert sends.
 *
 * RowBinary is the values of a row one behind the other, in the order of `insertedColumns`, with nothing between: integers in
 * little endian, a String as its length (LEB128) and its bytes, DateTime64(3) as an Int64 of milliseconds, an Array or a Map as
 * the number of its values or pairs (LEB128) and these. Strings are bytes, whatever they hold. Encoding this costs Node a fifth of JSON.
 *
 * One block is reused for insert after insert: its buffer grows to what the largest needed and stays.
 */

/** One log as it is stored. May be one object that is filled anew for each row; nothing of it is kept. */
export interface Row {
  shard: number
  offset: number
  /** Which element of a split array this is; 0 for any other log. */
  index: number
  /** The number of the journal entry it came in. */
  entry: number
  /** When the log was made, in milliseconds since 1970, as the producer says. */
  timeMs: number
  /** When it was received, in milliseconds since 1970. */
  receivedMs: number
  /** The address that sent it. */
  source: string
  /** The client id it was sent under. */
  client: string
  key: Uint8Array | null
  headers: readonly RowHeader[]
  /** The value as it came; null and empty are stored alike. */
  content: Uint8Array | null
  /** What was read of a value that is no JSON document, as one; '' of one that is, and of one that nothing was read of. */
  fields: string
  /** What is odd about the log, each in a word. */
  tags: readonly string[]
  /** Why the record could not be decoded; '' if it could. */
  error: string
}

export interface RowHeader {
  key: string
  value: Uint8Array | null
}

/** What DateTime64(3) holds: 1900-01-01 to the last millisecond of 2299. Times outside (a wrong unit, mostly) are moved in. */
const minTimeMs = Date.UTC(1900, 0, 1)
const maxTimeMs = Date.UTC(2300, 0, 1) - 1

const initialBytes = 64 * 1024
/** The fixed-width columns of a row, _shard to _received. */
const fixedBytes = 2 + 8 + 4 + 8 + 8 + 8
/** The most bytes of a length: LEB128 of a number below 2^35. */
const maxLengthBytes = 5

export class RowBlock {
  /** Rows stand in the first `#position` bytes; what lies behind is of earlier lives. */
  #buffer = Buffer.allocUnsafeSlow(initialBytes)
  #position = 0
  #rows = 0
  /** 0 while there are no rows. */
  #firstEntry = 0
  #lastEntry = 0
  /** By shard. Rows of a shard come in the order of their offsets, so the last is the highest. */
  readonly #highestOffsets = new Map<number, number>()

  get rows(): number {
    return this.#rows
  }

  /** How many bytes an insert of this block sends. */
  get bytes(): number {
    return this.#position
  }

  get firstEntry(): number {
    return this.#firstEntry
  }

  get lastEntry(): number {
    return this.#lastEntry
  }

  /** The highest offset in the block, by shard. Changes with the block. */
  get highestOffsets(): ReadonlyMap<number, number> {
    return this.#highestOffsets
  }

  /** The encoded rows: a view, good until the next `append` or `clear`. */
  get encoded(): Buffer {
    return this.#buffer.subarray(0, this.#position)
  }

  append(row: Row): void {
    this.#reserve(fixedBytes)
    const buffer = this.#buffer
    let position = buffer.writeUInt16LE(row.shard, this.#position)
    position = writeInt64(buffer, row.offset, position)
    position = buffer.writeUInt32LE(row.index, position)
    position = writeInt64(buffer, row.entry, position)
    position = writeInt64(buffer, storableTime(row.timeMs), position)
    this.#position = writeInt64(buffer, storableTime(row.receivedMs), position)
    this.#writeText(row.source)
    this.#writeText(row.client)
    this.#writeBytes(row.key)
    this.#writeHeaders(row.headers)
    this.#writeBytes(row.content)
    this.#writeText(row.fields)
    this.#writeTags(row.tags)
    this.#writeText(row.error)

    if (this.#rows === 0) this.#firstEntry = row.entry
    this.#lastEntry = row.entry
    this.#rows += 1
    this.#highestOffsets.set(row.shard, row.offset)
  }

  /** Empties the block and keeps its buffer. Only when the insert of it has ended: its bytes are sent from this buffer. */
  clear(): void {
    this.#position = 0
    this.#rows = 0
    this.#firstEntry = 0
    this.#lastEntry = 0
    this.#highestOffsets.clear()
  }

  #writeHeaders(headers: readonly RowHeader[]): void {
    this.#reserve(maxLengthBytes)
    this.#position = writeLength(this.#buffer, headers.length, this.#position)
    for (const { key, value } of headers) {
      this.#writeText(key)
      this.#writeBytes(value)
    }
  }

  #writeTags(tags: readonly string[]): void {
    this.#reserve(maxLengthBytes)
    this.#position = writeLength(this.#buffer, tags.length, this.#position)
    for (const tag of tags) this.#writeText(tag)
  }

  #writeBytes(bytes: Uint8Array | null): void {
    const length = bytes === null ? 0 : bytes.length
    this.#reserve(maxLengthBytes + length)
    this.#position = writeLength(this.#buffer, length, this.#position)
    if (bytes === null || length === 0) return
    this.#buffer.set(bytes, this.#position)
    this.#position += length
  }

  #writeText(text: string): void {
    const length = text.length === 0 ? 0 : Buffer.byteLength(text)
    this.#reserve(maxLengthBytes + length)
    this.#position = writeLength(this.#buffer, length, this.#position)
    if (length > 0) this.#position += this.#buffer.write(text, this.#position)
  }

  #reserve(bytes: number): void {
    const needed = this.#position + bytes
    if (needed <= this.#buffer.length) return
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.#buffer.length))
    this.#buffer.copy(grown, 0, 0, this.#position)
    this.#buffer = grown
  }
}

function storableTime(timeMs: number): number {
  return Math.min(Math.max(timeMs, minTimeMs), maxTimeMs)
}

/** Writes a whole number of up to 2^53 in two halves: a BigInt would be an object per value. */
function writeInt64(buffer: Buffer, value: number, position: number): number {
  const high = Math.floor(value / 2 ** 32)
  return buffer.writeInt32LE(high, buffer.writeUInt32LE(value - high * 2 ** 32, position))
}

function writeLength(buffer: Buffer, length: number, position: number): number {
  while (length >= 0x80) {
    buffer[position++] = (length & 0x7f) | 0x80
    length >>>= 7
  }
  buffer[position++] = length
  return position
}
