/**
 * Declares the types of Kafka's messages as data and turns them into functions, once for each version.
 *
 * A declaration reads like Kafka's own JSON: every field with the versions it is in, its default and, if it is tagged
 * (KIP-482), its tag. `compileDecode` and `compileEncode` work out, for one version, which fields there are, and return
 * functions that ask for no version any more. A decoded structure always has all the fields that were declared, those of other
 * versions with their defaults: handlers need not know versions either, and all values of a type have the same shape.
 */
import { isDeepStrictEqual } from 'node:util'
import type { Chunks } from './chunks.ts'
import type { Reader } from './reader.ts'
import type { Writer } from './writer.ts'

/** The types that reader and writer know, by the name that their methods have in both. */
type Method =
  | 'bool'
  | 'int8'
  | 'int16'
  | 'int32'
  | 'int64'
  | 'int64Saturating'
  | 'uuid'
  | 'string'
  | 'nullableString'
  | 'bytes'
  | 'nullableBytes'
  | 'records'

export interface ScalarType {
  readonly kind: 'scalar'
  readonly method: Method
  /** Takes the place of `method` from version `nullableFrom` on. */
  readonly nullableMethod?: Method
  readonly nullableFrom: number
  /** Kafka's default, where a field has none of its own. */
  readonly zero: unknown
  /** The least number of bytes that a value takes. */
  readonly minBytes: { readonly classic: number; readonly flexible: number }
  /** A credential, which must never be printed. */
  readonly secret: boolean
}

export interface ArrayType {
  readonly kind: 'array'
  readonly element: Shape
  readonly nullableFrom: number
}

export interface StructType {
  readonly kind: 'struct'
  readonly fields: readonly NamedField[]
}

/** A type as data to walk over. */
export type Shape = ScalarType | ArrayType | StructType

/** Carries the TypeScript types of what decoding gives and encoding takes. For the compiler only: nobody sets it. */
export interface Typed<Value, Input> {
  readonly types?: (input: Input) => Value
}

/** A type as declarations see it. */
export type Type<Value, Input = Value> = Shape & Typed<Value, Input>

/** A type with the versions that have it. What is declared without is in all versions and must be given to encode. */
export interface Field<Value, Input = Value> extends Typed<Value, Input> {
  readonly kind: 'field'
  readonly type: Shape
  /** The first and the last version. */
  readonly versions: readonly [number, number]
  readonly tag?: number
  /** Undefined where the value must be given. */
  readonly defaultValue: unknown
}

export interface NamedField extends Field<unknown, never> {
  readonly name: string
}

/** A structure as it is declared. */
export type Fields = Readonly<Record<string, Type<unknown, never> | Field<unknown, never>>>

/** The TypeScript type of a decoded value, of a type, a field or a message. */
export type ValueOf<T> = T extends { readonly types?: (input: never) => infer Value } ? Value : never

/** The TypeScript type of what can be encoded: fields that have a default may be left out. */
export type InputOf<T> = T extends { readonly types?: (input: infer Input) => unknown } ? Input : never

export type StructValue<F extends Fields> = { readonly [K in keyof F]: ValueOf<F[K]> }

type KeysWithDefault<F extends Fields> = { [K in keyof F]: F[K] extends { kind: 'field' } ? K : never }[keyof F]
export type StructInput<F extends Fields> = { readonly [K in Exclude<keyof F, KeysWithDefault<F>>]: InputOf<F[K]> } & {
  readonly [K in KeysWithDefault<F>]?: InputOf<F[K]> | undefined
}

// The vocabulary of declarations.

export const bool = scalar<boolean>('bool', false, 1)
export const int8 = scalar<number>('int8', 0, 1)
export const int16 = scalar<number>('int16', 0, 2)
export const int32 = scalar<number>('int32', 0, 4)
export const int64 = scalar<number>('int64', 0, 8)
/** The nearest number within ±2^53, where any value may come. */
export const int64Saturating = scalar<number>('int64Saturating', 0, 8)
/** 32 hexadecimal digits. */
export const uuid = scalar<string>('uuid', '0'.repeat(32), 16)
export const string = scalar<string>('string', '', 2, 1, 'nullableString')
export const bytes = scalar<Buffer, Uint8Array>('bytes', Buffer.alloc(0), 4, 1, 'nullableBytes')
/** Record batches or message sets, not looked into. Kafka allows null in every field of this type that we declare. */
export const records = nullable(scalar<Chunks, Chunks | Uint8Array>('records', null, 4, 1, 'records'))
export const nullableString = nullable(string)

function scalar<Value, Input = Value>(
  method: Method,
  zero: Value | null,
  minBytes: number,
  minBytesFlexible = minBytes,
  nullableMethod?: Method,
): ScalarType & Typed<Value, Input> {
  return {
    kind: 'scalar',
    method,
    ...(nullableMethod && { nullableMethod }),
    nullableFrom: Infinity,
    zero,
    minBytes: { classic: minBytes, flexible: minBytesFlexible },
    secret: false,
  }
}

/** Allows null from a version on (`nullableVersions` in Kafka's JSON), for a string, bytes or an array. Its default is null. */
export function nullable<Value, Input>(
  type: (ScalarType | ArrayType) & Typed<Value, Input>,
  from = 0,
): (ScalarType | ArrayType) & Typed<Value | null, Input | null> {
  if (type.kind === 'scalar' && !type.nullableMethod) throw new TypeError(`${type.method} cannot be null`)
  return { ...type, nullableFrom: from } as (ScalarType | ArrayType) & Typed<Value | null, Input | null>
}

/** Keeps a value out of everything that is printed. */
export function secret<Value, Input>(type: ScalarType & Typed<Value, Input>): ScalarType & Typed<Value, Input> {
  return { ...type, secret: true }
}

/** An array of a type, or of structures with the given fields. */
export function array<F extends Fields>(fields: F): ArrayType & Typed<readonly StructValue<F>[], readonly StructInput<F>[]>
export function array<T extends Type<unknown, never>>(element: T): ArrayType & Typed<readonly ValueOf<T>[], readonly InputOf<T>[]>
export function array(element: Fields | Shape): ArrayType {
  return { kind: 'array', element: isShape(element) ? element : struct(element), nullableFrom: Infinity }
}

export function struct<F extends Fields>(fields: F): StructType & Typed<StructValue<F>, StructInput<F>> {
  const named = Object.entries(fields).map(([name, field]): NamedField =>
    field.kind === 'field'
      ? { ...(field as Field<unknown>), name }
      : { kind: 'field', name, type: field as Shape, versions: [0, Infinity], defaultValue: undefined },
  )
  return { kind: 'struct', fields: named }
}

/** A field of all versions from one on. Without a default it has that of its type. */
export function since<Value, Input>(version: number, type: Type<Value, Input>, defaultValue?: Value): Field<Value, Input> {
  return between(version, Infinity, type, defaultValue)
}

/** A field of the versions from one to another, inclusive. */
export function between<Value, Input>(
  first: number,
  last: number,
  type: Type<Value, Input>,
  defaultValue?: Value,
): Field<Value, Input> {
  return { kind: 'field', type, versions: [first, last], defaultValue: defaultValue ?? zeroOf(type) }
}

/** A tagged field: sent only if its value is not the default, skipped by who does not know it. */
export function tagged<Value, Input>(
  tag: number,
  version: number,
  type: Type<Value, Input>,
  defaultValue?: Value,
): Field<Value, Input> {
  return { ...since(version, type, defaultValue), tag }
}

// What is made of a declaration.

export type Decode = (reader: Reader) => unknown
export type Encode = (writer: Writer, value: unknown) => void

export interface VersionOptions {
  readonly version: number
  readonly flexible: boolean
}

/** Makes the function that reads a type in one version. `path` names it in errors. */
export function compileDecode(type: Shape, path: string, options: VersionOptions): Decode {
  const write = (constant: Constant): string => decodeSource(type, path, options, constant)
  return compile('reader', write, { readArray, readTags }) as Decode
}

/** Makes the function that writes a type in one version. */
export function compileEncode(type: Shape, path: string, options: VersionOptions): Encode {
  const write = (constant: Constant): string => `{ ${encodeSource(type, path, options, constant)} }`
  return compile('writer, value', write, { given, notNull, writeArray, writeTags }) as Encode
}

/** What a value is called in the source that is being written. */
type Constant = (value: unknown) => string

/**
 * Makes a function out of its source: a literal with a call for each field takes half as long as a loop over fields. The source is made of
 * declarations alone, and of nothing that anybody sends.
 */
function compile(parameters: string, write: (constant: Constant) => string, helpers: Record<string, unknown>): unknown {
  const constants: unknown[] = []
  const body = write(value => `constants[${constants.push(value) - 1}]`)
  const make = new Function('constants', ...Object.keys(helpers), `return (${parameters}) => ${body}`) as (
    ...all: unknown[]
  ) => unknown
  return make(constants, ...Object.values(helpers))
}

/** An expression that reads a type. */
function decodeSource(type: Shape, path: string, options: VersionOptions, constant: Constant): string {
  const { version, flexible } = options
  if (type.kind === 'scalar') return `reader.${methodOf(type, options)}()`
  if (type.kind === 'array') {
    const element = decodeSource(type.element, `${path}[]`, options, constant)
    const minBytes = Math.max(1, minBytesOf(type.element, options))
    return `readArray(reader, ${version >= type.nullableFrom}, ${minBytes}, reader => ${element})`
  }
  const members = type.fields.map(field => {
    const { name, type, tag } = field
    if (tag !== undefined || !isIn(field, version)) return `${name}: ${constant(field.defaultValue ?? zeroOf(type))}`
    const fieldPath = `${path}.${name}`
    return `${name}: (reader.field = ${JSON.stringify(fieldPath)}, ${decodeSource(type, fieldPath, options, constant)})`
  })
  const object = `({ ${members.join(', ')} })`
  if (!flexible) return object
  const tags = type.fields
    .filter(field => field.tag !== undefined && isIn(field, version))
    .map(({ name, type, tag }) => ({ name, tag, decode: compileDecode(type, `${path}.${name}`, options) }))
  return `readTags(reader, ${JSON.stringify(path)}, ${constant(tags)}, ${object})`
}

function readArray(reader: Reader, isNullable: boolean, minElementBytes: number, read: Decode): unknown[] | null {
  const length = reader.arrayLength(minElementBytes)
  if (length < 0 && isNullable) return null
  if (length < 0) throw reader.error('null where null is not allowed')
  // Mostly there is one, and an array that is made with it is as small as it can be.
  const values = length > 0 ? [read(reader)] : []
  for (let index = 1; index < length; index++) values.push(read(reader))
  return values
}

/** Reads the tagged fields of a structure into it. */
function readTags(reader: Reader, path: string, fields: { name: string; tag: number; decode: Decode }[], value: Struct): Struct {
  reader.field = path
  if (fields.length === 0) reader.skipTaggedFields()
  else {
    reader.taggedFields(tag => {
      const known = fields.find(field => field.tag === tag)
      if (known) value[known.name] = known.decode(reader)
      return known !== undefined
    })
  }
  return value
}

/** Statements that write `value`. */
function encodeSource(type: Shape, path: string, options: VersionOptions, constant: Constant): string {
  const { version, flexible } = options
  if (type.kind === 'scalar') {
    const isNullable = version >= type.nullableFrom
    return `writer.${methodOf(type, options)}(${isNullable ? 'value' : 'notNull(value)'})`
  }
  if (type.kind === 'array') {
    const element = encodeSource(type.element, `${path}[]`, options, constant)
    return `writeArray(writer, value, ${version >= type.nullableFrom}, (writer, value) => { ${element} })`
  }
  const fields = type.fields.filter(field => isIn(field, version))
  const statements = fields
    .filter(({ tag }) => tag === undefined)
    .map(({ name, type, defaultValue }) => {
      const fieldPath = `${path}.${name}`
      const source = encodeSource(type, fieldPath, options, constant)
      const member = `struct.${name} === undefined ? given(${constant(defaultValue)}) : struct.${name}`
      return `writer.field = ${JSON.stringify(fieldPath)}; { const value = ${member}; ${source} }`
    })
  const tags = fields
    .filter(({ tag }) => tag !== undefined)
    .map(field => ({
      ...field,
      path: `${path}.${field.name}`,
      encode: compileEncode(field.type, `${path}.${field.name}`, options),
    }))
    .sort((a, b) => a.tag! - b.tag!)
  if (flexible) statements.push(tags.length === 0 ? 'writer.uvarint(0)' : `writeTags(writer, struct, ${constant(tags)})`)
  return `const struct = value; ${statements.join('; ')}`
}

function given(value: unknown): unknown {
  if (value === undefined) throw new TypeError('it has no default and must be given')
  return value
}

function notNull(value: unknown): unknown {
  if (value === null) throw new TypeError('null is not allowed')
  return value
}

function writeArray(writer: Writer, value: unknown, isNullable: boolean, write: Encode): void {
  if (value === null && isNullable) return writer.arrayLength(-1)
  if (!Array.isArray(value)) throw new TypeError(value === null ? 'null is not allowed' : 'an array is needed')
  writer.arrayLength(value.length)
  for (const element of value) write(writer, element)
}

function writeTags(writer: Writer, struct: Struct, tags: readonly (NamedField & { path: string; encode: Encode })[]): void {
  const present = tags.filter(({ name, type, defaultValue }) => !isDefault(type, struct[name], defaultValue))
  writer.uvarint(present.length)
  for (const { name, path, tag, encode } of present) {
    writer.field = path
    writer.uvarint(tag!)
    writer.sized(() => encode(writer, struct[name]))
  }
}

/**
 * A decoded value for people: the fields of one version only, secrets blanked. Strings, numbers, buffers and chunks stay what
 * they are; how they are printed is the business of who prints them.
 */
export function printable(type: Shape, value: unknown, version: number): unknown {
  if (value === null) return null
  if (type.kind === 'scalar') return type.secret ? '(secret)' : value
  if (type.kind === 'array') return (value as unknown[]).map(element => printable(type.element, element, version))
  const shown = type.fields
    .filter(field => isIn(field, version))
    .map(field => [field.name, printable(field.type, (value as Struct)[field.name], version)])
  return Object.fromEntries(shown)
}

type Struct = Record<string, unknown>

/** Whether a value is the default, given or left out, as a whole or field by field. */
function isDefault(type: Shape, value: unknown, defaultValue: unknown): boolean {
  if (value === undefined) return true
  if (type.kind !== 'struct') return isDeepStrictEqual(value, defaultValue)
  return type.fields.every(({ name, type }) => isDefault(type, (value as Struct)[name], (defaultValue as Struct)[name]))
}

function methodOf(type: ScalarType, { version }: VersionOptions): Method {
  return version >= type.nullableFrom ? type.nullableMethod! : type.method
}

function isIn(field: NamedField, version: number): boolean {
  return version >= field.versions[0] && version <= field.versions[1]
}

function minBytesOf(type: Shape, options: VersionOptions): number {
  const { version, flexible } = options
  if (type.kind === 'scalar') return flexible ? type.minBytes.flexible : type.minBytes.classic
  if (type.kind === 'array') return flexible ? 1 : 4
  const untagged = type.fields.filter(field => isIn(field, version) && field.tag === undefined)
  return untagged.reduce((sum, field) => sum + minBytesOf(field.type, options), flexible ? 1 : 0)
}

/** The default of a type. Frozen, because all values that lack the field share it. */
function zeroOf(type: Shape): unknown {
  if (type.kind === 'struct') {
    return Object.freeze(Object.fromEntries(type.fields.map(field => [field.name, field.defaultValue ?? zeroOf(field.type)])))
  }
  if (type.nullableFrom !== Infinity) return null
  return type.kind === 'array' ? Object.freeze([]) : type.zero
}

function isShape(candidate: Fields | Shape): candidate is Shape {
  return typeof candidate.kind === 'string'
}
