/**
 * Finds what is needed in JSON, as bytes: the logs in an array, some members of an object. Nothing else of it is read, and nothing is
 * called for each level.
 */

const QUOTE = 0x22
const COMMA = 0x2c
const COLON = 0x3a
const OPEN_BRACKET = 0x5b
const BACKSLASH = 0x5c
const CLOSE_BRACKET = 0x5d
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d

/**
 * The elements of a JSON array of objects, as views of it; undefined if it is something else, is broken, is empty, or has more than
 * `maxElements`. Whether the inside of an element is well-formed is not looked at.
 */
export function splitArray(bytes: Buffer, maxElements: number): Buffer[] | undefined {
  const elements: Buffer[] = []
  let position = skipBlanks(bytes, 0)
  if (bytes[position] !== OPEN_BRACKET) return undefined
  for (;;) {
    const begin = skipBlanks(bytes, position + 1)
    if (bytes[begin] !== OPEN_BRACE || elements.length === maxElements) return undefined
    const end = endOfNested(bytes, begin)
    if (bytes[end - 1] !== CLOSE_BRACE) return undefined
    elements.push(bytes.subarray(begin, end))
    position = skipBlanks(bytes, end)
    if (bytes[position] === COMMA) continue
    const isEnd = bytes[position] === CLOSE_BRACKET && skipBlanks(bytes, position + 1) === bytes.length
    return isEnd ? elements : undefined
  }
}

/**
 * The values that an object has under some keys, as views of it, in the order of the keys; undefined where it has none. Of keys that
 * repeat the first counts, and keys that are written with escapes are not found. Of an object that is broken only what is before that is seen.
 */
export function findMembers(bytes: Buffer, keys: readonly Buffer[]): (Buffer | undefined)[] {
  const found: (Buffer | undefined)[] = keys.map(() => undefined)
  let position = skipBlanks(bytes, 0)
  if (bytes[position] !== OPEN_BRACE) return found
  do {
    const begin = skipBlanks(bytes, position + 1)
    if (bytes[begin] !== QUOTE) return found
    const end = endOfText(bytes, begin)
    const colon = skipBlanks(bytes, end)
    if (bytes[colon] !== COLON) return found
    const valueBegin = skipBlanks(bytes, colon + 1)
    const valueEnd = endOfValue(bytes, valueBegin)
    for (let index = 0; index < keys.length; index++)
      if (isKey(bytes, begin, end, keys[index]!)) found[index] ??= bytes.subarray(valueBegin, valueEnd)
    position = skipBlanks(bytes, valueEnd)
  } while (bytes[position] === COMMA)
  return found
}

/** All members of an object, each key as it is written and its value as a view; undefined if the object is broken, or something else. */
export function listMembers(bytes: Buffer): { key: Buffer; value: Buffer }[] | undefined {
  const members: { key: Buffer; value: Buffer }[] = []
  let position = skipBlanks(bytes, 0)
  if (bytes[position] !== OPEN_BRACE) return undefined
  position = skipBlanks(bytes, position + 1)
  if (bytes[position] === CLOSE_BRACE) return skipBlanks(bytes, position + 1) === bytes.length ? members : undefined
  for (;;) {
    if (bytes[position] !== QUOTE) return undefined
    const end = endOfText(bytes, position)
    const colon = skipBlanks(bytes, end)
    const begin = skipBlanks(bytes, colon + 1)
    const valueEnd = endOfValue(bytes, begin)
    if (bytes[colon] !== COLON || valueEnd === begin || valueEnd > bytes.length) return undefined
    members.push({ key: bytes.subarray(position, end), value: bytes.subarray(begin, valueEnd) })
    const next = skipBlanks(bytes, valueEnd)
    if (bytes[next] === CLOSE_BRACE) return skipBlanks(bytes, next + 1) === bytes.length ? members : undefined
    if (bytes[next] !== COMMA) return undefined
    position = skipBlanks(bytes, next + 1)
  }
}

/** Whether the text from `begin` to `end`, with its quotation marks, is `key`. */
function isKey(bytes: Buffer, begin: number, end: number, key: Buffer): boolean {
  if (end - begin - 2 !== key.length) return false
  for (let index = 0; index < key.length; index++) if (bytes[begin + 1 + index] !== key[index]) return false
  return true
}

/** The position of the first byte from `position` on that is no blank of JSON. */
export function skipBlanks(bytes: Buffer, position: number): number {
  for (; position < bytes.length; position++) {
    const byte = bytes[position]!
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) break
  }
  return position
}

/** These three return the position behind what begins at `position`; if it does not end, that is behind all bytes. */
function endOfValue(bytes: Buffer, position: number): number {
  const first = bytes[position]
  if (first === QUOTE) return endOfText(bytes, position)
  if (first === OPEN_BRACE || first === OPEN_BRACKET) return endOfNested(bytes, position)
  for (; position < bytes.length; position++) {
    const byte = bytes[position]!
    if (byte <= 0x20 || byte === COMMA || byte === CLOSE_BRACE || byte === CLOSE_BRACKET) break
  }
  return position
}

function endOfText(bytes: Buffer, position: number): number {
  for (position++; position < bytes.length; position++) {
    const byte = bytes[position]!
    if (byte === QUOTE) return position + 1
    if (byte === BACKSLASH) position++
  }
  return bytes.length + 1
}

function endOfNested(bytes: Buffer, position: number): number {
  let depth = 0
  for (; position < bytes.length; position++) {
    const byte = bytes[position]!
    if (byte === QUOTE) position = endOfText(bytes, position) - 1
    else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) depth++
    else if ((byte === CLOSE_BRACE || byte === CLOSE_BRACKET) && --depth === 0) return position + 1
  }
  return bytes.length + 1
}
