/** What is measured, row by row, and what sluice is to reach in each. */
import type { KeyKind } from '../load/certificates.ts'
import type { Load } from '../load/generator.ts'
import type { MemoryState } from '../load/page-cache.ts'
import type { Figure } from './figures.ts'

export type System = 'kafka' | 'kafka-synced' | 'sluice'

export interface Row {
  name: string
  about: string
  /** `load` on servers that are warm; `idle` connections and `start` on servers of their own. */
  kind: 'load' | 'idle' | 'start'
  load: Load
  /** What the row is about: the figure that its plot and its headline show. */
  figure: Figure
  state: MemoryState
  keyKind: KeyKind
  /** Logs are stored, and the whole tree of processes is measured until they are. */
  isIndexing: boolean
  /** How much lies in the journal before the start. */
  journalBytes: number
  /** Beside it: what Node can receive over TLS in writes of this size. */
  limitBytes: number | undefined
  /** Beside it too: a server in Node that does nothing but acknowledge what is on disk. */
  hasBarePath: boolean
  goals: readonly Goal[]
}

/** A ratio of medians to Kafka as shipped, or a value of sluice by itself. */
export interface Goal {
  figure: Figure
  of: 'ratio' | 'value'
  atMost?: number
  atLeast?: number
}

/** What the acknowledging process may hold, whatever the load, in megabytes. */
export const MEMORY_GOAL_MB = 300

const ratio = (figure: Figure, atMost: number): Goal => ({ figure, of: 'ratio', atMost })
const share: Goal = { figure: 'limitShare', of: 'value', atLeast: 0.58 }

interface Special extends Partial<Row> {
  about: string
}

function row(name: string, load: Load, special: Special): Row {
  const batch = load.batch ?? 0
  return {
    name,
    kind: 'load',
    load: { connections: 8, inflight: 5, codec: 'none', payload: 'nginx', ...load },
    figure: batch > 1000 ? 'cpuPerGb' : 'cpuPerRequest',
    state: 'fresh',
    keyKind: 'ec',
    isIndexing: false,
    journalBytes: 0,
    limitBytes: batch >= 16_000 ? batch : undefined,
    hasBarePath: false,
    goals: [],
    ...special,
  }
}

const KB64 = { batch: 65_536 }
const MB1 = { batch: 1_000_000 }
const KB16 = { batch: 16_000 }
const KB1 = { batch: 1000 }
const open = (rate: number): Load => ({ batch: 65_536, rate, connections: 50, lingerMs: 5 })
const bare = { hasBarePath: true } as const
const steady = { state: 'steady' } as const
const request = { figure: 'cpuPerRequest' } as const
const ack = { figure: 'ackP99', limitBytes: undefined } as const
const started = { kind: 'start', figure: 'startSeconds', limitBytes: undefined } as const
const idle = { kind: 'idle', figure: 'memoryPerConnection', limitBytes: undefined } as const
const inKilobytes: Goal = { figure: 'memoryPerConnection', of: 'value', atMost: 55 }

export const rows: readonly Row[] = [
  row('64k', KB64, { about: '64 KB, 8 connections', ...bare, goals: [ratio('cpuPerGb', 0.65), share] }),
  row('1m', MB1, { about: '1 MB, 8 connections', ...bare, goals: [ratio('cpuPerGb', 0.9), share] }),
  row('64k-lz4', { ...KB64, codec: 'lz4' }, { about: '64 KB, lz4, 8 connections', ...bare, goals: [ratio('cpuPerGb', 0.4)] }),
  row('64k-zstd', { ...KB64, codec: 'zstd' }, { about: '64 KB, zstd, 8 connections', goals: [ratio('cpuPerGb', 0.4)] }),
  row('16k', KB16, { about: '16 KB, 8 connections', ...request, ...bare, goals: [ratio('cpuPerRequest', 0.5)] }),
  row('1k', KB1, { about: '1 KB, 8 connections', ...bare, goals: [ratio('cpuPerRequest', 0.45)] }),
  row(
    '1k-200',
    { ...KB1, connections: 200, inflight: 1 },
    { about: '1 KB, 200 connections', ...bare, goals: [ratio('cpuPerRequest', 0.7)] },
  ),
  row('open-10k', open(10_000), { about: '10,000 records/s over 50 connections', ...ack, ...bare, goals: [ratio('ackP99', 1)] }),
  row('open-50k', open(50_000), { about: '50,000 records/s over 50 connections', ...ack, ...bare, goals: [ratio('ackP99', 1)] }),
  row(
    'churn-ec',
    { ...KB1, mode: 'churn' },
    { about: 'connect, send 1 KB, close; P-256', ...bare, goals: [ratio('cpuPerRequest', 0.4)] },
  ),
  row('64k-indexing', KB64, {
    about: '64 KB, 8 connections, logs are stored',
    isIndexing: true,
    goals: [ratio('treeMemory', 1)],
  }),
  row('64k-steady', KB64, {
    about: '64 KB, 8 connections, full page cache',
    ...steady,
    ...bare,
    goals: [ratio('cpuPerGb', 0.4), share],
  }),
  row('1m-steady', MB1, {
    about: '1 MB, 8 connections, full page cache',
    ...steady,
    ...bare,
    goals: [ratio('cpuPerGb', 0.45), share],
  }),
  row('16k-steady', KB16, {
    about: '16 KB, 8 connections, full page cache',
    ...steady,
    ...request,
    ...bare,
    goals: [ratio('cpuPerRequest', 0.35)],
  }),
  row(
    '64k-lz4-steady',
    { ...KB64, codec: 'lz4' },
    {
      about: '64 KB, lz4, 8 connections, full page cache',
      ...steady,
      ...bare,
      goals: [ratio('cpuPerGb', 0.3)],
    },
  ),
  row(
    '64k-zstd-steady',
    { ...KB64, codec: 'zstd' },
    {
      about: '64 KB, zstd, 8 connections, full page cache',
      ...steady,
      goals: [ratio('cpuPerGb', 0.3)],
    },
  ),
  row('filebeat', { ...KB64, payload: 'filebeat' }, { about: '64 KB of Filebeat events, 8 connections' }),
  row('filebeat-lz4', { ...KB64, payload: 'filebeat', codec: 'lz4' }, { about: '64 KB of Filebeat events, lz4, 8 connections' }),
  row('64k-1', { ...KB64, connections: 1 }, { about: '64 KB, 1 connection' }),
  row('64k-200', { ...KB64, connections: 200, inflight: 1 }, { about: '64 KB, 200 connections' }),
  row('16k-200', { ...KB16, connections: 200, inflight: 1 }, { about: '16 KB, 200 connections', ...request }),
  row('1k-1', { ...KB1, connections: 1 }, { about: '1 KB, 1 connection' }),
  row('64k-idempotent', { ...KB64, idempotent: true }, { about: '64 KB, 8 connections, idempotent' }),
  row('1k-idempotent', { ...KB1, idempotent: true }, { about: '1 KB, 8 connections, idempotent' }),
  row(
    'churn-rsa',
    { ...KB1, mode: 'churn' },
    {
      about: 'connect, send 1 KB, close; RSA 2048',
      keyKind: 'rsa',
      ...bare,
      goals: [ratio('cpuPerRequest', 0.4)],
    },
  ),
  row(
    'idle-1000',
    { mode: 'idle', connections: 1000 },
    { about: '1,000 connections that send nothing', ...idle, goals: [inKilobytes] },
  ),
  row(
    'idle-5000',
    { mode: 'idle', connections: 5000 },
    { about: '5,000 connections that send nothing', ...idle, goals: [inKilobytes] },
  ),
  row('start-empty', KB1, { about: 'from the start to the first answer', ...started, goals: [ratio('startSeconds', 0.25)] }),
  row('start-1g', KB1, {
    about: 'the same with 1 GB that is not stored yet',
    ...started,
    journalBytes: 1e9,
    goals: [ratio('startSeconds', 0.25)],
  }),
  row('open-10k-indexing', open(10_000), {
    about: '10,000 records/s over 50 connections, logs are stored',
    ...ack,
    isIndexing: true,
  }),
  row('1k-indexing', KB1, { about: '1 KB, 8 connections, logs are stored', isIndexing: true }),
]

export const DEFAULT_ROWS = 12

/** The rows of a list of names; `all` is all of them, nothing the first twelve. */
export function chooseRows(names: string | undefined): Row[] {
  if (names === undefined) return rows.slice(0, DEFAULT_ROWS)
  if (names === 'all') return [...rows]
  return names.split(',').map(name => {
    const found = rows.find(each => each.name === name)
    if (found === undefined) throw new Error(`--rows: there is no row "${name}"; --list names them all`)
    return found
  })
}
