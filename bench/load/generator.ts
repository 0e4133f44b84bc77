/**
 * The load generator (bench/load/generator, in Go): built once, run for each measurement with the same binary for all servers.
 */
import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { buildProgram } from './program.ts'

/** A server that load is put on. */
export interface Target {
  /** HOST:PORT */
  broker: string
  /** The file of the CA that its certificate is from. */
  ca: string
  /** Its processes, the one that acknowledges first. */
  pids: readonly number[]
}

export const USER = 'demo-project'
export const ACCESS_KEY = { id: 'demoid', secret: 'demosecret' }
export const PASSWORD = `${ACCESS_KEY.id}#${ACCESS_KEY.secret}`

/** The generator's flags; `generator -help` says more of each. Durations are in seconds here. */
export interface Load {
  mode?: 'produce' | 'churn' | 'idle' | 'probe' | 'stream' | 'delete'
  topic?: string
  /** More than one: TOPIC-0, TOPIC-1 …, in turn. */
  topics?: number
  connections?: number
  inflight?: number
  /** Bytes of record values in a request. */
  batch?: number
  codec?: Codec
  payload?: 'nginx' | 'filebeat'
  idempotent?: boolean
  /** Records per second of all connections; as fast as it goes if absent. */
  rate?: number
  lingerMs?: number
  warmup?: number
  duration?: number
  maxBytes?: number
  /** Bytes of distinct values, which are made before the load. */
  pool?: number
  seed?: number
}

export type Codec = 'none' | 'lz4' | 'zstd'

export interface Latency {
  mean: number
  p50: number
  p99: number
  p99_9: number
  max: number
}

export interface ProcessUsage {
  pid: number
  cpu_s: number
  /** The part of it in the kernel. */
  cpu_system_s: number
  rss_mb: number
  /** Most since the process began. */
  hwm_mb: number
  written_mb: number
}

/** What the generator prints; bench/load/generator/result.go has its twin. */
export interface LoadResult {
  tls: string
  /** When the window closed, since 1970. */
  ended_ms: number
  seconds: number
  requests: number
  records: number
  /** Record values, before compression. */
  payload_bytes: number
  /** Requests, after compression, without TLS. */
  wire_bytes: number
  error_codes?: Record<string, number>
  /** Of records, from when they were due (closed loop: sent) to their answer. */
  ack_ms?: Latency
  request_ms?: Latency
  generator: { cpu_s: number }
  /** `other_s`: neither generator nor server. */
  machine: { busy_s: number; other_s: number; stolen_s: number }
  servers: ProcessUsage[]
}

/** Puts a load on a server; rejects if a request failed. */
export async function runLoad(target: Target, load: Load): Promise<LoadResult> {
  const binary = await buildProgram('generator')
  const child = spawn(binary, formatFlags(target, load), { stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = new Promise<number | null>((resolve, reject) => child.once('error', reject).once('close', resolve))
  // What was asked to stop stops its load too.
  const kill = (): void => void child.kill()
  process.once('exit', kill)
  const [code, stdout, stderr] = await Promise.all([ended, text(child.stdout), text(child.stderr)])
  process.off('exit', kill)
  if (code !== 0) throw new Error(`a load on ${target.broker} failed: ${stderr.trim()}`)
  return JSON.parse(stdout) as LoadResult
}

function formatFlags({ broker, ca, pids }: Target, load: Load): string[] {
  const { lingerMs, maxBytes, warmup, duration, ...same } = load
  const flags: Record<string, unknown> = { broker, ca, user: USER, password: PASSWORD, 'server-pid': pids.join(), ...same }
  if (lingerMs !== undefined) flags['linger'] = `${lingerMs}ms`
  if (maxBytes !== undefined) flags['max-bytes'] = Math.round(maxBytes)
  if (warmup !== undefined) flags['warmup'] = `${warmup}s`
  if (duration !== undefined) flags['duration'] = `${duration}s`
  return Object.entries(flags).flatMap(([name, value]) => (value === undefined ? [] : [`-${name}=${String(value)}`]))
}
