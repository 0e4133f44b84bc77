/**
 * Values of messages as the fixtures write them and as we have them, and random ones: all by walking over the declaration.
 */
import { Chunks } from '../../../protocol/chunks.ts'
import type { NamedField, Shape } from '../../../protocol/schema.ts'
import { inPieces } from '../fixtures.ts'
import type { Random } from '../random.ts'

type Struct = Readonly<Record<string, unknown>>

/** From a fixture: int64 are decimal strings there, bytes and records are hexadecimal. */
export function fromFixture(type: Shape, value: unknown): unknown {
  if (value === null || value === undefined) return value
  if (type.kind === 'array') return (value as unknown[]).map(element => fromFixture(type.element, element))
  if (type.kind === 'struct') return mapFields(type.fields, value as Struct, fromFixture)
  if (isInt64(type.method)) return Number(value)
  if (type.method === 'bytes' || type.method === 'records') return Buffer.from(value as string, 'hex')
  return value
}

/** To a fixture: the fields that are in the version, nothing else. */
export function toFixture(type: Shape, value: unknown, version: number): unknown {
  if (value === null || value === undefined) return value
  if (type.kind === 'array') return (value as unknown[]).map(element => toFixture(type.element, element, version))
  if (type.kind === 'struct') {
    const fields = type.fields.filter(({ versions }) => version >= versions[0] && version <= versions[1])
    return mapFields(fields, value as Struct, (type, field) => toFixture(type, field, version))
  }
  if (isInt64(type.method)) return String(value)
  if (value instanceof Chunks) return value.toBuffer().toString('hex')
  if (Buffer.isBuffer(value)) return value.toString('hex')
  return value
}

/** A value that can be encoded in a version; now and then with fields left out that have a default. */
export function randomValue(type: Shape, version: number, random: Random): unknown {
  if (type.kind === 'struct') {
    const given = type.fields.filter(field => field.defaultValue === undefined || random.below(4) > 0)
    return Object.fromEntries(given.map(field => [field.name, randomValue(field.type, version, random)]))
  }
  if (version >= type.nullableFrom && random.below(4) === 0) return null
  if (type.kind === 'array') {
    const length = random.pick([0, 1, 2, 3, random.below(10) === 0 ? 200 : 0])
    return Array.from({ length: type.element.kind === 'struct' ? Math.min(length, 3) : length }, () =>
      randomValue(type.element, version, random),
    )
  }
  switch (type.method) {
    case 'bool':
      return random.below(2) === 0
    case 'int8':
      return random.int(8)
    case 'int16':
      return random.int(16)
    case 'int32':
      return random.int(32)
    case 'int64':
    case 'int64Saturating':
      return random.int(64)
    case 'uuid':
      return random.bytes(16).toString('hex')
    case 'bytes':
      return random.bytes(random.below(300))
    case 'records':
      return inPieces(random.bytes(random.below(300)), 100)
    default:
      return random.pick(['', 'x', 'é€😀', 'topic'.repeat(random.below(100))])
  }
}

function mapFields(fields: readonly NamedField[], struct: Struct, map: (type: Shape, value: unknown) => unknown): Struct {
  const present = fields.filter(field => struct[field.name] !== undefined)
  return Object.fromEntries(present.map(field => [field.name, map(field.type, struct[field.name])]))
}

function isInt64(method: string): boolean {
  return method === 'int64' || method === 'int64Saturating'
}
