/**
 * What each stage between the socket and the acknowledgement costs by itself, by the size of the requests:
 *
 *     npm run bench -- micro [--bytes 1000,16000,65536,1000000] [--quick] [--json]
 *
 * CPU of the process that acknowledges, in the kernel too, per request and per 1,000 bytes of logs, without compression; 1,000 of the
 * latter are a CPU second per gigabyte. TLS is measured in a process of its own that does nothing else, and once more while it keeps as
 * many bytes as wait for the disk in a server; the journal with a disk that syncs, and without any. "own code" is all between TLS and disk in one
 * go, "sum" that of all stages, "whole server" what a server takes for the same requests over 8 connections: what they take beyond their
 * stages lies between them. Where it is known, a second table has the memory that a request allocates. `--quick` takes a third of the time. The results are in bench/results/micro.json too.
 */
import { parseArgs } from 'node:util'
import { loadConfig } from '../src/config/load-config.ts'
import { measureJournal } from './micro/journal.ts'
import { measureStep, type Measured } from './micro/measure.ts'
import { measureOwnCode } from './micro/own-code.ts'
import { buildRequest } from './micro/request.ts'
import { formatBytes, OWN, SUM, WHOLE, type Row } from './micro/rows.ts'
import { encodeAnswer, makeCheckSteps, makeSteps } from './micro/steps.ts'
import { CONNECTIONS, Peer, WholeServer } from './micro/tls.ts'
import { Progress } from './progress.ts'
import { writeResults } from './results.ts'

const { values } = parseArgs({
  options: {
    bytes: { type: 'string', default: '1000,16000,65536,1000000' },
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})
const isQuick = values.quick
const sizes = values.bytes.split(',').map(Number)
const TOPIC = 'logs'
const SECONDS = isQuick ? 0.5 : 2
const ANSWERS = isQuick ? 20_000 : 100_000
/** On each connection, and no more bytes than a group of the journal has. */
const IN_FLIGHT = 5
const IN_FLIGHT_BYTES = 8_000_000

const config = loadConfig()
/** Warm-up included. */
const stepSeconds = (SECONDS + 1.5) * 6 + 2
const progress = new Progress(10 + sizes.length * stepSeconds)
const rows: Row[] = []
process.once('SIGINT', () => process.exit(130))

progress.begin('answers', 10)
const peer = await Peer.start()
const answer = encodeAnswer()
const same: [string, Measured][] = [
  ['answer: encoded', measureStep(() => void encodeAnswer(), { isQuick })],
  ['answer: TLS', await peer.measureAnswering(answer, ANSWERS)],
]
const checks = makeCheckSteps()
const [check, checksum] = [measureStep(checks.check, { isQuick }), measureStep(checks.crc, { isQuick })]
const checked: Measured = { ...check, ns: Math.max(0, check.ns - checksum.ns) }
const server = await WholeServer.start(TOPIC)
for (const bytes of sizes) rows.push(...(await measureSize(bytes)))
await server.close()
await peer.close()

const path = writeResults('micro', rows, isQuick)
if (values.json) for (const row of rows) console.log(JSON.stringify(row))
else {
  console.log('CPU per request, in ns, and per 1,000 bytes of logs')
  console.table(tabulate(rows, row => [Math.round(row.nsPerRequest), Math.round(row.nsPerKilobyte)], ['ns', 'ns/KB']))
  console.log('memory that a request allocates, in bytes')
  console.table(
    tabulate(
      rows.filter(row => row.allocatedBytes !== null),
      row => [row.allocatedBytes!],
      [''],
    ),
  )
  console.error(`written to ${path}`)
}

async function measureSize(bytes: number): Promise<Row[]> {
  progress.begin(formatBytes(bytes), stepSeconds)
  const request = buildRequest(bytes, TOPIC)
  const steps = makeSteps(request)
  const inFlight = Math.max(1, Math.min(IN_FLIGHT * CONNECTIONS, Math.floor(IN_FLIGHT_BYTES / bytes)))
  const journal = { config: config.journal, inFlight, seconds: SECONDS }
  const withoutDisk = await measureJournal(request, { ...journal, hasDisk: false })
  const withDisk = await measureJournal(request, { ...journal, hasDisk: true })
  const received = await peer.measureReceiving(request, SECONDS)
  const held = await peer.measureReceiving(request, SECONDS, inFlight * request.frame.length)
  const stages: [string, Measured][] = [
    ['TLS', received],
    ['TLS: bytes are kept', { ns: Math.max(0, held.ns - received.ns) }],
    ['framing', measureStep(steps.framing, { isQuick })],
    ['header and request', measureStep(steps.decode, { isQuick })],
    ['batch check', checked],
    ['CRC-32C', measureStep(steps.crc, { isQuick })],
    ['journal', withoutDisk],
    ['journal: write and sync', { ns: Math.max(0, withDisk.ns - withoutDisk.ns) }],
    ...same,
  ]
  const sum = stages.reduce((ns, [, measured]) => ns + measured.ns, 0)
  const own = await measureOwnCode(request, { config, topic: TOPIC, connections: CONNECTIONS, seconds: SECONDS })
  const perConnection = Math.max(1, Math.floor(inFlight / CONNECTIONS))
  const whole = await server.measure(request, { inFlight: perConnection, seconds: SECONDS })
  stages.push([OWN, own], [SUM, { ns: sum }], [WHOLE, whole])
  return stages.map(([stage, measured]) => ({
    stage,
    requestBytes: bytes,
    nsPerRequest: measured.ns,
    nsPerKilobyte: measured.ns / (bytes / 1000),
    allocatedBytes: measured.allocatedBytes ?? null,
  }))
}

/** A line per stage, and columns for each size. */
function tabulate(shown: Row[], cellsOf: (row: Row) => number[], units: string[]): Record<string, Record<string, number>> {
  const table: Record<string, Record<string, number>> = {}
  for (const row of shown) {
    const line = (table[row.stage] ??= {})
    for (const [index, unit] of units.entries())
      line[[formatBytes(row.requestBytes), unit].filter(part => part !== '').join(', ')] = cellsOf(row)[index]!
  }
  return table
}
