/**
 * `sluice inspect`: prints a wire dump field by field. It needs no server and no data directory.
 *
 * A dump holds what strangers have sent, so no character reaches the terminal that could do anything there but be seen.
 */
import { open } from 'node:fs/promises'
import { Command } from 'commander'
import { z } from 'zod'
import { ApiKey, apiName } from '../../protocol/api-keys.ts'
import { Chunks } from '../../protocol/chunks.ts'
import { escapeControls, quote } from '../../protocol/explain-records.ts'
import {
  describeRequest,
  describeResponse,
  explainRequest,
  explainResponse,
  type ExplainOptions,
  type FrameDescription,
} from '../../protocol/explain.ts'
import type { ProduceRequest } from '../../protocol/messages/produce.ts'
import { sluiceError } from '../base/errors.ts'

const common = { conn: z.int(), ms: z.number() }
const frame = {
  ...common,
  apiKey: z.int().nullable(),
  apiVersion: z.int().nullable(),
  correlationId: z.int().nullable(),
  hex: z.string().refine(isHex, 'it is not hexadecimal').nullable(),
  bytes: z.int().min(0).max(0x7fffffff).optional(),
}

/** A line as `src/kafka/wire-dump.ts` describes it; recordings of other tools leave out some of it. */
const eventSchema = z.discriminatedUnion('dir', [
  z.object({
    ...common,
    dir: z.literal('open'),
    tls: z.string().nullable(),
    cipher: z.string().nullable(),
    servername: z.string().nullable(),
    resumed: z.boolean(),
    peer: z.string().optional(),
    time: z.string().optional(),
    earlier: z.boolean().optional(),
  }),
  z.object({ ...frame, dir: z.literal('request') }),
  z.object({ ...frame, dir: z.literal('response') }),
  z.object({ ...common, dir: z.literal('lost'), frames: z.int() }),
  z.object({ ...common, dir: z.literal('close'), by: z.string(), error: z.string().nullable() }),
])

type DumpEvent = z.infer<typeof eventSchema>
type FrameEvent = Extract<DumpEvent, { dir: 'request' | 'response' }>

/** A request that may still be answered. */
interface Request {
  line: number
  ms: number
  name: string
}

/** An event with what the earlier ones tell of it. */
interface Explained {
  line: number
  event: DumpEvent
  /** Since the beginning of the file. */
  ms: number
  /** Of a response that has one in the file. */
  request: Request | undefined
  /** Of the end of a connection: requests without an answer that had asked for one. */
  unanswered: Request[]
}

export function inspectCommand(): Command {
  return new Command('inspect')
    .description('print what "sluice dump" has recorded, field by field')
    .argument('<file>', 'a file of DATA/dumps')
    .option('--records', 'decompress the record batches and print the logs, the beginning of each')
    .option('--json', 'print an object per line')
    .action(async (file: string, { records = false, json = false }: { records?: boolean; json?: boolean }) => {
      for await (const line of inspect(file, { records, json })) console.log(line)
    })
}

/** The lines to print for a file. */
export async function* inspect(file: string, options: { records: boolean; json: boolean }): AsyncGenerator<string, void> {
  const format = options.json ? formatJson : formatText
  for await (const explained of readConversation(file)) yield* format(explained, options)
}

/** Reads a file line by line. Throws DUMP_UNREADABLE at the first line that is none of a dump. */
async function* readConversation(path: string): AsyncGenerator<Explained, void> {
  const file = await open(path).catch((error: Error) => {
    throw sluiceError('INVALID_ARGUMENT', { problem: `${path} cannot be read: ${error.message}` }, error)
  })
  if ((await file.stat()).isDirectory())
    throw sluiceError('INVALID_ARGUMENT', { problem: `${path} is a directory, name a file in it` })
  /** Requests without an answer so far: by connection, and in it by what a response says of its request. */
  const waiting = new Map<number, Map<string, Request[]>>()
  let line = 0
  let startMs = 0
  for await (const text of file.readLines()) {
    const event = parseEvent(text, { file: path, line: ++line })
    if (line === 1) startMs = event.ms
    const requests = waiting.get(event.conn) ?? new Map<string, Request[]>()
    waiting.set(event.conn, requests)
    const explained: Explained = { line, event, ms: event.ms - startMs, request: undefined, unanswered: [] }
    if (event.dir === 'request') {
      if (expectsAnswer(event))
        requests.set(keyOf(event), [...(requests.get(keyOf(event)) ?? []), { line, ms: event.ms, name: nameOf(event) }])
    } else if (event.dir === 'response') explained.request = requests.get(keyOf(event))?.shift()
    else if (event.dir === 'close') explained.unanswered = [...requests.values()].flat().sort((a, b) => a.line - b.line)
    yield explained
  }
  if (line === 0) throw sluiceError('DUMP_UNREADABLE', { file: path, line: 1, problem: 'the file is empty' })
}

function parseEvent(text: string, place: { file: string; line: number }): DumpEvent {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (error) {
    throw sluiceError('DUMP_UNREADABLE', { ...place, problem: 'it is not JSON, or it is cut' }, error)
  }
  const parsed = eventSchema.safeParse(json)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw sluiceError('DUMP_UNREADABLE', {
    ...place,
    problem: `it is no event of a dump: ${issue!.path.join('.')}: ${issue!.message}`,
  })
}

/** Whether all characters come in pairs of digits: what is not, Node would leave out without a word. */
function isHex(text: string): boolean {
  return text.length % 2 === 0 && !/[^0-9a-f]/i.test(text)
}

/** The frame, with zeros for what was not recorded of it. */
function frameOf({ hex, bytes = 0 }: FrameEvent): { frame: Chunks; cut: boolean } {
  const pieces = [Buffer.from(hex ?? '', 'hex')]
  const cut = bytes > pieces[0]!.length
  for (let missing = bytes - pieces[0]!.length; missing > 0; missing -= ZEROS.length) pieces.push(ZEROS.subarray(0, missing))
  return { frame: Chunks.of(...pieces), cut }
}

const ZEROS = Buffer.alloc(1024 * 1024)

/** What a response has in common with its request. */
function keyOf({ apiKey, correlationId }: FrameEvent): string {
  return `${apiKey}/${correlationId}`
}

function nameOf({ apiKey, correlationId }: FrameEvent): string {
  return apiKey === null ? 'SASL token' : `${apiName(apiKey)}, correlation id ${correlationId}`
}

/** Produce with acks = 0 is the only request that is not answered. */
function expectsAnswer(event: FrameEvent): boolean {
  if (event.apiKey !== ApiKey.Produce || event.hex === null) return true
  const { fields } = describeRequest(Chunks.of(Buffer.from(event.hex, 'hex')))
  return (fields as ProduceRequest | undefined)?.acks !== 0
}

function explain(event: FrameEvent, options: ExplainOptions): string {
  const { frame, cut } = frameOf(event)
  const { dir, apiKey, apiVersion, hex, bytes } = event
  if (hex === null)
    return `${titleOf(event)}\n  ${bytes === undefined ? 'not recorded' : `${bytes} bytes, not recorded`}: it may hold a secret`
  if (apiKey === null) return titleOf(event)
  const explained =
    dir === 'request'
      ? explainRequest(frame, { ...options, cut })
      : explainResponse(frame, apiKey, apiVersion ?? -1, { ...options, cut })
  return cut ? `${explained}\n  ${hex.length / 2} of its ${bytes} bytes are recorded, the rest is shown as zeros` : explained
}

function titleOf({ dir, apiKey, apiVersion, correlationId, hex }: FrameEvent): string {
  const name = apiKey === null ? '' : `${apiName(apiKey)} `
  if (hex !== null && apiKey === null) return dir === 'request' ? 'SASL token' : 'SASL token accepted'
  return apiVersion === null
    ? `${name}${dir} that cannot be decoded`
    : `${name}${dir}, version ${apiVersion}, correlation id ${correlationId}`
}

function* formatText({ event, ms, request, unanswered }: Explained, options: ExplainOptions): Generator<string> {
  const [first, ...rest] = [...describeEvent(event, { request, unanswered }, options)].join('\n').split('\n')
  const time = `+${(ms / 1000).toFixed(3)} s`
  yield escapeControls(`#${event.conn} ${time.padStart(10)}  ${first}`)
  for (const line of rest) yield escapeControls(`    ${line}`)
}

function* describeEvent(
  event: DumpEvent,
  { request, unanswered }: Pick<Explained, 'request' | 'unanswered'>,
  options: ExplainOptions,
): Generator<string> {
  switch (event.dir) {
    case 'open': {
      const { tls, cipher, servername, resumed, peer, time, earlier } = event
      const name = servername === null ? 'no server name' : `server name ${quote(servername)}`
      yield [
        earlier === true ? 'connected before the recording' : 'connected',
        peer !== undefined && `from ${peer}`,
        time !== undefined && `at ${time}`,
        tls === null ? 'without TLS' : `${tls} (${cipher}), ${name}${resumed ? ', resumed' : ''}`,
      ]
        .filter(Boolean)
        .join(', ')
      return
    }
    case 'request': {
      const [title, ...body] = explain(event, options).split('\n')
      yield `→ ${title}${expectsAnswer(event) ? '' : ' (no answer: acks = 0)'}`
      yield* body
      return
    }
    case 'response': {
      const [title, ...body] = explain(event, options).split('\n')
      yield `← ${title}, ${request === undefined ? 'its request is not recorded' : `${event.ms - request.ms} ms after its request`}`
      yield* body
      return
    }
    case 'lost':
      return yield `${event.frames} frames are missing, the disk was too slow`
    case 'close':
      yield `closed by the ${event.by}${event.error === null ? '' : `: ${event.error}`}`
      for (const { name, line } of unanswered) yield `  no answer: ${name} (line ${line})`
  }
}

function* formatJson({ line, event, ms, request, unanswered }: Explained, options: ExplainOptions): Generator<string> {
  let described: object = {}
  if (event.dir === 'request' || event.dir === 'response') {
    const { hex, ...known } = event
    described = { ...known, ...(hex !== null && event.apiKey !== null && describe(event, options)) }
    if (event.dir === 'response')
      described = {
        ...described,
        requestLine: request?.line ?? null,
        afterMs: request === undefined ? null : event.ms - request.ms,
      }
  } else described = event.dir === 'close' ? { ...event, unanswered: unanswered.map(({ line }) => line) } : event
  yield escapeControls(JSON.stringify({ line, ...described, ms }))
}

function describe(event: FrameEvent, options: ExplainOptions): FrameDescription {
  const { frame, cut } = frameOf(event)
  if (event.dir === 'request') return describeRequest(frame, { ...options, cut })
  return describeResponse(frame, event.apiKey!, event.apiVersion ?? -1, { ...options, cut })
}
