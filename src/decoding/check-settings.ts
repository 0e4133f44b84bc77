/**
 * What is wrong with what somebody says of a logstore's logs, in a sentence for that person; undefined if nothing is.
 */
import { compile, createRegexParser, MAX_PATTERN_CHARACTERS } from './expression.ts'
import type { LogFormat, Mask } from './log-format.ts'
import { compileMask } from './masks.ts'

const MAX_COLUMNS = 1000
const MAX_KEYS = 64
const MAX_NAME_CHARACTERS = 256
const MAX_MASKS = 32

export function findFormatProblem({ name, pattern, columns, timeField }: LogFormat): string | undefined {
  if ((name === 'regex') !== (pattern !== undefined))
    return name === 'regex' ? 'the format "regex" needs a pattern' : `the format "${name}" has no pattern, only "regex" has`
  if ((name === 'csv') !== (columns !== undefined))
    return name === 'csv'
      ? 'the format "csv" needs the names of its columns'
      : `the format "${name}" has no columns, only "csv" has`
  return (
    findNamesProblem('columns', columns, MAX_COLUMNS) ??
    findNamesProblem('keys of the time field', timeField, MAX_KEYS) ??
    (pattern === undefined ? undefined : findPatternProblem(pattern))
  )
}

export function findMasksProblem(masks: readonly Mask[]): string | undefined {
  if (masks.length > MAX_MASKS) return `a logstore has ${MAX_MASKS} masks at most`
  for (const mask of masks) {
    if (mask.replacement.length > MAX_PATTERN_CHARACTERS)
      return `the replacement of a mask is longer than ${MAX_PATTERN_CHARACTERS} characters`
    const problem = messageOf(() => compileMask(mask))
    if (problem !== undefined) return `the mask ${shown(mask.pattern)} cannot be used: ${problem}`
  }
  return undefined
}

function findNamesProblem(what: string, names: readonly string[] | undefined, max: number): string | undefined {
  if (names === undefined) return undefined
  if (names.length === 0 || names.length > max) return `there must be 1 to ${max} ${what}`
  if (names.some(name => name === '' || name.length > MAX_NAME_CHARACTERS))
    return `names of ${what} have 1 to ${MAX_NAME_CHARACTERS} characters`
  return new Set(names).size < names.length && what === 'columns' ? 'two columns have the same name' : undefined
}

function findPatternProblem(pattern: string): string | undefined {
  const problem = messageOf(() => createRegexParser(pattern))
  if (problem !== undefined) return `the pattern ${shown(pattern)} cannot be used: ${problem}`
  if (Object.keys(compile(pattern).namedGroups()).length > 0) return undefined
  return `the pattern ${shown(pattern)} names no fields: write groups as (?P<name>…)`
}

function messageOf(act: () => unknown): string | undefined {
  try {
    act()
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}

function shown(pattern: string): string {
  return JSON.stringify(pattern.length > 100 ? `${pattern.slice(0, 100)}…` : pattern)
}
