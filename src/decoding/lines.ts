/**
 * Finds the lines of a value, as bytes.
 */

const LINE_FEED = 0x0a
const CARRIAGE_RETURN = 0x0d

/**
 * The lines of a value that are not blank, as views of it, without their endings. A value of one line at most is itself, as it
 * came. Undefined if there are more than `maxLines`.
 */
export function splitLines(bytes: Buffer, maxLines: number): Buffer[] | undefined {
  const lines: Buffer[] = []
  for (let begin = 0; begin < bytes.length;) {
    const found = bytes.indexOf(LINE_FEED, begin)
    const next = found === -1 ? bytes.length : found
    const end = next > begin && bytes[next - 1] === CARRIAGE_RETURN ? next - 1 : next
    if (!isBlank(bytes, begin, end)) {
      if (lines.length === maxLines) return undefined
      lines.push(bytes.subarray(begin, end))
    }
    begin = next + 1
  }
  return lines.length <= 1 ? [bytes] : lines
}

function isBlank(bytes: Buffer, begin: number, end: number): boolean {
  for (let position = begin; position < end; position++) if (bytes[position]! > 0x20) return false
  return true
}
