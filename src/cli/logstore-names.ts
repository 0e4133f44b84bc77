/**
 * Names for the ids of logstores that journal and checkpoints hold, as far as the catalog of the data directory tells.
 */
import { join } from 'node:path'
import { nodeFiles } from '../base/files.ts'
import { readCatalogFile } from '../catalog/catalog-file.ts'

export class LogstoreNames {
  readonly #names: ReadonlyMap<string, string>
  readonly #deleted: ReadonlyMap<string, string>

  private constructor(names: ReadonlyMap<string, string>, deleted: ReadonlyMap<string, string>) {
    this.#names = names
    this.#deleted = deleted
  }

  /** The names in a data directory; none if its catalog cannot be read. */
  static async read(data: string): Promise<LogstoreNames> {
    const catalog = await readCatalogFile(nodeFiles, join(data, 'catalog.json')).catch(() => undefined)
    const named = (logstores: readonly { id: string; project: string; name: string }[] = []): Map<string, string> =>
      new Map(logstores.map(({ id, project, name }) => [id, `${project}/${name}`]))
    return new LogstoreNames(named(catalog?.logstores), named(catalog?.deletedLogstores))
  }

  /** Whether a logstore exists. */
  has(id: string): boolean {
    return this.#names.has(id)
  }

  /** `PROJECT/LOGSTORE`; null if it is not known. */
  find(id: string): string | null {
    return this.#names.get(id) ?? this.#deleted.get(id) ?? null
  }

  /** What to call a logstore to people. */
  describe(id: string): string {
    const deleted = this.#deleted.get(id)
    return this.#names.get(id) ?? (deleted === undefined ? `logstore ${id}` : `${deleted} (deleted)`)
  }
}
