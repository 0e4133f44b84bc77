/**
 * A message of Kafka's protocol, request or response, in all its versions.
 *
 * One declaration gives decode, encode, the TypeScript type, defaults and a printable form without secrets. The functions of a
 * version are made when it is first used and kept.
 */
import type { Chunks } from './chunks.ts'
import { Reader } from './reader.ts'
import {
  compileDecode,
  compileEncode,
  type Decode,
  type Encode,
  type Fields,
  printable,
  struct,
  type StructInput,
  type StructType,
  type StructValue,
  type Typed,
} from './schema.ts'
import { Writer } from './writer.ts'

export interface MessageOptions {
  readonly apiKey: number
  /** The first and the last version that are declared. */
  readonly versions: readonly [number, number]
  /** The first version with compact lengths and tagged fields (KIP-482); left out where no declared version has them. */
  readonly flexibleFrom?: number
}

/** Declares a message. The name is for people. */
export function message<F extends Fields>(
  name: string,
  options: MessageOptions,
  fields: F,
): Message<StructValue<F>, StructInput<F>> {
  return new Message(name, options, struct(fields))
}

export class Message<Value, Input = Value> implements Typed<Value, Input> {
  declare readonly types?: (input: Input) => Value

  readonly name: string
  readonly apiKey: number
  readonly minVersion: number
  readonly maxVersion: number
  readonly type: StructType

  readonly #flexibleFrom: number
  /** By version; a version that was never used has none. */
  readonly #codecs: { path: string; decode: Decode; encode: Encode }[] = []

  /** See `message`, which knows the types. */
  constructor(name: string, options: MessageOptions, type: StructType) {
    this.name = name
    this.apiKey = options.apiKey
    ;[this.minVersion, this.maxVersion] = options.versions
    this.#flexibleFrom = options.flexibleFrom ?? Infinity
    this.type = type
  }

  isDeclared(version: number): boolean {
    return Number.isInteger(version) && version >= this.minVersion && version <= this.maxVersion
  }

  isFlexible(version: number): boolean {
    return version >= this.#flexibleFrom
  }

  /**
   * Reads the message from where the reader is, or from the first byte, up to the last byte. `records` fields are views of the
   * bytes given, and `bytes` fields mostly are. Throws a ProtocolError if the bytes are anything but this message.
   */
  decode(source: Reader | Chunks | Buffer, version: number): Value {
    const reader = source instanceof Reader ? source : new Reader(source)
    const { path, decode } = this.#codec(version)
    reader.flexible = this.isFlexible(version)
    const value = decode(reader)
    reader.field = path
    reader.end()
    return value as Value
  }

  /** The bytes of the message without size and header. Throws a TypeError or RangeError that names the field. */
  encode(value: Input, version: number): Buffer {
    const writer = new Writer()
    this.write(writer, value, version)
    return writer.finish()
  }

  /** As `encode`, behind what was written already. */
  write(writer: Writer, value: Input, version: number): void {
    const { encode } = this.#codec(version)
    writer.flexible = this.isFlexible(version)
    try {
      encode(writer, value)
    } catch (error) {
      if (error instanceof Error) error.message = `${writer.field}: ${error.message}`
      throw error
    }
  }

  /** A decoded value with the fields of one version only and secrets blanked; see `explain.ts`. */
  printable(value: Value, version: number): unknown {
    return printable(this.type, value, version)
  }

  #codec(version: number): { path: string; decode: Decode; encode: Encode } {
    const known = this.#codecs[version]
    if (known) return known
    if (!this.isDeclared(version)) throw new RangeError(`${this.name} has no version ${version}`)
    const path = `${this.name}(${version})`
    const options = { version, flexible: this.isFlexible(version) }
    return (this.#codecs[version] = {
      path,
      decode: compileDecode(this.type, path, options),
      encode: compileEncode(this.type, path, options),
    })
  }
}
