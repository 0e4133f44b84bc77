import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SUM, WHOLE, type Row as MicroRow } from '../../bench/micro/rows.ts'
import { makeRow } from '../../bench/pipeline/rows.ts'
import { freshnessMs, type ServerMetrics } from '../../bench/pipeline/server-metrics.ts'
import { writeReport } from '../../bench/report/write.ts'
import { writeResults } from '../../bench/results.ts'
import type { Point, ScaleRow } from '../../bench/scale/rows.ts'

function microRow(stage: string, requestBytes: number, nsPerRequest: number): MicroRow {
  return { stage, requestBytes, nsPerRequest, nsPerKilobyte: nsPerRequest / (requestBytes / 1000), allocatedBytes: null }
}

function pointOf(dimension: string, size: number, relativeCpu: number): Point {
  const figures = { requestsPerSecond: 20_000, megabytesPerSecond: 20, peakMb: 180, ackP50Ms: 1, ackP99Ms: 4, startSeconds: null }
  return { dimension, size, relativeCpu, cpuUsPerRequest: 30 * relativeCpu, ...figures }
}

/** A gigabyte that took sluice 4 CPU seconds and those of its engine, and the engine alone as many as are given. */
function pipelineRow(payload: 'nginx' | 'filebeat', bareSeconds: number, engine = 6) {
  const cost = { seconds: 20, engineCpuSeconds: bareSeconds, enginePeakBytes: 1e9, diskBytes: 2e8 }
  return makeRow(
    { payload, codec: 'lz4', batch: 65_536, connections: 8 },
    {
      rows: 4e6,
      logBytes: 1e9,
      rowsPerSecond: 100_000,
      freshness: [{ share: 0.5, rowsPerSecond: 50_000, p50Ms: 310, p99Ms: 640 }],
      cpuSeconds: { serve: 1, indexer: 3, engine },
      diskShare: 0.25,
      bare: cost,
    },
    { closedCpuPerGigabyte: 2, sameRateCpuPerGigabyte: 4 },
  )
}

describe('the report of a benchmark', () => {
  let directory: string

  beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'sluice-report-'))))

  afterEach(() => rmSync(directory, { recursive: true }))

  async function report(): Promise<string> {
    await writeReport({ results: directory, docs: directory })
    const text = readFileSync(join(directory, 'performance.md'), 'utf8')
    for (const [, path] of text.matchAll(/\]\((performance\/[^)]+)\)/g)) {
      const drawing = readFileSync(join(directory, path!), 'utf8')
      assert(!/NaN|undefined|Infinity/.test(drawing), path)
    }
    return text.replace(/ +/g, ' ')
  }

  it('has the stages by size, in µs and by gigabyte', async () => {
    const rows = [1000, 65_536].flatMap(bytes => ['TLS', SUM, WHOLE].map(stage => microRow(stage, bytes, 4200)))
    writeResults('micro', rows, false, directory)
    const text = await report()
    assert(text.includes('| stage | 1 KB | 64 KB |'), text)
    assert(text.includes('| TLS | 4.2 | 4.2 |'), text)
    assert(text.includes('| TLS | 4.2 | 0.0641 |'), text)
    assert(existsSync(join(directory, 'performance', 'micro.svg')))
  })

  it('names the sizes at which a line bends upwards', async () => {
    const points = [
      pointOf('shards', 1, 1),
      pointOf('shards', 16, 0.5),
      pointOf('shards', 256, 0.75),
      pointOf('journal', 0, 1),
      pointOf('journal', 4, 0.9),
    ]
    writeResults<ScaleRow>('scale', [{ points, freshness: [] }], false, directory)
    assert.match(await report(), /More than 1\.25 of the least that a smaller size takes: 256 shards: 1\.50\.\n/)
  })

  it('compares what bends with the connections with the bare path', async () => {
    const points = [
      ...[pointOf('connections', 50, 1), pointOf('connections', 1000, 1.5)],
      ...[pointOf('bare-connections', 50, 1), pointOf('bare-connections', 1000, 1.3)],
    ]
    writeResults<ScaleRow>('scale', [{ points, freshness: [] }], false, directory)
    assert.match(await report(), /takes: 1,000 connections: 1\.50 \(the bare path 1\.30\)\./)
  })

  it('says up to how many logstores logs are found within a second', async () => {
    const freshness = [10, 100, 300].map(logstores => ({
      logstores,
      batchesPerSecond: 200,
      found: 1000,
      p50Ms: 300,
      p99Ms: logstores * 6,
      worstMs: 2000,
      serverP50Ms: null,
      serverP99Ms: null,
    }))
    writeResults<ScaleRow>('scale-engine', [{ points: [], freshness }], false, directory)
    assert.match(await report(), /up to 100 logstores/)
  })

  it('compares the whole of sluice with the cheaper Kafka and the bare engine, and tells whether the goal is met', async () => {
    writeResults(
      'pipeline',
      [pipelineRow('nginx', 10), pipelineRow('filebeat', 6), pipelineRow('filebeat', 38, 40.5)],
      false,
      directory,
    )
    const text = await report()
    assert(text.includes('| Kafka | Kafka, same rate | bare engine | ratio | ratio, same rate |'), text)
    assert(text.includes('| nginx | 1 | 3 | 6 | 10 | 2 | 4 | 10 | 0.83 | 0.71 |'), text)
    assert.match(text, /nginx: all of sluice takes 0\.83 .*: met\./)
    const missed = text.replaceAll('\n', ' ')
    assert.match(
      missed,
      /filebeat: all of sluice takes 1\.25 .*: \*\*missed\*\*\. What [^:]*: 0 in .* 3 to decode them, 1 to take/,
    )
    assert.match(
      missed,
      /takes 1\.11 .*: \*\*missed\*\*\. The bare engine alone takes 0\.95: [^.]* out of reach[^:]*: 2\.5 in its own/,
    )
  })

  it('has nothing of runs that were made in a hurry', async () => {
    writeResults('pipeline', [pipelineRow('nginx', 10)], true, directory)
    assert(!(await report()).includes('nginx'))
  })
})

describe('freshness between two looks at the metrics', () => {
  const metrics = (...counts: number[]): ServerMetrics => ({
    indexedRows: 0,
    unindexedBytes: 0,
    journalEntries: 0,
    freshness: [0.1, 0.3, Infinity].map((seconds, index) => ({ seconds, count: counts[index]! })),
  })

  it('is of what was stored between them, spread evenly within a bucket', () => {
    const [before, after] = [metrics(50, 50, 50), metrics(60, 140, 150)]
    assert.equal(Math.round(freshnessMs(before, after, 0.5)), 200)
    assert.equal(freshnessMs(before, after, 0.99), Infinity)
  })
})
