/** What CPU goes to, in docs/performance.md. */
import { SYSTEM_NAMES } from '../produce/tables.ts'
import { formatNumber, formatTable, type Section } from '../report/markdown.ts'
import { describeMachine, readResults } from '../results.ts'
import type { ProfileRow } from './rows.ts'
import { PARTS } from './stacks.ts'

const ABOUT =
  'In µs of CPU per request, of all threads of the process that acknowledges, by a profiler that looks where it is. _TLS_ is OpenSSL. _Node_ ' +
  'is what carries bytes between system and code: its C++, its streams, V8. _own code_ is that of sluice, or of the bare path, with ' +
  'what V8 does for it.'

const LIMITS = `What this says of the goals that are missed, and what would have to change:

- **Large requests** pay for a checksum, for the disk and for the memory in which their bytes wait for it; the bare path pays for them too, and TLS
  alone has none of them. The checksum is computed with one chain of the processor's CRC instruction, at 2.5 to 5 GB/s; three chains side
  by side, which the processor allows, would take about a third of it. And the bytes are copied from TLS into a buffer of their own, allocated
  and collected for each TLS record: a TLS server in Node cannot read into memory that it is given (\`onread\`, which clients have). What sluice
  takes more than the bare path is what it takes more for small requests, more than twice as long: 64 KB that are decrypted, checked and
  written leave the caches without the code.
- **Small requests** take more than in the bare path of everything, of the system and TLS too, although there are no more system calls: the
  processor finds less of what it needs in its caches, for there is more code between one call and the next. That code is flat, no function has
  a tenth of it: reading the request, batch header, right, quota, room, shard, sequence, offset, envelope, metrics, answer; nobody waits with
  a promise of his own. Run alone it takes a third of what a server takes beyond TLS and the disk (_own code_ and _whole server_ above). It
  would take less code, or a language whose code is smaller: to read from all connections first and handle what has come in one go was tried,
  and is 0.94 to 1.04 times as much, with 1 KB and with 64 KB, which is what two runs of the same differ by.
- **Many connections that each wait for their answer** have a TLS record in and one out for each request. The bare path itself misses that goal; it
  would take a call that sends the answers of several connections.
- **Connections that come and go** are a handshake each, which is most of what the bare path takes too. Newer clients and versions of Node agree upon
  a key exchange that is safe from quantum computers (X25519MLKEM768), which Java does not offer, and Kafka is spared. And V8 compiles what
  runs a few hundred times a second for longer than the benchmark warms it: that is 4 % of it.`

export function makeProfileSection(directory: string): Section | undefined {
  const results = readResults<ProfileRow>(directory, 'profile')
  if (results === undefined) return undefined
  const parts = ['## Taking logs: what CPU goes to', `${ABOUT} ${describeMachine(results)}`, formatProfile(results.rows), LIMITS]
  return { markdown: `${parts.join('\n\n')}\n` }
}

/** A line for each part, and a column for each load and server. */
export function formatProfile(rows: readonly ProfileRow[]): string {
  const titles = rows.map(({ row, system }) => `\`${row}\` ${SYSTEM_NAMES[system]}`)
  const lines = PARTS.map(part => [
    part,
    ...rows.map(({ shares, microsecondsPerRequest }) => formatNumber(shares[part] * microsecondsPerRequest)),
  ])
  const sum = ['all', ...rows.map(({ microsecondsPerRequest }) => formatNumber(microsecondsPerRequest))]
  return formatTable(['part', ...titles], [...lines, sum])
}
