/**
 * Plays the scripts of golden conversations. A script is the lines of a file that begin with `> `; each says what a client (or the
 * operator) does, and the indented lines below it say what came back, as `protocol/explain.ts` prints it.
 *
 *     > server SETTINGS                      on the first line: a server of its own, with these settings
 *     > create logstore PROJECT/LOGSTORE     with the project, and an access key for it
 *     > create key PROJECT ID for LOGSTORE   one that may write to nothing else
 *     > kill server                          with SIGKILL, and start it again
 *
 *     > connect                              a new connection, TLS done; the one before is closed
 *     > connect as PROJECT                   the same, logged in; `with key ID`, `with a wrong key` if not with the project's key
 *     > connect to LISTENER …                the same on another listener than the internet one
 *     > API vN FIELDS                        a request, and its answer
 *     > Produce vN acks=1 TOPIC/0=BATCH …    the same for Produce, with any number of partitions
 *     > token "TEXT"                         a SASL token without a header, and its answer
 *     > send …                               any of the three, without waiting for the answer
 *     > send bytes HEX                       or any bytes
 *     > send text "TEXT"
 *     > receive N                            answers in the order in which they come
 *     > finish                               the client closes its side, and still receives
 *     > expect closed                        by the server
 *
 * SETTINGS, FIELDS and BATCH are flow mappings of YAML, and `{key}` in a text is the access key of the logged-in project. BATCH has
 * `records`, their number, and what `BatchSpec` has beside; `null` is none. What differs from run to run is replaced by a name.
 */
import assert from 'node:assert/strict'
import { crc32 } from 'node:zlib'
import { parse } from 'yaml'
import { explainResponse } from '../../protocol/explain.ts'
import { encodeRequest } from '../../protocol/headers.ts'
import { type AnyMessage, apis } from '../../protocol/messages/apis.ts'
import { saslAuthenticateRequest } from '../../protocol/messages/sasl-authenticate.ts'
import { ATTRIBUTES_POSITION, CRC_POSITION, MAGIC_POSITION } from '../../protocol/records/batch.ts'
import { buildBatch } from '../../protocol/records/build-batch.ts'
import { crc32c } from '../../protocol/records/crc32c.ts'
import { RawClient } from '../support/raw-client.ts'
import type { Server } from '../support/server.ts'
import { until } from '../support/wait.ts'

/** A batch as a script describes it. */
interface BatchSpec {
  records: number
  codec?: 'none' | 'gzip'
  producerId?: number
  epoch?: number
  sequence?: number
  /** 0 or 1 for a set of messages in place of a batch. */
  format?: number
  /** Attribute bits as they are. */
  attributes?: number
  /** What the header says in place of the truth; the checksum fits. */
  recordCount?: number
  magic?: number
  /** Bytes that are missing at the end. */
  cut?: number
  /** Whether a bit has changed on the way. */
  damaged?: boolean
}

/** A request that waits for its answer. */
type Asked = { apiKey: number; version: number } | 'token'

const CODECS = { none: 0, gzip: 1 }
const CLIENT_ID = 'golden'

/** The settings on the first line of a script, if it has a server of its own. */
export function settingsOf(file: string): Record<string, unknown> | undefined {
  const [, settings] = /^> server (.+)$/m.exec(file) ?? []
  return settings === undefined ? undefined : (parse(settings) as Record<string, unknown>)
}

/** Plays a file; resolves with what it should be: the same script, with what came back this time. */
export async function play(file: string, server: Server): Promise<string> {
  const conversation = new Conversation(server)
  const played: string[] = []
  try {
    for (const line of file.split('\n')) {
      // What came back the last time.
      if (line.startsWith('    ')) continue
      played.push(line)
      if (!line.startsWith('> ')) continue
      for (const answer of await conversation.do(line.slice(2))) played.push(answer === '' ? '' : `    ${answer}`)
    }
  } catch (error) {
    throw new Error(`${played.findLast(line => line.startsWith('> '))}: ${(error as Error).message}`, { cause: error })
  } finally {
    conversation.close()
  }
  return played.join('\n')
}

class Conversation {
  readonly #server: Server
  /** The passwords of projects, by project and by `PROJECT ID`. */
  readonly #passwords = new Map<string, string>()
  /** The names of logstores by topic id. */
  readonly #topicIds = new Map<string, string>()
  #client: RawClient | undefined
  #project = ''
  #correlationId = 0
  /** Whether the client has closed its side: then the server does so without a word. */
  #hasFinished = false
  /** The number of the server's log lines before this connection: an earlier one may have had the same port. */
  #earlierLines = 0
  /** By correlation id; a token, of which there is at most one, has 0. */
  #asked = new Map<number, Asked>()

  constructor(server: Server) {
    this.#server = server
  }

  close(): void {
    this.#client?.close()
  }

  /** Does what a line says; the lines that come back. */
  async do(line: string): Promise<string[]> {
    const [, verb, rest = ''] = /^(\S+) ?(.*)$/.exec(line)!
    switch (verb) {
      case 'server':
        return []
      case 'create':
        return this.#create(rest)
      case 'kill':
        await this.#server.kill()
        await this.#server.restart()
        return []
      case 'connect':
        return this.#connect(rest)
      case 'send':
        this.#open.write(this.#encode(rest))
        return []
      case 'receive':
        return this.#receive(Number(rest))
      case 'finish':
        this.#open.socket.end()
        this.#hasFinished = true
        return []
      case 'expect':
        assert.equal(rest, 'closed')
        return this.#receive(1)
      default:
        this.#open.write(this.#encode(line))
        return this.#receive(1)
    }
  }

  get #open(): RawClient {
    assert(this.#client !== undefined, 'there is no connection')
    return this.#client
  }

  async #create(what: string): Promise<string[]> {
    const [, logstore] = /^logstore (\S+)$/.exec(what) ?? []
    if (logstore !== undefined) {
      const [project, name] = logstore.split('/')
      const { id } = await this.#server.createLogstore(logstore, { shards: 1 })
      this.#topicIds.set(id.replaceAll('-', ''), name!)
      if (!this.#passwords.has(project!)) this.#passwords.set(project!, await this.#server.createKey(project!))
      return []
    }
    const [, project, id, allowed] = /^key (\S+) (\S+) for (\S+)$/.exec(what) ?? []
    assert(project !== undefined && id !== undefined && allowed !== undefined, `"create ${what}" is nothing to create`)
    this.#passwords.set(`${project} ${id}`, await this.#server.createKey(project, { id, logstores: [allowed] }))
    return []
  }

  async #connect(how: string): Promise<string[]> {
    const [match, listener = 'internet', project, key] =
      /^(?:to (\S+))? ?(?:as (\S+))?(?: with (a wrong key|key \S+))?$/.exec(how) ?? []
    assert(match !== undefined, `"connect ${how}" is no way to connect`)
    this.#client?.close()
    this.#earlierLines = this.#server.log.length
    this.#client = await RawClient.connect(this.#server, { listener })
    this.#asked = new Map()
    this.#correlationId = 0
    this.#hasFinished = false
    if (project === undefined) return []
    this.#project = project
    const name = key?.startsWith('key ') === true ? `${project} ${key.slice(4)}` : project
    await this.#client.authenticate(project, key === 'a wrong key' ? 'wrong#wrong' : this.#passwords.get(name)!)
    return []
  }

  /** The bytes of what a line says; notes what has to be answered. */
  #encode(line: string): Buffer {
    const [, what, rest = ''] = /^(\S+) ?(.*)$/.exec(line)!
    if (what === 'bytes') return Buffer.from(rest.replaceAll(' ', ''), 'hex')
    if (what === 'text') return Buffer.from(JSON.parse(rest) as string)
    if (what === 'token') {
      this.#asked.set(0, 'token')
      return framed(Buffer.from(this.#withKey(parse(rest) as string)))
    }
    const message = apis.find(({ name }) => name === what)?.request as AnyMessage | undefined
    const [, digits, fields = ''] = /^v(\d+) ?(.*)$/.exec(rest) ?? []
    assert(message !== undefined && digits !== undefined, `"${line}" is no request`)
    const version = Number(digits)
    this.#asked.set(++this.#correlationId, { apiKey: message.apiKey, version })
    // Of a version that does not exist the body is that of the newest.
    if (!message.isDeclared(version)) {
      const frame = encodeRequest(message, message.maxVersion, this.#correlationId, CLIENT_ID, this.#fieldsOf(what!, fields))
      frame.writeInt16BE(version, 6)
      return frame
    }
    return encodeRequest(message, version, this.#correlationId, CLIENT_ID, this.#fieldsOf(what!, fields))
  }

  #fieldsOf(api: string, text: string): never {
    if (api === 'Produce') return produceFields(text) as never
    const fields = (parse(text === '' ? '{}' : text) ?? {}) as Record<string, unknown>
    if (api !== saslAuthenticateRequest.name.replace('Request', '')) return fields as never
    return { authBytes: Buffer.from(this.#withKey(fields['authBytes'] as string)) } as never
  }

  /** A text with the access key of a project in place of `{key}`. */
  #withKey(text: string): string {
    return text.replaceAll('{key}', () => {
      const [, project] = text.split('\0')
      return this.#passwords.get(project === undefined || project === '' ? this.#project : project) ?? 'wrong#wrong'
    })
  }

  async #receive(count: number): Promise<string[]> {
    const lines: string[] = []
    for (let received = 0; received < count; received++) {
      const frame = await this.#open.receiveFrame().catch(() => undefined)
      if (frame === undefined) return [...lines, await this.#describeEnd()]
      lines.push(...this.#describe(frame))
    }
    return lines
  }

  #describe(frame: Buffer): string[] {
    const correlationId = frame.length === 0 ? 0 : frame.readInt32BE()
    const asked = this.#asked.get(correlationId)
    this.#asked.delete(correlationId)
    if (asked === 'token') return ['SASL token accepted']
    if (asked === undefined) return [`an answer that nothing asked for, correlation id ${correlationId}`]
    return explainResponse(frame, asked.apiKey, asked.version)
      .split('\n')
      .map(line => this.#nameValues(line))
  }

  /** Replaces what differs from run to run by names. */
  #nameValues(line: string): string {
    return line
      .replace(/\bport: [1-9]\d*/, 'port: PORT')
      .replace(/\bproducerId: \d+/, 'producerId: NEW')
      .replace(/(?<=\btopicId: ")[0-9a-f]{32}/, id => {
        const name = this.#topicIds.get(id)
        return name === undefined ? id : `ID OF ${name}`
      })
  }

  /** What the server says in its log of the end of this connection. */
  async #describeEnd(): Promise<string> {
    if (this.#hasFinished) return 'closed by the server, as the client did'
    const port = this.#open.localPort
    const isOurs = (peer: unknown): boolean => typeof peer === 'string' && peer.endsWith(`:${port}`)
    const line = await until('the log line of the closed connection', () =>
      this.#server.log.slice(this.#earlierLines).find(({ peer, msg }) => isOurs(peer) && msg === 'connection closed'),
    )
    return `closed by the server: ${line.reason}`
  }
}

/** `acks=1 transactionalId=T TOPIC/PARTITION=BATCH …` */
function produceFields(text: string): unknown {
  const [, acks = '1'] = /\backs=(-?\d+)/.exec(text) ?? []
  const [, transactionalId = null] = /\btransactionalId=(\S+)/.exec(text) ?? []
  const topicData = [...text.matchAll(/(\S+)\/(-?\d+)=(\{[^}]*\}|null|empty)/g)].map(([, name, index, batch]) => ({
    name: parse(name!) as string,
    partitionData: [{ index: Number(index), records: recordsOf(batch!) }],
  }))
  return { transactionalId, acks: Number(acks), timeoutMs: 30_000, topicData }
}

function recordsOf(text: string): Buffer | null {
  if (text === 'null') return null
  if (text === 'empty') return Buffer.alloc(0)
  const { records, format = 2, magic, recordCount, cut = 0, damaged = false, ...spec } = parse(text) as BatchSpec
  const values = Array.from({ length: records }, (_, index) => ({ value: `log ${index}`, timestamp: 1_700_000_000_000 + index }))
  const bytes =
    format === 2
      ? buildBatch({
          records: values,
          codec: CODECS[spec.codec ?? 'none'],
          attributes: spec.attributes ?? 0,
          producerId: spec.producerId ?? -1,
          producerEpoch: spec.epoch ?? -1,
          baseSequence: spec.sequence ?? -1,
        })
      : Buffer.concat(values.map(({ value, timestamp }) => buildMessage(format, value, timestamp)))
  if (recordCount !== undefined) {
    bytes.writeInt32BE(recordCount, 57)
    bytes.writeUInt32BE(crc32c(bytes.subarray(ATTRIBUTES_POSITION)), CRC_POSITION)
  }
  if (magic !== undefined) bytes.writeInt8(magic, MAGIC_POSITION)
  if (damaged) bytes[bytes.length - 1]! ^= 1
  return bytes.subarray(0, bytes.length - cut)
}

/** A message of format 0 or 1, not compressed, without a key. */
function buildMessage(format: number, value: string, timestamp: number): Buffer {
  const time = Buffer.alloc(format === 0 ? 0 : 8)
  if (format === 1) time.writeBigInt64BE(BigInt(timestamp))
  const lengths = Buffer.alloc(8)
  lengths.writeInt32BE(-1)
  lengths.writeInt32BE(value.length, 4)
  const checked = Buffer.concat([Buffer.from([format, 0]), time, lengths, Buffer.from(value)])
  const prefix = Buffer.alloc(16)
  prefix.writeInt32BE(4 + checked.length, 8)
  prefix.writeUInt32BE(crc32(checked), 12)
  return Buffer.concat([prefix, checked])
}

function framed(bytes: Buffer): Buffer {
  const size = Buffer.alloc(4)
  size.writeInt32BE(bytes.length)
  return Buffer.concat([size, bytes])
}
