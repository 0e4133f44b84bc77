/**
 * Repairs damaged parts of parked entries. What can be read of a part is written once more, one behind the other, and the rest of it is
 * zeros: so the file keeps its name and its length, which the part behind it and the checkpoint speak of. Each is replaced as a whole,
 * after a copy of it was made; a crash leaves parts that are repaired and parts that are to be repaired.
 */
import { isSystemError } from '../base/errors.ts'
import { replaceFile, type Files } from '../base/files.ts'
import type { Damage } from './damage.ts'
import type { JournalEntry } from './format.ts'
import {
  encodePartHeader,
  encodeRecords,
  findRecord,
  PARKED_HEADER_BYTES,
  PARKED_VERSION,
  RECORD_HEAD_BYTES,
  type ParkedEnd,
} from './parked-file.ts'
import { findParts, type FoundPart, type ParkedPlace } from './parked-parts.ts'
import { readBlocks } from './segments.ts'

/** A part that cannot be read as a whole. */
export interface DamagedPart extends Damage {
  logstoreId: string
  /** The numbers of entries that can be read and between which others are lost; null where there is none, or none in this part. */
  between: [number | null, number | null][]
}

/** What is left of a part. */
interface Remains {
  found: FoundPart
  entries: JournalEntry[]
  /** The length that the part has for those who speak of it. */
  bytes: number
  /** Whether its header speaks of the part before it. */
  isChained: boolean
  damage: DamagedPart | undefined
}

/** The damaged parts of a logstore, as far as the checkpoint speaks of them: what lies behind that was never said to be parked. */
export async function findDamagedParts(place: ParkedPlace): Promise<DamagedPart[]> {
  const damages: DamagedPart[] = []
  for await (const { damage } of readParts(place)) if (damage !== undefined) damages.push(damage)
  return damages
}

/** Repairs them; the copies of the damaged files have names that end with `suffix`. */
export async function repairParts(place: ParkedPlace, suffix: string): Promise<void> {
  const { files, journalId, logstoreId } = place
  let before: ParkedEnd = { part: 0, bytes: 0, entry: 0 }
  for await (const { found, entries, bytes, isChained, damage } of readParts(place)) {
    const { path, firstEntry, header } = found
    if (damage !== undefined) {
      const head = { formatVersion: PARKED_VERSION, journalId, logstoreId, firstEntry, isSalvaged: true }
      const { pieces } = encodeRecords(entries)
      const content = Buffer.concat(
        [encodePartHeader({ ...head, before: isChained ? header!.before : before }), ...pieces],
        bytes,
      )
      const original = await readWhatIsLeft(files, path)
      if (original !== undefined) await replaceFile(files, path + suffix, original)
      await replaceFile(files, path, content)
    }
    before = { part: firstEntry, bytes, entry: entries.at(-1)?.number ?? firstEntry }
  }
}

async function* readParts(place: ParkedPlace): AsyncGenerator<Remains, void> {
  const { files, reported, logstoreId } = place
  if (reported == null) return
  const parts = await findParts(place)
  for (const [index, found] of parts.entries()) {
    const next = parts[index + 1]
    const { path, firstEntry, header, size } = found
    if (firstEntry > reported.part) return
    const reportedEnd = firstEntry === reported.part ? reported : undefined
    // More may have been parked since.
    const end = next?.header?.before.part === firstEntry ? next.header.before : reportedEnd
    const bytes = Math.max(end?.bytes ?? size, PARKED_HEADER_BYTES)
    const content = (await readWhatIsLeft(files, path)) ?? Buffer.alloc(0)
    const { entries, problem, position, between } = readWholeRecords(content, bytes, found, {
      logstoreId,
      nextPart: next?.firstEntry ?? Infinity,
    })
    const isChained = header !== undefined && (index === 0 || header.before.part === parts[index - 1]!.firstEntry)
    const problems = [
      header === undefined && 'the file is missing or its header cannot be read',
      problem,
      !isChained && 'the file before it is missing',
      end === undefined && 'the file behind it is missing or cannot be read',
    ]
    const first = problems.find(one => typeof one === 'string')
    const damage = first === undefined ? undefined : { file: path, position, problem: first, logstoreId, between }
    yield { found, entries, bytes, isChained, damage }
  }
}

/** The records of a part that are whole, whatever lies between them. */
function readWholeRecords(
  content: Buffer,
  end: number,
  { header, isForeign }: FoundPart,
  { logstoreId, nextPart }: { logstoreId: string; nextPart: number },
) {
  const entries: JournalEntry[] = []
  const between: [number | null, number | null][] = []
  let problem: string | undefined
  let position = 0
  let isBroken = false
  const tell = (next: number | null): void => {
    if (isBroken) between.push([entries.at(-1)?.number ?? null, next])
    isBroken = false
  }
  for (let offset = PARKED_HEADER_BYTES; offset < end && !isForeign;) {
    const found = findRecord(content.subarray(offset, end), offset, end, header?.isSalvaged === true)
    const entry = 'entry' in found ? found.entry : undefined
    const isOurs =
      entry === undefined ||
      (entry.logstoreId === logstoreId && entry.number > (entries.at(-1)?.number ?? -1) && entry.number < nextPart)
    if (!('next' in found) || !isOurs) {
      if (problem === undefined) position = offset
      problem ??= 'problem' in found ? found.problem : 'the file ends early'
      isBroken = true
      offset += RECORD_HEAD_BYTES
      continue
    }
    offset = found.next
    if (entry === undefined) continue
    tell(entry.number)
    entries.push(entry)
  }
  tell(null)
  return { entries, problem, position, between }
}

/** The content of a file, with zeros where the disk does not give it; undefined if there is no such file. */
async function readWhatIsLeft(files: Files, path: string): Promise<Buffer | undefined> {
  const file = await files.open(path, { readOnly: true }).catch((error: unknown) => {
    if (isSystemError(error, 'ENOENT')) return undefined
    throw error
  })
  if (file === undefined) return undefined
  try {
    const content = Buffer.alloc(await file.size())
    await file.read(content, 0).catch((error: unknown) => {
      if (!isSystemError(error, 'EIO')) throw error
      return readBlocks(file, content, 0)
    })
    return content
  } finally {
    await file.close()
  }
}
