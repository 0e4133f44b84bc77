/**
 * Words what `sluice journal inspect` prints. Client ids, keys and logs come from strangers, so no character reaches the terminal
 * that could do anything there but be seen.
 */
import { escapeControls, formatRecords, quote } from '../../protocol/explain-records.ts'
import type { Place } from '../journal/format.ts'
import {
  formatHex,
  type CheckpointItem,
  type EndItem,
  type EntryItem,
  type HeaderItem,
  type Item,
  type SegmentItem,
  type StateFields,
} from './journal-items.ts'
import type { LogstoreNames } from './logstore-names.ts'
import { formatCount, formatCountOf, formatDuration, formatSize } from './output.ts'

/** The lines of an item. */
export function* formatItem(item: Item, names: LogstoreNames): Generator<string, void> {
  for (const line of describeItem(item, names)) yield escapeControls(line)
}

function* describeItem(item: Item, names: LogstoreNames): Generator<string, void> {
  switch (item.kind) {
    case 'journal': {
      const { journalId, directory, reservedProducerIds, nextSegmentBytes } = item
      yield `journal ${journalId ?? 'that was never begun'}, in ${directory}`
      yield reservedProducerIds === null
        ? 'producer-ids cannot be read: it is damaged'
        : `producer ids below ${formatCount(reservedProducerIds)} are given or reserved`
      if (nextSegmentBytes !== null) yield `next.segment is ready for the next segment: ${formatSize(nextSegmentBytes)}`
      return
    }
    case 'segment':
      return yield formatSegment(item)
    case 'other':
      return yield `${item.file}: ${item.problem}`
    case 'checkpoint':
      return yield* formatCheckpoint(item, names)
    case 'header':
      return yield* formatHeader(item, names)
    case 'group': {
      const { position, bytes, entries, firstEntry } = item
      const numbers = entries === 1 ? formatCount(firstEntry) : range(firstEntry, firstEntry + entries)
      return yield `group at byte ${formatCount(position)}: ${formatCount(bytes)} bytes, ${entries === 1 ? 'entry' : 'entries'} ${numbers}`
    }
    case 'entry':
      return yield* formatEntry(item, names)
    case 'damage':
      return yield `DAMAGED ${item.file}, byte ${formatCount(item.position)}: ${item.problem}; "sluice journal verify" tells what that means`
    case 'end':
      yield `${formatCountOf(item.groups, 'group')} with ${formatCountOf(item.entries, 'entry', 'entries')} and ${formatCountOf(item.logs, 'log')}`
      return yield formatEnd(item)
  }
}

function formatSegment({
  number,
  base,
  end,
  firstEntry,
  nextEntry,
  begun,
  generation,
  bytes,
  ending,
  file,
}: SegmentItem): string {
  if (ending === 'recycled' || bytes === null || end === null || nextEntry === null)
    return `segment ${number} was recycled while this was read: it was not needed any more`
  const entries = nextEntry === firstEntry ? 'no entries' : `entries ${range(firstEntry, nextEntry)}`
  const position = `byte ${formatCount(end - base)}`
  const endings = {
    'next segment': `ends at ${position}, where the next begins`,
    journal: `written up to ${position}, where the journal ends`,
    torn: `written up to ${position}, where the journal ends; behind that lies a piece of a write that was never acknowledged`,
    damaged: `cannot be read from ${position} of ${file} on: "sluice journal verify" tells more`,
  }
  return `segment ${number}: positions ${formatCount(base)} to ${formatCount(end)}, ${entries}, begun ${begun}, generation ${generation}, ${formatSize(bytes)}; ${endings[ending]}`
}

function formatEnd({ ending, position, nextEntry, file }: EndItem): string {
  const byte = `byte ${formatCount(position)}, before entry ${formatCount(nextEntry)}`
  switch (ending) {
    case 'next segment':
      return `ends at ${byte}, where the next segment begins`
    case 'journal':
      return `ends at ${byte}: behind that nothing was written in this life of the file`
    case 'torn':
      return `ends at ${byte}; behind that lies a piece of a write that was never acknowledged, or is just being written`
    case 'damaged':
      return `cannot be read from ${byte}, on`
    case 'recycled':
      return `${file} was recycled while it was read: it was not needed any more`
  }
}

function* formatCheckpoint(item: CheckpointItem, names: LogstoreNames): Generator<string, void> {
  const { file, written, version, journalId, segment, durable, indexed, stored = [], state } = item
  if (durable === undefined || indexed === undefined || written === null)
    return yield `${file}: ${written === null ? 'it was replaced while this was read' : 'it cannot be read: it is damaged'}`
  yield `checkpoint ${file}, written ${formatDuration(Math.max(0, Date.now() - Date.parse(written)))} ago, at ${written}`
  if (state !== undefined) yield `  version ${version}, of journal ${journalId}`
  yield `  durable up to ${formatPlace(durable)}, in segment ${segment}`
  yield `  indexed up to ${formatPlace(indexed)}; ${formatSize(durable.position - indexed.position)} behind`
  for (const { logstoreId, entry } of stored)
    yield `    ${names.describe(logstoreId)}: stored up to and with entry ${formatCount(entry)}`
  if (state !== undefined) yield* formatState(state, names)
}

function* formatHeader(item: HeaderItem, names: LogstoreNames): Generator<string, void> {
  const { file, formatVersion, journalId, number, generation, base, firstEntry, begun, stateBytes, state } = item
  yield `segment ${file}`
  yield `  format version ${formatVersion}`
  yield `  journal ${journalId}`
  yield `  number ${number}, generation ${generation}`
  yield `  base: position ${formatCount(base)}`
  yield `  first entry ${formatCount(firstEntry)}`
  yield `  begun ${begun}`
  yield `  state, ${formatCount(stateBytes)} bytes, as it was before the first entry:`
  yield* formatState(state, names)
}

function* formatState({ received, nextOffsets, producers }: StateFields, names: LogstoreNames): Generator<string, void> {
  yield `    the last entry was received ${received}`
  for (const { logstoreId, shards } of nextOffsets) {
    const offsets = Object.entries(shards).map(([shard, next]) => `shard ${shard}: ${formatCount(next)}`)
    yield `    next offsets of ${names.describe(logstoreId)}: ${offsets.join(', ')}`
  }
  for (const { producerId, logstoreId, jsonTopic, partition, epoch, taken, usedMs } of producers) {
    const batches = taken.map(([first, last, shard, offset]) => `${first} to ${last} (shard ${shard}, offset ${offset})`)
    const topic = `${names.describe(logstoreId)}${jsonTopic ? ' as .json' : ''}`
    yield `    producer ${producerId} epoch ${epoch}, ${topic}, partition ${partition}, at ${new Date(usedMs).toISOString()}: sequences ${batches.join(', ')}`
  }
}

function* formatEntry(item: EntryItem, names: LogstoreNames): Generator<string, void> {
  const { number, logstoreId, shard, baseOffset, nextOffset, recordCount, received, source, clientId, accessKeyId } = item
  yield [
    `entry ${number}: ${names.describe(logstoreId)}`,
    `shard ${shard}`,
    `offsets ${range(baseOffset, nextOffset)} (${formatCountOf(recordCount, 'log')})`,
    `received ${received}`,
    `from ${source}`,
    `client ${quote(clientId)}`,
    `key ${quote(accessKeyId)}`,
    `partition ${item.partition}${item.jsonTopic ? ' of the topic with .json' : ''}`,
  ].join(', ')
  for (const line of formatRecords(item.records)) if (line.startsWith(' ')) yield line
}

function formatPlace({ position, entry, chain }: Place): string {
  return `entry ${formatCount(entry)}, position ${formatCount(position)}, chain ${formatHex(chain)}`
}

/** From the first to the one before `next`. */
function range(first: number, next: number): string {
  return `${formatCount(first)} to ${formatCount(next - 1)}`
}
