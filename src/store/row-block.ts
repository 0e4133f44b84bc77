/**
 * A block of rows, encoded as ClickHouse's RowBinary while it is filled: what one insert sends.
 *
 * RowBinary is the values of a row one behind the other, in the order of `insertedColumns`, with nothing between: integers in
 * little endian, a String as its length (LEB128) and its bytes, DateTime64(3) as an Int64 of milliseconds, an Array or a Map as
 * the number of its values or pairs (LEB128) and these. Strings are bytes, whatever they hold. Encoding this costs Node a fifth of JSON.
 *
 * Rows alone do not say what they are, so an insert sends the names and types of their columns before them: ClickHouse refuses rows
 * for a table whose columns have other types by now, where it would read one value for another.
 *
 * Rows are added at the end only, and the rows of an offset stand together. What was added can be sent in parts: a slice is a block of
 * its own on the same bytes.
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

/** Little, since hundreds of logstores may have a few rows each. */
const initialBytes = 16 * 1024
/** Where a row has its first columns, _shard to _received, which are of fixed width. */
const offsetAt = 2
const indexAt = offsetAt + 8
const entryAt = indexAt + 4
const timeAt = entryAt + 8
const receivedAt = timeAt + 8
const fixedBytes = receivedAt + 8
/** The most bytes of a length: LEB128 of a number below 2^35. */
const maxLengthBytes = 5

/** Smaller buffers are new in no time. */
const minSpareBytes = 1024 * 1024
const maxSpares = 3

/**
 * The buffers of blocks that are stored, for those that come: the first use of new memory costs the system more than all that is
 * written into it here.
 */
export class SpareBuffers {
  readonly #spares: Buffer[] = []

  /** A buffer of `bytes` or more. */
  take(bytes: number): Buffer {
    const spare = bytes < minSpareBytes ? -1 : this.#spares.findIndex(({ length }) => length >= bytes)
    return spare === -1 ? Buffer.allocUnsafeSlow(bytes) : this.#spares.splice(spare, 1)[0]!
  }

  give(buffer: Buffer): void {
    if (buffer.length >= minSpareBytes && this.#spares.length < maxSpares) this.#spares.push(buffer)
  }
}

/** What the rows of one entry have in common, and where the last one that has it stands encoded, up to its client. */
interface Origin extends Pick<Row, 'shard' | 'entry' | 'receivedMs' | 'source' | 'client'> {
  begin: number
  bytes: number
}

export class RowBlock {
  readonly #spares: SpareBuffers
  /** Rows stand in the first `#position` bytes; what lies behind is of earlier lives, or another slice's. */
  #buffer: Buffer = Buffer.allocUnsafeSlow(initialBytes)
  #position = 0
  /** Where each row begins, and behind them nothing. */
  readonly #starts: number[] = []
  /** The first rows of each stretch of rows that have one origin: far fewer than there are rows. */
  #stretches: number[] = []
  #origin: Origin = { shard: -1, entry: -1, receivedMs: 0, source: '', client: '', begin: 0, bytes: 0 }

  constructor(spares = new SpareBuffers()) {
    this.#spares = spares
  }

  get rows(): number {
    return this.#starts.length
  }

  /** How many bytes an insert of this block sends. */
  get bytes(): number {
    return this.#position
  }

  /** How much memory it takes. */
  get heldBytes(): number {
    return this.#buffer.length
  }

  /** The encoded rows: a view, good until the block is changed. */
  get encoded(): Buffer {
    return this.#buffer.subarray(0, this.#position)
  }

  /** The shard of a row of the block, counted from 0. */
  shardAt(row: number): number {
    return this.#buffer.readUInt16LE(this.#starts[row]!)
  }

  offsetAt(row: number): number {
    return readInt64(this.#buffer, this.#starts[row]! + offsetAt)
  }

  /** Whether a row is the first of its offset; true also for the end of the block. */
  beginsOffset(row: number): boolean {
    if (row === 0 || row === this.rows) return true
    return this.offsetAt(row) !== this.offsetAt(row - 1) || this.shardAt(row) !== this.shardAt(row - 1)
  }

  /** By shard, the offset behind the last row. */
  nextOffsets(): Map<number, number> {
    const next = new Map<number, number>()
    for (const { end } of this.#listStretches()) next.set(this.shardAt(end - 1), this.offsetAt(end - 1) + 1)
    return next
  }

  /** How many rows were received when, in milliseconds since 1970. */
  arrivals(): { receivedMs: number; rows: number }[] {
    return this.#listStretches().map(({ begin, end }) => {
      return { receivedMs: readInt64(this.#buffer, this.#starts[begin]! + receivedAt), rows: end - begin }
    })
  }

  /** The rows from `begin` up to `end`, as a block on the same bytes: good until this one is changed. */
  slice(begin: number, end: number): RowBlock {
    const slice = new RowBlock()
    const first = this.#startOf(begin)
    slice.#buffer = this.#buffer.subarray(first, this.#startOf(end))
    slice.#position = slice.#buffer.length
    for (let row = begin; row < end; row++) slice.#starts.push(this.#starts[row]! - first)
    for (const stretch of this.#listStretches()) {
      const first = Math.max(stretch.begin, begin)
      if (first < Math.min(stretch.end, end)) slice.#stretches.push(first - begin)
    }
    return slice
  }

  /** A copy of the block in which every row has an error: those that have none get this one. */
  withError(error: string): RowBlock {
    const copy = new RowBlock()
    copy.#stretches = [...this.#stretches]
    for (let row = 0; row < this.rows; row++) {
      copy.#starts.push(copy.#position)
      const bytes = this.#buffer.subarray(this.#startOf(row), this.#startOf(row + 1))
      // The error is the last column, and none ends with a zero: that is the length of an empty one.
      const hasError = bytes.at(-1) !== 0
      copy.#copyBytes(hasError ? bytes : bytes.subarray(0, -1))
      if (!hasError) copy.#writeText(error)
    }
    return copy
  }

  /** Gives its memory to the blocks that come. It is not to be used any more, and nothing may be sending it. */
  release(): void {
    this.#spares.give(this.#buffer)
    this.#buffer = Buffer.alloc(0)
    this.#position = 0
  }

  append(row: Row): void {
    this.#starts.push(this.#position)
    if (hasOrigin(row, this.#origin)) this.#repeatOrigin(row)
    else this.#writeOrigin(row)
    this.#writeBytes(row.key)
    this.#writeHeaders(row.headers)
    this.#writeBytes(row.content)
    this.#writeText(row.fields)
    this.#writeTags(row.tags)
    this.#writeText(row.error)
  }

  /** Writes the columns up to _client. */
  #writeOrigin(row: Row): void {
    const { shard, entry, receivedMs, source, client } = row
    const begin = this.#position
    this.#stretches.push(this.rows - 1)
    this.#reserve(fixedBytes)
    const buffer = this.#buffer
    buffer.writeUInt16LE(shard, begin)
    writeInt64(buffer, row.offset, begin + offsetAt)
    buffer.writeUInt32LE(row.index, begin + indexAt)
    writeInt64(buffer, entry, begin + entryAt)
    writeInt64(buffer, storableTime(row.timeMs), begin + timeAt)
    writeInt64(buffer, storableTime(receivedMs), begin + receivedAt)
    this.#position += fixedBytes
    this.#writeText(source)
    this.#writeText(client)
    this.#origin = { shard, entry, receivedMs, source, client, begin, bytes: this.#position - begin }
  }

  /** The same where the row before has most of them: in a quarter of the time. */
  #repeatOrigin(row: Row): void {
    const { begin, bytes } = this.#origin
    this.#reserve(bytes)
    const buffer = this.#buffer
    const position = this.#position
    buffer.copyWithin(position, begin, begin + bytes)
    writeInt64(buffer, row.offset, position + offsetAt)
    buffer.writeUInt32LE(row.index, position + indexAt)
    writeInt64(buffer, storableTime(row.timeMs), position + timeAt)
    this.#position += bytes
  }

  #listStretches(): { begin: number; end: number }[] {
    return this.#stretches.map((begin, index) => ({ begin, end: this.#stretches[index + 1] ?? this.rows }))
  }

  #startOf(row: number): number {
    return this.#starts[row] ?? this.#position
  }

  #copyBytes(bytes: Uint8Array): void {
    this.#reserve(bytes.length)
    this.#buffer.set(bytes, this.#position)
    this.#position += bytes.length
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
    const grown = this.#spares.take(Math.max(needed, 2 * this.#buffer.length))
    this.#buffer.copy(grown, 0, 0, this.#position)
    this.#buffer = grown
  }
}

/** What stands before the rows in RowBinaryWithNamesAndTypes: how many columns there are, their names, their types. */
export function encodeColumns(types: Readonly<Record<string, string>>): Buffer {
  const texts = [...Object.keys(types), ...Object.values(types)].map(text => Buffer.from(text))
  return Buffer.concat([encodeLength(texts.length / 2), ...texts.flatMap(text => [encodeLength(text.length), text])])
}

function encodeLength(length: number): Buffer {
  const bytes = Buffer.alloc(maxLengthBytes)
  return bytes.subarray(0, writeLength(bytes, length, 0))
}

function hasOrigin(row: Row, { shard, entry, receivedMs, source, client }: Origin): boolean {
  return (
    row.entry === entry && row.shard === shard && row.receivedMs === receivedMs && row.source === source && row.client === client
  )
}

function storableTime(timeMs: number): number {
  return Math.min(Math.max(timeMs, minTimeMs), maxTimeMs)
}

/** Writes a whole number of up to 2^53 in two halves: a BigInt would be an object per value. */
function writeInt64(buffer: Buffer, value: number, position: number): void {
  const high = Math.floor(value / 2 ** 32)
  buffer.writeUInt32LE(value - high * 2 ** 32, position)
  buffer.writeInt32LE(high, position + 4)
}

function readInt64(buffer: Buffer, position: number): number {
  return buffer.readInt32LE(position + 4) * 2 ** 32 + buffer.readUInt32LE(position)
}

function writeLength(buffer: Buffer, length: number, position: number): number {
  while (length >= 0x80) {
    buffer[position++] = (length & 0x7f) | 0x80
    length >>>= 7
  }
  buffer[position++] = length
  return position
}
