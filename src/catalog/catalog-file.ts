/**
 * The catalog's file, DATA/catalog.json: everything the catalog holds, as one JSON document that is replaced as a whole.
 *
 * What cannot be read, or does not make sense, is an error and never an empty catalog: without the ids of its logstores the
 * journal's logs belong to nobody.
 */
import { z } from 'zod'
import { sluiceError } from '../base/errors.ts'
import { replaceFile, type Files } from '../base/files.ts'
import { findFormatProblem, findMasksProblem } from '../decoding/check-settings.ts'
import { formatNames } from '../decoding/log-format.ts'
import {
  fieldTypes,
  indexLevels,
  logstoreModes,
  type AccessKey,
  type DeletedLogstore,
  type Logstore,
  type Project,
} from './model.ts'
import { isSecretHash } from './secrets.ts'

/** Never changed in place: each change of the catalog is a new content, which shares what did not change. */
export interface CatalogContent {
  readonly projects: readonly Project[]
  readonly logstores: readonly Logstore[]
  readonly accessKeys: readonly AccessKey[]
  readonly deletedLogstores: readonly DeletedLogstore[]
}

export const NEWEST_CATALOG_FORMAT = 2

const name = z.string().min(1)
const count = z.int().min(1)
const path = z.array(z.string()).min(1)

const fileSchema = z.strictObject({
  format: z.literal(NEWEST_CATALOG_FORMAT),
  projects: z.array(z.strictObject({ id: z.uuid(), name, region: name, createdAt: z.iso.datetime() })),
  logstores: z.array(
    z.strictObject({
      id: z.uuid(),
      project: name,
      name,
      mode: z.enum(logstoreModes),
      shards: count,
      retiredShards: z.array(z.int().min(0)),
      partitions: count,
      retentionDays: count,
      maxBytes: count.nullable(),
      format: z.strictObject({
        name: z.enum(formatNames),
        pattern: z.string().optional(),
        columns: z.array(z.string()).optional(),
        timeField: path.optional(),
      }),
      masks: z.array(z.strictObject({ pattern: z.string(), replacement: z.string() })),
      index: z.enum(indexLevels),
      fields: z.array(z.strictObject({ path, type: z.enum(fieldTypes) })),
      removedFields: z.array(path),
      createdAt: z.iso.datetime(),
    }),
  ),
  accessKeys: z.array(
    z.strictObject({
      id: name,
      project: name,
      secretHash: z.string().refine(isSecretHash, 'not a hash of a secret'),
      logstores: z.array(name).nullable(),
      createdAt: z.iso.datetime(),
    }),
  ),
  deletedLogstores: z.array(z.strictObject({ id: z.uuid(), project: name, name })),
})

/**
 * Reads the catalog; a missing file is an empty one. Rejects with CATALOG_UNREADABLE or CATALOG_FORMAT, and with STORAGE_FAILED
 * if the system does not let it be read.
 */
export async function readCatalogFile(files: Files, path: string): Promise<CatalogContent> {
  const bytes = await files.readFile(path).catch((error: unknown) => {
    throw sluiceError('STORAGE_FAILED', { doing: `reading ${path}` }, error)
  })
  if (bytes === undefined) return { projects: [], logstores: [], accessKeys: [], deletedLogstores: [] }
  const unreadable = (problem: string) => sluiceError('CATALOG_UNREADABLE', { file: path, problem })
  let document: unknown
  try {
    document = JSON.parse(bytes.toString())
  } catch {
    // What the parser says shows a piece of the file.
    throw unreadable('it is not JSON')
  }
  const { format } = (document ?? {}) as { format?: unknown }
  if (typeof format === 'number' && format > NEWEST_CATALOG_FORMAT)
    throw sluiceError('CATALOG_FORMAT', { file: path, version: format, newest: NEWEST_CATALOG_FORMAT })
  const { data: content, error } = fileSchema.safeParse(format === 1 ? upgrade(document as FileOfFormat1) : document)
  if (error !== undefined) throw unreadable(error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; '))
  const contradiction = findContradiction(content)
  if (contradiction !== undefined) throw unreadable(contradiction)
  const { projects, logstores, accessKeys, deletedLogstores } = content
  return { projects, logstores, accessKeys, deletedLogstores }
}

interface FileOfFormat1 {
  logstores: object[]
}

/** What logstores have that format 1 did not know, as they were then. */
const sinceFormat2 = {
  mode: 'balanced',
  retiredShards: [],
  maxBytes: null,
  format: { name: 'auto' },
  masks: [],
  index: 'full',
  removedFields: [],
}

function upgrade(document: FileOfFormat1): unknown {
  if (!Array.isArray(document.logstores)) return { ...document, format: NEWEST_CATALOG_FORMAT }
  return {
    ...document,
    format: NEWEST_CATALOG_FORMAT,
    logstores: document.logstores.map(logstore => ({ ...sinceFormat2, ...logstore })),
  }
}

/** Replaces the catalog, durably; readable for its owner alone, because of the hashes. */
export async function writeCatalogFile(files: Files, path: string, content: CatalogContent): Promise<void> {
  const document = { format: NEWEST_CATALOG_FORMAT, ...content }
  await replaceFile(files, path, Buffer.from(`${JSON.stringify(document, null, 2)}\n`), 0o600)
}

/** What parts of a catalog contradict each other or cannot be used, as an edit by hand may leave them. */
function findContradiction({ projects, logstores, accessKeys, deletedLogstores }: CatalogContent): string | undefined {
  const projectNames = new Set(projects.map(project => project.name))
  const orphan = [...logstores, ...accessKeys].find(({ project }) => !projectNames.has(project))
  if (orphan !== undefined) return `it names the project ${JSON.stringify(orphan.project)}, which it does not hold`
  for (const { project, name, format, masks } of logstores) {
    const problem = findFormatProblem(format) ?? findMasksProblem(masks)
    if (problem !== undefined) return `logstore ${JSON.stringify(`${project}/${name}`)}: ${problem}`
  }
  const shardless = logstores.find(logstore => logstore.retiredShards.length >= logstore.shards)
  if (shardless !== undefined) return `the logstore ${JSON.stringify(shardless.name)} has no shard that takes logs`
  const identities = [
    projects.map(project => project.name),
    logstores.map(logstore => `${logstore.project}/${logstore.name}`),
    accessKeys.map(accessKey => `${accessKey.project}/${accessKey.id}`),
    [...projects, ...logstores, ...deletedLogstores].map(({ id }) => id),
  ]
  const repeated = identities.map(findRepeated).find(identity => identity !== undefined)
  return repeated === undefined ? undefined : `it holds ${JSON.stringify(repeated)} twice`
}

function findRepeated(identities: readonly string[]): string | undefined {
  const seen = new Set<string>()
  return identities.find(identity => seen.size === seen.add(identity).size)
}
