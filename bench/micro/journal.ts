/**
 * What it costs to append to the journal: with the disk, synced before it is acknowledged, and without.
 */
import { join } from 'node:path'
import type { Chunks } from '../../protocol/chunks.ts'
import { checkBatches } from '../../protocol/records/check-batches.ts'
import { nodeFiles, type Files } from '../../src/base/files.ts'
import { silentLog } from '../../src/base/log.ts'
import { whenAllSettled } from '../../src/base/outcome.ts'
import type { Config } from '../../src/config/schema.ts'
import { Journal, type Write } from '../../src/journal/journal.ts'
import { makeDirectory, removeDirectory } from '../../test/support/server.ts'
import { cpuNs, type Measured } from './measure.ts'
import { batchOf, type BuiltRequest } from './request.ts'

export const WARM_SECONDS = 1.2
export const CHECKPOINT_INTERVAL_MS = 1000
export const MAX_STREAMS = 1000

/** The machine's files, but that nothing is written to them: everything is left of the journal but the disk. */
export const withoutDisk: Files = {
  ...nodeFiles,
  async open(path, options) {
    const file = await nodeFiles.open(path, options)
    file.write = () => Promise.resolve()
    return file
  },
}

/** Appends `inFlight` requests at a time, as they come of many connections, waits until they are durable, and goes on. */
export async function measureJournal(
  request: BuiltRequest,
  options: { config: Config['journal']; inFlight: number; seconds: number; hasDisk: boolean },
): Promise<Measured> {
  const { config, inFlight, seconds, hasDisk } = options
  const directory = await makeDirectory('sluice-bench-')
  const journal = await Journal.open({
    files: hasDisk ? nodeFiles : withoutDisk,
    directory: join(directory, 'journal'),
    ...config,
    maxStreams: MAX_STREAMS,
    checkpointIntervalMs: CHECKPOINT_INTERVAL_MS,
    log: silentLog,
    // Indexed at once: files are recycled, as in a server that keeps up.
    onDurable: () => journal.setIndexed(journal.allIndexed),
  })
  // Each has bytes of its own: the base offset is written into them.
  const writes = Array.from({ length: inFlight }, () => writeOf(batchOf(request)))
  const append = async (): Promise<void> => {
    const outcomes = writes.map(write => {
      const appended = journal.append(write)
      if (typeof appended === 'string') throw new Error(`the journal refuses a write: ${appended}`)
      return appended.durable
    })
    await new Promise<void>(resolve => whenAllSettled(outcomes, resolve))
    for (const { error } of outcomes) if (error !== undefined) throw error
  }
  const appendFor = async (forSeconds: number): Promise<number> => {
    let appended = 0
    for (const startMs = performance.now(); performance.now() - startMs < forSeconds * 1000; appended += inFlight) await append()
    return appended
  }
  try {
    await appendFor(WARM_SECONDS)
    const before = process.cpuUsage()
    const appended = await appendFor(seconds)
    return { ns: cpuNs(before) / appended }
  } finally {
    await journal.close()
    await removeDirectory(directory)
  }
}

function writeOf(records: Chunks): Write {
  const checked = checkBatches(records)
  if ('errorCode' in checked) throw new Error(`the batch is refused: ${checked.message}`)
  const place = { logstoreId: '5e4d1a2b-0000-4000-8000-000000000001', shard: 0, partition: 0, jsonTopic: false }
  return { ...place, source: '198.51.100.7', clientId: 'bench', accessKeyId: 'bench', ...checked }
}
