/**
 * XML: `<log level="info"><msg>it is done</msg></log>` is `{"log":{"@level":"info","msg":"it is done"}}`.
 *
 * All values are text. Of entities only the five of XML itself are replaced, and a document with a DOCTYPE is not read.
 */
import { XMLParser } from 'fast-xml-parser'
import type { Parsed } from './json-text.ts'

/** Far more than people write; the parser calls itself for each level. */
const MAX_DEPTH = 1000

const parser = new XMLParser({
  ignoreAttributes: false,
  attributeNamePrefix: '@',
  allowBooleanAttributes: false,
  ignoreDeclaration: true,
  ignorePiTags: true,
  parseTagValue: false,
  parseAttributeValue: false,
  processEntities: true,
  htmlEntities: false,
  maxNestedTags: MAX_DEPTH,
})

export function parseXml(text: string): Parsed | undefined {
  if (/<!doctype/i.test(text)) return undefined
  try {
    const document = JSON.stringify(parser.parse(text, true))
    return document === '{}' || !document.startsWith('{') ? undefined : { document, timeMs: undefined }
  } catch {
    // What the parser says may show a piece of the log.
    return undefined
  }
}

const blank = /[ \t\r\n]*/y
const name = /[^\s/>"'=<]+/y
/** What may stand in the tag of a list: anything else would be lost to its elements. */
const onlyNamespaces = /^(?:\s+xmlns(?::[^\s=]+)?="[^"]*")*\s*$/

/**
 * The elements of a list, as views of it: those right below the root, if they have one name, if there are two at least, and if nothing else
 * is said there. Undefined for anything else, and if there are more than `maxElements`.
 */
export function splitXml(bytes: Buffer, maxElements: number): Buffer[] | undefined {
  const text = bytes.toString('latin1')
  const begin = skipMisc(text, 0)
  const rootName = readName(text, begin)
  const rootEnd = endOfTag(text, begin)
  if (rootName === undefined || rootEnd === -1) return undefined
  if (!onlyNamespaces.test(text.slice(begin + 1 + rootName.length, rootEnd - 1))) return undefined
  const elements: Buffer[] = []
  let elementName: string | undefined
  for (let position = skipMisc(text, rootEnd); ;) {
    if (text.startsWith('</', position)) {
      const end = endOfTag(text, position)
      return elements.length > 1 && end !== -1 && skipMisc(text, end) === text.length ? elements : undefined
    }
    elementName ??= readName(text, position)
    if (elementName === undefined || readName(text, position) !== elementName || elements.length === maxElements) return undefined
    const end = endOfElement(text, position)
    if (end === -1) return undefined
    elements.push(bytes.subarray(position, end))
    position = skipMisc(text, end)
  }
}

/** Skips blanks, comments and processing instructions. */
function skipMisc(text: string, position: number): number {
  for (;;) {
    blank.lastIndex = position
    blank.test(text)
    position = blank.lastIndex
    const end = text.startsWith('<?', position) ? '?>' : text.startsWith('<!--', position) ? '-->' : undefined
    const found = end === undefined ? -1 : text.indexOf(end, position + 2)
    if (end === undefined || found === -1) return position
    position = found + end.length
  }
}

/** The name in the start tag at `position`. */
function readName(text: string, position: number): string | undefined {
  if (text[position] !== '<') return undefined
  name.lastIndex = position + 1
  return name.exec(text)?.[0]
}

/** Behind the `>` of the tag at `position`, which may stand in quotation marks too; -1 if there is none. */
function endOfTag(text: string, position: number): number {
  for (position++; position < text.length; position++) {
    const character = text[position]
    if (character === '>') return position + 1
    if (character !== '"' && character !== "'") continue
    position = text.indexOf(character, position + 1)
    if (position === -1) return -1
  }
  return -1
}

/** Behind the end tag of the element at `position`; -1 if it does not end. */
function endOfElement(text: string, position: number): number {
  let depth = 0
  while (position !== -1) {
    const special = text.startsWith('<!--', position) ? '-->' : text.startsWith('<![CDATA[', position) ? ']]>' : undefined
    const ending = special ?? (text.startsWith('<?', position) ? '?>' : undefined)
    if (ending !== undefined) {
      const found = text.indexOf(ending, position + 2)
      if (found === -1) return -1
      position = text.indexOf('<', found)
      continue
    }
    const end = endOfTag(text, position)
    if (end === -1) return -1
    if (text[position + 1] === '/') depth--
    else if (text[end - 2] !== '/') depth++
    if (depth <= 0) return depth === 0 ? end : -1
    position = text.indexOf('<', end)
  }
  return -1
}
