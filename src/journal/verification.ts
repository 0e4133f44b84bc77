/**
 * Verifies a journal: every checksum, the chain of them, positions, entry numbers, offsets and times, and that what checkpoints and
 * segments say of the state is what the entries add up to. Changes nothing, and may run beside a server.
 *
 * What was damaged is passed over, to learn how far the damage reaches: the entries that are missing are told by the numbers of
 * those behind them, and the logs by the offsets that their shards went on from.
 */
import type { Files } from '../base/files.ts'
import { findMissingSegment, type Damage } from './damage.ts'
import type { DecodedEntry, Place } from './format.ts'
import { knownOf, newestCheckpoint, readSegment, type Found, type JournalFiles } from './inspection.ts'
import { NO_GROUP, type Group } from './reader.ts'
import { addUp } from './recovery.ts'
import { segmentPath, type Segment } from './segments.ts'
import { JournalState, type SavedState } from './state.ts'
import { compareStates, findLostLogs, type LostLogs } from './state-comparison.ts'

/** Something that is damaged, and how far that reaches. */
export interface DamagedStretch extends Damage {
  /** Where in the file what can be read goes on; absent where nothing is passed over. */
  end?: number
  /** The entries that cannot be read, from the first to before the next; `next` is null if that is not known. */
  entries?: { first: number; next: number | null }
}

export interface Verification {
  segments: number
  groups: number
  entries: number
  logs: number
  bytes: number
  /** How many checkpoints were compared with the entries. */
  checkpoints: number
  /** Where the journal ends; `isTorn` if a write that was never acknowledged has left something there. */
  end: { file: string; position: number; entry: number; isTorn: boolean } | undefined
  damages: DamagedStretch[]
  lostLogs: LostLogs[]
  /** Segments that a running server has given up meanwhile: they are indexed, and were not read to their end. */
  recycled: string[]
}

export interface VerificationOptions {
  files: Files
  journal: JournalFiles
  /** Whether a logstore exists: only one that was deleted may be missing in a checkpoint. */
  isLogstore: (id: string) => boolean
  onProgress?: (readBytes: number, ofBytes: number) => void
}

export async function verifyJournal(options: VerificationOptions): Promise<Verification> {
  const { files, journal, onProgress } = options
  const { segments } = journal
  const verifier = new Verifier(options)
  const first = segments[0]?.base ?? 0
  const ofBytes = Math.max(newestCheckpoint(journal)?.durable.position ?? 0, segments.at(-1)?.base ?? 0) - first
  for (const [index, segment] of segments.entries()) {
    verifier.beginSegment(segment)
    for await (const found of readSegment(files, segment, knownOf(journal, index))) {
      verifier.take(found)
      const readBytes = verifier.position - first
      onProgress?.(readBytes, Math.max(ofBytes, readBytes))
    }
  }
  return verifier.finish()
}

class Verifier {
  readonly #journal: JournalFiles
  readonly #isLogstore: (id: string) => boolean
  readonly #result: Verification
  /** The checkpoints whose durable place has not been reached, nearest first. */
  readonly #ahead: { path: string; durable: Place; state: SavedState }[]
  #segment: Segment | undefined
  /** What the header of the segment and the entries since add up to. */
  #state = new JournalState(Infinity)
  /** Up to here the journal was read; the chain is undefined at the beginning of the first segment. */
  #place: Omit<Place, 'chain'> & { chain: number | undefined } = { position: 0, entry: 0, chain: undefined }
  /** When the last entry was received. The state knows too of entries that were waiting when it was written down. */
  #receivedMs = 0
  /** Why entries since the segment began are missing in the state; undefined if none are. */
  #broken: 'damage' | 'recycled' | undefined

  constructor({ journal, isLogstore }: VerificationOptions) {
    this.#journal = journal
    this.#isLogstore = isLogstore
    this.#ahead = journal.checkpoints
      .flatMap(({ path, checkpoint }) => (checkpoint === undefined ? [] : [{ path, ...checkpoint }]))
      .sort((a, b) => a.durable.position - b.durable.position)
    const { segments, unreadable, checkpoints, directory } = journal
    const damages: DamagedStretch[] = unreadable.map(file => ({
      file,
      position: 0,
      problem: 'the header of a segment cannot be read',
    }))
    for (const { path, checkpoint } of checkpoints)
      if (checkpoint === undefined) damages.push({ file: path, position: 0, problem: 'a checkpoint cannot be read' })
    const missing = findMissingSegment(segments, unreadable, newestCheckpoint(journal), directory)
    if (missing !== undefined && !unreadable.includes(missing.file)) damages.push(missing)
    const counts = { segments: 0, groups: 0, entries: 0, logs: 0, bytes: 0, checkpoints: 0 }
    this.#result = { ...counts, end: undefined, damages, lostLogs: [], recycled: [] }
  }

  /** Up to which position the journal was read. */
  get position(): number {
    return this.#place.position
  }

  beginSegment(segment: Segment): void {
    const { base, firstEntry, number, path } = segment
    const before = this.#segment
    const saved = JSON.parse(segment.state.toString('utf8')) as SavedState
    this.#segment = segment
    this.#result.segments++
    if (before === undefined) this.#place = { position: base, entry: firstEntry, chain: undefined }
    else if (number !== before.number + 1) this.#missSegments(before, segment, saved)
    else if (this.#broken === undefined) {
      if (firstEntry !== this.#place.entry)
        this.#damage(0, `a segment begins with entry ${firstEntry} where ${this.#place.entry} belongs`)
      for (const problem of this.#compare(saved))
        this.#result.damages.push({ file: path, position: 0, problem: `the state in the header is wrong: ${problem}` })
    } else if (this.#broken === 'damage') this.#result.lostLogs.push(...findLostLogs(this.#state, saved))
    this.#state = new JournalState(Infinity)
    this.#state.restore(saved)
    if (this.#broken !== undefined) this.#place = { position: base, entry: firstEntry, chain: undefined }
    this.#broken = undefined
    this.#reachCheckpoints()
  }

  take(found: Found): void {
    switch (found.kind) {
      case 'group':
        return this.#takeGroup(found.group)
      case 'damage': {
        const { bad, place, resumesAt } = found
        this.#broken = 'damage'
        const isBeforeGap = this.#nextSegment !== undefined && this.#nextSegment.number !== this.#segment!.number + 1
        // Here the segment ends because one that is missing began.
        if (isBeforeGap && bad.problem === NO_GROUP && resumesAt === undefined) return
        const end = resumesAt?.position ?? this.#nextSegment?.base
        const next = resumesAt?.entry ?? this.#nextSegment?.firstEntry ?? this.#checkpointedEntryAfter(place.entry)
        this.#result.damages.push({
          file: this.#segment!.path,
          position: bad.offset,
          problem: bad.problem,
          ...(end !== undefined && { end: end - this.#segment!.base }),
          entries: { first: place.entry, next: next ?? null },
        })
        if (resumesAt !== undefined) this.#place = resumesAt
        return
      }
      case 'end': {
        const { bad, place } = found
        const { path, base } = this.#segment!
        const position = place.position - base
        this.#result.end = { file: path, position, entry: place.entry, isTorn: bad.problem !== NO_GROUP }
        return
      }
      case 'recycled':
        this.#result.recycled.push(this.#segment!.path)
        this.#broken = 'recycled'
    }
  }

  finish(): Verification {
    const newest = newestCheckpoint(this.#journal)
    if (this.#broken === 'damage' && newest !== undefined) this.#result.lostLogs.push(...findLostLogs(this.#state, newest.state))
    else if (this.#broken === undefined && this.#segment !== undefined)
      for (const { path, durable } of this.#ahead)
        this.#result.damages.push({
          file: path,
          position: 0,
          problem: `a checkpoint says that the journal is durable up to position ${durable.position}, and it ends at ${this.#place.position}`,
        })
    return this.#result
  }

  #takeGroup(group: Group): void {
    const result = this.#result
    for (const entry of group.entries) {
      for (const problem of this.#checkEntry(entry))
        this.#damage(group.begin.position - this.#segment!.base, `entry ${entry.number} ${problem}`)
      addUp(this.#state, entry)
      this.#receivedMs = entry.receivedMs
      result.entries++
      result.logs += entry.recordCount
    }
    result.groups++
    result.bytes += group.bytes.length
    this.#place = group.end
    this.#reachCheckpoints()
  }

  *#checkEntry({ logstoreId, shard, baseOffset, recordCount, receivedMs, batches }: DecodedEntry): Generator<string> {
    const expected = this.#state.nextOffset(logstoreId, shard)
    if (baseOffset < expected) yield `has offset ${baseOffset}, which another entry of its shard has too`
    // Without damage it is a shard whose offsets were moved on.
    if (baseOffset > expected && this.#broken === 'damage')
      this.#result.lostLogs.push({ logstoreId, shard, first: expected, next: baseOffset })
    let next = baseOffset
    for (const batch of batches) {
      if (batch.baseOffset !== next) yield `has a batch with offset ${batch.baseOffset} where ${next} belongs`
      next = batch.baseOffset + batch.recordCount
    }
    if (next !== baseOffset + recordCount) yield `has ${next - baseOffset} records and says ${recordCount}`
    if (receivedMs < this.#receivedMs) yield 'was received before the one before it'
  }

  /** Compares with the checkpoints of this place, and tells of those that lie between two groups. */
  #reachCheckpoints(): void {
    while (this.#ahead[0] !== undefined && this.#ahead[0].durable.position <= this.#place.position) {
      const { path, durable, state } = this.#ahead.shift()!
      if (this.#broken !== undefined || durable.position < this.#segment!.base) continue
      const say = (problem: string): void => void this.#result.damages.push({ file: path, position: 0, problem })
      const { position, entry, chain } = this.#place
      if (durable.position !== position) say(`a checkpoint stands at position ${durable.position}, where no group ends`)
      else if (durable.entry !== entry || (chain !== undefined && durable.chain !== chain))
        say(`a checkpoint stands before entry ${durable.entry}, and at its position is another place, before entry ${entry}`)
      else for (const problem of this.#compare(state)) say(`a checkpoint is wrong: ${problem}`)
      this.#result.checkpoints++
    }
  }

  #compare(saved: SavedState): Generator<string> {
    return compareStates(saved, this.#state, { isLogstore: this.#isLogstore, receivedMs: this.#receivedMs })
  }

  #missSegments(before: Segment, { number, firstEntry }: Segment, saved: SavedState): void {
    const file = segmentPath(this.#journal.directory, before.number + 1)
    const last = segmentPath(this.#journal.directory, number - 1)
    let damage: DamagedStretch | undefined = this.#result.damages.find(known => known.file === file)
    if (damage === undefined) {
      const problem = file === last ? 'the segment is missing' : `this segment and those up to ${last} are missing`
      this.#result.damages.push((damage = { file, position: 0, problem }))
    }
    damage.entries = { first: this.#place.entry, next: firstEntry }
    this.#result.lostLogs.push(...findLostLogs(this.#state, saved))
    this.#broken = 'damage'
  }

  #damage(position: number, problem: string): void {
    this.#result.damages.push({ file: this.#segment!.path, position, problem })
  }

  get #nextSegment(): Segment | undefined {
    const { segments } = this.#journal
    return segments[segments.indexOf(this.#segment!) + 1]
  }

  #checkpointedEntryAfter(entry: number): number | undefined {
    const checkpointed = newestCheckpoint(this.#journal)?.durable.entry ?? 0
    return checkpointed > entry ? checkpointed : undefined
  }
}
