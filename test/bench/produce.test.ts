import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { checkGoal, medianFigure, pairRuns, ratioOf } from '../../bench/produce/pairs.ts'
import { planRow, sortRows } from '../../bench/produce/plan.ts'
import { chooseRows, rows } from '../../bench/produce/rows.ts'
import { readResults, ResultFile, withLimits, type Machine, type Run } from '../../bench/produce/runs.ts'
import { writeReport } from '../../bench/report/write.ts'

const machine: Machine = {
  kind: 'machine',
  startedAt: '2026-01-02T03:04:05.000Z',
  cpu: 'a processor',
  cores: 2,
  memoryGb: 25,
  system: 'Linux 6.1',
  node: 'v20.20.2',
  java: 'openjdk 17',
  kafka: '4.4.0',
  isQuick: false,
}

/** A run that moved a gigabyte in 10,000 requests for so many CPU seconds. */
function runOf(row: string, round: number, system: Run['system'], cpuSeconds: number, more: Partial<Run> = {}): Run {
  return {
    kind: 'run',
    row,
    round,
    system,
    at: machine.startedAt,
    tls: 'TLS 1.3 TLS_AES_256_GCM_SHA384',
    seconds: 2,
    requests: 10_000,
    records: 4e6,
    payloadBytes: 1e9,
    wireBytes: 1e9,
    ackMs: { mean: 5, p50: 5, p99: cpuSeconds * 10, p99_9: 90, max: 100 },
    cpuSeconds,
    kernelSeconds: 1,
    residentMb: 200,
    peakMb: 250,
    treeCpuSeconds: cpuSeconds,
    treePeakMb: 250,
    foreignShare: 0.1,
    freeMemoryMb: 20_000,
    ...more,
  }
}

describe('the pairs of a benchmark', () => {
  const runs = [
    runOf('64k', 1, 'kafka', 3),
    runOf('64k', 1, 'sluice', 1.5),
    runOf('64k', 2, 'kafka', 4),
    runOf('64k', 2, 'sluice', 1),
    runOf('64k', 3, 'kafka', 8),
    runOf('64k', 3, 'sluice', 1.2),
    runOf('1k', 3, 'sluice', 100),
  ]

  it('are compared by the ratio of their medians, with the least and the greatest of their own', () => {
    const { pairs, dropped } = pairRuns(runs, '64k', 'sluice', 'kafka')
    assert.equal(dropped, 0)
    const ratio = ratioOf(pairs, 'cpuPerGb')!
    assert.deepEqual([ratio.value, ratio.baseValue, ratio.ratio], [1.2, 4, 0.3])
    assert.deepEqual([ratio.least, ratio.most], [0.15, 0.5])
  })

  it('of steady rows are dropped where memory was free after all', () => {
    const full = { freeMemoryMb: 600 }
    const steady = [
      runOf('64k-steady', 1, 'kafka', 3, full),
      runOf('64k-steady', 1, 'sluice', 1, full),
      runOf('64k-steady', 2, 'kafka', 3, full),
      runOf('64k-steady', 2, 'sluice', 2, { freeMemoryMb: 1600 }),
    ]
    const { pairs, dropped } = pairRuns(steady, '64k-steady', 'sluice', 'kafka')
    assert.deepEqual([pairs.map(({ round }) => round), dropped], [[1], 1])
  })

  it('are of the same round, and are dropped where others used much of the machine in either run', () => {
    const disturbed = [
      ...runs,
      runOf('64k', 4, 'kafka', 3, { foreignShare: 0.41 }),
      runOf('64k', 4, 'sluice', 30),
      runOf('64k', 5, 'kafka', 3),
      runOf('64k', 5, 'sluice', 30, { foreignShare: 0.9 }),
      runOf('64k', 6, 'sluice', 30),
      runOf('64k', 7, 'kafka', 3),
      runOf('64k', 7, 'sluice', 30, { foreignShare: 0.2, stolenShare: 0.21 }),
    ]
    const { pairs, dropped } = pairRuns(disturbed, '64k', 'sluice', 'kafka')
    assert.deepEqual([pairs.map(({ round }) => round), dropped], [[1, 2, 3], 3])
  })

  it('have no ratio in what was not measured', () => {
    assert.equal(ratioOf(pairRuns(runs, '1k', 'sluice', 'kafka').pairs, 'cpuPerGb'), undefined)
    assert.equal(ratioOf(pairRuns(runs, '64k', 'sluice', 'kafka').pairs, 'startSeconds'), undefined)
    assert.equal(medianFigure(runs, '64k', 'kafka-synced', 'cpuPerGb'), undefined)
  })

  it('say whether a goal is met', () => {
    assert.deepEqual(checkGoal(runs, '64k', { figure: 'cpuPerGb', of: 'ratio', atMost: 0.3 }), { reached: 0.3, isMet: true })
    assert.equal(checkGoal(runs, '64k', { figure: 'cpuPerGb', of: 'ratio', atMost: 0.29 })!.isMet, false)
    assert.equal(checkGoal(runs, '64k', { figure: 'peakMemory', of: 'value', atMost: 250 })!.isMet, true)
    assert.equal(checkGoal(runs, '1m', { figure: 'cpuPerGb', of: 'ratio', atMost: 0.3 }), undefined)
  })

  it('are set beside the limit of their round, by bytes on the wire', () => {
    const all = withLimits([...runs, runOf('64k', 1, 'limit', 1.8, { wireBytes: 2e9 })])
    assert.equal(all.find(({ round, system }) => round === 1 && system === 'sluice')!.limitShare, 0.6)
    assert.equal(all.find(({ round, system }) => round === 2 && system === 'sluice')!.limitShare, undefined)
    assert.deepEqual(checkGoal(all, '64k', { figure: 'limitShare', of: 'value', atLeast: 0.58 }), { reached: 0.6, isMet: true })
  })

  it('tell of the bare path whether it would reach a goal, beside Kafka and beside the limit', () => {
    const all = withLimits([...runs, runOf('64k', 1, 'bare', 0.9), runOf('64k', 1, 'limit', 1.8, { wireBytes: 2e9 })])
    const goal = { figure: 'cpuPerGb', of: 'ratio', atMost: 0.3 } as const
    assert.deepEqual(checkGoal(all, '64k', goal, 'bare'), { reached: 0.3, isMet: true })
    assert.equal(checkGoal(all, '1k', goal, 'bare'), undefined)
    const share = { figure: 'limitShare', of: 'value', atLeast: 0.58 } as const
    assert.deepEqual(checkGoal(all, '64k', share, 'bare'), { reached: 1, isMet: true })
  })
})

describe('the plan of a benchmark', () => {
  it('has twelve rows unless others are named, each by a name of its own', () => {
    assert.equal(chooseRows(undefined).length, 12)
    assert.equal(new Set(rows.map(({ name }) => name)).size, chooseRows('all').length)
    assert.deepEqual(
      chooseRows('1k,64k').map(({ name }) => name),
      ['1k', '64k'],
    )
    assert.throws(() => chooseRows('1k,65k'), /no row "65k"/)
  })

  it('takes the systems in turns, and Kafka that syncs once', () => {
    const [row] = chooseRows('64k-zstd')
    const plan = planRow(row!, 2, ['kafka', 'kafka-synced', 'sluice']).map(({ round, system }) => `${round} ${system}`)
    assert.deepEqual(plan, ['1 kafka', '1 kafka-synced', '1 sluice', '1 limit', '2 kafka', '2 sluice', '2 limit'])
  })

  it('has the bare path in three rounds of some rows', () => {
    const [row, other] = chooseRows('1k,1k-1')
    const plan = planRow(row!, 5, ['sluice']).map(({ round, system }) => `${round} ${system}`)
    assert.deepEqual(plan, ['1 sluice', '1 bare', '2 sluice', '2 bare', '3 sluice', '3 bare', '4 sluice', '5 sluice'])
    assert(!planRow(other!, 5, ['sluice']).some(({ system }) => system === 'bare'))
  })

  it('changes the state of the memory and the certificates seldom, and ends with rows that have servers of their own', () => {
    const names = sortRows(chooseRows('64k-steady,churn-rsa,64k,start-1g,1m-steady,1k')).map(({ name }) => name)
    assert.deepEqual(names, ['64k', '1k', '64k-steady', '1m-steady', 'churn-rsa', 'start-1g'])
  })
})

describe('the results of a benchmark', () => {
  let directory: string
  beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'sluice-bench-'))))
  afterEach(() => rmSync(directory, { recursive: true }))

  function writeRuns(name: string, runs: readonly Run[], of: Machine = machine): string {
    const file = new ResultFile(join(directory, name), of, false)
    for (const run of runs) file.add(run)
    return join(directory, name)
  }

  it('are gone on with where they were cut off', () => {
    const path = writeRuns('some.jsonl', [runOf('64k', 1, 'kafka', 3), runOf('64k', 1, 'sluice', 1)])
    writeFileSync(path, readFileSync(path, 'utf8').slice(0, -20))
    const file = new ResultFile(path, machine, true)
    assert.deepEqual([file.has('64k', 1, 'kafka'), file.has('64k', 1, 'sluice')], [true, false])
    file.add(runOf('64k', 1, 'sluice', 2))
    assert.deepEqual(
      readResults(path)!.runs.map(({ system, cpuSeconds }) => [system, cpuSeconds]),
      [
        ['kafka', 3],
        ['sluice', 2],
      ],
    )
    assert.equal(new ResultFile(path, machine, false).runs.length, 0)
  })

  it('become a report with goals, what is behind, other versions of Node, and drawings', async () => {
    const runs = [1, 2].flatMap(round => [
      runOf('64k', round, 'kafka', 3),
      runOf('64k', round, 'sluice', 1.5),
      runOf('64k', round, 'limit', 0.8),
      runOf('1k', round, 'kafka', 0.4, { payloadBytes: 1e7 }),
      runOf('1k', round, 'sluice', 0.3, { payloadBytes: 1e7, peakMb: 310 }),
      runOf('open-10k', round, 'kafka', 1),
      runOf('open-10k', round, 'sluice', 2),
    ])
    const steady = [
      runOf('16k-steady', 1, 'kafka', 3, { freeMemoryMb: 300, foreignShare: 0.2 }),
      runOf('16k-steady', 1, 'sluice', 1, { freeMemoryMb: 300, foreignShare: 0.05 }),
      runOf('16k', 1, 'kafka', 1.5),
      runOf('16k', 1, 'sluice', 2),
      runOf('64k-steady', 1, 'kafka', 3),
      runOf('64k-steady', 1, 'sluice', 1),
    ]
    const newer = { ...machine, node: 'v24.0.0' }
    writeRuns('produce-node24.jsonl', [...runs, ...steady, runOf('64k', 1, 'kafka-synced', 7.5)], newer)
    const slower = runs.map(run => (run.system === 'sluice' && run.row === '64k' ? { ...run, cpuSeconds: 1.8 } : run))
    writeRuns('produce-node20.jsonl', slower, { ...machine, cpu: 'a slow one' })
    writeRuns('produce-quick-node20.jsonl', [runOf('1m', 1, 'kafka', 3)], { ...machine, isQuick: true })
    await writeReport({ results: directory, docs: directory })
    const report = readFileSync(join(directory, 'performance.md'), 'utf8')
    const lines = report.split('\n').map(line => line.replace(/ +/g, ' '))
    for (const line of [
      '| `64k` | CPU s/GB | 3 | 1.5 | 0.50 | 0.50–0.50 | 2 | ≤ 0.65 | yes |',
      '| `64k` | of the limit | | 53 % | | | 2 | ≥ 58 % | **no** |',
      '| `1k` | CPU ms/request | 0.04 | 0.03 | 0.75 | 0.75–0.75 | 2 | ≤ 0.45 | **no** |',
      '| `64k` | CPU s/GB | 7.5 | 1.5 | 0.20 |',
      '| row | what | v24.0.0 | v20.20.2 |',
      '| `64k` | CPU s/GB | 0.50 (0.50–0.50) | 0.60 (0.60–0.60) |',
      'Node v24.0.0 is the better one in 1 of them, and recommended.',
      '| `16k-steady` | 0.8 | 0.2 | 2.00 | 0.50 |',
      '- `64k`: of the limit 53 %, the goal is ≥ 58 %',
      "- `open-10k`: CPU ms/request 2.00 times Kafka's (2.00–2.00); ack p99, ms 2.00 times Kafka's (2.00–2.00); ack p99, ms 2.00, the goal is ≤ 1",
    ])
      assert(lines.includes(line), `${line}\nis not in\n${report}`)
    assert(!lines.some(line => line.startsWith('| `64k-steady` | 0')), 'a row that was not steady')
    assert.match(report, /held 310 MB at most, by the end of `1k`; the goal is at most 300 MB: \*\*missed\*\*/)
    assert.match(
      report,
      /of Node v20.20.2 differs by more than a tenth in 1 of 3 rows. It was measured on another machine \(a slow one\)/,
    )
    assert(!report.includes('1m'), 'a quick run is in the report')
    assert.deepEqual(readdirSync(join(directory, 'performance')).sort(), ['produce-cpu.svg', 'produce-latency.svg'])
    for (const [, path] of report.matchAll(/\]\((performance\/[^)]+)\)/g))
      assert.match(readFileSync(join(directory, path!), 'utf8'), /^<svg /)
  })

  it('say whether the bare path reaches the goals that sluice misses, if it was measured', async () => {
    const runs = [
      runOf('1k', 1, 'kafka', 0.4, { payloadBytes: 1e7 }),
      runOf('1k', 1, 'sluice', 0.3, { payloadBytes: 1e7 }),
      runOf('1k', 1, 'bare', 0.1, { payloadBytes: 1e7 }),
      runOf('open-10k', 1, 'kafka', 1),
      runOf('open-10k', 1, 'sluice', 2),
    ]
    writeRuns('produce-node20.jsonl', runs)
    await writeReport({ results: directory, docs: directory })
    const report = readFileSync(join(directory, 'performance.md'), 'utf8').replace(/\s+/g, ' ')
    for (const text of [
      '| goal | met | bare path | its ratio |',
      '| `1k` | CPU ms/request | 0.04 | 0.03 | 0.75 | 0.75–0.75 | 1 | ≤ 0.45 | **no** | 0.01 | 0.25 |',
      '| 1 | ≤ 1 | **no** | | |',
      'CPU ms/request 0.75, the goal is ≤ 0.45 (bare path 0.25: met; the goal leaves 0.008 for all else, sluice takes 0.02) -',
      '| `1k` | bare path | 10 |',
      'ack p99, ms 2.00, the goal is ≤ 1 ###',
    ])
      assert(report.includes(text), `${text}\nis not in\n${report}`)
    writeRuns('produce-node20.jsonl', runs.slice(0, 2))
    await writeReport({ results: directory, docs: directory })
    assert(!readFileSync(join(directory, 'performance.md'), 'utf8').includes('bare'))
  })

  it('leave out what was not measured', async () => {
    await writeReport({ results: join(directory, 'none'), docs: directory })
    assert(!readFileSync(join(directory, 'performance.md'), 'utf8').includes('Kafka'))
  })
})
