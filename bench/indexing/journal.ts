/**
 * A journal of a sample's logs, as a server would have written it that took them in during a day.
 */
import { compressFrameSync } from 'lz4-napi'
import { Chunks } from '../../protocol/chunks.ts'
import { encodeRecords, sealBatch, type RecordInput } from '../../protocol/records/build-batch.ts'
import { checkBatches } from '../../protocol/records/check-batches.ts'
import { Codec } from '../../protocol/records/compression.ts'
import { nodeFiles } from '../../src/base/files.ts'
import { silentLog } from '../../src/base/log.ts'
import type { Config } from '../../src/config/schema.ts'
import type { Logstore } from '../../src/catalog/model.ts'
import type { Indexed } from '../../src/journal/checkpoint.ts'
import { Journal, type Appended } from '../../src/journal/journal.ts'
import type { ReadLimit } from '../../src/journal/reader.ts'
import type { Sample } from '../samples.ts'

/** What agents put into a batch, before it is compressed. */
const BATCH_BYTES = 64 * 1024
/** Writes that are under way together. */
const GROUP_BATCHES = 64
const RECEIVED_AFTER_MS = 500

export interface BuiltJournal {
  directory: string
  id: string
  /** Where an indexer begins that has read nothing of it. */
  indexed: Indexed
  limit: ReadLimit
  rows: number
  /** The bytes of the logs' values. */
  logBytes: number
  entries: number
}

/** Logs `rows` over the day that begins at `beginMs`, in batches that go to the logstore's shards in turn. */
export async function buildJournal(options: {
  directory: string
  config: Config['journal']
  sample: Sample
  logstore: Logstore
  rows: number
  beginMs: number
  isCompressed: boolean
}): Promise<BuiltJournal> {
  const { directory, config, sample, logstore, rows, beginMs, isCompressed } = options
  // Not to its end: an entry is received a little later than its logs are made, and on the same day.
  const timeOf = (number: number): number => beginMs + Math.floor((number / rows) * 23 * 3_600_000)
  let number = 0
  let logBytes = 0
  const journal = await Journal.open({
    files: nodeFiles,
    directory,
    ...config,
    maxBytes: Infinity,
    maxStreams: 1000,
    checkpointIntervalMs: 2 ** 30,
    log: silentLog,
    now: () => timeOf(number) + RECEIVED_AFTER_MS,
  })
  function* nextBatch(): Generator<RecordInput> {
    for (let bytes = 0; bytes < BATCH_BYTES && number < rows; number++) {
      const timestamp = timeOf(number)
      const value = Buffer.from(sample.log(number, timestamp))
      bytes += value.length
      logBytes += value.length
      yield { timestamp, value }
    }
  }
  let entries = 0
  let group: Promise<void>[] = []
  const origin = { jsonTopic: false, source: '198.51.100.7', clientId: 'bench', accessKeyId: 'bench', logstoreId: logstore.id }
  while (number < rows) {
    const records = encodeRecords(nextBatch())
    const batch = isCompressed
      ? sealBatch({ ...records, payload: compressFrameSync(records.payload) }, { attributes: Codec.LZ4 })
      : sealBatch(records, {})
    const shard = entries++ % logstore.shards
    const checked = checkBatches(Chunks.of(batch))
    if (!('batches' in checked)) throw new Error('a batch of the sample is refused')
    group.push((journal.append({ ...origin, ...checked, shard, partition: shard }) as Appended).durable.promise)
    if (group.length < GROUP_BATCHES) continue
    await Promise.all(group)
    group = []
  }
  await Promise.all(group)
  const { id, indexed, readLimit: limit } = journal
  await journal.close()
  return { directory, id, indexed, limit, rows, logBytes, entries }
}
