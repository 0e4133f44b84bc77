/**
 * What the cases are made of: conversations of real clients, requests of every version, and records of every format and codec.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ApiKey } from '../../protocol/api-keys.ts'
import { apis } from '../../protocol/messages/apis.ts'
import { readCases, readVectors, themes } from '../protocol/fixtures.ts'

/** One connection of a recorded client: its requests, each with its size before it. */
export interface Conversation {
  readonly name: string
  readonly frames: readonly Buffer[]
}

export interface Corpus {
  readonly conversations: readonly Conversation[]
  /** With their size and header. */
  readonly requests: readonly Buffer[]
  /** What is in `records` fields: batches, several batches, message sets; good ones and broken ones. */
  readonly records: readonly Buffer[]
  /** Small records that decompress to megabytes. */
  readonly bombs: readonly Buffer[]
}

/** The names that the recorded conversations have for them. */
export const PROJECT = 'demo-project'
export const ACCESS_KEY = { id: 'demoid', secret: 'demosecret' }
export const TOPIC = 'demo-logs'
export const OTHER_TOPIC = 'late-logs'
export const SERVER_NAME = 'demo-project.localhost'

const CLIENT_ID = 'fuzz'

interface Event {
  conn: number
  dir: string
  apiKey: number | null
  apiVersion: number | null
  hex: string
}

export function readCorpus(): Corpus {
  const records = themes.filter(theme => theme !== 'bombs').flatMap(theme => readCases(theme))
  return {
    conversations: readConversations(),
    requests: apis.flatMap(readRequests),
    records: records.map(({ hex }) => Buffer.from(hex, 'hex')),
    bombs: readCases('bombs').map(({ hex }) => Buffer.from(hex, 'hex')),
  }
}

/** Puts the size before a request. */
export function framed(bytes: Buffer): Buffer {
  const size = Buffer.alloc(4)
  size.writeInt32BE(bytes.length)
  return Buffer.concat([size, bytes])
}

function readConversations(): Conversation[] {
  const directory = join('test', 'fixtures', 'captures')
  const conversations: Conversation[] = []
  for (const file of readdirSync(directory).sort()) {
    const lines = readFileSync(join(directory, file), 'utf8').trim().split('\n')
    const byConnection = new Map<number, Buffer[]>()
    for (const event of lines.map(line => JSON.parse(line) as Event)) {
      if (event.dir !== 'request') continue
      const frames = byConnection.get(event.conn) ?? []
      byConnection.set(event.conn, frames)
      frames.push(framed(requestOf(event)))
    }
    for (const [connection, frames] of byConnection) conversations.push({ name: `${file} ${connection}`, frames })
  }
  return conversations
}

/** Produce 11, of clients that had negotiated it, is like 10, which is the last that sluice knows. */
function requestOf({ apiKey, apiVersion, hex }: Event): Buffer {
  const bytes = Buffer.from(hex, 'hex')
  if (apiKey === ApiKey.Produce && apiVersion === 11) bytes.writeInt16BE(10, 2)
  return bytes
}

function readRequests({ name, apiKey }: { name: string; apiKey: number }): Buffer[] {
  return readVectors(name)
    .filter(({ type }) => type === 'request')
    .map(({ version, headerVersion, hex }, index) => {
      const header = Buffer.alloc(10)
      header.writeInt16BE(apiKey, 0)
      header.writeInt16BE(version, 2)
      header.writeInt32BE(1000 + index, 4)
      header.writeInt16BE(CLIENT_ID.length, 8)
      const tags = Buffer.alloc(headerVersion === 2 ? 1 : 0)
      return framed(Buffer.concat([header, Buffer.from(CLIENT_ID), tags, Buffer.from(hex, 'hex')]))
    })
}
