/**
 * The configuration's schema as a list of settings: to find the one that was meant, and to show them all with their defaults.
 */
import { distance } from 'fastest-levenshtein'
import { stringify } from 'yaml'
import { z } from 'zod'
import { createConfigSchema, type ConfigSchema } from './schema.ts'
import { formatBytes, formatMs } from './units.ts'

interface Setting {
  /** The names from the outermost section to the setting; "0" for any element of a list. */
  path: string[]
  isSection: boolean
  description: string | undefined
  /** As the file would say it; undefined where there is no default. */
  defaultValue: unknown
}

/** The dotted names of all settings and sections. */
export function settingNames(schema: ConfigSchema): string[] {
  return listSettings(schema).map(({ path }) => path.join('.'))
}

/**
 * The known name that is nearest to an unknown one: by the whole dotted name, or by its last part alone, so that a setting
 * that was put into the wrong section is found too.
 */
export function nearestSetting(unknown: string, known: readonly string[]): string | undefined {
  const distanceTo = (name: string) =>
    Math.min(
      distance(unknown, name),
      distance(lastPart(unknown), lastPart(name)) + (parentOf(unknown) === parentOf(name) ? 0 : 1),
    )
  let nearest: { name: string; distance: number } | undefined
  for (const name of known) {
    const candidate = { name, distance: distanceTo(name) }
    if (nearest === undefined || candidate.distance < nearest.distance) nearest = candidate
  }
  return nearest?.name
}

/**
 * The default configuration as a YAML file that says what each setting is for. Settings without a default are commented out, and so
 * are those of the elements of a list, which stand below it.
 */
export function formatDefaultConfig(): string {
  let yaml = ''
  for (const { path, isSection, description, defaultValue } of listSettings(createConfigSchema('.'))) {
    const list = path.indexOf('0')
    const indent = list === -1 ? '  '.repeat(path.length - 1) : `${'  '.repeat(list - 1)}# ${'  '.repeat(path.length - list - 1)}`
    const name = path.at(-1)!
    if (description !== undefined) yaml += `${indent}# ${description}\n`
    const isAbsent = list === -1 && !isSection && defaultValue === undefined
    const value = defaultValue === undefined ? '' : ` ${stringify(inUnits(name, defaultValue), oneLine).trimEnd()}`
    yaml += `${indent}${isAbsent ? '# ' : ''}${name}:${value}\n`
  }
  return yaml
}

/** Short lists in one line. */
const oneLine = { collectionStyle: 'flow', flowCollectionPadding: false } as const

function listSettings(schema: z.core.$ZodType, parent: string[] = []): Setting[] {
  const settings: Setting[] = []
  for (const [name, child] of Object.entries(shapeOf(schema) ?? {})) {
    const path = [...parent, name]
    const isSection = shapeOf(child) !== undefined
    settings.push({ path, isSection, description: (child as z.ZodType).description, defaultValue: defaultOf(child) })
    const element = elementOf(child)
    settings.push(...(element === undefined ? listSettings(child, path) : listSettings(element, [...path, '0'])))
  }
  return settings
}

/** What a list consists of, undefined if the schema is not one's. */
function elementOf(schema: z.core.$ZodType): z.core.$ZodType | undefined {
  if (schema instanceof z.ZodArray) return schema.element
  return schema instanceof z.ZodDefault || schema instanceof z.ZodReadonly ? elementOf(schema.unwrap()) : undefined
}

/** The settings of a section, undefined if the schema is not one's; defaults, `optional` and the like are looked through. */
function shapeOf(schema: z.core.$ZodType): z.core.$ZodShape | undefined {
  if (schema instanceof z.ZodObject) return schema.shape
  if (schema instanceof z.ZodPipe) return shapeOf(schema.out)
  if (schema instanceof z.ZodReadonly || schema instanceof z.ZodOptional) return shapeOf(schema.unwrap())
  return undefined
}

function defaultOf(schema: z.core.$ZodType): unknown {
  if (schema instanceof z.ZodReadonly) return defaultOf(schema.unwrap())
  return schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault ? schema.def.defaultValue : undefined
}

function inUnits(name: string, value: unknown): unknown {
  if (typeof value !== 'number') return value
  if (name.endsWith('Bytes')) return formatBytes(value)
  return name.endsWith('Ms') ? formatMs(value) : value
}

function lastPart(name: string): string {
  return name.slice(name.lastIndexOf('.') + 1)
}

function parentOf(name: string): string {
  return name.slice(0, Math.max(0, name.lastIndexOf('.')))
}
