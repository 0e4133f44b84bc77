/**
 * logfmt: `level=info msg="it is done" took=0.25 cached`.
 *
 * What is in quotation marks is text, also where it looks like a number; a key alone is true.
 */
import { member, object, quote, scalar, type Parsed } from './json-text.ts'

const word = /\s*([^\s="]+)(?:(=)(?:"([^"\\]*(?:\\.[^"\\]*)*)"|([^\s"]*)))?(?=\s|$)/sy
const MAX_PAIRS = 20_000

/** Reads a log of pairs, and words that stand for themselves. */
export function parseLogfmt(text: string): Parsed | undefined {
  return parsePairs(text, true)
}

/** The same for a log of which nobody has said that it is logfmt: a line of nothing but pairs, of two at least. */
export function parseEvidentLogfmt(text: string): Parsed | undefined {
  return text.includes('=') && !text.trimEnd().includes('\n') ? parsePairs(text, false) : undefined
}

function parsePairs(text: string, mayHaveWords: boolean): Parsed | undefined {
  const end = text.trimEnd().length
  const members: string[] = []
  let pairs = 0
  for (word.lastIndex = 0; word.lastIndex < end;) {
    const found = word.exec(text)
    if (found === null || members.length === MAX_PAIRS) return undefined
    const [, key = '', equals, quoted, plain = ''] = found
    if (equals !== undefined) pairs++
    else if (!mayHaveWords) return undefined
    members.push(member(key, equals === undefined ? 'true' : quoted === undefined ? plainValue(plain) : quotedValue(quoted)))
  }
  if (pairs < (mayHaveWords ? 1 : 2)) return undefined
  return { document: object(members), timeMs: undefined }
}

function plainValue(text: string): string {
  return text === 'true' || text === 'false' ? text : scalar(text)
}

/** Escapes are those of JSON, where they are right. */
function quotedValue(text: string): string {
  if (!text.includes('\\')) return quote(text)
  try {
    // A half of a surrogate pair, which readers of documents stop at, is replaced.
    return quote(Buffer.from(JSON.parse(`"${text}"`) as string).toString())
  } catch {
    return quote(text)
  }
}
