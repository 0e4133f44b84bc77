/**
 * What `sluice journal inspect` prints, as objects: with `--json` they are the lines, without it `journal-format.ts` words them.
 */
import { stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { summarizeRecords, type RecordsSummary } from '../../protocol/explain-records.ts'
import { isSystemError, sluiceError } from '../base/errors.ts'
import { nodeFiles } from '../base/files.ts'
import { readCheckpoint, type Checkpoint } from '../journal/checkpoint.ts'
import type { Known } from '../journal/damage.ts'
import type { DecodedEntry, Place } from '../journal/format.ts'
import { knownOf, listJournal, newestCheckpoint, readSegment, type JournalFiles } from '../journal/inspection.ts'
import { readReservedIds } from '../journal/producer-ids.ts'
import { NO_GROUP, type Group } from '../journal/reader.ts'
import { readSegmentHeader, type Segment } from '../journal/segments.ts'
import type { SavedState } from '../journal/state.ts'
import { openJournalDirectory } from './journal-directory.ts'
import type { LogstoreNames } from './logstore-names.ts'

export interface InspectOptions {
  /** List the entries. */
  entries: boolean
  /** Print the records of each entry. */
  records: boolean
}

export interface JournalItem {
  kind: 'journal'
  directory: string
  journalId: string | null
  /** Producer ids below this one may have been given; null if the file cannot be read. */
  reservedProducerIds: number | null
  /** Size of the file that the next segment will be made of; null if there is none. */
  nextSegmentBytes: number | null
}

export interface SegmentItem {
  kind: 'segment'
  file: string
  number: number
  generation: string
  begun: string
  /** Null if it was recycled meanwhile. */
  bytes: number | null
  base: number
  firstEntry: number
  /** Where it ends, and the entry after its last; null if that is not known. */
  end: number | null
  nextEntry: number | null
  ending: Ending
}

/** A file that is named as a segment and is none. */
export interface OtherItem {
  kind: 'other'
  file: string
  problem: string
}

export interface CheckpointItem {
  kind: 'checkpoint'
  file: string
  /** When the file was written; null if it is gone. */
  written: string | null
  /** The rest is absent if it cannot be read. */
  version?: number
  journalId?: string
  segment?: number
  durable?: Place
  indexed?: Place
  /** The number of the last entry that is stored, of each logstore that has any. */
  stored?: { logstoreId: string; logstore: string | null; entry: number }[]
  /** If the file alone is printed. */
  state?: StateFields
}

/** The header of a segment that is printed by itself. */
export interface HeaderItem {
  kind: 'header'
  file: string
  formatVersion: number
  journalId: string
  number: number
  generation: string
  base: number
  firstEntry: number
  begun: string
  stateBytes: number
  state: StateFields
}

export interface StateFields {
  received: string
  nextOffsets: { logstoreId: string; logstore: string | null; shards: Record<string, number> }[]
  producers: (SavedState['producers'][number] & { logstore: string | null })[]
}

export interface GroupItem {
  kind: 'group'
  /** In the file. */
  position: number
  bytes: number
  entries: number
  firstEntry: number
}

export interface EntryItem {
  kind: 'entry'
  number: number
  logstoreId: string
  logstore: string | null
  shard: number
  baseOffset: number
  nextOffset: number
  recordCount: number
  received: string
  source: string
  clientId: string
  accessKeyId: string
  partition: number
  jsonTopic: boolean
  records: RecordsSummary
}

export interface DamageItem {
  kind: 'damage'
  file: string
  position: number
  problem: string
}

/** How a segment ended: where the next begins, as the journal does, in the piece of a write, or it cannot be read to its end. */
export type Ending = 'next segment' | 'journal' | 'torn' | 'damaged' | 'recycled'

export interface EndItem {
  kind: 'end'
  file: string
  ending: Ending
  /** In the journal, and in the file. */
  end: number
  position: number
  nextEntry: number
  /** What was read of the segment. */
  groups: number
  entries: number
  logs: number
}

export type Item =
  JournalItem | SegmentItem | OtherItem | CheckpointItem | HeaderItem | GroupItem | EntryItem | DamageItem | EndItem

/** What a journal's directory holds. */
export async function* inspectDirectory(
  directory: string,
  names: LogstoreNames,
  options: InspectOptions,
): AsyncGenerator<Item, void> {
  const journal = await openJournalDirectory(directory)
  const { segments, unreadable, notBegun, checkpoints } = journal
  const newest = newestCheckpoint(journal)
  yield {
    kind: 'journal',
    directory,
    journalId: newest?.journalId ?? segments[0]?.journalId ?? null,
    reservedProducerIds: await readReservedIds(nodeFiles, directory).catch(() => null),
    nextSegmentBytes: (await statOf(join(directory, 'next.segment')))?.size ?? null,
  }
  for (const index of segments.keys()) yield await summarizeSegment(journal, index, names)
  for (const file of unreadable) yield { kind: 'other', file, problem: 'its header cannot be read: it is damaged' }
  for (const file of notBegun)
    yield { kind: 'other', file, problem: 'it was named and not begun: its header is that of an earlier life' }
  for (const { path, checkpoint } of checkpoints) yield await describeCheckpoint(path, checkpoint, names)
  if (!options.entries) return
  for (const [index, segment] of segments.entries())
    for await (const item of readItems(segment, knownOf(journal, index), names, options))
      if (item.kind === 'entry' || item.kind === 'damage' || (item.kind === 'end' && item.ending === 'recycled')) yield item
}

/** A segment or a checkpoint, field by field. */
export async function* inspectFile(path: string, names: LogstoreNames, options: InspectOptions): AsyncGenerator<Item, void> {
  const file = resolve(path)
  if ((await statOf(file))?.isFile() !== true) throw sluiceError('INVALID_ARGUMENT', { problem: `${path} is no file` })
  const header = await readSegmentHeader(nodeFiles, file)
  if (header === undefined) {
    const checkpoint = await readCheckpoint(nodeFiles, file)
    if (checkpoint === undefined)
      throw sluiceError('INVALID_ARGUMENT', {
        problem: `${path} is no segment and no checkpoint, or it is damaged at its beginning`,
      })
    yield { ...(await describeCheckpoint(file, checkpoint, names)), state: describeState(checkpoint.state, names) }
    return
  }
  const { number, generation, formatVersion, journalId, base, firstEntry, begunMs, state } = header
  yield {
    kind: 'header',
    file,
    formatVersion,
    journalId,
    number,
    generation: formatHex(generation),
    base,
    firstEntry,
    begun: formatTime(begunMs),
    stateBytes: state.length,
    state: describeState(JSON.parse(state.toString('utf8')) as SavedState, names),
  }
  const segment = { ...header, path: file }
  for await (const item of readItems(segment, await knownOfFile(segment), names, options))
    if (options.entries || item.kind === 'damage' || item.kind === 'end') yield item
}

/** What the rest of the journal says of a segment, if it lies in one. */
async function knownOfFile({ path }: Segment): Promise<Known> {
  const journal = await listJournal(nodeFiles, dirname(path))
  const index = journal.segments.findIndex(segment => basename(segment.path) === basename(path))
  return index === -1 ? { segmentEnd: Infinity, durable: 0 } : knownOf(journal, index)
}

/** A segment at a glance: only the last one is read, and that from the checkpoint on. */
async function summarizeSegment(journal: JournalFiles, index: number, names: LogstoreNames): Promise<SegmentItem> {
  const segment = journal.segments[index]!
  const after = journal.segments[index + 1]
  const { path: file, number, generation, base, firstEntry, begunMs } = segment
  const bytes = (await statOf(file))?.size ?? null
  const begun = formatTime(begunMs)
  const summary = { kind: 'segment', file, number, generation: formatHex(generation), begun, bytes, base, firstEntry } as const
  if (after !== undefined) return { ...summary, end: after.base, nextEntry: after.firstEntry, ending: 'next segment' }
  const durable = newestCheckpoint(journal)?.durable
  const from = durable !== undefined && durable.position > base ? durable : undefined
  for await (const item of readItems(segment, knownOf(journal, index), names, { entries: false, records: false, from })) {
    if (item.kind !== 'end') continue
    const { end, nextEntry, ending } = item
    return { ...summary, end, nextEntry, ending }
  }
  return { ...summary, end: null, nextEntry: null, ending: 'recycled' }
}

/** What a segment holds: its groups, the entries of each if they are wanted, what is damaged, and how it ends. */
async function* readItems(
  segment: Segment,
  known: Known,
  names: LogstoreNames,
  { entries, records, from }: InspectOptions & { from?: Place | undefined },
): AsyncGenerator<GroupItem | EntryItem | DamageItem | EndItem, void> {
  const { path: file, base, firstEntry } = segment
  const sum = { groups: 0, entries: 0, logs: 0 }
  let end = from?.position ?? base
  let nextEntry = from?.entry ?? firstEntry
  let ending: Ending = known.segmentEnd === Infinity ? 'journal' : 'next segment'
  for await (const found of readSegment(nodeFiles, segment, known, from)) {
    if (found.kind === 'group') {
      const { group } = found
      end = group.end.position
      nextEntry = group.end.entry
      sum.groups++
      yield describeGroup(group, segment)
      for (const entry of group.entries) {
        sum.entries++
        sum.logs += entry.recordCount
        if (entries) yield describeEntry(entry, names, records)
      }
    } else if (found.kind === 'damage') {
      yield { kind: 'damage', file, position: found.bad.offset, problem: found.bad.problem }
      if (found.resumesAt === undefined) ending = 'damaged'
    } else if (found.kind === 'end') ending = found.bad.problem === NO_GROUP ? 'journal' : 'torn'
    else ending = 'recycled'
  }
  yield { kind: 'end', file, ending, end, position: end - base, nextEntry, ...sum }
}

function describeGroup({ begin, bytes, entries }: Group, { base }: Segment): GroupItem {
  return {
    kind: 'group',
    position: begin.position - base,
    bytes: bytes.length,
    entries: entries.length,
    firstEntry: begin.entry,
  }
}

function describeEntry(entry: DecodedEntry, names: LogstoreNames, records: boolean): EntryItem {
  const { number, logstoreId, shard, baseOffset, recordCount, receivedMs, source, clientId, accessKeyId } = entry
  return {
    kind: 'entry',
    number,
    logstoreId,
    logstore: names.find(logstoreId),
    shard,
    baseOffset,
    nextOffset: baseOffset + recordCount,
    recordCount,
    received: formatTime(receivedMs),
    source,
    clientId,
    accessKeyId,
    partition: entry.partition,
    jsonTopic: entry.jsonTopic,
    records: summarizeRecords(entry.records, { records }),
  }
}

async function describeCheckpoint(
  file: string,
  checkpoint: Checkpoint | undefined,
  names: LogstoreNames,
): Promise<CheckpointItem> {
  const writtenMs = (await statOf(file))?.mtimeMs
  const item: CheckpointItem = { kind: 'checkpoint', file, written: writtenMs === undefined ? null : formatTime(writtenMs) }
  if (checkpoint === undefined) return item
  const { version, journalId, segment, durable, indexed } = checkpoint
  const stored = Object.entries(indexed.stored).map(([logstoreId, entry]) => ({
    logstoreId,
    logstore: names.find(logstoreId),
    entry,
  }))
  return { ...item, version, journalId, segment, durable, indexed: indexed.place, stored }
}

function describeState({ nextOffsets, producers, receivedMs }: SavedState, names: LogstoreNames): StateFields {
  return {
    received: formatTime(receivedMs),
    nextOffsets: Object.entries(nextOffsets).map(([logstoreId, shards]) => ({
      logstoreId,
      logstore: names.find(logstoreId),
      shards,
    })),
    producers: producers.map(stream => ({ ...stream, logstore: names.find(stream.logstoreId) })),
  }
}

/** Undefined if there is nothing of that name. */
async function statOf(path: string) {
  return stat(path).catch((error: unknown) => {
    if (isSystemError(error, 'ENOENT')) return undefined
    throw error
  })
}

export function formatHex(number: number): string {
  return number.toString(16).padStart(8, '0')
}

function formatTime(ms: number): string {
  return new Date(ms).toISOString()
}
