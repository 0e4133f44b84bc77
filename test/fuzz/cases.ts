/**
 * One case is one connection: what it sends and how. It follows from a seed and a number, and from nothing else, so that any of
 * them can be had again alone.
 */
import { ApiKey } from '../../protocol/api-keys.ts'
import { Chunks } from '../../protocol/chunks.ts'
import { encodeRequest } from '../../protocol/headers.ts'
import { apiVersionsRequest } from '../../protocol/messages/api-versions.ts'
import { metadataRequest } from '../../protocol/messages/metadata.ts'
import { produceRequest } from '../../protocol/messages/produce.ts'
import { saslAuthenticateRequest } from '../../protocol/messages/sasl-authenticate.ts'
import { saslHandshakeRequest } from '../../protocol/messages/sasl-handshake.ts'
import { Random } from '../protocol/random.ts'
import { plainToken } from '../support/raw-client.ts'
import { ACCESS_KEY, framed, OTHER_TOPIC, PROJECT, TOPIC, type Corpus } from './corpus.ts'
import {
  goodBatch,
  gzipBomb,
  isBatch,
  isMessageSet,
  manyRecords,
  mutateBatchFields,
  mutateMessageSet,
  mutatePayload,
} from './mutate-records.ts'
import { mutateBytes, mutateFrames, mutateHeader, mutateLength, mutateTags } from './mutate.ts'

export interface Case {
  readonly number: number
  readonly kind: string
  /** `tls`: a handshake, then the chunks; `plain`: only the chunks; `tampered`: as `tls`, and then damaged on the way. */
  readonly transport: 'tls' | 'plain' | 'tampered'
  /** Written one after the other. */
  readonly chunks: readonly Buffer[]
  /** Whether other cases come and go between two chunks, and before the end. */
  readonly dawdles: boolean
  /** What the client does once everything is written. */
  readonly end: End
  /** Which TLS records of a tampered connection are damaged: one in so many. */
  readonly damage: number
}

/** `answers`: wait for them, then FIN. `deaf`: read nothing, then reset. */
export type End = 'answers' | 'fin' | 'reset' | 'deaf'

type Frames = (random: Random, corpus: Corpus) => Buffer[]

const CLIENT_ID = 'fuzz'

/** What a connection sends, by kind, and how many of a hundred and some cases are of it. */
const kinds: Readonly<Record<string, { weight: number; frames: Frames }>> = {
  'as recorded': { weight: 4, frames: (random, corpus) => conversation(random, corpus) },
  bytes: { weight: 14, frames: (random, corpus) => [mutateBytes(random, Buffer.concat(anything(random, corpus)))] },
  frames: { weight: 10, frames: (random, corpus) => mutateFrames(random, anything(random, corpus), allFrames(corpus)) },
  headers: { weight: 6, frames: (random, corpus) => changeOne(random, anything(random, corpus), mutateHeader) },
  lengths: { weight: 16, frames: (random, corpus) => changeOne(random, anything(random, corpus), mutateLength) },
  tags: { weight: 6, frames: (random, corpus) => changeOne(random, flexible(random, corpus), mutateTags) },
  vectors: {
    weight: 6,
    frames: (random, corpus) => [...login(random), ...several(random, 8, () => random.pick(corpus.requests))],
  },
  records: { weight: 4, frames: (random, corpus) => producing(random, () => random.pick(corpus.records)) },
  'batch fields': {
    weight: 14,
    frames: (random, corpus) => producing(random, () => mutateBatchFields(random, batch(random, corpus))),
  },
  payloads: { weight: 12, frames: (random, corpus) => producing(random, () => mutatePayload(random, batch(random, corpus))) },
  'message sets': {
    weight: 12,
    frames: (random, corpus) =>
      producing(random, () => mutateMessageSet(random, random.pick(corpus.records.filter(isMessageSet)))),
  },
  bombs: {
    weight: 2,
    frames: (random, corpus) =>
      producing(random, () => (random.below(3) === 0 ? random.pick(corpus.bombs) : gzipBomb(random)), 1),
  },
  'many records': { weight: 1, frames: random => producing(random, () => manyRecords(countOfRecords(random)), 1) },
  'many elements': { weight: 1, frames: random => [...login(random), manyElements(random)] },
  'long names': { weight: 1, frames: random => [...login(random), ...longNames(random)] },
  'many answers': { weight: 1, frames: random => [...login(random), ...manyRequests(random)] },
  tokens: { weight: 6, frames: (random, corpus) => [...damagedLogin(random), random.pick(corpus.requests)] },
  'before login': { weight: 4, frames: (random, corpus) => several(random, 4, () => random.pick(allFrames(corpus))) },
  'announced only': { weight: 3, frames: random => [...(random.below(3) === 0 ? [] : login(random)), announced(random)] },
}

const weights = Object.entries(kinds).flatMap(([kind, { weight }]) => Array<string>(weight).fill(kind))
/** Of the cases on top of those kinds, how many are not even TLS, or damaged below it: one in so many. */
const ONE_IN = 16

export function makeCase(seed: number, number: number, corpus: Corpus): Case {
  const random = new Random(Math.imul(seed, 0x9e3779b1) ^ Math.imul(number + 1, 0x85ebca6b))
  const common = { number, damage: 1 + random.below(6) }
  if (random.below(ONE_IN) === 0) return { ...common, ...belowTls(random, corpus) }
  const kind = random.pick(weights)
  const frames = kinds[kind]!.frames(random, corpus)
  const end = kind === 'many answers' && random.below(2) === 0 ? 'deaf' : random.pick(ends)
  const { chunks, dawdles } = split(random, frames, end)
  return { ...common, kind, transport: 'tls', chunks, dawdles, end }
}

const ends: readonly End[] = [...Array<End>(14).fill('answers'), 'fin', 'fin', 'fin', 'reset', 'reset', 'reset', 'deaf']

/** How the bytes are cut into writes; those of a client that ends early may be cut short before. */
function split(random: Random, frames: readonly Buffer[], end: End): { chunks: Buffer[]; dawdles: boolean } {
  let bytes = Buffer.concat(frames)
  if (end !== 'answers' && random.below(2) === 0) bytes = bytes.subarray(0, random.below(bytes.length + 1))
  const dawdles = random.below(40) === 0
  if (dawdles)
    return {
      chunks: cut(
        bytes,
        several(random, 20, () => random.below(bytes.length + 1)),
      ),
      dawdles,
    }
  switch (random.below(6)) {
    case 0:
      if (bytes.length <= 3000) return { chunks: Array.from(bytes, byte => Buffer.of(byte)), dawdles }
      return { chunks: [bytes], dawdles }
    case 1:
    case 2:
      return {
        chunks: cut(
          bytes,
          several(random, 12, () => random.below(bytes.length + 1)),
        ),
        dawdles,
      }
    case 3:
      return bytes.length < Buffer.concat(frames).length ? { chunks: [bytes], dawdles } : { chunks: [...frames], dawdles }
    default:
      return { chunks: [bytes], dawdles }
  }
}

function cut(bytes: Buffer, positions: number[]): Buffer[] {
  const bounds = [0, ...positions.sort((a, b) => a - b), bytes.length]
  return bounds.slice(1).map((end, index) => bytes.subarray(bounds[index], end))
}

/** Anything but TLS, or TLS that is damaged on the way. */
function belowTls(random: Random, corpus: Corpus): Omit<Case, 'number' | 'damage'> {
  const frames = anything(random, corpus)
  const end = random.pick(ends)
  switch (random.below(4)) {
    case 0:
      return { kind: 'plain bytes', transport: 'plain', chunks: frames, dawdles: false, end }
    case 1: {
      const bytes = random.pick([
        Buffer.alloc(0),
        Buffer.from('GET / HTTP/1.1\r\nHost: logs\r\n\r\n'),
        random.bytes(random.below(2000)),
      ])
      return { kind: 'plain bytes', transport: 'plain', chunks: [bytes], dawdles: false, end }
    }
    case 2: {
      // Mostly the whole greeting, damaged: what lies behind it the server has to parse.
      const record =
        random.below(4) === 0 ? TLS_GREETING.subarray(0, random.below(TLS_GREETING.length)) : mutateBytes(random, TLS_GREETING)
      return { kind: 'TLS greeting', transport: 'plain', chunks: [record], dawdles: random.below(4) === 0, end }
    }
    default:
      return { kind: 'damaged TLS', transport: 'tampered', chunks: frames, dawdles: false, end }
  }
}

/** The first record of a TLS 1.2 client: one cipher suite, one curve, one signature algorithm, no server name. */
const TLS_GREETING = Buffer.from(
  '16030100430100003f0303' + '5a'.repeat(32) + '000002c02f0100' + '0014' + '000a00040002001d' + '000d000400020804',
  'hex',
)

function conversation(random: Random, corpus: Corpus): Buffer[] {
  return [...random.pick(corpus.conversations).frames]
}

/** What the changes are made to: mostly a recorded conversation, else requests of any version, or batches. */
function anything(random: Random, corpus: Corpus): Buffer[] {
  switch (random.below(6)) {
    case 0:
      return [...login(random), ...several(random, 4, () => random.pick(corpus.requests))]
    case 1:
      return producing(random, () => batch(random, corpus))
    default:
      return conversation(random, corpus)
  }
}

function flexible(random: Random, corpus: Corpus): Buffer[] {
  const frames = corpus.requests.filter(frame => frame.readInt16BE(6) >= (frame.readInt16BE(4) === ApiKey.Metadata ? 9 : 2))
  return random.below(2) === 0 ? anything(random, corpus) : [...login(random), random.pick(frames)]
}

function allFrames(corpus: Corpus): readonly Buffer[] {
  return (knownFrames ??= [...corpus.requests, ...corpus.conversations.flatMap(({ frames }) => frames)])
}

let knownFrames: readonly Buffer[] | undefined

function changeOne(random: Random, frames: Buffer[], change: (random: Random, frame: Buffer) => Buffer): Buffer[] {
  for (let times = 1 + random.below(2); times > 0 && frames.length > 0; times--) {
    const at = random.below(frames.length)
    frames[at] = change(random, frames[at]!)
  }
  return frames
}

function several<Value>(random: Random, most: number, make: () => Value): Value[] {
  return Array.from({ length: 1 + random.below(most) }, make)
}

function batch(random: Random, corpus: Corpus): Buffer {
  return random.below(3) === 0 ? goodBatch(random) : random.pick(corpus.records.filter(isBatch))
}

/** Logs in, in one of the ways there are. The key is mostly right. */
function login(random: Random): Buffer[] {
  const wrong = random.pick(['demoid#wrong', 'nobody#nothing', 'demoid', '', `demoid#${random.below(1000)}`])
  const password = random.below(12) === 0 ? wrong : `${ACCESS_KEY.id}#${ACCESS_KEY.secret}`
  const project = random.below(60) === 0 ? 'no-project' : PROJECT
  const greeting = random.below(2) === 0 ? [] : [versionsRequest(random)]
  return [...greeting, ...saslFrames(random, plainToken(project, password))]
}

function saslFrames(random: Random, token: Buffer, mechanism = 'PLAIN'): Buffer[] {
  const version = random.below(4) === 0 ? 0 : 1
  const handshake = encodeRequest(saslHandshakeRequest, version, 2, CLIENT_ID, { mechanism })
  if (version === 0) return [handshake, framed(token)]
  return [handshake, encodeRequest(saslAuthenticateRequest, random.below(3), 3, CLIENT_ID, { authBytes: token })]
}

function damagedLogin(random: Random): Buffer[] {
  const token = plainToken(PROJECT, `${ACCESS_KEY.id}#${ACCESS_KEY.secret}`)
  const mechanism = random.pick(['PLAIN', 'PLAIN', 'PLAIN', 'SCRAM-SHA-256', '', 'plain'])
  const tokens = [
    mutateBytes(random, token),
    mutateBytes(random, token),
    Buffer.alloc(0),
    Buffer.alloc(2),
    Buffer.from(`${PROJECT}\0${PROJECT}\0${ACCESS_KEY.id}#${ACCESS_KEY.secret}`),
    Buffer.from(`somebody\0${PROJECT}\0${ACCESS_KEY.id}#${ACCESS_KEY.secret}`),
    Buffer.concat([token, Buffer.alloc(60_000, 0x61)]),
  ]
  const frames = saslFrames(random, random.pick(tokens), mechanism)
  return random.below(4) === 0 ? [...frames, ...saslFrames(random, token)] : frames
}

function versionsRequest(random: Random): Buffer {
  const value = { clientSoftwareName: 'fuzz', clientSoftwareVersion: '1' }
  return encodeRequest(apiVersionsRequest, random.below(5), 1, CLIENT_ID, value)
}

/** Some produce requests, pipelined, each with records made by `make`. */
function producing(random: Random, make: () => Buffer, most = 4): Buffer[] {
  return [...login(random), ...several(random, most, () => producingOnce(random, make))]
}

function producingOnce(random: Random, make: () => Buffer): Buffer {
  const topics = [...Array<string>(8).fill(TOPIC), `${TOPIC}.json`, OTHER_TOPIC, 'no-such-topic', '', 'a b']
  const partition = (index: number) => ({ index: random.below(8) === 0 ? random.int(32) : index, records: make() })
  const value = {
    transactionalId: random.below(40) === 0 ? 'transaction' : null,
    acks: random.pick([-1, -1, -1, -1, 1, 1, 1, 0, random.below(8) === 0 ? random.int(16) : 1]),
    timeoutMs: random.pick([30_000, 0, random.int(32)]),
    topicData: several(random, random.pick([1, 1, 1, 3]), () => ({
      name: random.pick(topics),
      partitionData: Array.from({ length: random.pick([1, 1, 1, 1, 2, 3, 0]) }, (_, index) => partition(index)),
    })),
  }
  return encodeRequest(produceRequest, random.below(11), random.int(32), random.pick([CLIENT_ID, null]), value)
}

/** Mostly more than are taken: a million rows cost the indexer seconds, which the cases behind it wait for. */
function countOfRecords(random: Random): number {
  if (random.below(100) === 0) return 1_000_000
  return random.pick([20_000, 1000, 1, 1_000_001, 3_000_000])
}

/** Arrays with about as many elements as are taken, each as small as can be. */
function manyElements(random: Random): Buffer {
  const count = random.pick([99_000, 99_998, 99_999, 100_000, 100_001, 200_000])
  if (random.below(2) === 0) {
    const names = Array.from({ length: count }, (_, index) => ({ name: random.below(2) === 0 ? '' : String(index) }))
    return encodeRequest(metadataRequest, random.below(10), 7, CLIENT_ID, { topics: names })
  }
  const partitionData = Array.from({ length: count }, (_, index) => ({ index, records: null }))
  const topicData = [{ name: TOPIC, partitionData }]
  return encodeRequest(produceRequest, random.below(11), 7, CLIENT_ID, {
    transactionalId: null,
    acks: 1,
    timeoutMs: 0,
    topicData,
  })
}

/** Names that a classic string cannot hold, in versions whose strings can; and the longest client id. */
function longNames(random: Random): Buffer[] {
  const name = 'ä'.repeat(random.pick([200, 16_000, 40_000, 400_000]))
  const records = goodBatch(random)
  const topicData = [{ name, partitionData: [{ index: 0, records }] }]
  const produce = { transactionalId: null, acks: random.below(2), timeoutMs: 0, topicData }
  const named = { ...produce, topicData: [{ name: TOPIC, partitionData: [{ index: 0, records: Chunks.of(records) }] }] }
  return [
    encodeRequest(metadataRequest, 9 + random.below(4), 7, CLIENT_ID, { topics: [{ name }] }),
    encodeRequest(produceRequest, 8, 8, 'c'.repeat(32_767), { ...named, acks: 1 }),
    encodeRequest(produceRequest, 9 + random.below(2), 9, CLIENT_ID, produce),
  ]
}

/** Many small requests with larger answers. */
function manyRequests(random: Random): Buffer[] {
  const request =
    random.below(2) === 0 ? versionsRequest(random) : encodeRequest(metadataRequest, 8, 7, CLIENT_ID, { topics: null })
  return Array<Buffer>(1 + random.below(4000)).fill(request)
}

/** The size of a request, and little or nothing of it. */
function announced(random: Random): Buffer {
  const size = Buffer.alloc(4)
  size.writeInt32BE(random.pick([104_857_600, 104_857_600, 65_536, 10_000_000]))
  return Buffer.concat([size, Buffer.alloc(random.pick([0, 1, 1000, 100_000]))])
}
