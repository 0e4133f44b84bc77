/**
 * Changes records and then puts their checksums right, so that the damage gets past them: into the checks of batches, into the
 * conversion of old message sets, and into the indexer, where compressed records are read for the first time.
 */
import { crc32, gunzipSync, gzipSync } from 'node:zlib'
import {
  ATTRIBUTES_POSITION,
  BATCH_HEADER_BYTES,
  BATCH_PREFIX_BYTES,
  CODEC_BITS,
  CRC_POSITION,
  MAGIC_POSITION,
} from '../../protocol/records/batch.ts'
import { buildBatch, encodeRecords } from '../../protocol/records/build-batch.ts'
import { Codec } from '../../protocol/records/compression.ts'
import { crc32c } from '../../protocol/records/crc32c.ts'
import type { Random } from '../protocol/random.ts'
import { mutateBytes } from './mutate.ts'

const MiB = 1024 * 1024

/** A batch of format 2 by parts; what its header says need not be true. */
export interface BatchParts {
  codec: number
  count: number
  payload: Buffer
}

export function isBatch(records: Buffer): boolean {
  return records.length >= BATCH_HEADER_BYTES && records[MAGIC_POSITION] === 2
}

export function isMessageSet(records: Buffer): boolean {
  return records.length >= 26 && records[MAGIC_POSITION]! < 2
}

/** A batch whose header is right. */
export function batchOf({ codec, count, payload }: BatchParts): Buffer {
  const batch = Buffer.alloc(BATCH_HEADER_BYTES)
  batch.writeInt32BE(-1, 12)
  batch[MAGIC_POSITION] = 2
  batch.writeInt16BE(codec, ATTRIBUTES_POSITION)
  batch.writeInt32BE(count - 1, 23)
  batch.fill(0xff, 27, 57)
  batch.writeInt32BE(count, 57)
  return sealBatch(Buffer.concat([batch, payload]))
}

/** A few good records of an idempotent producer, or of one that is not. */
export function goodBatch(random: Random): Buffer {
  const records = Array.from({ length: 1 + random.below(20) }, (_, index) => ({
    timestamp: random.pick([-1, 1_700_000_000_000 + index, random.int(53)]),
    key: random.pick([null, 'key', random.bytes(3)]),
    value: random.pick([null, '', '{"level":"info","status":200}', random.bytes(random.below(300))]),
    headers: random.below(4) === 0 ? [{ key: 'header', value: random.pick([null, 'x', random.bytes(5)]) }] : [],
  }))
  const producer = { producerId: random.below(50), producerEpoch: random.below(2), baseSequence: random.below(3) }
  return buildBatch({ records, codec: random.below(2), ...(random.below(2) === 0 && producer) })
}

/** Changes what the header of a batch says. */
export function mutateBatchFields(random: Random, bytes: Buffer): Buffer {
  const batch = Buffer.from(bytes)
  const fields = [
    { at: 12, bytes: 4 }, // leader epoch
    { at: ATTRIBUTES_POSITION, bytes: 2 },
    { at: 23, bytes: 4 }, // last offset delta
    { at: 27, bytes: 8 }, // base timestamp
    { at: 35, bytes: 8 }, // max timestamp
    { at: 43, bytes: 8 }, // producer id
    { at: 51, bytes: 2 }, // epoch
    { at: 53, bytes: 4 }, // base sequence
    { at: 57, bytes: 4 }, // record count
  ]
  for (let times = 1 + random.below(3); times > 0; times--) {
    if (random.below(4) === 0) {
      setCount(batch, random.pick([1, 2, 10, 1000, 1_000_000, 1_000_001, batch.readInt32BE(57) + 1, 0x7fffffff]))
      continue
    }
    const { at, bytes: size } = random.pick(fields)
    if (size === 2) batch.writeInt16BE(random.pick([random.int(16), 1 << random.below(7), random.below(8)]), at)
    else if (size === 4) batch.writeInt32BE(random.int(32), at)
    else batch.writeBigInt64BE(random.pick([-1n, 0n, 2n ** 63n - 1n, -(2n ** 63n), BigInt(random.int(53))]), at)
  }
  return random.below(12) === 0 ? batch : sealBatch(batch)
}

/** Damages the records of a batch: compressed as they are, or before they are compressed again. */
export function mutatePayload(random: Random, bytes: Buffer): Buffer {
  const header = Buffer.from(bytes.subarray(0, BATCH_HEADER_BYTES))
  const payload = bytes.subarray(BATCH_HEADER_BYTES)
  switch (random.below(5)) {
    case 0: {
      const plain = gunzipped(payload)
      header.writeInt16BE(Codec.GZIP, ATTRIBUTES_POSITION)
      return sealBatch(Buffer.concat([header, gzipSync(mutateBytes(random, plain ?? payload))]))
    }
    case 1:
      header.writeInt16BE((header.readInt16BE(ATTRIBUTES_POSITION) & ~CODEC_BITS) | random.below(8), ATTRIBUTES_POSITION)
      return sealBatch(Buffer.concat([header, payload]))
    case 2:
      return sealBatch(Buffer.concat([header, payload.subarray(0, random.below(payload.length + 1))]))
    default:
      return sealBatch(Buffer.concat([header, mutateBytes(random, payload)]))
  }
}

/** Damages one message of an old set, or wraps the set, once or more. */
export function mutateMessageSet(random: Random, set: Buffer): Buffer {
  if (random.below(5) === 0) {
    let wrapped = set
    for (let depth = 1 + random.below(3); depth > 0; depth--)
      wrapped = message({ magic: random.below(2), codec: Codec.GZIP, value: gzipSync(wrapped) })
    return wrapped
  }
  const starts = messageStarts(set)
  if (starts.length === 0) return mutateBytes(random, set)
  const start = random.pick(starts)
  const end = start + 12 + set.readInt32BE(start + 8)
  const [before, after] = [set.subarray(0, start), set.subarray(end)]
  const changed = Buffer.from(set.subarray(start, end))
  switch (random.below(6)) {
    case 0:
      changed[17] = random.pick([0, 1, 2, 3, 4, 5, 7, 8, 0xff])
      break
    case 1:
      changed[MAGIC_POSITION] = random.pick([0, 1, 2, 3, 0xff])
      break
    case 2:
      changed.writeInt32BE(random.int(32), random.pick([8, 18, Math.max(18, changed.length - 4)]))
      break
    case 3: {
      // The magic and the attributes stay, what is inside is compressed again.
      const head = changed[MAGIC_POSITION] === 1 ? 34 : 26
      const plain = gunzipped(changed.subarray(head))
      const value = gzipSync(mutateBytes(random, plain ?? set))
      return Buffer.concat([before, message({ magic: changed[MAGIC_POSITION]! & 1, codec: Codec.GZIP, value }), after])
    }
    default:
      return Buffer.concat([
        before,
        sealMessage(Buffer.concat([changed.subarray(0, 18), mutateBytes(random, changed.subarray(18))])),
        after,
      ])
  }
  changed.writeUInt32BE(crc32(changed.subarray(MAGIC_POSITION)), 12)
  return Buffer.concat([before, changed, after])
}

/** Zeros that gzip makes a thousand times smaller, as a batch or within a message set. */
export function gzipBomb(random: Random): Buffer {
  const value = Buffer.alloc((1 + random.below(12)) * MiB)
  if (random.below(2) === 0)
    return batchOf({ codec: Codec.GZIP, count: 1, payload: gzipSync(encodeRecords([{ value }]).payload) })
  const magic = random.below(2)
  return message({
    magic,
    codec: Codec.GZIP,
    value: gzipSync(random.below(2) === 0 ? value : message({ magic, codec: Codec.NONE, value })),
  })
}

/** As many of the smallest records there can be. */
export function manyRecords(count: number): Buffer {
  return batchOf({ codec: Codec.GZIP, count, payload: gzipSync(Buffer.alloc(count * SMALLEST_RECORD.length, SMALLEST_RECORD)) })
}

/** No key, no value, no headers. */
const SMALLEST_RECORD = Buffer.from([12, 0, 0, 0, 1, 1, 0])

/** A message of format 0 or 1 without a key. */
export function message({ magic, codec, value }: { magic: number; codec: number; value: Buffer }): Buffer {
  const head = Buffer.alloc(magic === 1 ? 34 : 26)
  head[MAGIC_POSITION] = magic
  head[17] = codec
  head.writeInt32BE(-1, head.length - 8)
  head.writeInt32BE(value.length, head.length - 4)
  return sealMessage(Buffer.concat([head, value]))
}

function setCount(batch: Buffer, count: number): void {
  batch.writeInt32BE((count - 1) | 0, 23)
  batch.writeInt32BE(count | 0, 57)
}

/** Puts length and checksum of a batch right. */
function sealBatch(batch: Buffer): Buffer {
  batch.writeInt32BE(batch.length - BATCH_PREFIX_BYTES, 8)
  batch.writeUInt32BE(crc32c(batch.subarray(ATTRIBUTES_POSITION)), CRC_POSITION)
  return batch
}

function sealMessage(bytes: Buffer): Buffer {
  bytes.writeInt32BE(bytes.length - BATCH_PREFIX_BYTES, 8)
  bytes.writeUInt32BE(crc32(bytes.subarray(MAGIC_POSITION)), 12)
  return bytes
}

/** Where the whole messages of a set begin. */
function messageStarts(set: Buffer): number[] {
  const starts: number[] = []
  for (let at = 0; at + 26 <= set.length;) {
    const end = at + 12 + set.readInt32BE(at + 8)
    if (end < at + 26 || end > set.length) break
    starts.push(at)
    at = end
  }
  return starts
}

function gunzipped(bytes: Buffer): Buffer | undefined {
  try {
    return gunzipSync(bytes, { maxOutputLength: MiB })
  } catch {
    return undefined
  }
}
