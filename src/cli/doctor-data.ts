/** Checks of `sluice doctor`: the data directory, its disk, and what lies in it. */
import { constants } from 'node:fs'
import { access, stat, statfs } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { dirname, join } from 'node:path'
import { isSystemError } from '../base/errors.ts'
import { findFileSystem, findFileSystemDoubts } from '../base/file-system.ts'
import { nodeFiles } from '../base/files.ts'
import { readCatalogFile } from '../catalog/catalog-file.ts'
import type { Config } from '../config/schema.ts'
import { findMissingSegment } from '../journal/damage.ts'
import { listJournal, newestCheckpoint, type JournalFiles } from '../journal/inspection.ts'
import type { Finding } from './doctor.ts'
import { formatCountOf, formatDuration, formatSize } from './output.ts'
import { drawHistogram, judgeSyncs, measureSyncs } from './sync-latency.ts'

/** A disk that is fuller than this is worth a word. */
const LITTLE_ROOM = 0.1
/** The clock may be put back by so much, as time servers do it, before anybody has to be told. */
const CLOCK_SLACK_MS = 1000

export async function* checkDirectory({ data }: Config): AsyncGenerator<Finding> {
  const found = await statOf(data)
  if (found === undefined) return yield { verdict: 'ok', says: `${data} does not exist yet: the server makes it` }
  if (!found.isDirectory()) return yield { verdict: 'problem', says: `${data} is no directory` }
  const { uid, username } = userInfo()
  const mode = (found.mode & 0o777).toString(8).padStart(4, '0')
  if (found.uid !== uid)
    yield {
      verdict: 'warning',
      says: `${data} belongs to user id ${found.uid}, and this is ${username} (${uid})`,
      advice: 'run the server as the user whom its data belongs to',
    }
  if ((found.mode & 0o077) !== 0)
    yield {
      verdict: 'warning',
      says: `${data} can be read by other users (mode ${mode}), and holds logs and private keys`,
      advice: `chmod 700 ${data}`,
    }
  const isWritable = await access(data, constants.R_OK | constants.W_OK | constants.X_OK).then(
    () => true,
    () => false,
  )
  if (!isWritable) yield { verdict: 'problem', says: `${data} cannot be read and written by ${username}` }
  else yield { verdict: 'ok', says: `${data}, mode ${mode}, can be read and written by ${username}` }
}

export async function* checkRoom({ data, journal }: Config): AsyncGenerator<Finding> {
  const { bavail, blocks, bsize } = await statfs(await existing(data))
  yield judgeRoom({ freeBytes: bavail * bsize, totalBytes: blocks * bsize, segmentBytes: journal.segmentBytes })
}

export function judgeRoom(room: { freeBytes: number; totalBytes: number; segmentBytes: number }): Finding {
  const { freeBytes, totalBytes, segmentBytes } = room
  const says = `${formatSize(freeBytes)} of ${formatSize(totalBytes)} are free`
  const advice = 'make room on the disk'
  // One segment is written while the next is being filled, and those before wait for their logs to be indexed.
  const neededBytes = 4 * segmentBytes
  if (freeBytes < neededBytes)
    return { verdict: 'problem', says: `${says}: the journal needs ${formatSize(neededBytes)} at least`, advice }
  if (freeBytes < totalBytes * LITTLE_ROOM)
    return { verdict: 'warning', says: `${says}: when the disk is full, producers are refused`, advice }
  return { verdict: 'ok', says }
}

export async function* checkFileSystem({ data }: Config): AsyncGenerator<Finding> {
  const fileSystem = await findFileSystem(data)
  if (fileSystem === undefined) return yield { verdict: 'ok', says: 'its kind is not known on this system' }
  const { type, source, mountPoint, options } = fileSystem
  const doubts = findFileSystemDoubts(fileSystem)
  for (const { kind, says, advice } of doubts) yield { verdict: kind === 'read-only' ? 'problem' : 'warning', says, advice }
  if (doubts.length === 0) yield { verdict: 'ok', says: `${type} on ${source}, mounted at ${mountPoint} (${options.join(',')})` }
}

export async function* checkSyncs({ data }: Config): AsyncGenerator<Finding> {
  if ((await statOf(data)) === undefined) return yield { verdict: 'ok', says: 'not measured: there is no data directory yet' }
  const latency = await measureSyncs(nodeFiles, data)
  const judgement = judgeSyncs(latency)
  yield { verdict: judgement.advice === undefined ? 'ok' : 'warning', ...judgement, details: drawHistogram(latency) }
}

export async function* checkCatalog({ data }: Config): AsyncGenerator<Finding> {
  const { projects, logstores, accessKeys } = await readCatalogFile(nodeFiles, join(data, 'catalog.json'))
  const counts = [
    formatCountOf(projects.length, 'project'),
    formatCountOf(logstores.length, 'logstore'),
    formatCountOf(accessKeys.length, 'access key'),
  ]
  yield { verdict: 'ok', says: counts.join(', ') }
}

/** Looks at headers and checkpoints only. */
export async function* checkJournal(config: Config): AsyncGenerator<Finding> {
  const journal = await findJournal(config)
  yield journal === undefined ? { verdict: 'ok', says: 'there is none yet: the server makes it' } : describeJournal(journal)
}

/** No log is stamped with an earlier time than those before it, so the journal knows how late it is. */
export async function* checkClock(config: Config): AsyncGenerator<Finding> {
  const journal = await findJournal(config)
  const newest = journal?.checkpoints.findLast(({ checkpoint }) => checkpoint !== undefined)
  if (newest === undefined) return yield { verdict: 'ok', says: `${new Date().toISOString()}; no checkpoint to compare it with` }
  const writtenMs = (await statOf(newest.path))?.mtimeMs ?? 0
  const behindMs = Math.max(writtenMs, newest.checkpoint!.state.receivedMs) - Date.now()
  if (behindMs <= CLOCK_SLACK_MS)
    return yield { verdict: 'ok', says: `${new Date().toISOString()}, not before the newest checkpoint` }
  yield {
    verdict: 'problem',
    says: `it is ${formatDuration(behindMs)} behind what the journal was last written at: until it has caught up, all logs get that time`,
    advice: 'set the clock of this machine, and have it kept right by a time server',
  }
}

async function findJournal({ data }: Config): Promise<JournalFiles | undefined> {
  return listJournal(nodeFiles, join(data, 'journal')).catch((error: unknown) => {
    if (isSystemError(error, 'ENOENT')) return undefined
    throw error
  })
}

function describeJournal(journal: JournalFiles): Finding {
  const { segments, unreadable, checkpoints, directory } = journal
  const checkpoint = newestCheckpoint(journal)
  const advice = '"sluice journal verify" reads all of it and says what is damaged'
  const missing = findMissingSegment(segments, unreadable, checkpoint, directory)
  if (missing !== undefined)
    return { verdict: 'problem', says: `${missing.problem}: ${missing.file}, byte ${missing.position}`, advice }
  const broken = [...unreadable, ...checkpoints.filter(found => found.checkpoint === undefined).map(({ path }) => path)]
  if (broken.length > 0) return { verdict: 'warning', says: `cannot be read: ${broken.join(', ')}`, advice }
  const behind = checkpoint === undefined ? 0 : Math.max(0, checkpoint.durable.position - checkpoint.indexed.place.position)
  const indexing = behind === 0 ? 'all of it is indexed' : `${formatSize(behind)} were not indexed at the last checkpoint`
  return { verdict: 'ok', says: `${formatCountOf(segments.length, 'segment')}, ${indexing}` }
}

/** The directory, or the nearest above it that exists. */
async function existing(path: string): Promise<string> {
  return (await statOf(path)) === undefined ? existing(dirname(path)) : path
}

async function statOf(path: string) {
  return stat(path).catch((error: unknown) => {
    if (isSystemError(error, 'ENOENT')) return undefined
    throw error
  })
}
