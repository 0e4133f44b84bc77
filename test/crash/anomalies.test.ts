import assert from 'node:assert/strict'
import { crc32 } from 'node:zlib'
import { findAnomalies, type Row } from '../support/anomalies.ts'
import { RecordStream, valueOf, type Promised } from '../support/record-stream.ts'

/** A stream of ten records, of which all but the last two are acknowledged. */
function streamOf(promised: Promised): RecordStream {
  const stream = new RecordStream({ client: 'client', topic: 'logs', partition: 0, promised })
  for (const { number } of stream.take(10).slice(0, 8)) stream.acknowledge(number)
  return stream
}

/** Rows of records in this order, an entry of two each. */
function rowsOf(...numbers: number[]): Row[] {
  return numbers.map((number, offset) => {
    const value = valueOf('client/0', number)
    const place = { entry: Math.floor(offset / 2), shard: 0, offset, index: 0 }
    return { ...place, head: value.slice(0, 60), checksum: crc32(value), error: '' }
  })
}

function kindsOf(stream: RecordStream, rows: readonly Row[]): string[] {
  return findAnomalies('logs', [stream], rows).anomalies.map(({ kind, number }) => `${kind} ${number}`)
}

describe('a comparison of a stream with the rows', () => {
  it('finds nothing where all that was acknowledged is stored in order, once', () => {
    for (const promised of ['once', 'again', 'none'] as const) {
      assert.deepEqual(kindsOf(streamOf(promised), rowsOf(0, 1, 2, 3, 4, 5, 6, 7)), [])
      assert.deepEqual(kindsOf(streamOf(promised), rowsOf(0, 1, 2, 3, 4, 5, 6, 7, 8, 9)), [])
    }
  })

  it('finds what was acknowledged and is not stored', () => {
    assert.deepEqual(kindsOf(streamOf('once'), rowsOf(0, 1, 2, 4, 5, 6)), ['lost 3', 'lost 7'])
    assert.deepEqual(kindsOf(streamOf('none'), rowsOf(0, 1, 2, 4, 5, 6)), [])
  })

  it('finds what is stored twice, and counts it where that is allowed', () => {
    const rows = rowsOf(0, 1, 2, 3, 2, 3, 4, 5, 6, 7)
    assert.deepEqual(kindsOf(streamOf('once'), rows), ['duplicate 2', 'duplicate 3'])
    const { anomalies, repeated } = findAnomalies('logs', [streamOf('again')], rows)
    assert.deepEqual(anomalies, [])
    assert.deepEqual([...repeated], [['client/0', 2]])
  })

  it('finds what is stored once more after it was compared and forgotten', () => {
    const stream = streamOf('once')
    assert.deepEqual(kindsOf(stream, rowsOf(0, 1, 2, 3, 4, 5, 6, 7, 8, 9)), [])
    stream.forget()
    stream.take(2)
    assert.deepEqual(kindsOf(stream, rowsOf(9, 10, 11)), ['duplicate 9'])
  })

  it('finds two rows in one place', () => {
    const [first, second, ...rows] = rowsOf(0, 1, 2, 3, 4, 5, 6, 7)
    assert.deepEqual(kindsOf(streamOf('once'), [first!, { ...second!, offset: 0 }, ...rows]), ['duplicate 1'])
  })

  it('finds what stands behind a later record: of idempotent producers anywhere, of others in their batches', () => {
    const rows = rowsOf(0, 1, 4, 5, 3, 2, 6, 7)
    assert.deepEqual(kindsOf(streamOf('once'), rows), ['reordered 3', 'reordered 2'])
    assert.deepEqual(kindsOf(streamOf('again'), rows), ['reordered 2'])
  })

  it('finds order that is wrong across two comparisons', () => {
    const stream = streamOf('once')
    kindsOf(stream, rowsOf(0, 1, 2, 3, 4, 5, 6, 7))
    stream.take(10)
    stream.forget()
    stream.take(2)
    assert.deepEqual(kindsOf(stream, rowsOf(21, 20)), ['reordered 20'])
  })

  it('finds what nobody has sent', () => {
    const [row, ...rows] = rowsOf(0, 1, 2, 3, 4, 5, 6, 7)
    const damaged = { ...row!, checksum: row!.checksum ^ 1 }
    assert.deepEqual(kindsOf(streamOf('once'), [damaged, ...rows]), ['unseen 0', 'lost 0'])
    assert.deepEqual(kindsOf(streamOf('once'), [row!, ...rows, ...rowsOf(10)]), ['duplicate 10', 'unseen 10'])
  })
})
