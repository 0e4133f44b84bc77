/**
 * Looks at a sample of the logs on their way into the store, and tells which fields they have.
 *
 * The first logs of each logstore are all looked at, so that a new one gets its fields within seconds, then about one in a hundred.
 * What must stay true: what a report may cost is bounded, in bytes that are parsed, in paths and in their text, whatever the logs are.
 */
import type { FieldReport, SampledField } from '../catalog/field-statistics.ts'
import { isKey, keyOfPath, MAX_PATH_KEYS } from '../catalog/logstore-fields.ts'
import { addToSketch, createSketch, writeSketch } from '../catalog/value-sketch.ts'
import type { Row } from '../store/row-block.ts'

const REPORT_MS = 2000
/** Of each logstore as many logs are looked at from the start, before it is one in a hundred. */
const FIRST_LOGS = 1000
const MEAN_STEP = 100
/** In a report's time; parsing and counting takes about 20 ms for each MiB. */
const BYTES_PER_REPORT = 2 * 1024 * 1024
const MAX_DOCUMENT_BYTES = 256 * 1024
/** Of one logstore in one report. */
const MAX_PATHS = 1000
const MAX_PATH_CHARACTERS = 128 * 1024
/** Of one document. */
const MAX_LEAVES = 2000

/** Two to the power of 63: whole numbers below it fit an Int64. */
const INT64_END = 2 ** 63
const BRACE = 0x7b

type Counted = Omit<SampledField, 'values'> & { values: Uint8Array | undefined }

/** What was seen of one logstore since the last report. */
interface Sample {
  logs: number
  samples: number
  fields: Map<string, Counted>
  pathCharacters: number
  /** How many logs there were before the next one that is looked at. */
  untilNext: number
  /** How many logs there were since the start. */
  allLogs: number
}

export class FieldSampler {
  readonly #tell: (report: FieldReport) => void
  /** By logstore id. */
  readonly #samples = new Map<string, Sample>()
  #bytesLeft = BYTES_PER_REPORT
  #timer: NodeJS.Timeout | undefined
  /** Of a linear congruential generator: no producer's rhythm decides which logs are looked at. */
  #random = 1

  constructor(tell: (report: FieldReport) => void) {
    this.#tell = tell
  }

  /** Counts a log, and looks at it if its turn has come. Nothing of `row` is kept. */
  observe(logstoreId: string, row: Pick<Row, 'content' | 'fields' | 'error'>): void {
    const sample = this.#samples.get(logstoreId) ?? this.#begin(logstoreId)
    sample.logs++
    sample.allLogs++
    if (sample.untilNext-- > 0) return
    sample.untilNext = sample.allLogs < FIRST_LOGS ? 0 : this.#drawStep()
    const bytes = row.fields === '' ? (row.content?.length ?? 0) : row.fields.length
    if (bytes > Math.min(this.#bytesLeft, MAX_DOCUMENT_BYTES)) return
    this.#bytesLeft -= bytes
    sample.samples++
    this.#timer ??= setTimeout(() => this.report(), REPORT_MS)
    const document = readDocument(row)
    if (document !== undefined) countFields(sample, document)
  }

  /** Tells what was seen since the last time. */
  report(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#bytesLeft = BYTES_PER_REPORT
    for (const [logstoreId, sample] of this.#samples) {
      const { logs, samples } = sample
      if (samples === 0) continue
      const fields = [...sample.fields.values()].map(field => ({
        ...field,
        values: field.values === undefined ? '' : writeSketch(field.values),
      }))
      Object.assign(sample, emptySample())
      this.#tell({ logstoreId, logs, samples, fields })
    }
  }

  /** Forgets a logstore that is deleted. */
  forget(logstoreId: string): void {
    this.#samples.delete(logstoreId)
  }

  /** Tells no more. */
  stop(): void {
    clearTimeout(this.#timer)
  }

  #begin(logstoreId: string): Sample {
    const sample = { ...emptySample(), untilNext: 0, allLogs: 0 }
    this.#samples.set(logstoreId, sample)
    return sample
  }

  /** How many logs to pass over: any number around the mean. */
  #drawStep(): number {
    this.#random = (Math.imul(this.#random, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((this.#random / 2 ** 32) * 2 * MEAN_STEP)
  }
}

function emptySample(): Pick<Sample, 'logs' | 'samples' | 'fields' | 'pathCharacters'> {
  return { logs: 0, samples: 0, fields: new Map<string, Counted>(), pathCharacters: 0 }
}

/** The document of a log, as the store reads it; undefined if it has none. */
function readDocument({ content, fields, error }: Pick<Row, 'content' | 'fields' | 'error'>): object | undefined {
  if (error !== '' || (fields === '' && !beginsLikeObject(content))) return undefined
  const text = fields !== '' ? fields : Buffer.from(content!.buffer, content!.byteOffset, content!.byteLength).toString()
  try {
    const document: unknown = JSON.parse(text)
    return isObject(document) ? document : undefined
  } catch {
    return undefined
  }
}

function beginsLikeObject(content: Uint8Array | null): boolean {
  return content?.find(byte => byte > 0x20) === BRACE
}

/** Counts the fields of a document: the paths of all values that are no objects. Elements of arrays are no fields. */
function countFields(sample: Sample, document: object): void {
  let leaves = 0
  const walk = (object: object, path: readonly string[]): void => {
    for (const [key, value] of Object.entries(object) as [string, unknown][]) {
      if (leaves >= MAX_LEAVES) return
      if (!isKey(key)) continue
      const inner = [...path, key]
      if (!isObject(value)) {
        leaves++
        countField(sample, inner, value)
      } else if (inner.length < MAX_PATH_KEYS) walk(value, inner)
    }
  }
  walk(document, [])
}

function countField(sample: Sample, path: string[], value: unknown): void {
  const key = keyOfPath(path)
  let field = sample.fields.get(key)
  if (field === undefined) {
    if (sample.fields.size >= MAX_PATHS || sample.pathCharacters + key.length > MAX_PATH_CHARACTERS) return
    sample.pathCharacters += key.length
    field = { path, strings: 0, integers: 0, numbers: 0, booleans: 0, arrays: 0, nulls: 0, values: undefined }
    sample.fields.set(key, field)
  }
  if (typeof value === 'string') {
    field.strings++
    addToSketch((field.values ??= createSketch()), value)
  } else if (typeof value === 'number') {
    if (Number.isInteger(value) && value >= -INT64_END && value < INT64_END) field.integers++
    else field.numbers++
  } else if (typeof value === 'boolean') field.booleans++
  else if (value === null) field.nulls++
  else field.arrays++
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
