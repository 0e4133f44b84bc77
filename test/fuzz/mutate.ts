/**
 * Changes bytes and requests: some blindly, some where it hurts, which are lengths, counts, versions and tags.
 */
import { decodeRequestHeader } from '../../protocol/headers.ts'
import { findApi } from '../../protocol/messages/apis.ts'
import { ProtocolError } from '../../protocol/protocol-error.ts'
import { Reader } from '../../protocol/reader.ts'
import { Writer } from '../../protocol/writer.ts'
import type { Random } from '../protocol/random.ts'
import { framed } from './corpus.ts'

/** Where a length or a count lies in a request. */
interface Length {
  kind: 'int16' | 'int32' | 'uvarint'
  start: number
  end: number
}

/** One to four blind changes. */
export function mutateBytes(random: Random, bytes: Buffer): Buffer {
  let changed: Buffer = Buffer.from(bytes)
  for (let count = 1 + random.below(4); count > 0 && changed.length > 0; count--) {
    const at = random.below(changed.length)
    const length = 1 + random.below(Math.min(40, changed.length - at))
    const between = changed.subarray(at, at + length)
    switch (random.below(7)) {
      case 0:
        changed[at]! ^= 1 << random.below(8)
        break
      case 1:
        changed[at] = random.pick([0, 1, 0x7f, 0x80, 0xff])
        break
      case 2:
        changed = splice(changed, at, at, random.bytes(length))
        break
      case 3:
        changed = splice(changed, at, at + length, Buffer.alloc(0))
        break
      case 4:
        changed = splice(changed, at, at, between)
        break
      case 5:
        changed = changed.subarray(0, at)
        break
      case 6:
        if (at + 4 <= changed.length) changed.writeInt32BE(random.int(32), at)
    }
  }
  return changed
}

/** Drops, repeats, moves and cuts requests, and puts in those of others. */
export function mutateFrames(random: Random, frames: readonly Buffer[], others: readonly Buffer[]): Buffer[] {
  const changed = [...frames]
  for (let count = 1 + random.below(3); count > 0; count--) {
    const at = random.below(changed.length + 1)
    switch (random.below(6)) {
      case 0:
        changed.splice(at, 1)
        break
      case 1:
        if (at < changed.length) changed.splice(at, 0, ...Array.from({ length: 1 + random.below(20) }, () => changed[at]!))
        break
      case 2:
        changed.splice(random.below(changed.length + 1), 0, ...changed.splice(at, 1))
        break
      case 3:
        changed.splice(at, 0, random.pick(others))
        break
      case 4:
        // The tail is another conversation's.
        changed.splice(at, Infinity, ...Array.from({ length: 1 + random.below(4) }, () => random.pick(others)))
        break
      case 5:
        if (at < changed.length) changed[at] = changed[at]!.subarray(0, random.below(changed[at]!.length))
    }
  }
  return changed
}

/** Another API, version or correlation id. */
export function mutateHeader(random: Random, frame: Buffer): Buffer {
  const changed = Buffer.from(frame)
  if (changed.length < 12) return changed
  const version = changed.readInt16BE(6)
  switch (random.below(4)) {
    case 0:
      changed.writeInt16BE(random.pick([random.below(80), random.int(16)]), 4)
      break
    case 1:
    case 2:
      changed.writeInt16BE(
        random.pick([Math.min(32_767, version + 1), Math.max(0, version - 1), random.below(14), random.int(16)]),
        6,
      )
      break
    case 3:
      changed.writeInt32BE(random.int(32), 8)
  }
  return changed
}

/** Gives a length or count of a request another value, mostly with the size of the request put right. */
export function mutateLength(random: Random, frame: Buffer): Buffer {
  if (random.below(10) === 0) return withSize(random, frame)
  const { bytes, lengths } = findLengths(frame)
  if (lengths.length === 0) return withSize(random, frame)
  const { kind, start, end } = random.pick(lengths)
  const value = kind === 'int16' ? bytes.readInt16BE(start) : kind === 'int32' ? bytes.readInt32BE(start) : bytes[start]!
  const left = bytes.length - end
  const others = [-1, 0, 1, -2, value - 1, value + 1, left, left + 1, 32_767, 100_000, 100_001, 0x7fffffff, -0x80000000]
  const changed = framed(splice(bytes, start, end, encodeLength(random, kind, random.pick(others))))
  return random.below(8) === 0 ? withSize(random, changed) : changed
}

/** Adds tagged fields to a request of a flexible version: unknown ones, one twice, huge numbers; else changes a length. */
export function mutateTags(random: Random, frame: Buffer): Buffer {
  const { bytes, tags } = findLengths(frame)
  if (tags.length === 0) return mutateLength(random, frame)
  const at = random.pick(tags)
  const count = 1 + random.below(3)
  const writer = new Writer()
  const tag = random.pick([0, 1, 2, 100, 0xffffffff])
  writer.uvarint(Math.min(0xffffffff, (bytes[at] ?? 0) + random.pick([count, count, count, 1000, 0xffffff])))
  for (let index = 0; index < count; index++) {
    const value = random.bytes(random.below(12))
    writer.uvarint(random.below(2) === 0 ? tag : random.below(200))
    writer.uvarint(random.below(8) === 0 ? random.below(2 ** 32) : value.length)
    writer.raw(value)
  }
  return framed(splice(bytes, at, at + 1, writer.finish()))
}

function splice(bytes: Buffer, start: number, end: number, replacement: Buffer): Buffer {
  return Buffer.concat([bytes.subarray(0, start), replacement, bytes.subarray(end)])
}

function withSize(random: Random, frame: Buffer): Buffer {
  if (frame.length < 4) return frame
  const changed = Buffer.from(frame)
  const size = frame.length - 4
  const sizes = [-1, 0, 3, size - 1, size + 1, size + 1000, 65_536, 65_537, 104_857_600, 104_857_601, 0x7fffffff, -0x80000000]
  changed.writeInt32BE(random.pick(sizes), 0)
  return changed
}

function encodeLength(random: Random, kind: Length['kind'], value: number): Buffer {
  const writer = new Writer()
  if (kind === 'int16') writer.int16(Math.max(-32_768, Math.min(32_767, value)))
  else if (kind === 'int32') writer.int32(value | 0)
  else if (random.below(6) === 0)
    writer.raw(Buffer.from(random.pick(['8080808000', 'ffffffff0f', 'ffffffffff01', '80'.repeat(12)]), 'hex'))
  else writer.uvarint(Math.max(0, value + 1))
  return writer.finish()
}

/** Remembers where it reads lengths: the fields of messages are read by methods of `Reader` itself, their lengths by these. */
class LengthFinder extends Reader {
  readonly lengths: Length[] = []
  /** Where counts of tagged fields lie. */
  readonly tags: number[] = []

  override int16(): number {
    return this.#remember('int16', () => super.int16())
  }

  override int32(): number {
    return this.#remember('int32', () => super.int32())
  }

  override uvarint(): number {
    return this.#remember('uvarint', () => super.uvarint())
  }

  override taggedFields(read: (tag: number) => boolean): void {
    this.tags.push(this.position)
    super.taggedFields(read)
  }

  #remember(kind: Length['kind'], read: () => number): number {
    const start = this.position
    const value = read()
    this.lengths.push({ kind, start, end: this.position })
    return value
  }
}

/** The lengths in a request, as far as it can be read; positions are those in its bytes without their size. */
function findLengths(frame: Buffer): { bytes: Buffer; lengths: Length[]; tags: number[] } {
  const bytes = frame.subarray(4)
  const reader = new LengthFinder(bytes)
  try {
    const { apiKey, apiVersion } = decodeRequestHeader(reader)
    const request = findApi(apiKey)?.request
    if (request?.isDeclared(apiVersion) === true) request.decode(reader, apiVersion)
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
  }
  return { bytes, lengths: reader.lengths, tags: reader.tags }
}
