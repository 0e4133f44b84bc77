/**
 * What each sample of a profile was taken in, told by its stack: the text that `perf script -F ip,sym,dso` prints, a frame a line, the
 * innermost first, and an empty line behind each stack.
 *
 *         7f52a1 tcp_sendmsg_locked ([kernel.kallsyms])
 *         7f1bb0 JS:*#flush file:///…/dist/src/kafka/connection.js:336:11 (/tmp/perf-4711.map)
 */

/** In the order in which a table has them. */
export const PARTS = [
  'sockets: receive',
  'sockets: send',
  'TLS',
  'checksum',
  'disk',
  'system, else',
  'copies',
  'memory',
  'garbage',
  'Node',
  'own code',
] as const
export type Part = (typeof PARTS)[number]

export interface Frame {
  symbol: string
  /** The file that it is in. */
  object: string
}

const FRAME = /^\s*[0-9a-f]+ (.*) \((.*)\)$/

export function* readStacks(script: string): Generator<Frame[]> {
  let stack: Frame[] = []
  for (const line of script.split('\n')) {
    const [, symbol, object] = FRAME.exec(line) ?? []
    if (symbol !== undefined && object !== undefined) stack.push({ symbol, object })
    else if (stack.length > 0) {
      yield stack
      stack = []
    }
  }
  if (stack.length > 0) yield stack
}

const GARBAGE = /Scaveng|MarkCompact|ConcurrentMarking|Sweep|GarbageCollect|Evacuat/
const COPIES = /mem(move|cpy|set)/
const MEMORY = /malloc|free|calloc|unlink_chunk|operator (new|delete)/
/** JavaScript, and what runs for it. */
const V8 = /^(JS:|Builtins_|v8::|Eval:)/
const OWN_FILE = /file:\/\/.*\/dist\//
/** What Node's binary has of others beside OpenSSL, as far as it is met here. */
const NODE = /^(non-virtual thunk to )?(node::|v8impl::|napi_|uv_|std::|void std::|simdutf|absl::|heap::)/

export function partOf(stack: readonly Frame[]): Part {
  const { symbol, object } = stack[0]!
  if (object.includes('kernel')) return systemPartOf(stack)
  if (stack.some(frame => GARBAGE.test(frame.symbol))) return 'garbage'
  if (object.includes('crc32')) return 'checksum'
  if (COPIES.test(symbol)) return 'copies'
  if (MEMORY.test(symbol)) return 'memory'
  if (V8.test(symbol)) {
    const script = stack.find(frame => frame.symbol.startsWith('JS:'))
    return script !== undefined && OWN_FILE.test(script.symbol) ? 'own code' : 'Node'
  }
  return /\/node$/.test(object) && !NODE.test(symbol) ? 'TLS' : 'Node'
}

function systemPartOf(stack: readonly Frame[]): Part {
  const isIn = (call: RegExp): boolean => stack.some(({ symbol }) => call.test(symbol))
  if (isIn(/^tcp_sendmsg|^tcp_push|^inet_shutdown|^tcp_close/)) return 'sockets: send'
  if (isIn(/^tcp_recvmsg|^inet_csk_accept|^inet_accept/)) return 'sockets: receive'
  if (isIn(/^(do_)?p?writev|^vfs_(iter_)?write|^ext4|^xfs|^btrfs|^blk|^submit_bio/)) return 'disk'
  return 'system, else'
}

/** The share of each part, of 1. */
export function sharesOf(script: string): Record<Part, number> {
  const samples = Object.fromEntries(PARTS.map(part => [part, 0])) as Record<Part, number>
  let all = 0
  for (const stack of readStacks(script)) {
    samples[partOf(stack)]++
    all++
  }
  for (const part of PARTS) samples[part] /= Math.max(1, all)
  return samples
}
