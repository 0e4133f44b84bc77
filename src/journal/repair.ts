/**
 * Repairs a damaged journal: goes on without what cannot be read, and with everything else.
 *
 *     0  parked files that are damaged are repaired, each by itself (`parked-repair.ts`)
 *     1  what can still be read, and is neither in a table nor parked, is written to parked files (`survey.ts` finds it)
 *     2  a checkpoint says that the journal begins anew behind everything there was, and that those parked files count: from here
 *        on it is repaired
 *     3  the first segment of the repaired journal, and a second checkpoint
 *     4  segments and checkpoints of before get names that nothing reads; nothing is removed
 *
 * Entries keep their numbers, offsets and times, and the indexer stores what is parked before it reads on in the journal. A crash before
 * the second step leaves the damaged journal as it was: parked files that no checkpoint speaks of are removed by whoever finds them. A
 * crash behind it leaves a journal that holds everything; repairing it once more only finishes what is left to do.
 */
import { randomInt } from 'node:crypto'
import { basename } from 'node:path'
import { SluiceError, sluiceError } from '../base/errors.ts'
import type { Files } from '../base/files.ts'
import type { Log } from '../base/log.ts'
import { writeCheckpoint, type Indexed } from './checkpoint.ts'
import { FORMAT_VERSION, type JournalEntry, type Place } from './format.ts'
import { findHeadless, type HeadlessSegment } from './headless.ts'
import { listJournal, newestCheckpoint, type JournalFiles } from './inspection.ts'
import type { ParkedEnd } from './parked-file.ts'
import { findDamagedParts, repairParts, type DamagedPart } from './parked-repair.ts'
import { readReservedIds, writeReservedIds } from './producer-ids.ts'
import { beginningOf } from './recovery.ts'
import { listParked, Salvage } from './salvage.ts'
import { SegmentFiles, segmentNumber, type Segment } from './segments.ts'
import type { LostLogs } from './state-comparison.ts'
import { LEAP, surveyJournal, type LostEntries, type Survey } from './survey.ts'
import { verifyJournal, type DamagedStretch, type VerificationOptions } from './verification.ts'

/** What is appended to the name of a file that is set aside. */
export const SET_ASIDE = '.before-repair'

export interface RepairOptions {
  files: Files
  directory: string
  segmentBytes: number
  /** By logstore id: how many shards it has. */
  shards: ReadonlyMap<string, number>
  log: Log
  now?: () => number
  onProgress?: (readBytes: number, ofBytes: number) => void
}

/** What a repair does, or did. */
export interface Repair {
  /** What was neither in a table nor parked, and can be read. */
  salvaged: { entries: number; logs: number; bytes: number }
  /** What was neither, or may have been, and cannot be read. */
  lost: LostEntries[]
  lostLogs: LostLogs[]
  /** Whether offsets leap, since it is not known which were given out. */
  isInDoubt: boolean
  /** Parked files that are damaged; what can be read of them stays parked. */
  parked: DamagedPart[]
  /** The ids of producers go on here, since the file that says it cannot be read; null if it can. */
  nextProducerId: number | null
  /** The files of before, by the names that they have without the repair. */
  setAside: string[]
}

/** Everything that there is to repair. */
export async function findDamages(options: RepairOptions & Pick<VerificationOptions, 'isLogstore'>): Promise<DamagedStretch[]> {
  const { files, directory } = options
  const { damages } = await verifyJournal({ ...options, journal: await listJournal(files, directory) })
  const idsDamage = await findIdsDamage(files, directory)
  if (idsDamage !== undefined) damages.push(idsDamage)
  // A journal that was never begun has nothing that could be damaged.
  if (damages.length === 0 && newestCheckpoint(await listJournal(files, directory)) === undefined) return []
  return [...damages, ...(await findParkedDamage(options, await openDamaged(options)))]
}

/** A journal that is to be repaired, and what its newest checkpoint says is done with. */
interface Damaged {
  journal: JournalFiles
  /** Where to begin in segments whose headers cannot be read. */
  firstPlaces: ReadonlyMap<Segment, Place>
  journalId: string
  indexed: Indexed
  /** Every file of it. */
  setAside: string[]
}

/**
 * Says what a repair would do, and changes nothing. What was parked after the last checkpoint, if anything, counts as salvaged. Rejects with
 * JOURNAL_UNREPAIRABLE.
 */
export async function planRepair(options: RepairOptions): Promise<Repair> {
  const damaged = await openDamaged(options)
  const salvaged = { entries: 0, logs: 0, bytes: 0 }
  const survey = await surveyJournal({
    ...options,
    ...damaged,
    onEntry: entry => {
      if (!isDone(damaged, entry.logstoreId, entry.number)) count(salvaged, entry)
    },
  })
  const parked = await findParkedDamage(options, damaged)
  return describeRepair(damaged, survey, { salvaged, parked, nextProducerId: await findNextProducerId(options, survey) })
}

/** Repairs a journal that nobody else writes or reads. Rejects with JOURNAL_UNREPAIRABLE if it cannot, and then has changed nothing. */
export async function repairJournal(options: RepairOptions): Promise<Repair> {
  const { files, directory, segmentBytes, now = Date.now } = options
  const damaged = await openDamaged(options)
  const { journal, journalId, indexed, setAside } = damaged
  const parkedDamage = await findParkedDamage(options, damaged)
  for (const place of await listParked({ ...options, ...damaged })) await repairParts(place, SET_ASIDE)
  const { survey, salvaged, parked } = await salvageEntries(damaged, options)
  const nextProducerId = await findNextProducerId(options, survey)
  if (nextProducerId !== null) await writeReservedIds(files, directory, nextProducerId)
  const place = findBeginning(survey, indexed, parked)
  const { state } = survey
  const numbers = (await files.list(directory)).map(name => segmentNumber(name) ?? 0)
  const segment = Math.max(newestCheckpoint(journal)?.segment ?? 0, ...numbers)
  const checkpoint = journal.checkpoints.at(-1)?.number ?? 0
  const content = { journalId, durable: place, state, indexed: { place, stored: indexed.stored, parked } }
  // With this it is repaired.
  await writeCheckpoint(files, directory, checkpoint + 1, { ...content, segment })

  const { file } = await new SegmentFiles({ files, directory, segmentBytes, syncsWrites: true }).begin({
    formatVersion: FORMAT_VERSION,
    journalId,
    number: segment + 1,
    generation: randomInt(2 ** 32),
    base: place.position,
    firstEntry: place.entry,
    begunMs: now(),
    state: Buffer.from(JSON.stringify(state), 'utf8'),
  })
  await file.close()
  await writeCheckpoint(files, directory, checkpoint + 2, { ...content, segment: segment + 1 })

  for (const path of setAside) await files.rename(path, path + SET_ASIDE)
  await files.syncDirectory(directory)
  return describeRepair(damaged, survey, { salvaged, parked: parkedDamage, nextProducerId })
}

/** Parks what can be read and is not indexed. */
async function salvageEntries(damaged: Damaged, options: RepairOptions) {
  const salvage = new Salvage({ ...options, ...damaged })
  const salvaged = { entries: 0, logs: 0, bytes: 0 }
  const onEntry = async (entry: JournalEntry): Promise<void> => {
    if (await salvage.add(entry)) count(salvaged, entry)
  }
  try {
    await salvage.open()
    const survey = await surveyJournal({ ...options, ...damaged, onEntry })
    await salvage.flush()
    return { survey, salvaged, parked: salvage.ends }
  } finally {
    await salvage.close()
  }
}

async function openDamaged({ files, directory }: RepairOptions): Promise<Damaged> {
  const listed = await listJournal(files, directory)
  const checkpoint = newestCheckpoint(listed)
  const journalId = checkpoint?.journalId ?? listed.segments[0]?.journalId
  if (journalId === undefined)
    throw sluiceError('JOURNAL_UNREPAIRABLE', {
      problem: `neither a segment nor a checkpoint of ${directory} can be read, so it is not known which offsets were given out`,
    })
  const own = listed.segments.filter(segment => segment.journalId === journalId)
  if (checkpoint === undefined && own.length < listed.segments.length)
    throw sluiceError('JOURNAL_UNREPAIRABLE', {
      problem: `${directory} holds segments of several journals, and no checkpoint says which one it is: move those of the others away`,
    })
  const headless: HeadlessSegment[] = []
  for (const path of listed.unreadable) {
    const found = await findHeadless(files, { path, number: segmentNumber(basename(path))!, journalId })
    if (found !== undefined) headless.push(found)
  }
  const segments = [...own, ...headless.map(({ segment }) => segment)].sort((a, b) => a.number - b.number)
  return {
    journal: {
      ...listed,
      segments,
      unreadable: listed.unreadable.filter(path => segments.every(segment => segment.path !== path)),
    },
    firstPlaces: new Map(headless.map(({ segment, firstPlace }) => [segment, firstPlace])),
    journalId,
    indexed: checkpoint?.indexed ?? beginningOf(segments),
    setAside: [
      ...[...listed.segments.map(({ path }) => path), ...listed.unreadable, ...listed.notBegun].sort(),
      ...listed.checkpoints.map(({ path }) => path),
    ],
  }
}

/** Whether the checkpoint says that an entry is in its table, or parked. */
function isDone({ indexed }: Damaged, logstoreId: string, entry: number): boolean {
  const { place, stored, parked } = indexed
  return entry < place.entry || entry <= (stored[logstoreId] ?? -1) || entry <= (parked?.[logstoreId]?.entry ?? -1)
}

/** Where the repaired journal begins: behind everything that anybody knows of. */
function findBeginning({ end }: Survey, { stored }: Indexed, parked: Record<string, ParkedEnd>): Place {
  const known = [...Object.values(stored), ...Object.values(parked).map(({ entry }) => entry)]
  return { ...end, entry: Math.max(end.entry, ...known.map(entry => entry + 1)) }
}

async function findParkedDamage(options: RepairOptions, damaged: Damaged): Promise<DamagedPart[]> {
  const damages: DamagedPart[] = []
  for (const place of await listParked({ ...options, ...damaged })) damages.push(...(await findDamagedParts(place)))
  return damages
}

async function findIdsDamage(files: Files, directory: string): Promise<DamagedStretch | undefined> {
  try {
    await readReservedIds(files, directory)
    return undefined
  } catch (error) {
    if (!(error instanceof SluiceError) || error.code !== 'JOURNAL_DAMAGED') throw error
    return error.details as unknown as DamagedStretch
  }
}

/** An id that no producer had, if the file of the ids cannot be read: nothing of that file is worth being kept. */
async function findNextProducerId({ files, directory }: RepairOptions, { state }: Survey): Promise<number | null> {
  if ((await findIdsDamage(files, directory)) === undefined) return null
  return Math.max(0, ...state.producers.map(({ producerId }) => producerId)) + LEAP
}

function describeRepair(
  damaged: Damaged,
  { lost, lostLogs, isInDoubt }: Survey,
  rest: Pick<Repair, 'salvaged' | 'parked' | 'nextProducerId'>,
): Repair {
  const { entry } = damaged.indexed.place
  return {
    ...rest,
    lost: lost
      .filter(({ next }) => next === null || next > entry)
      .map(({ first, next }) => ({ first: Math.max(first, entry), next })),
    lostLogs: lostLogs
      .filter(({ logstoreId, beforeEntry }) => !isDone(damaged, logstoreId, beforeEntry - 1))
      .map(({ logstoreId, shard, first, next }) => ({ logstoreId, shard, first, next })),
    isInDoubt,
    setAside: damaged.setAside,
  }
}

function count(sum: Repair['salvaged'], { recordCount, bytes }: JournalEntry): void {
  sum.entries++
  sum.logs += recordCount
  sum.bytes += bytes.length
}
