/**
 * About how many different texts there are, in 32 bytes however many: each text sets one of 256 bits, and from the bits that are
 * not set follows the number (linear counting). It is good for some hundreds; beyond about MAX_DISTINCT it knows no more.
 */
const SKETCH_BYTES = 32
const BITS = SKETCH_BYTES * 8
/** Texts are told apart by as many characters, and their lengths. */
const HASHED_CHARACTERS = 128

/** What a sketch says of as many texts, and of any number above. */
export const MAX_DISTINCT = Math.round(BITS * Math.log(BITS))

export function createSketch(): Uint8Array {
  return new Uint8Array(SKETCH_BYTES)
}

export function addToSketch(sketch: Uint8Array, text: string): void {
  const bit = hash(text) % BITS
  sketch[bit >> 3]! |= 1 << (bit & 7)
}

/** The sketch of the texts of both. */
export function mergeSketches(one: Uint8Array, other: Uint8Array): Uint8Array {
  return one.map((byte, index) => byte | (other[index] ?? 0))
}

export function estimateDistinct(sketch: Uint8Array): number {
  let unset = BITS
  for (let byte of sketch) for (; byte !== 0; byte &= byte - 1) unset--
  return unset === 0 ? MAX_DISTINCT : Math.round(BITS * Math.log(BITS / unset))
}

/** The base64 of a sketch, and back; what is none is an empty one. */
export function writeSketch(sketch: Uint8Array): string {
  return Buffer.from(sketch).toString('base64')
}

export function readSketch(text: string): Uint8Array {
  const bytes = Buffer.from(text, 'base64')
  return bytes.length === SKETCH_BYTES ? new Uint8Array(bytes) : createSketch()
}

/** FNV-1a, and what MurmurHash3 does at its end: every bit of the text moves every bit. */
function hash(text: string): number {
  let value = 0x811c9dc5 ^ text.length
  const length = Math.min(text.length, HASHED_CHARACTERS)
  for (let index = 0; index < length; index++) value = Math.imul(value ^ text.charCodeAt(index), 0x01000193)
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b)
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35)
  return (value ^ (value >>> 16)) >>> 0
}
