/**
 * The configuration's schema as a list of settings: to find the one that was meant, and to show them all with their defaults.
 */
import { distance } from 'fastest-levenshtein'
import { stringify } from 'yaml'
import { z } from 'zod'
import { createConfigSchema, type ConfigSchema } from './schema.ts'
import { formatBytes, formatMs } from './units.ts'

interface Setting {
  /** The names from the outermost section to the setting. */
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

/** The default configuration as a YAML file that says what each setting is for; settings without a default are commented out. */
export function formatDefaultConfig(): string {
  let yaml = ''
  for (const { path, isSection, description, defaultValue } of listSettings(createConfigSchema('.'))) {
    const indent = '  '.repeat(path.length - 1)
    const name = path.at(-1)!
    if (description !== undefined) yaml += `${indent}# ${description}\n`
    const isAbsent = !isSection && defaultValue === undefined
    yaml +=
      isSection || isAbsent
        ? `${indent}${isAbsent ? '# ' : ''}${name}:\n`
        : `${indent}${stringify({ [name]: inUnits(name, defaultValue) })}`
  }
  return yaml
}

function listSettings(schema: z.core.$ZodType, parent: string[] = []): Setting[] {
  const settings: Setting[] = []
  for (const [name, child] of Object.entries(shapeOf(schema) ?? {})) {
    const path = [...parent, name]
    const isSection = shapeOf(child) !== undefined
    settings.push({ path, isSection, description: (child as z.ZodType).description, defaultValue: defaultOf(child) })
    settings.push(...listSettings(child, path))
  }
  return settings
}

/** The settings of a section, undefined if the schema is not one's; defaults, `optional` and the like are looked through. */
function shapeOf(schema: z.core.$ZodType): z.core.$ZodShape | undefined {
  if (schema instanceof z.ZodObject) return schema.shape
  if (schema instanceof z.ZodPipe) return shapeOf(schema.out)
  if (schema instanceof z.ZodReadonly || schema instanceof z.ZodOptional) return shapeOf(schema.unwrap())
  return undefined
}

function defaultOf(schema: z.core.$ZodType): unknown {
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
