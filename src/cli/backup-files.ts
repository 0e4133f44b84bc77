/**
 * The directory of a backup, and how files get into it and out of it.
 *
 *     DIR/backup.json      the manifest: every file with its length and SHA-256; written last, so without it the backup is not complete
 *         catalog.json
 *         fields/          how often which fields were seen
 *         certs/           the development certificates, if there are any
 *         journal/         segments, one checkpoint, parked logs, the ids of producers that were given out
 *         tables/ID/PART/  the parts of each logstore's table, by the logstore's id
 */
import { createHash } from 'node:crypto'
import { open, readdir, stat } from 'node:fs/promises'
import { dirname, join, normalize } from 'node:path'
import { z } from 'zod'
import { isSystemError, sluiceError } from '../base/errors.ts'
import { nodeFiles as files, replaceFile } from '../base/files.ts'

export const BACKUP_FORMAT = 1

const manifestSchema = z.strictObject({
  format: z.literal(BACKUP_FORMAT),
  /** When it was begun: what was acknowledged before is in it. ISO 8601, UTC. */
  startedAt: z.iso.datetime(),
  files: z.array(
    z.strictObject({
      // Within the directory, and nowhere else.
      path: z.string().refine(path => normalize(path) === path && !/^(\/|\.\.(\/|$))/.test(path), 'no path of a backup'),
      bytes: z.int().min(0),
      sha256: z.string().length(64),
    }),
  ),
})

export type Manifest = z.infer<typeof manifestSchema>
export type BackupFile = Manifest['files'][number]

/** A file that is to be copied. */
export interface Source {
  from: string
  /** Relative to the directory that it is copied to. */
  path: string
  bytes: number
}

const CHUNK_BYTES = 1024 * 1024

/** Copies files into a directory, and writes down what it has copied. */
export class Copier {
  copied: BackupFile[] = []
  readonly #directory: string
  readonly #directories = new Set<string>()
  readonly #onBytes: (bytes: number) => void

  /** `onBytes` is called with each further number of bytes. */
  constructor(directory: string, onBytes: (bytes: number) => void) {
    this.#directory = directory
    this.#onBytes = onBytes
  }

  /** Copies the first `bytes` of a file, or as many as there are. When this resolves the content is on disk. */
  async copy({ from, path, bytes }: Source): Promise<BackupFile> {
    const to = join(this.#directory, path)
    await files.makeDirectory(dirname(to), 0o700)
    this.#directories.add(dirname(to))
    const source = await open(from, 'r')
    try {
      const target = await open(to, 'wx', (await source.stat()).mode & 0o777)
      try {
        const hash = createHash('sha256')
        const chunk = Buffer.alloc(Math.min(CHUNK_BYTES, bytes))
        let copied = 0
        while (copied < bytes) {
          const { bytesRead } = await source.read(chunk, 0, Math.min(chunk.length, bytes - copied), copied)
          if (bytesRead === 0) break
          const part = chunk.subarray(0, bytesRead)
          hash.update(part)
          await target.writeFile(part)
          copied += bytesRead
          this.#onBytes(bytesRead)
        }
        await target.sync()
        const file = { path, bytes: copied, sha256: hash.digest('hex') }
        this.copied.push(file)
        return file
      } finally {
        await target.close()
      }
    } finally {
      await source.close()
    }
  }

  /** Removes what was copied. */
  async remove(path: string): Promise<void> {
    await files.remove(join(this.#directory, path))
    this.copied = this.copied.filter(file => file.path !== path)
  }

  /** Makes the names of everything that was copied durable. */
  async syncDirectories(): Promise<void> {
    for (const directory of this.#directories) await files.syncDirectory(directory)
  }
}

/** The files below a directory, with their lengths; none if there is no such directory. */
export async function listFiles(directory: string, path: string): Promise<Source[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true }).catch((error: unknown) => {
    if (isSystemError(error, 'ENOENT')) return []
    throw error
  })
  const found: Source[] = []
  for (const entry of entries) {
    if (!entry.isFile()) continue
    const from = join(entry.parentPath, entry.name)
    found.push({ from, path: join(path, from.slice(directory.length + 1)), bytes: (await stat(from)).size })
  }
  return found.sort((one, other) => (one.path < other.path ? -1 : 1))
}

/** Rejects with INVALID_ARGUMENT unless the directory is empty or missing, and makes it. */
export async function makeEmptyDirectory(directory: string): Promise<void> {
  await files.makeDirectory(directory, 0o700)
  if ((await readdir(directory)).length > 0)
    throw sluiceError('INVALID_ARGUMENT', { problem: `${directory} is not empty: name a new or an empty directory` })
}

/** The commit point of a backup. */
export async function writeManifest(directory: string, manifest: Manifest): Promise<void> {
  await replaceFile(files, join(directory, 'backup.json'), Buffer.from(`${JSON.stringify(manifest, null, 1)}\n`), 0o600)
}

/** Rejects with BACKUP_UNREADABLE if there is none, or it makes no sense. */
export async function readManifest(directory: string): Promise<Manifest> {
  const unreadable = (problem: string) => sluiceError('BACKUP_UNREADABLE', { directory, problem })
  const bytes = await files.readFile(join(directory, 'backup.json'))
  if (bytes === undefined) throw unreadable('it has no backup.json, so it is no backup, or one that was not completed')
  let document: unknown
  try {
    document = JSON.parse(bytes.toString())
  } catch {
    throw unreadable('its backup.json is not JSON')
  }
  const { format } = (document ?? {}) as { format?: unknown }
  if (typeof format === 'number' && format > BACKUP_FORMAT)
    throw unreadable(
      `it has format version ${format}, this sluice reads up to ${BACKUP_FORMAT}: use the newer sluice that made it`,
    )
  const { data, error } = manifestSchema.safeParse(document)
  if (error !== undefined)
    throw unreadable(`backup.json: ${error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ')}`)
  return data
}
