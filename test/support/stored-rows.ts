/**
 * Reads a block of rows back from the bytes that an insert sends: RowBinary as `src/store/row-block.ts` draws it.
 */

/** What of a row the oracle looks at. */
export interface StoredRow {
  shard: number
  offset: number
  index: number
  entry: number
  receivedMs: number
  client: string
  content: Buffer
  error: string
}

export function readRows(bytes: Buffer): StoredRow[] {
  const rows: StoredRow[] = []
  let position = 0

  function length(): number {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[position++]!
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
  }

  function text(): Buffer {
    const size = length()
    position += size
    return bytes.subarray(position - size, position)
  }

  while (position < bytes.length) {
    const shard = bytes.readUInt16LE(position)
    const offset = Number(bytes.readBigInt64LE(position + 2))
    const index = bytes.readUInt32LE(position + 10)
    const entry = Number(bytes.readBigInt64LE(position + 14))
    // Between them is the time of the log.
    const receivedMs = Number(bytes.readBigInt64LE(position + 30))
    position += 38
    text() // source
    const client = text().toString()
    text() // key
    for (let headers = length(); headers > 0; headers--) {
      text()
      text()
    }
    const content = text()
    text() // fields
    for (let tags = length(); tags > 0; tags--) text()
    rows.push({ shard, offset, index, entry, receivedMs, client, content, error: text().toString() })
  }
  if (position !== bytes.length) throw new RangeError(`the last row ends ${position - bytes.length} bytes behind the block`)
  return rows
}
