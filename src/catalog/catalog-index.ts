/**
 * The catalog's content by name and by id, for lookups that take the same time whatever the catalog holds.
 */
import type { CatalogContent } from './catalog-file.ts'
import type { AccessKey, Logstore, Project } from './model.ts'

export interface CatalogIndex {
  /** By name. */
  projects: ReadonlyMap<string, IndexedProject>
  /** By id. */
  logstores: ReadonlyMap<string, Logstore>
}

export interface IndexedProject {
  project: Project
  /** By name. */
  logstores: Map<string, Logstore>
  /** By id. */
  accessKeys: Map<string, AccessKey>
}

/** Indexes a content whose logstores and access keys belong to projects that it holds. */
export function indexContent(content: CatalogContent): CatalogIndex {
  const projects = new Map<string, IndexedProject>()
  for (const project of content.projects) projects.set(project.name, { project, logstores: new Map(), accessKeys: new Map() })
  for (const logstore of content.logstores) projects.get(logstore.project)!.logstores.set(logstore.name, logstore)
  for (const accessKey of content.accessKeys) projects.get(accessKey.project)!.accessKeys.set(accessKey.id, accessKey)
  return { projects, logstores: new Map(content.logstores.map(logstore => [logstore.id, logstore])) }
}
