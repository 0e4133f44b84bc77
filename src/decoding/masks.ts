/**
 * Replaces what must not get into the store, before anything else is done with a record.
 *
 * What no mask matches stays byte for byte, also beside what is replaced. What cannot be masked within bounds is withheld: it
 * never gets through as it came.
 */
import type { RE2JS } from 're2js'
import type { KafkaRecord } from '../../protocol/records/records.ts'
import { compile } from './expression.ts'
import type { Mask } from './log-format.ts'

/** Longer values are withheld. */
const MAX_MASKED_BYTES = 4 * 1024 * 1024
/** So are values that grow beyond this by what is put in. */
const MAX_GROWN_BYTES = 2 * MAX_MASKED_BYTES
/**
 * The CPU time that the masks of one record may take. It is for expressions that look at the whole rest of a value for each match,
 * such as `a.*b|a`; others need milliseconds.
 */
const MAX_CPU_MICROSECONDS = 2_000_000
/** How many bytes matches may have looked at before the time is taken again. */
const BYTES_PER_CHECK = 1024 * 1024

interface CompiledMask {
  expression: RE2JS
  /** Bytes that are put in as they are, and numbers of groups. */
  replacement: readonly (Buffer | number)[]
}

export interface MaskedRecord {
  record: KafkaRecord
  isMasked: boolean
  /** What is not there any more because it could not be masked; '' if everything is. */
  withheld: string
}

export class Masker {
  readonly #masks: readonly CompiledMask[]

  /** Throws if a mask is not one that `compileMask` takes. */
  constructor(masks: readonly Mask[]) {
    this.#masks = masks.map(compileMask)
  }

  /** The record with value, key and values of headers masked. What is not matched is the same object as before. */
  mask(record: KafkaRecord): MaskedRecord {
    const clock = new Clock()
    const withheld = new Set<string>()
    const apply = (what: string, bytes: Buffer | null): Buffer | null => {
      const masked = bytes === null ? null : this.#apply(bytes, clock)
      if (masked === undefined) withheld.add(what)
      return masked ?? null
    }
    const value = apply('value', record.value)
    const key = apply('key', record.key)
    const headers = record.headers.map(header => {
      const value = apply('headers', header.value)
      return value === header.value ? header : { key: header.key, value }
    })
    const isSame =
      value === record.value && key === record.key && headers.every((header, index) => header === record.headers[index])
    if (isSame) return { record, isMasked: false, withheld: '' }
    return { record: { ...record, value, key, headers }, isMasked: true, withheld: [...withheld].join(', ') }
  }

  /** The very same bytes if no mask matches; undefined if they cannot be masked. */
  #apply(bytes: Buffer, clock: Clock): Buffer | undefined {
    let masked: Buffer | undefined = bytes
    for (const mask of this.#masks) {
      if (masked.length > MAX_MASKED_BYTES) return undefined
      masked = tryReplaceAll(masked, mask, clock)
      if (masked === undefined) return undefined
    }
    return masked
  }
}

/** Whatever the engine may fail at, nothing gets through. */
function tryReplaceAll(bytes: Buffer, mask: CompiledMask, clock: Clock): Buffer | undefined {
  try {
    return replaceAll(bytes, mask, clock)
  } catch {
    return undefined
  }
}

function replaceAll(bytes: Buffer, { expression, replacement }: CompiledMask, clock: Clock): Buffer | undefined {
  // Much faster than to find where it matches, and most values do not.
  if (!expression.test(bytes)) return bytes
  const matcher = expression.matcher(bytes)
  const pieces: Buffer[] = []
  let length = bytes.length
  let end = 0
  while (matcher.find()) {
    const begin = pieces.push(bytes.subarray(end, matcher.start()))
    for (const part of replacement) {
      if (typeof part !== 'number') pieces.push(part)
      else if (matcher.start(part) !== -1) pieces.push(bytes.subarray(matcher.start(part), matcher.end(part)))
    }
    for (let index = begin; index < pieces.length; index++) length += pieces[index]!.length
    if (length > MAX_GROWN_BYTES || !clock.count(bytes.length)) return undefined
    end = matcher.end()
  }
  pieces.push(bytes.subarray(end))
  return Buffer.concat(pieces)
}

/** Tells when the CPU time of a record is spent. Time of the clock on the wall would depend on what else the machine does. */
class Clock {
  #start: NodeJS.CpuUsage | undefined
  #bytes = 0

  /** Counts a match in so many bytes; false when the time is over. */
  count(bytes: number): boolean {
    this.#bytes += bytes
    if (this.#bytes < BYTES_PER_CHECK) return true
    this.#bytes = 0
    this.#start ??= process.cpuUsage()
    const { user, system } = process.cpuUsage(this.#start)
    return user + system < MAX_CPU_MICROSECONDS
  }
}

/** `$1`, `${1}` and `${name}` are groups, `$0` the whole match, `$$` a dollar sign. */
const reference = /\$(?:(\$)|(\d+)|\{([^}]*)\})/g

/** Throws an Error whose message says what is wrong with the mask. */
export function compileMask({ pattern, replacement }: Mask): CompiledMask {
  const expression = compile(pattern)
  if (expression.test('')) throw new Error('it matches where there is nothing')
  const parts: (Buffer | number)[] = []
  let end = 0
  for (const { 0: all, 1: dollar, 2: number, 3: name, index } of replacement.matchAll(reference)) {
    parts.push(
      Buffer.from(replacement.slice(end, index)),
      dollar === undefined ? findGroup(expression, number ?? name!) : Buffer.from('$'),
    )
    end = index + all.length
  }
  parts.push(Buffer.from(replacement.slice(end)))
  return { expression, replacement: parts }
}

function findGroup(expression: RE2JS, text: string): number {
  const group = /^\d+$/.test(text) ? Number(text) : expression.namedGroups()[text]
  if (group === undefined || group > expression.groupCount())
    throw new Error(`its replacement names the group ${JSON.stringify(text)}, which the pattern does not have`)
  return group
}
