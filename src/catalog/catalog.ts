/**
 * Projects, logstores and access keys: found in memory, changed on disk first.
 *
 * A change is a function from the catalog's content to its next content. Changes run one after the other, and what one says is
 * seen by nobody before it is durable. Objects that a change does not concern stay the very same objects: others (the
 * authenticator's verdicts, a connection's principal) hold an access key and know by its identity that it is still the one.
 */
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { sluiceError } from '../base/errors.ts'
import type { Files } from '../base/files.ts'
import { isRegion, regionRule } from '../config/schema.ts'
import { findFormatProblem, findMasksProblem } from '../decoding/check-settings.ts'
import type { LogFormat, Mask } from '../decoding/log-format.ts'
import { readCatalogFile, writeCatalogFile, type CatalogContent } from './catalog-file.ts'
import { indexContent, type CatalogIndex, type IndexedProject } from './catalog-index.ts'
import { withDiscoveredFields, withField, withoutField } from './logstore-fields.ts'
import type { AccessKey, DeletedLogstore, Field, IndexLevel, Logstore, LogstoreMode, Project } from './model.ts'
import { checkAccessKeyId, checkName, checkSecret } from './names.ts'
import { hashSecret, randomText } from './secrets.ts'
import { changeShards, MAX_WRITABLE_SHARDS, type ShardChange } from './shards.ts'

export interface CatalogOptions {
  files: Files
  /** The data directory, which exists. */
  directory: string
  /** The region of projects that are created without one. */
  defaults: { region: string }
}

/** What can be said when a logstore is made, and changed later; what is absent is as it was. */
export interface LogstoreSettings {
  /** 1 to 3650; 30 at first. */
  retentionDays?: number | undefined
  /** From 1 MiB; null, as it is at first, for no limit. */
  maxBytes?: number | null | undefined
  /** `auto` at first. */
  format?: LogFormat | undefined
  /** None at first. */
  masks?: Mask[] | undefined
  /** `full` at first. */
  index?: IndexLevel | undefined
}

export interface NewLogstore extends LogstoreSettings {
  project: string
  name: string
  /** `balanced` if absent; it stays. */
  mode?: LogstoreMode | undefined
  /** 1 to 256, 2 if absent. */
  shards?: number | undefined
}

export interface NewAccessKey {
  project: string
  /** Made at random if absent. */
  id?: string | undefined
  /** Made at random if absent. */
  secret?: string | undefined
  /** The names of the logstores it may write to, which need not exist yet; all of the project if absent. */
  logstores?: readonly string[] | null | undefined
}

/** The one time that a secret is shown. */
export interface CreatedAccessKey {
  accessKeyId: string
  accessKeySecret: string
}

/** What nearly every log has and every search asks for. */
const defaultFields: readonly Field[] = [
  { path: ['level'], type: 'keyword' },
  { path: ['status'], type: 'integer' },
]

/** Reads the catalog of a data directory. Rejects with CATALOG_UNREADABLE or CATALOG_FORMAT rather than to begin an empty one. */
export async function openCatalog({ files, directory, defaults }: CatalogOptions): Promise<Catalog> {
  const path = join(directory, 'catalog.json')
  return new Catalog({ files, path, content: await readCatalogFile(files, path), defaults })
}

export class Catalog {
  readonly #files: Files
  readonly #path: string
  readonly #defaultRegion: string
  /** What the file holds; never changed in place. */
  #content: CatalogContent
  /** The same by name and id; replaced together with `#content`. */
  #index: CatalogIndex
  /** Resolves, and never rejects, when the last change that was asked for is over. */
  #lastChange: Promise<unknown> = Promise.resolve()
  readonly #listeners = new Set<() => void>()

  constructor(options: { files: Files; path: string; content: CatalogContent; defaults: { region: string } }) {
    this.#files = options.files
    this.#path = options.path
    this.#defaultRegion = options.defaults.region
    this.#content = options.content
    this.#index = indexContent(options.content)
  }

  findProject(name: string): Project | undefined {
    return this.#index.projects.get(name)?.project
  }

  findLogstore(project: string, name: string): Logstore | undefined {
    return this.#index.projects.get(project)?.logstores.get(name)
  }

  findLogstoreById(id: string): Logstore | undefined {
    return this.#index.logstores.get(id)
  }

  findAccessKey(project: string, id: string): AccessKey | undefined {
    return this.#index.projects.get(project)?.accessKeys.get(id)
  }

  listProjects(): readonly Project[] {
    return this.#content.projects
  }

  /** The logstores of a project, or of all. Throws PROJECT_NOT_FOUND. */
  listLogstores(project?: string): readonly Logstore[] {
    return project === undefined ? this.#content.logstores : [...this.#getProject(project).logstores.values()]
  }

  /** The access keys of a project. Throws PROJECT_NOT_FOUND. */
  listAccessKeys(project: string): readonly AccessKey[] {
    return [...this.#getProject(project).accessKeys.values()]
  }

  /** Logstores that are deleted, until `forgetDeletedLogstore` says that their tables are gone. */
  listDeletedLogstores(): readonly DeletedLogstore[] {
    return this.#content.deletedLogstores
  }

  /** Calls `listener`, which must not throw, after each change; returns the function that ends this. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** Rejects with INVALID_NAME, INVALID_ARGUMENT (region), PROJECT_EXISTS or, as every change may, STORAGE_FAILED. */
  async createProject({ name, region = this.#defaultRegion }: { name: string; region?: string | undefined }): Promise<Project> {
    checkName('project', name)
    if (!isRegion(region)) throw sluiceError('INVALID_ARGUMENT', { problem: `the name of a region must be ${regionRule}` })
    const project = { id: randomUUID(), name, region, createdAt: now() }
    await this.#change(content => {
      if (this.findProject(name) !== undefined) throw sluiceError('PROJECT_EXISTS', { project: name })
      return { ...content, projects: [...content.projects, project] }
    })
    return project
  }

  /** Rejects with INVALID_NAME, INVALID_ARGUMENT, PROJECT_NOT_FOUND or LOGSTORE_EXISTS. */
  async createLogstore({ project, name, mode = 'balanced', shards = 2, ...settings }: NewLogstore): Promise<Logstore> {
    checkName('logstore', name)
    checkCount('shards', shards, MAX_WRITABLE_SHARDS)
    const logstore = applySettings(settings, {
      id: randomUUID(),
      project,
      name,
      mode,
      shards,
      retiredShards: [],
      partitions: shards,
      retentionDays: 30,
      maxBytes: null,
      format: { name: 'auto' },
      masks: [],
      index: 'full',
      fields: structuredClone(defaultFields) as Field[],
      removedFields: [],
      createdAt: now(),
    })
    await this.#change(content => {
      if (this.#getProject(project).logstores.has(name)) throw sluiceError('LOGSTORE_EXISTS', { project, logstore: name })
      return { ...content, logstores: [...content.logstores, logstore] }
    })
    return logstore
  }

  /** Rejects with INVALID_ARGUMENT, PROJECT_NOT_FOUND or LOGSTORE_NOT_FOUND. */
  async updateLogstore(project: string, name: string, settings: LogstoreSettings): Promise<Logstore> {
    return this.#changeLogstore(project, name, logstore => applySettings(settings, logstore))
  }

  /** Adds, splits or merges shards. Rejects with INVALID_ARGUMENT, PROJECT_NOT_FOUND or LOGSTORE_NOT_FOUND. */
  async changeShards(project: string, name: string, change: ShardChange): Promise<Logstore> {
    return this.#changeLogstore(project, name, logstore => changeShards(logstore, change))
  }

  /** Adds a field by hand. Rejects as `updateLogstore` does, and with FIELD_EXISTS or TOO_MANY_FIELDS. */
  async addField(project: string, name: string, field: Field): Promise<Logstore> {
    return this.#changeLogstore(project, name, logstore => withField(logstore, field))
  }

  /** Removes a field, which will not be added by itself any more. Rejects as `updateLogstore` does, and with FIELD_NOT_FOUND. */
  async removeField(project: string, name: string, path: readonly string[]): Promise<Logstore> {
    return this.#changeLogstore(project, name, logstore => withoutField(logstore, path))
  }

  /** Adds fields that were found in logs; does nothing if none of them may be, or the logstore is deleted. */
  async addDiscoveredFields(id: string, fields: readonly Field[]): Promise<void> {
    await this.#change(content => {
      const logstore = this.findLogstoreById(id)
      const changed = logstore && withDiscoveredFields(logstore, fields)
      if (changed === undefined || changed === logstore) return content
      return { ...content, logstores: content.logstores.map(other => (other === logstore ? changed : other)) }
    })
  }

  /** Replaces a logstore by what `change` makes of it; `change` may throw to refuse. */
  async #changeLogstore(project: string, name: string, change: (logstore: Logstore) => Logstore): Promise<Logstore> {
    let changed!: Logstore
    await this.#change(content => {
      const logstore = this.#getLogstore(project, name)
      changed = change(logstore)
      return { ...content, logstores: content.logstores.map(other => (other === logstore ? changed : other)) }
    })
    return changed
  }

  /** Rejects with INVALID_ARGUMENT, INVALID_NAME, PROJECT_NOT_FOUND or ACCESS_KEY_EXISTS. */
  async createAccessKey(wanted: NewAccessKey): Promise<CreatedAccessKey> {
    const { project, id = `SLK${randomText(17)}`, secret = randomText(32), logstores = null } = wanted
    checkAccessKeyId(id)
    checkSecret(secret)
    if (logstores?.length === 0)
      throw sluiceError('INVALID_ARGUMENT', {
        problem: 'an access key needs a logstore to write to; name none to allow all of the project',
      })
    for (const logstore of logstores ?? []) checkName('logstore', logstore)
    this.#getProject(project)
    const secretHash = await hashSecret(secret)
    const accessKey = { id, project, secretHash, logstores: logstores && [...new Set(logstores)], createdAt: now() }
    await this.#change(content => {
      if (this.#getProject(project).accessKeys.has(id)) throw sluiceError('ACCESS_KEY_EXISTS', { project, accessKeyId: id })
      return { ...content, accessKeys: [...content.accessKeys, accessKey] }
    })
    return { accessKeyId: id, accessKeySecret: secret }
  }

  /** Deletes a project with its access keys. Rejects with PROJECT_NOT_FOUND or PROJECT_NOT_EMPTY. */
  async deleteProject(name: string): Promise<void> {
    await this.#change(content => {
      const { project, logstores } = this.#getProject(name)
      if (logstores.size > 0) throw sluiceError('PROJECT_NOT_EMPTY', { project: name, logstores: logstores.size })
      const accessKeys = content.accessKeys.filter(accessKey => accessKey.project !== name)
      return { ...content, projects: without(content.projects, project), accessKeys }
    })
  }

  /** Deletes a logstore; keys that name it go on naming it. Rejects with PROJECT_NOT_FOUND or LOGSTORE_NOT_FOUND. */
  async deleteLogstore(project: string, name: string): Promise<void> {
    await this.#change(content => {
      const logstore = this.#getLogstore(project, name)
      const deletedLogstores = [...content.deletedLogstores, { id: logstore.id, project, name }]
      return { ...content, logstores: without(content.logstores, logstore), deletedLogstores }
    })
  }

  /** Forgets a deleted logstore whose table is gone; one that is not known is forgotten already. */
  async forgetDeletedLogstore(id: string): Promise<void> {
    await this.#change(content => {
      const deletedLogstores = content.deletedLogstores.filter(deleted => deleted.id !== id)
      return deletedLogstores.length === content.deletedLogstores.length ? content : { ...content, deletedLogstores }
    })
  }

  /** Rejects with PROJECT_NOT_FOUND or ACCESS_KEY_NOT_FOUND. */
  async deleteAccessKey(project: string, id: string): Promise<void> {
    await this.#change(content => {
      const accessKey = this.#getProject(project).accessKeys.get(id)
      if (accessKey === undefined) throw sluiceError('ACCESS_KEY_NOT_FOUND', { project, accessKeyId: id })
      return { ...content, accessKeys: without(content.accessKeys, accessKey) }
    })
  }

  #getProject(name: string): IndexedProject {
    const project = this.#index.projects.get(name)
    if (project === undefined) throw sluiceError('PROJECT_NOT_FOUND', { project: name })
    return project
  }

  #getLogstore(project: string, name: string): Logstore {
    const logstore = this.#getProject(project).logstores.get(name)
    if (logstore === undefined) throw sluiceError('LOGSTORE_NOT_FOUND', { project, logstore: name })
    return logstore
  }

  /**
   * Makes a change after those that were asked for earlier: `next` sees the catalog as they left it, and may throw to refuse.
   * Returning the content that it was given changes nothing.
   *
   * If the disk fails, memory stays as it was, and whether the file holds the change is not known: its replacement may have
   * been renamed but not synced. The next change that succeeds settles it.
   */
  async #change(next: (content: CatalogContent) => CatalogContent): Promise<void> {
    const change = this.#lastChange.then(async () => {
      const content = next(this.#content)
      if (content === this.#content) return
      await writeCatalogFile(this.#files, this.#path, content).catch((error: unknown) => {
        throw sluiceError('STORAGE_FAILED', { doing: `writing ${this.#path}` }, error)
      })
      this.#content = content
      this.#index = indexContent(content)
      for (const listener of this.#listeners) listener()
    })
    this.#lastChange = change.catch(() => undefined)
    await change
  }
}

const MIN_BYTES = 2 ** 20

function applySettings(settings: LogstoreSettings, logstore: Logstore): Logstore {
  const given = Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined))
  const changed = { ...logstore, ...given }
  checkCount('days of retention', changed.retentionDays, 3650)
  if (changed.maxBytes !== null && (!Number.isSafeInteger(changed.maxBytes) || changed.maxBytes < MIN_BYTES))
    throw sluiceError('INVALID_ARGUMENT', {
      problem: 'the size of a logstore is limited to a whole number of bytes from 1 MiB on',
    })
  const problem = findFormatProblem(changed.format) ?? findMasksProblem(changed.masks)
  if (problem !== undefined) throw sluiceError('INVALID_ARGUMENT', { problem })
  return changed
}

function checkCount(what: string, count: number, max: number): void {
  if (!Number.isInteger(count) || count < 1 || count > max)
    throw sluiceError('INVALID_ARGUMENT', { problem: `the number of ${what} of a logstore is a whole number from 1 to ${max}` })
}

function without<Item>(items: readonly Item[], item: Item): Item[] {
  return items.filter(other => other !== item)
}

function now(): string {
  return new Date().toISOString()
}
