/**
 * What the data directory of a simulation holds at first: a catalog with a project, its access key, and logstores.
 */
import type { CatalogContent } from '../../src/catalog/catalog-file.ts'
import type { MemoryFiles } from '../support/memory-files.ts'

export const DATA = '/data'
export const JOURNAL = '/data/journal'
export const PROJECT = 'web'
export const REGION = 'home'
export const ACCESS_KEY = 'key'
export const LOGSTORES = ['nginx', 'mysql'] as const

export async function writeCatalog(files: MemoryFiles, shards: number): Promise<void> {
  await files.makeDirectory(DATA)
  const createdAt = new Date(0).toISOString()
  const content: CatalogContent = {
    projects: [{ id: '00000000-0000-4000-8000-000000000000', name: PROJECT, region: REGION, createdAt }],
    logstores: LOGSTORES.map((name, index) => ({
      id: `${index + 1}1111111-1111-4111-8111-111111111111`,
      project: PROJECT,
      name,
      shards,
      partitions: shards,
      retentionDays: 30,
      mode: 'balanced',
      retiredShards: [],
      maxBytes: null,
      format: { name: 'auto' },
      masks: [],
      index: 'full',
      fields: [],
      removedFields: [],
      createdAt,
    })),
    // A hash of no secret: nobody logs in here.
    accessKeys: [
      {
        id: ACCESS_KEY,
        project: PROJECT,
        secretHash: `$scrypt$ln=14,r=8,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`,
        logstores: null,
        createdAt,
      },
    ],
    deletedLogstores: [],
  }
  files.alter(`${DATA}/catalog.json`, () => Buffer.from(JSON.stringify({ format: 1, ...content })))
}
