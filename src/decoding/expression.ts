/**
 * Expressions of RE2, whose time grows with the length of what they are tried on and with nothing else.
 */
import { RE2JS } from 're2js'
import { member, object, scalar, type Parser } from './json-text.ts'

export const MAX_PATTERN_CHARACTERS = 4096
/** The time of a match grows with this too. */
const MAX_PROGRAM_SIZE = 2000
/** A longer log is not read with an expression: some megabytes per second is all that it does. */
const LONGEST_TEXT = 64 * 1024

/** Throws an Error whose message says what is wrong with the pattern. */
export function compile(pattern: string): RE2JS {
  if (pattern === '') throw new Error('it is empty')
  if (pattern.length > MAX_PATTERN_CHARACTERS) throw new Error(`it is longer than ${MAX_PATTERN_CHARACTERS} characters`)
  const expression = RE2JS.compile(pattern)
  if (expression.programSize() > MAX_PROGRAM_SIZE) throw new Error('it is too large: use fewer and smaller repetitions')
  return expression
}

/** Named groups that took part in the match are the fields. */
export function createRegexParser(pattern: string): Parser {
  const expression = compile(pattern)
  const names = Object.keys(expression.namedGroups())
  return text => {
    if (text.length > LONGEST_TEXT) return undefined
    const matcher = expression.matcher(text)
    if (!matcher.find()) return undefined
    const members: string[] = []
    for (const name of names) {
      const value = matcher.group(name)
      if (value !== null) members.push(member(name, scalar(value)))
    }
    return { document: object(members), timeMs: undefined }
  }
}
