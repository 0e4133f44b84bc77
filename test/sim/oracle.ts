/**
 * What must be true, whatever goes wrong, of what producers sent, were told, and what is stored.
 *
 *     acknowledged ⊆ recovered ⊆ sent           at each start of the server, and in the store at the end
 *     each row once, whole, where it was said   (shard, offset, index) is unique; offsets of a shard have no gap
 *     order                                     what was sent after an acknowledgement stands behind what it was for
 *     of an idempotent stream                   each batch at most once, and none without the one before it
 *     of a plain producer                       a batch at most as often as it came to the server
 */
import type { Catalog } from '../../src/catalog/catalog.ts'
import type { DecodedEntry } from '../../src/journal/format.ts'
import type { StoredRow } from '../support/stored-rows.ts'
import type { SimulatedStore, Table } from './store.ts'

/** A batch as its producer knows it. Each of its values begins with its id, which is also what it is sent under as a client. */
export interface Batch {
  readonly id: string
  readonly topic: string
  readonly values: readonly string[]
  /** Where it stands in its stream, if it belongs to an idempotent producer. */
  readonly sequenced: Sequenced | undefined
  readonly bytes: Buffer
}

export interface Sequenced {
  /** Names the stream but for its logstore. */
  stream: string
  epoch: number
  sequence: number
}

interface Known {
  batch: Batch
  /** When it was sent first, counted in calls of the oracle. */
  sentAt: number
  /** Whether the server has said that it is stored, though maybe on a connection that is closed. */
  isTaken: boolean
  /** By logstore id. */
  fates: Map<string, Fate>
}

/** What became of a batch in one logstore. */
interface Fate {
  /** How often it came to the server. */
  arrivals: number
  /** What the producer was told, and when first. */
  acknowledged: Map<number, number>
}

/** A batch as it stands in a table. */
interface Occurrence {
  known: Known
  shard: number
  baseOffset: number
  entry: number
}

export class Oracle {
  /** The names of logstores that were deleted, or may have been: a stream may begin anywhere in another of the same name. */
  readonly recreated = new Set<string>()
  readonly #fail: (sentence: string) => void
  readonly #known = new Map<string, Known>()
  /** By logstore id: the rows that were stored, by shard and offset. */
  readonly #stored = new Map<string, Set<string>>()
  #moment = 0

  constructor(fail: (sentence: string) => void) {
    this.#fail = fail
  }

  get batches(): number {
    return this.#known.size
  }

  get rows(): number {
    return [...this.#stored.values()].reduce((sum, { size }) => sum + size, 0)
  }

  /** A producer is about to send a batch, for the first time or again. */
  sends(batch: Batch): void {
    if (!this.#known.has(batch.id)) this.#known.set(batch.id, { batch, sentAt: ++this.#moment, isTaken: false, fates: new Map() })
  }

  /** A batch came to the server, where its topic is this logstore. */
  arrives(batch: Batch, logstoreId: string): void {
    const { fates } = this.#known.get(batch.id)!
    const fate = fates.get(logstoreId) ?? { arrivals: 0, acknowledged: new Map<number, number>() }
    fate.arrivals++
    fates.set(logstoreId, fate)
  }

  /** The server has said that a batch is stored; nobody may have heard it. */
  takes(batch: Batch): void {
    this.#known.get(batch.id)!.isTaken = true
  }

  isTaken(batch: Batch): boolean {
    return this.#known.get(batch.id)!.isTaken
  }

  /** A producer has read that its batch is stored from this offset on. */
  acknowledges(batch: Batch, logstoreId: string | undefined, baseOffset: number): void {
    const fate = this.#known.get(batch.id)!.fates.get(logstoreId ?? '')
    if (fate === undefined) return this.#fail(`${batch.id} is acknowledged although its logstore is not there`)
    if (!fate.acknowledged.has(baseOffset)) fate.acknowledged.set(baseOffset, ++this.#moment)
    if (batch.sequenced !== undefined && fate.acknowledged.size > 1)
      this.#fail(`${batch.id} is acknowledged at the offsets ${[...fate.acknowledged.keys()].join(' and ')}`)
  }

  /** Rows have come into a table; those have an error that `isPoisonous` says so of, and no others. */
  stores(table: Table, rows: readonly StoredRow[], isPoisonous: (row: StoredRow) => boolean): void {
    let stored = this.#stored.get(table.id)
    if (stored === undefined) this.#stored.set(table.id, (stored = new Set()))
    const days = new Set(rows.map(({ receivedMs }) => Math.floor(receivedMs / DAY_MS)))
    if (days.size > 1) this.#fail(`rows of ${days.size} days are one insert: they would become several parts`)
    for (const row of rows) {
      const place = placeOf(row.shard, row.offset)
      if (row.index !== 0 || stored.has(place)) this.#fail(`the row ${describe(row)} is stored twice`)
      stored.add(place)
      const known = this.#known.get(idOf(row.content.toString('latin1')))
      if (known?.fates.get(table.id) === undefined) this.#fail(`the row ${describe(row)} was never sent to its logstore`)
      else if ((row.error !== '') !== isPoisonous(row) || !known.batch.values.includes(row.content.toString()))
        this.#fail(`the row ${describe(row)} is not what was sent: ${row.error}`)
    }
  }

  /** Holds what a start of the server has recovered, beyond what is stored, against what was acknowledged. */
  recovers(entries: readonly DecodedEntry[], catalog: Catalog): void {
    const recovered = new Set<string>()
    for (const entry of entries) {
      const id = entry.clientId
      const fate = this.#known.get(id)?.fates.get(entry.logstoreId)
      if (fate === undefined) this.#fail(`entry ${entry.number} holds ${id}, which was never sent to its logstore`)
      recovered.add(`${entry.logstoreId} ${id} ${entry.baseOffset}`)
    }
    for (const { batch, fates } of this.#known.values())
      for (const [logstoreId, { acknowledged }] of fates) {
        if (catalog.findLogstoreById(logstoreId) === undefined) continue
        for (const baseOffset of acknowledged.keys())
          if (!recovered.has(`${logstoreId} ${batch.id} ${baseOffset}`) && !this.#isStored(logstoreId, batch, baseOffset))
            this.#fail(`${batch.id} was acknowledged at the offset ${baseOffset} and is not recovered`)
      }
  }

  /** Whether the store has as many rows from here on in some shard: whether they are the right ones is checked at the end. */
  #isStored(logstoreId: string, { values }: Batch, baseOffset: number): boolean {
    const stored = this.#stored.get(logstoreId)
    if (stored === undefined) return false
    for (let shard = 0; shard < MAX_SHARDS; shard++)
      if (values.every((_, index) => stored.has(placeOf(shard, baseOffset + index)))) return true
    return false
  }

  /** Holds the store against everything, once all is indexed. */
  checkStore(store: SimulatedStore, catalog: Catalog, nextOffset: (logstoreId: string, shard: number) => number): void {
    for (const logstore of catalog.listLogstores()) {
      const rows = store.findTable(logstore)?.rows ?? []
      const occurrences: Occurrence[] = []
      for (let shard = 0; shard < logstore.shards; shard++) {
        const inShard = rows.filter(row => row.shard === shard).sort((one, other) => one.offset - other.offset)
        occurrences.push(...this.#checkShard(inShard, nextOffset(logstore.id, shard)))
      }
      occurrences.sort((one, other) => one.entry - other.entry)
      this.#checkBatches(occurrences, logstore.id)
      this.#checkOrder(occurrences, logstore.id)
      this.#checkStreams(occurrences, this.recreated.has(logstore.name))
    }
  }

  /** Checks the rows of a shard, in the order of their offsets, and puts them together to batches again. */
  #checkShard(rows: readonly StoredRow[], nextOffset: number): Occurrence[] {
    const occurrences: Occurrence[] = []
    let left: string[] = []
    for (const [offset, row] of rows.entries()) {
      const { shard, entry } = row
      const content = row.content.toString()
      if (row.offset !== offset) {
        this.#fail(`shard ${shard} has no row at the offset ${offset}: behind it is ${describe(row)}`)
        return occurrences
      }
      if (left.length === 0) {
        const known = this.#known.get(idOf(content))!
        occurrences.push({ known, shard, baseOffset: offset, entry })
        left = [...known.batch.values]
      }
      if (left.shift() !== content || occurrences.at(-1)!.entry !== entry) {
        this.#fail(`the row ${describe(row)} is not where its batch goes on`)
        return occurrences
      }
      const before = rows[offset - 1]
      if (before !== undefined && (entry < before.entry || row.receivedMs < before.receivedMs))
        this.#fail(`the row ${describe(row)} is older than the row before`)
    }
    if (left.length > 0) this.#fail(`the last batch of a shard is not whole: ${left[0]} is missing`)
    if (rows.length !== nextOffset) this.#fail(`a shard has ${rows.length} rows, and the next offset is ${nextOffset}`)
    return occurrences
  }

  /** Every batch that was acknowledged is there, where it was said to be; none is there more often than it may be. */
  #checkBatches(occurrences: readonly Occurrence[], logstoreId: string): void {
    const offsets = new Map<string, number[]>()
    for (const { known, baseOffset } of occurrences)
      offsets.set(known.batch.id, [...(offsets.get(known.batch.id) ?? []), baseOffset])
    for (const { batch, fates } of this.#known.values()) {
      const fate = fates.get(logstoreId)
      const found = offsets.get(batch.id) ?? []
      for (const baseOffset of fate?.acknowledged.keys() ?? [])
        if (!found.includes(baseOffset)) this.#fail(`${batch.id} was acknowledged at the offset ${baseOffset} and is not stored`)
      const most = batch.sequenced === undefined ? (fate?.arrivals ?? 0) : 1
      if (found.length > most) this.#fail(`${batch.id} is stored ${found.length} times, at the offsets ${found.join(', ')}`)
    }
  }

  /** What was sent after a batch was acknowledged stands behind it, whoever sent it. */
  #checkOrder(occurrences: readonly Occurrence[], logstoreId: string): void {
    const acknowledged: { moment: number; entry: number }[] = []
    const seen = new Set<string>()
    for (const { known, baseOffset, entry } of occurrences) {
      // An answer does not say the shard: a batch that was sent twice may be at the same offset of two. The first one counts.
      const said = `${known.batch.id} ${baseOffset}`
      const moment = known.fates.get(logstoreId)?.acknowledged.get(baseOffset)
      if (moment !== undefined && !seen.has(said)) acknowledged.push({ moment, entry })
      seen.add(said)
    }
    acknowledged.sort((one, other) => one.moment - other.moment)
    const bySent = [...occurrences].sort((one, other) => one.known.sentAt - other.known.sentAt)
    let next = 0
    let highest = -1
    for (const { known, entry } of bySent) {
      for (; next < acknowledged.length && acknowledged[next]!.moment < known.sentAt; next++)
        highest = Math.max(highest, acknowledged[next]!.entry)
      if (entry < highest)
        this.#fail(`${known.batch.id}, entry ${entry}, was sent after entry ${highest} was acknowledged, and stands before it`)
    }
  }

  /** In each stream epochs only grow, and within one each batch goes on where the one before it ended. */
  #checkStreams(occurrences: readonly Occurrence[], mayBeginAnywhere: boolean): void {
    const streams = new Map<string, { id: string; epoch: number; next: number }>()
    for (const { known } of occurrences) {
      const { id, sequenced, values } = known.batch
      if (sequenced === undefined) continue
      const { stream, epoch, sequence } = sequenced
      const before = streams.get(stream)
      const expected = before?.epoch === epoch ? before.next : 0
      const isFree = mayBeginAnywhere && before?.epoch !== epoch
      if (before !== undefined && epoch < before.epoch)
        this.#fail(`${id} of epoch ${epoch} is stored behind ${before.id} of a newer one`)
      else if (sequence !== expected && !isFree)
        this.#fail(
          `${id} has the sequence ${sequence} and is stored where ${expected} belongs, behind ${before?.id ?? 'nothing'}`,
        )
      streams.set(stream, { id, epoch, next: sequence + values.length })
    }
  }
}

/** More than any logstore of a simulation has. */
const MAX_SHARDS = 4
const DAY_MS = 24 * 60 * 60 * 1000

function placeOf(shard: number, offset: number): string {
  return `${shard}/${offset}`
}

function idOf(content: string): string {
  return content.slice(0, content.indexOf('.'))
}

function describe({ shard, offset, entry, content }: StoredRow): string {
  return `${content.toString('latin1', 0, 20)} (shard ${shard}, offset ${offset}, entry ${entry})`
}
