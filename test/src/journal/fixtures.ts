/**
 * What the tests of the journal share: a journal on a file system in memory, writes of real batches, and what they leave behind.
 */
import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { Chunks } from '../../../protocol/chunks.ts'
import { checkBatches } from '../../../protocol/records/check-batches.ts'
import { buildBatch, type BatchInput } from '../../../protocol/records/build-batch.ts'
import type { Files } from '../../../src/base/files.ts'
import { silentLog } from '../../../src/base/log.ts'
import type { JournalEntry, Place } from '../../../src/journal/format.ts'
import { listJournal } from '../../../src/journal/inspection.ts'
import { Journal, type Appended, type JournalOptions, type Write } from '../../../src/journal/journal.ts'
import { JournalReader, type ReadLimit } from '../../../src/journal/reader.ts'
import { verifyJournal, type Verification } from '../../../src/journal/verification.ts'
import { Random } from '../../protocol/random.ts'
import { MemoryFiles, type Fault, type Operation } from '../../support/memory-files.ts'

export const DIRECTORY = '/data/journal'
export const NGINX = '11111111-2222-4333-8444-555555555555'
export const MYSQL = 'ffffffff-eeee-4ddd-8ccc-bbbbbbbbbbbb'
export const BEGINNING: Place = { position: 0, entry: 0, chain: 0 }

/** Small, so that a handful of writes makes several segments. */
export const SEGMENT_BYTES = 32 * 1024

export function newFiles(seed = 1): MemoryFiles {
  return new MemoryFiles({ chance: new Random(seed) })
}

/** No checkpoint is written on time here: a test says when. */
export function openJournal(files: Files, options: Partial<JournalOptions> = {}): Promise<Journal> {
  return Journal.open({
    files,
    directory: DIRECTORY,
    segmentBytes: SEGMENT_BYTES,
    maxStreams: 1000,
    checkpointIntervalMs: 2 ** 30,
    log: silentLog,
    ...options,
  })
}

export interface WriteInput extends Partial<Omit<Write, 'records' | 'batches'>> {
  /** The values of the records of one batch. */
  values?: string[]
  producer?: Pick<BatchInput, 'producerId' | 'producerEpoch' | 'baseSequence'>
  /** The batches as bytes, instead of `values` and `producer`. */
  bytes?: Buffer
  /** The bytes come in pieces of this length. */
  pieceBytes?: number
}

export function batchOf(values: string[], producer: WriteInput['producer'] = {}): Buffer {
  return buildBatch({ records: values.map(value => ({ value, timestamp: 1_700_000_000_000 })), ...producer })
}

export function writeOf({ values = ['log'], producer, bytes, pieceBytes, ...origin }: WriteInput = {}): Write {
  const whole = Buffer.from(bytes ?? batchOf(values, producer))
  const pieces: Buffer[] = []
  for (let start = 0; start < whole.length; start += pieceBytes ?? whole.length)
    pieces.push(whole.subarray(start, start + (pieceBytes ?? whole.length)))
  const records = Chunks.of(...pieces)
  const checked = checkBatches(records)
  assert('batches' in checked, 'the batch of a test is sound')
  return {
    logstoreId: NGINX,
    shard: 0,
    partition: 0,
    jsonTopic: false,
    source: '10.0.0.1',
    clientId: 'filebeat',
    accessKeyId: 'key-1',
    ...origin,
    records,
    batches: checked.batches,
  }
}

/** Appends what must be taken. */
export function take(journal: Journal, input: WriteInput = {}): Appended {
  const appended = journal.append(writeOf(input))
  assert(typeof appended !== 'string', `it is taken, not refused as ${appended as string}`)
  return appended
}

/** Appends and waits until it is on disk: a group of its own. */
export async function store(journal: Journal, input: WriteInput = {}): Promise<Appended> {
  const appended = take(journal, input)
  await appended.durable.promise
  return appended
}

export async function readGroups(
  files: Files,
  limit: ReadLimit,
  from = BEGINNING,
): Promise<{ begin: Place; entries: JournalEntry[] }[]> {
  const reader = new JournalReader({ files, directory: DIRECTORY, from })
  try {
    const groups = []
    for (let group; (group = await reader.next(limit)) !== undefined;) groups.push(group)
    return groups
  } finally {
    await reader.close()
  }
}

/** All entries up to where the journal may be read. */
export async function readAll(files: Files, journal: Journal, from = BEGINNING): Promise<JournalEntry[]> {
  return (await readGroups(files, journal.readLimit, from)).flatMap(({ entries }) => entries)
}

export async function clientIds(files: Files, journal: Journal): Promise<string[]> {
  return (await readAll(files, journal)).map(({ clientId }) => clientId)
}

/** Does what the indexer does: reads on from where it was and says that everything up to there is in the store. */
export async function indexAll(files: Files, journal: Journal): Promise<void> {
  const reader = new JournalReader({ files, directory: DIRECTORY, from: journal.indexed.place })
  while ((await reader.next(journal.readLimit)) !== undefined);
  await reader.close()
  journal.setIndexed({ place: reader.place, stored: {} })
}

export function segmentPaths(files: MemoryFiles): string[] {
  return files.paths.filter(path => /\/\d{16}\.segment$/.test(path))
}

export function checkpointPaths(files: MemoryFiles): string[] {
  return files.paths.filter(path => path.endsWith('.json'))
}

/** Meets the first call that is like this, once, with a fault. */
export function faultOnce(files: MemoryFiles, isMeant: (operation: Operation) => boolean, fault: Fault): void {
  const before = files.intercept
  files.intercept = operation => {
    if (!isMeant(operation)) return before(operation)
    files.intercept = before
    return fault
  }
}

/** The write of a group; headers are written before their file has its number. */
export function isGroupWrite({ kind, path }: Operation): boolean {
  return kind === 'write' && /\d{16}\.segment$/.test(path)
}

export async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise(resolve => setImmediate(resolve))
}

/** Runs a check with many seeds, and says how to repeat a failure. */
export async function forSeeds(runs: number, check: (seed: number) => Promise<void>): Promise<void> {
  const given = process.env.SLUICE_SEED
  const first = given === undefined ? randomInt(2 ** 30) : Number(given)
  for (let seed = first; seed < first + (given === undefined ? runs : 1); seed++) {
    try {
      await check(seed)
    } catch (error) {
      throw new Error(`SLUICE_SEED=${seed} repeats: ${(error as Error).message}`, { cause: error })
    }
  }
}

/** What verifying the journal finds; every logstore of these tests exists. */
export async function verify(files: Files): Promise<Verification> {
  return verifyJournal({ files, journal: await listJournal(files, DIRECTORY), isLogstore: () => true })
}
