/**
 * Brings the rows of a block into their table: at once, or in pieces where they are refused.
 *
 *     refused         halves, the first one first, and so on until the log that is refused is alone; that one is stored with the
 *                     reason in `_error`, for which no column is computed from what it holds
 *     out of memory   halves too, since less may fit; a log that is alone is tried again later, as it is
 *     anything else   tried again later
 *
 * What must stay true: rows come in their order and never past one that is missing, so what the table holds of a block is always its
 * beginning; and the rows of an offset come together. So the highest offset of each shard tells how far it has come, in this life
 * and in the next.
 */
import { randomUUID } from 'node:crypto'
import { SluiceError } from '../base/errors.ts'
import type { RowBlock } from '../store/row-block.ts'
import { isOutOfMemory } from '../store/store-error.ts'

/** The table as a block meets it. */
export interface BlockTable {
  /** Stores rows wholly or not at all. */
  insert(rows: RowBlock, token: string): Promise<void>
  /** The highest offset of each shard. */
  highestOffsets(): Promise<ReadonlyMap<number, number>>
  /** The same when none of this node's inserts runs any more. */
  settle(): Promise<ReadonlyMap<number, number>>
}

/** Rows that are to be one insert; more than one offset if they can be divided. */
interface Piece {
  begin: number
  end: number
  /** Why its one log was refused, if it was. */
  error?: string
}

export interface BlockInsertOptions {
  rows: RowBlock
  /** Names this block among all of its node and table. */
  token: string
  table: BlockTable
  /** Whether to leave it where it is. */
  isStopped: () => boolean
  /** Called when rows were stored, or refused. */
  onStep: (isStored: boolean) => void
}

export class BlockInsert {
  readonly #options: BlockInsertOptions
  /** What is not in the table, the last one first. */
  #pieces: Piece[]
  /** Whether an insert has failed of which it is not known what became. */
  #isUncertain = false
  #hasFailed = false
  /** The tokens of all inserts. */
  readonly #sent = new Set<string>()
  #refused = 0

  constructor(options: BlockInsertOptions) {
    this.#options = options
    const { rows } = options.rows
    this.#pieces = rows === 0 ? [] : [{ begin: 0, end: rows }]
  }

  /** How many logs were stored with an `_error` because they were refused without. */
  get refused(): number {
    return this.#refused
  }

  /** Whether an insert has failed: then it may be that the rows are still being sent, on a connection that is lost. */
  get hasFailed(): boolean {
    return this.#hasFailed
  }

  /** Resolves when every row is in the table, or when it was stopped. Rejects with why it cannot go on; it may be called again then. */
  async run(): Promise<void> {
    const { table, isStopped, onStep } = this.#options
    if (this.#isUncertain) this.#leaveOut(await table.settle())
    this.#isUncertain = false
    for (let piece; !isStopped() && (piece = this.#pieces.at(-1)) !== undefined;) {
      try {
        await this.#insert(piece)
      } catch (error) {
        this.#isUncertain = true
        this.#hasFailed = true
        const pieces = this.#divide(piece, error)
        if (pieces === undefined) {
          // Whatever is wrong with the table: when it is mended, the log need not have an error.
          if (piece.error !== undefined) this.#pieces = [{ begin: piece.begin, end: this.#options.rows.rows }]
          throw error
        }
        this.#pieces.splice(-1, 1, ...pieces)
        onStep(false)
        // A refusal too is asked about: what follows the insert in the engine may have failed.
        this.#leaveOut(await table.settle())
        this.#isUncertain = false
        continue
      }
      if (piece.error !== undefined) this.#refused++
      this.#pieces.pop()
      onStep(true)
    }
  }

  async #insert(piece: Piece): Promise<void> {
    const { rows, table, token } = this.#options
    const { begin, end, error } = piece
    const slice = begin === 0 && end === rows.rows ? rows : rows.slice(begin, end)
    const sent = error === undefined ? slice : slice.withError(error)
    const own = `${token}:${begin}-${end}${error === undefined ? '' : '-error'}`
    const isRepeat = this.#sent.has(own)
    this.#sent.add(own)
    await table.insert(sent, own)
    // An engine that was killed may remember the token of an insert that it has lost; then it stores nothing.
    if (isRepeat && this.#firstMissing(piece, await table.highestOffsets()) < end)
      await table.insert(sent, `${own}:${randomUUID()}`)
  }

  /** What to try in place of a piece that failed, the last one first; undefined if it is to be tried again as it is. */
  #divide({ begin, end, error }: Piece, failure: unknown): Piece[] | undefined {
    const isRefused = failure instanceof SluiceError && failure.code === 'STORE_REFUSED'
    if (error !== undefined || !(isRefused || isOutOfMemory(failure))) return undefined
    const middle = this.#middle(begin, end)
    if (middle !== undefined) return [{ begin: middle, end }, { begin, end: middle }] // prettier-ignore
    return isRefused ? [{ begin, end, error: failure.message }] : undefined
  }

  /** The row nearest to the middle at which an offset begins; undefined if there is only one offset. */
  #middle(begin: number, end: number): number | undefined {
    const { rows } = this.#options
    const middle = (begin + end) >>> 1
    for (let distance = 0; middle - distance > begin || middle + distance < end; distance++) {
      if (middle + distance < end && middle + distance > begin && rows.beginsOffset(middle + distance)) return middle + distance
      if (middle - distance > begin && rows.beginsOffset(middle - distance)) return middle - distance
    }
    return undefined
  }

  /** Leaves out what the table has: the beginning of what is left. */
  #leaveOut(stored: ReadonlyMap<number, number>): void {
    for (let piece; (piece = this.#pieces.at(-1)) !== undefined;) {
      piece.begin = this.#firstMissing(piece, stored)
      if (piece.begin < piece.end) return
      this.#pieces.pop()
    }
  }

  #firstMissing({ begin, end }: Piece, stored: ReadonlyMap<number, number>): number {
    const { rows } = this.#options
    while (begin < end && rows.offsetAt(begin) <= (stored.get(rows.shardAt(begin)) ?? -1)) begin++
    return begin
  }
}
