/**
 * Finds the logs in a JSON array of objects, as bytes: nothing is parsed, and nothing is called for each element.
 */

const QUOTE = 0x22
const COMMA = 0x2c
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
    const end = findEnd(bytes, begin)
    if (end === -1) return undefined
    elements.push(bytes.subarray(begin, end))
    position = skipBlanks(bytes, end)
    if (bytes[position] === COMMA) continue
    const isEnd = bytes[position] === CLOSE_BRACKET && skipBlanks(bytes, position + 1) === bytes.length
    return isEnd ? elements : undefined
  }
}

/** The position of the first byte from `position` on that is no blank of JSON. */
export function skipBlanks(bytes: Buffer, position: number): number {
  for (; position < bytes.length; position++) {
    const byte = bytes[position]!
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) break
  }
  return position
}

/** Where the object ends that begins at `begin`: behind its last brace; -1 if it does not. */
function findEnd(bytes: Buffer, begin: number): number {
  let depth = 0
  for (let position = begin; position < bytes.length; position++) {
    const byte = bytes[position]!
    if (byte === QUOTE) {
      for (position++; position < bytes.length && bytes[position] !== QUOTE; position++)
        if (bytes[position] === BACKSLASH) position++
    } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) depth++
    else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
      depth--
      if (depth === 0) return byte === CLOSE_BRACE ? position + 1 : -1
    }
  }
  return -1
}
