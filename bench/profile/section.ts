/** What CPU goes to, in docs/performance.md. */
import { SYSTEM_NAMES } from '../produce/tables.ts'
import { formatNumber, formatTable, type Section } from '../report/markdown.ts'
import { describeMachine, readResults } from '../results.ts'
import { type ProfileRow } from './rows.ts'
import { PARTS } from './stacks.ts'

const ABOUT =
  'In µs of CPU per request, of all threads of the process that acknowledges, by a profiler that looks where it is. _TLS_ is OpenSSL. _Node_ ' +
  'is what carries bytes between system and code: its C++, its streams, V8. _own code_ is that of sluice, or of the bare path, with ' +
  'what V8 does for it.'

const LIMITS = `What this says of the goals that are missed, and what would have to change:

- **The checksum** is the largest single cost of a large request, of the bare path too. The library computes it with one chain of the
  processor's CRC instruction, 5 GB/s here; three chains side by side, which the processor allows, would take a third.
- **Sockets, TLS and Node** take most of a small request, and as much of the bare path: a TLS record in and one out for each request of a
  connection that waits for its answer. With 200 such connections, nothing that sluice could leave undone brings it to the goal. Node would have
  to let a TLS server read into memory of its own (\`onread\`, which it has for clients), or several connections' answers be sent with one call.
- **Own code** is a flat profile, of which no function has a tenth: reading the request, checking the batch header, right, quota, room, shard,
  sequence, offset, envelope, metrics and the answer.
- **Connections that come and go** are a handshake each. Newer clients and Nodes agree upon a key exchange that is safe from quantum computers
  (X25519MLKEM768), which Java does not offer.`

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
