/**
 * Which fields there are in each logstore, columns or not; and the columns that logstores get by themselves.
 *
 * The statistics of a logstore are in memory and in DATA/fields/LOGSTORE-ID.json, which is written now and then: what is lost with
 * a crash is counted anew. The columns are in the catalog.
 */
import { join } from 'node:path'
import { z } from 'zod'
import { isSystemError } from '../base/errors.ts'
import { replaceFile, type Files } from '../base/files.ts'
import type { Log } from '../base/log.ts'
import type { Catalog } from './catalog.ts'
import { FieldStatistics, MAX_PATHS, type FieldReport } from './field-statistics.ts'
import { describePath } from './logstore-fields.ts'

/** How late a change is written. */
const WRITE_MS = 30_000
/** A logstore that got columns by itself gets no more for so long: each time the table is changed. */
const ADD_INTERVAL_MS = 5 * 60_000
/** Of all logstores together, about: some 500 bytes each. */
const MAX_PATHS_OF_ALL = 100_000
const MIN_PATHS = 100

const count = z.number().min(0)
const fileSchema = z.strictObject({
  format: z.literal(1),
  samples: count,
  firstSampleMs: count,
  fields: z
    .array(
      z.strictObject({
        path: z.array(z.string()).min(1),
        values: z.string(),
        strings: count,
        integers: count,
        numbers: count,
        booleans: count,
        arrays: count,
        nulls: count,
        logs: count,
        firstSeenMs: count,
        lastSeenMs: count,
      }),
    )
    .max(MAX_PATHS),
})

export interface FieldCatalogOptions {
  files: Files
  /** DATA/fields; is made when there is something to write. */
  directory: string
  catalog: Catalog
  log: Log
}

export class FieldCatalog {
  readonly #options: FieldCatalogOptions
  /** By logstore id; settled once the file was read. Never rejects. */
  readonly #statistics = new Map<string, Promise<FieldStatistics>>()
  /** The logstores whose files are not up to date. */
  readonly #changed = new Set<string>()
  /** By logstore id, when columns were added last, since the start; ms since 1970. */
  readonly #addedMs = new Map<string, number>()
  #timer: NodeJS.Timeout | undefined
  /** Resolves, and never rejects, when what is being written is on disk. */
  #writing: Promise<void> = Promise.resolve()

  constructor(options: FieldCatalogOptions) {
    this.#options = options
  }

  /** Removes the files of logstores that are deleted. */
  async removeStrangers(): Promise<void> {
    const { files, directory, catalog, log } = this.#options
    try {
      for (const name of await files.list(directory))
        if (catalog.findLogstoreById(name.replace(/\.json$/, '')) === undefined) await files.remove(join(directory, name))
    } catch (error) {
      if (!isSystemError(error, 'ENOENT')) log.warn({ err: error }, 'what is known of the fields of deleted logstores stays')
    }
  }

  /** Takes what the indexer saw, and gives the logstore the columns that are worth it. Rejects if the catalog cannot be written. */
  async take(report: FieldReport): Promise<void> {
    const { catalog, log } = this.#options
    const { logstoreId } = report
    if (catalog.findLogstoreById(logstoreId) === undefined) return
    const statistics = await this.get(logstoreId)
    const logstore = catalog.findLogstoreById(logstoreId)
    if (logstore === undefined) return this.forget(logstoreId)
    const nowMs = Date.now()
    const maxPaths = Math.min(MAX_PATHS, Math.max(MIN_PATHS, Math.floor(MAX_PATHS_OF_ALL / this.#statistics.size)))
    statistics.take(report, nowMs, maxPaths)
    this.#changed.add(logstoreId)
    this.#timer ??= setTimeout(() => void this.#write(), WRITE_MS).unref()
    if (logstore.index === 'none' || nowMs - (this.#addedMs.get(logstoreId) ?? -Infinity) < ADD_INTERVAL_MS) return
    const fields = statistics.propose(logstore, nowMs)
    if (fields.length === 0) return
    this.#addedMs.set(logstoreId, nowMs)
    await catalog.addDiscoveredFields(logstoreId, fields)
    const names = fields.map(({ path, type }) => `${describePath(path)} (${type})`)
    log.info({ project: logstore.project, logstore: logstore.name, fields: names }, 'fields of a logstore become columns')
  }

  /** What is known of a logstore's fields. */
  get(logstoreId: string): Promise<FieldStatistics> {
    const known = this.#statistics.get(logstoreId) ?? this.#read(logstoreId)
    this.#statistics.set(logstoreId, known)
    return known
  }

  /** Forgets a logstore that is deleted. */
  async forget(logstoreId: string): Promise<void> {
    this.#statistics.delete(logstoreId)
    this.#changed.delete(logstoreId)
    this.#addedMs.delete(logstoreId)
    await this.#writing
    await this.#options.files.remove(this.#path(logstoreId)).catch((error: unknown) => {
      this.#options.log.warn({ err: error }, 'what is known of the fields of a deleted logstore stays')
    })
  }

  /** Writes what is not written yet. */
  async close(): Promise<void> {
    await this.#write()
    clearTimeout(this.#timer)
  }

  #path(logstoreId: string): string {
    return join(this.#options.directory, `${logstoreId}.json`)
  }

  async #read(logstoreId: string): Promise<FieldStatistics> {
    const path = this.#path(logstoreId)
    try {
      const bytes = await this.#options.files.readFile(path)
      if (bytes === undefined) return new FieldStatistics()
      const { format: _, ...content } = fileSchema.parse(JSON.parse(bytes.toString()))
      return new FieldStatistics(content)
    } catch {
      // What the parser says shows a piece of the file.
      this.#options.log.warn({ file: path }, 'what is known of the fields of a logstore cannot be read; they are counted anew')
      return new FieldStatistics()
    }
  }

  #write(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#writing = this.#writing.then(() => this.#writeChanged())
    return this.#writing
  }

  async #writeChanged(): Promise<void> {
    const { files, directory, log } = this.#options
    const changed = [...this.#changed]
    this.#changed.clear()
    try {
      if (changed.length > 0) await files.makeDirectory(directory, 0o700)
      for (const logstoreId of changed) {
        const statistics = await this.#statistics.get(logstoreId)
        if (statistics === undefined) continue
        await replaceFile(files, this.#path(logstoreId), Buffer.from(`${JSON.stringify({ format: 1, ...statistics.content })}\n`))
      }
    } catch (error) {
      // With the next report it is tried again.
      log.warn({ err: error }, 'what is known of the fields of logstores cannot be written')
    }
  }
}
