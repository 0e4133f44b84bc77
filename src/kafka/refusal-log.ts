/**
 * Tells the operator which clients are refused what, and what to do. Many agents keep quiet about it, and ask again for ever.
 *
 * The same is told once in a while, and each source has only so many lines in that time: hostile clients must neither fill the log nor
 * the memory, nor hide what is told of others.
 */
import { escapeControls } from '../../protocol/explain-records.ts'
import type { Log } from '../base/log.ts'
import { sourceOf } from '../base/networks.ts'
import { shorten } from '../catalog/names.ts'

/** Who is refused. */
export interface RefusedClient {
  /** As the client names itself; empty if it does not. */
  clientId: string
  /** Its address. */
  source: string
}

/** What is refused: a topic, or all that the client may ask for. */
export interface RefusedAccess {
  project: string
  topic?: string
  /** Why, and what to do, in one sentence; the same sentence is told once. */
  message: string
}

/** How long what was told of a source is not told again. */
const SILENCE_MS = 5 * 60_000
const MAX_SOURCES = 1000
const MAX_LINES_PER_SOURCE = 20

export class RefusalLog {
  readonly #log: Log
  /** What was told of each source, oldest first; each has at most `MAX_LINES_PER_SOURCE`. */
  readonly #sources = new Map<string, { sinceMs: number; told: Set<string> }>()

  constructor(log: Log) {
    this.#log = log
  }

  tell({ clientId, source }: RefusedClient, { project, topic, message }: RefusedAccess): void {
    const told = this.#toldOf(sourceOf(source))
    if (told.size >= MAX_LINES_PER_SOURCE) return
    const client = forLog(clientId)
    const key = `${client} ${source} ${message}`
    if (told.has(key)) return
    told.add(key)
    const logstore = topic === undefined ? undefined : forLog(topic)
    const problem = escapeControls(message)
    this.#log.info({ project: forLog(project), logstore, clientId: client, source, problem }, 'a client is refused')
    if (told.size === MAX_LINES_PER_SOURCE)
      this.#log.info({ source }, `no more refusals of this source are told for ${SILENCE_MS / 60_000} minutes`)
  }

  #toldOf(source: string): Set<string> {
    const nowMs = performance.now()
    const known = this.#sources.get(source)
    if (known !== undefined && nowMs - known.sinceMs < SILENCE_MS) return known.told
    const told = new Set<string>()
    this.#sources.delete(source)
    this.#sources.set(source, { sinceMs: nowMs, told })
    if (this.#sources.size > MAX_SOURCES) this.#sources.delete(this.#sources.keys().next().value!)
    return told
  }
}

/** What a client says of itself, as it stands in the log. */
export function forLog(text: string): string {
  return escapeControls(shorten(text))
}
