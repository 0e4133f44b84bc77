/**
 * The data directories of test/fixtures that earlier versions have written (`tools/make-data-fixture.ts` says how), unpacked.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import type { Indexed } from '../../src/journal/checkpoint.ts'
import type { SequencedBatch, Stream } from '../../src/journal/producer-states.ts'

/** What a directory holds, as whoever wrote it knew. */
export interface DataContents {
  /** The time of the last entry. */
  nowMs: number
  /** Of all access keys. */
  secret: string
  projects: { name: string }[]
  logstores: { id: string; project: string; name: string }[]
  deletedLogstores: object[]
  accessKeys: { project: string; id: string; logstores: string[] | null }[]
  journalId: string
  indexed: Indexed
  reservedProducerIds: number
  entries: EntryContents[]
  /** By logstore id and shard, with a slash. */
  nextOffsets: Record<string, number>
  /** The last batch of each stream. */
  streams: ({ stream: Stream; shard: number; baseOffset: number } & SequencedBatch)[]
}

export interface EntryContents extends Record<string, unknown> {
  number: number
  logstoreId: string
  recordCount: number
  /** Of the batches with their base offset. */
  sha256: string
}

const fixtures = join('test', 'fixtures')

/** All that there are, oldest first: `data-1` is of the first version of the formats. */
export const dataFixtures = readdirSync(fixtures)
  .filter(name => /^data-\d+$/.test(name))
  .sort((a, b) => Number(a.slice(5)) - Number(b.slice(5)))

/** Unpacks one into a directory, which is made; resolves with what it must hold. */
export function unpackData(name: string, directory: string): DataContents {
  const source = join(fixtures, name)
  for (const path of readdirSync(source, { recursive: true, encoding: 'utf8' }).filter(found => found.endsWith('.gz'))) {
    const target = join(directory, path.slice(0, -'.gz'.length))
    mkdirSync(dirname(target), { recursive: true })
    writeFileSync(target, gunzipSync(readFileSync(join(source, path))))
  }
  return JSON.parse(readFileSync(join(source, 'contents.json'), 'utf8')) as DataContents
}
