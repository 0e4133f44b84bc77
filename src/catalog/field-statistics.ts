/**
 * What was seen of the fields of one logstore, and which of them are worth a column.
 *
 * The indexer looks at a sample of the logs and reports what it saw; here the reports add up. Older ones count less and less, so
 * that a field that is new in an old logstore is noticed. What must stay true: there are never more paths than `maxPaths`, and
 * nothing is proposed on less evidence than `hasEvidence` asks for.
 */
import { isKey, keyOfPath, MAX_FIELDS } from './logstore-fields.ts'
import type { Field, FieldType, Logstore } from './model.ts'
import { estimateDistinct, mergeSketches, readSketch, writeSketch } from './value-sketch.ts'

/** In how many of the sampled documents a path has a value of which kind. */
export interface ValueCounts {
  strings: number
  /** Whole numbers that an Int64 holds. */
  integers: number
  /** All other numbers. */
  numbers: number
  booleans: number
  arrays: number
  nulls: number
}

export interface SampledField extends ValueCounts {
  path: string[]
  /** The sketch of the strings' values; '' if there are none. */
  values: string
}

/** What the indexer saw since its last report. */
export interface FieldReport {
  logstoreId: string
  /** How many logs there were. */
  logs: number
  /** How many of them were looked at; of those that are no documents it is known that they have no fields. */
  samples: number
  fields: SampledField[]
}

export interface KnownField extends SampledField {
  /** About how many logs have had it. */
  logs: number
  /** Milliseconds since 1970, of the reports. */
  firstSeenMs: number
  lastSeenMs: number
}

/** As it stands in the file. */
export interface FieldStatisticsContent {
  /** Counts less and less, as the counts of the fields do. */
  samples: number
  /** Milliseconds since 1970. */
  firstSampleMs: number
  fields: KnownField[]
}

export const MAX_PATHS = 1000
/** Beyond as many samples all counts are halved. */
const MAX_SAMPLES = 10_000
/** A path is worth a column that is in at least this share of the logs. */
const MIN_SHARE = 0.05
const ENOUGH_SAMPLES = 100
/** Of a logstore that gets few logs fewer have to do, after a while. */
const FEW_SAMPLES = 20
const FEW_SAMPLES_MS = 60_000
/** A keyword has at most as many values, and each of them twice. */
const MAX_KEYWORD_VALUES = 500

export class FieldStatistics {
  #samples: number
  #firstSampleMs: number
  readonly #fields = new Map<string, KnownField>()

  constructor({ samples, firstSampleMs, fields }: FieldStatisticsContent = { samples: 0, firstSampleMs: 0, fields: [] }) {
    this.#samples = samples
    this.#firstSampleMs = firstSampleMs
    for (const field of fields) this.#fields.set(keyOfPath(field.path), field)
  }

  get content(): FieldStatisticsContent {
    return { samples: this.#samples, firstSampleMs: this.#firstSampleMs, fields: [...this.#fields.values()] }
  }

  /** The fields that are in at least `minShare` of the logs, with their share, the most frequent first. */
  list(minShare = 0): { field: KnownField; share: number }[] {
    return [...this.#fields.values()]
      .map(field => ({ field, share: Math.min(1, presences(field) / Math.max(1, this.#samples)) }))
      .filter(({ share }) => share >= minShare)
      .sort((one, other) => other.share - one.share)
  }

  /** Adds a report that came at `nowMs`. Of more than `maxPaths` the rarest go. */
  take({ logs, samples, fields }: FieldReport, nowMs: number, maxPaths = MAX_PATHS): void {
    if (samples < 1) return
    if (this.#samples === 0) this.#firstSampleMs = nowMs
    this.#samples += samples
    for (const field of fields) {
      const key = keyOfPath(field.path)
      const known = this.#fields.get(key)
      const logsWithIt = Math.round((presences(field) * logs) / samples)
      this.#fields.set(key, {
        ...addCounts(field, known),
        path: field.path,
        values: mergeValues(field.values, known?.values ?? ''),
        logs: (known?.logs ?? 0) + logsWithIt,
        firstSeenMs: known?.firstSeenMs ?? nowMs,
        lastSeenMs: nowMs,
      })
    }
    if (this.#samples > MAX_SAMPLES) this.#halve()
    this.#prune(maxPaths)
  }

  /** The fields that the logstore is to have beside those it has, the most frequent first. */
  propose({ fields, removedFields }: Pick<Logstore, 'fields' | 'removedFields'>, nowMs: number): Field[] {
    if (fields.length >= MAX_FIELDS || !this.#hasEvidence(nowMs)) return []
    const taken = [...fields.map(({ path }) => path), ...removedFields]
    const proposed: Field[] = []
    for (const { field } of this.list(MIN_SHARE)) {
      if (fields.length + proposed.length >= MAX_FIELDS) break
      const type = typeOf(field)
      if (type === 'array' || type === 'null' || scalars(field) < MIN_SHARE * this.#samples) continue
      if (!field.path.every(sharesParse) || taken.some(other => isAlong(other, field.path))) continue
      taken.push(field.path)
      proposed.push({ path: field.path, type: type === 'boolean' ? 'keyword' : type })
    }
    return proposed
  }

  #hasEvidence(nowMs: number): boolean {
    if (this.#samples >= ENOUGH_SAMPLES) return true
    return this.#samples >= FEW_SAMPLES && nowMs - this.#firstSampleMs >= FEW_SAMPLES_MS
  }

  #halve(): void {
    this.#samples /= 2
    for (const field of this.#fields.values()) {
      field.strings /= 2
      field.integers /= 2
      field.numbers /= 2
      field.booleans /= 2
      field.arrays /= 2
      field.nulls /= 2
    }
  }

  #prune(maxPaths: number): void {
    if (this.#fields.size <= maxPaths) return
    // Of those that are as rare as each other the oldest go, since a Map keeps them in the order in which they came.
    const rarestFirst = [...this.#fields].sort(([, one], [, other]) => presences(one) - presences(other))
    for (const [key] of rarestFirst.slice(0, this.#fields.size - maxPaths)) this.#fields.delete(key)
  }
}

/**
 * What a field holds. One that holds numbers and texts is a text, so that each value is there as it came; a truth value is the
 * text `true` or `false`.
 */
export function typeOf(field: SampledField): FieldType | 'boolean' | 'array' | 'null' {
  const { strings, integers, numbers, booleans, arrays } = field
  if (arrays > scalars(field)) return 'array'
  if (strings + integers + numbers + booleans === 0) return 'null'
  if (strings === 0 && booleans === 0) return numbers === 0 ? 'integer' : 'number'
  if (strings === 0) return integers + numbers === 0 ? 'boolean' : 'text'
  if (integers + numbers > 0) return 'text'
  return distinctValues(field) <= Math.min(MAX_KEYWORD_VALUES, strings / 2) ? 'keyword' : 'text'
}

/** About how many different strings a field has had. */
export function distinctValues({ values }: SampledField): number {
  return values === '' ? 0 : estimateDistinct(readSketch(values))
}

/** A key that the store can read together with all others; one that it cannot costs every log a parse of its own. */
function sharesParse(key: string): boolean {
  return isKey(key) && key !== '' && key.toLowerCase() !== 'null'
}

/** Whether two paths are the same, or one leads on to the other: both cannot be read together. */
function isAlong(one: readonly string[], other: readonly string[]): boolean {
  const length = Math.min(one.length, other.length)
  return one.slice(0, length).every((key, index) => key === other[index])
}

function scalars({ strings, integers, numbers, booleans }: ValueCounts): number {
  return strings + integers + numbers + booleans
}

function presences(counts: ValueCounts): number {
  return scalars(counts) + counts.arrays + counts.nulls
}

function addCounts(one: ValueCounts, other: ValueCounts | undefined): ValueCounts {
  return {
    strings: one.strings + (other?.strings ?? 0),
    integers: one.integers + (other?.integers ?? 0),
    numbers: one.numbers + (other?.numbers ?? 0),
    booleans: one.booleans + (other?.booleans ?? 0),
    arrays: one.arrays + (other?.arrays ?? 0),
    nulls: one.nulls + (other?.nulls ?? 0),
  }
}

function mergeValues(one: string, other: string): string {
  if (one === '' || other === '') return one + other
  return writeSketch(mergeSketches(readSketch(one), readSketch(other)))
}
