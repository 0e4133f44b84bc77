/**
 * Reads the configuration: one YAML file, or none, and what the command line sets over it. Whatever is wrong with it is
 * reported at once and all together, each in a sentence that names the setting.
 */
import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { parseDocument } from 'yaml'
import type { z } from 'zod'
import { isSystemError, sluiceError, type SluiceError } from '../base/errors.ts'
import { findLimitConflicts } from './limits.ts'
import { findListenerConflicts } from './listeners.ts'
import { createConfigSchema, type Config } from './schema.ts'
import { findStoreConflicts } from './store.ts'
import { nearestSetting, settingNames } from './settings.ts'

export interface ConfigSource {
  /** The YAML file; relative paths in it start at its directory. */
  file?: string | undefined
  /** The data directory, from the working directory; goes before the file's. */
  data?: string | undefined
  /** Settings by their dotted name (`listeners.internet.port`) that go before the file's. */
  overrides?: Record<string, unknown>
}

/**
 * Returns the configuration, complete and frozen. Without a file everything is as the defaults say, and relative paths start
 * at the working directory. Throws CONFIG_INVALID with all that is wrong.
 */
export function loadConfig({ file, data, overrides = {} }: ConfigSource = {}): Config {
  const given = file === undefined ? {} : readYaml(file)
  const settings = withOverrides(given, data === undefined ? overrides : { ...overrides, data: resolve(data) })
  const schema = createConfigSchema(file === undefined ? process.cwd() : dirname(resolve(file)))
  const { data: config, error } = schema.safeParse(settings, { reportInput: true })
  const problems =
    error === undefined
      ? [
          ...findLimitConflicts(config.limits),
          ...findListenerConflicts(config.listeners),
          ...findJournalConflicts(config.journal),
          ...findStoreConflicts(config.store),
        ]
      : describeIssues(error.issues, settingNames(schema))
  if (problems.length > 0 || config === undefined) throw configInvalid(file, problems)
  return config
}

type Section = Record<string, unknown>

/** A segment is given up as a whole, and two are always in use. */
function findJournalConflicts({ maxBytes, segmentBytes }: Config['journal']): string[] {
  return maxBytes >= 4 * segmentBytes ? [] : ['journal.maxBytes must be at least four times journal.segmentBytes']
}

/** The file's content as plain values; an empty file is an empty configuration. */
function readYaml(file: string): Section {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    const problem = isSystemError(error, 'ENOENT') ? 'there is no such file' : `it cannot be read: ${(error as Error).message}`
    throw sluiceError('CONFIG_INVALID', { file, problem }, error)
  }
  const document = parseDocument(text)
  // The first line of a YAML error is a sentence with line and column; a picture of the place follows.
  if (document.errors.length > 0)
    throw configInvalid(
      file,
      document.errors.map(({ message }) => message.split('\n')[0]!.replace(/:$/, '')),
    )
  let settings: unknown
  try {
    settings = document.toJS()
  } catch (error) {
    throw configInvalid(file, [(error as Error).message])
  }
  if (settings === null) return {}
  if (!isSection(settings)) throw configInvalid(file, ['a configuration is a mapping from names of settings to values'])
  return settings
}

/** A copy of the settings with others put over them by their dotted names. */
function withOverrides(settings: Section, overrides: Section): Section {
  let result = settings
  for (const [name, value] of Object.entries(overrides))
    if (value !== undefined) result = withSetting(result, name.split('.'), value)
  return result
}

function withSetting(section: unknown, [name, ...rest]: string[], value: unknown): Section {
  const settings = isSection(section) ? section : {}
  return { ...settings, [name!]: rest.length === 0 ? value : withSetting(settings[name!], rest, value) }
}

function isSection(value: unknown): value is Section {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function describeIssues(issues: readonly z.core.$ZodIssue[], known: readonly string[]): string[] {
  return issues.flatMap(issue => {
    if (issue.code === 'unrecognized_keys') return issue.keys.map(key => describeUnknown([...issue.path, key].join('.'), known))
    const name = issue.path.join('.')
    if (issue.input === undefined) return `${name} is missing`
    // What stands there helps to find a mistake of units or quoting; long values and sections do not.
    const found = issue.message.startsWith('must be') && typeof issue.input !== 'object' ? JSON.stringify(issue.input) : ''
    return `${name} ${issue.message}${found !== '' && found.length <= 60 ? `, not ${found}` : ''}`
  })
}

function describeUnknown(name: string, known: readonly string[]): string {
  return `${name} is not a setting; did you mean ${nearestSetting(name, known)}?`
}

function configInvalid(file: string | undefined, problems: readonly string[]): SluiceError {
  const problem = problems.length === 1 ? problems[0]! : problems.map(line => `\n  ${line}`).join('')
  return sluiceError('CONFIG_INVALID', { file: file ?? 'the settings', problem })
}
