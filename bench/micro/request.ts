/**
 * A produce request of nginx logs, and how it comes out of TLS.
 */
import { Chunks } from '../../protocol/chunks.ts'
import { FRAME_PREFIX_BYTES } from '../../protocol/framing.ts'
import { encodeRequest } from '../../protocol/headers.ts'
import { produceRequest } from '../../protocol/messages/produce.ts'
import { buildBatch, type RecordInput } from '../../protocol/records/build-batch.ts'
import { samples } from '../samples.ts'

/** The most that one TLS record holds, and so the most that Node hands over at once. */
const TLS_RECORD_BYTES = 16 * 1024
export const PRODUCE_VERSION = 9
export const CLIENT_ID = 'bench'

export interface BuiltRequest {
  /** With its size before it. */
  frame: Buffer
  batch: Buffer
}

/** A request with one batch for one partition, of logs that have about so many bytes together. */
export function buildRequest(bytes: number, topic: string): BuiltRequest {
  const timestamp = Date.now()
  const records: RecordInput[] = []
  for (let left = bytes; left > 0; left -= records.at(-1)!.value!.length)
    records.push({ timestamp, value: Buffer.from(samples['nginx']!.log(records.length, timestamp)) })
  // Not more than was asked for: sizes are to compare.
  if (records.length > 1) records.pop()
  const batch = buildBatch({ records })
  const partitionData = [{ index: 0, records: Chunks.of(batch) }]
  const frame = encodeRequest(produceRequest, PRODUCE_VERSION, 1, CLIENT_ID, {
    transactionalId: null,
    acks: -1,
    timeoutMs: 30_000,
    topicData: [{ name: topic, partitionData }],
  })
  return { frame, batch }
}

/** The pieces of a request as a client's TLS cuts it and the server's hands it over, in memory of their own. */
export function cutAsTls({ frame }: BuiltRequest): Buffer[] {
  const pieces: Buffer[] = []
  for (let at = 0; at < frame.length; at += TLS_RECORD_BYTES) {
    const piece = Buffer.allocUnsafeSlow(Math.min(TLS_RECORD_BYTES, frame.length - at))
    frame.copy(piece, 0, at)
    pieces.push(piece)
  }
  return pieces
}

/** The request without its size, in the same pieces. */
export function frameOf(request: BuiltRequest): Chunks {
  const chunks = Chunks.of(...cutAsTls(request))
  return chunks.slice(FRAME_PREFIX_BYTES)
}

/** The batch of the request, in the same pieces. */
export function batchOf(request: BuiltRequest): Chunks {
  const { frame, batch } = request
  const start = frame.indexOf(batch.subarray(0, 64))
  return Chunks.of(...cutAsTls(request)).slice(start, start + batch.length)
}
