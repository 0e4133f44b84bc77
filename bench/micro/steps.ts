/**
 * The stages that compute and wait for nothing.
 */
import { FrameReader } from '../../protocol/framing.ts'
import { decodeRequestHeader, encodeResponse } from '../../protocol/headers.ts'
import { produceRequest, produceResponse } from '../../protocol/messages/produce.ts'
import { Reader } from '../../protocol/reader.ts'
import { ATTRIBUTES_POSITION } from '../../protocol/records/batch.ts'
import { buildBatch } from '../../protocol/records/build-batch.ts'
import { checkBatches } from '../../protocol/records/check-batches.ts'
import { Chunks } from '../../protocol/chunks.ts'
import { batchOf, cutAsTls, frameOf, PRODUCE_VERSION, type BuiltRequest } from './request.ts'

/** The requests that a connection may have under way; the reader must find them all. */
const LIMIT_BYTES = 100_000_000

/** The answer that every request gets here. */
export function encodeAnswer(): Buffer {
  return encodeResponse(produceResponse, PRODUCE_VERSION, 1, {
    responses: [
      {
        name: 'bench',
        partitionResponses: [
          {
            index: 0,
            errorCode: 0,
            baseOffset: 1_234_567,
            logAppendTimeMs: -1,
            logStartOffset: 0,
            recordErrors: [],
            errorMessage: null,
          },
        ],
      },
    ],
    throttleTimeMs: 0,
  })
}

/** By their names: each handles one request. */
export function makeSteps(request: BuiltRequest): { framing: () => void; decode: () => void; crc: () => void } {
  const pieces = cutAsTls(request)
  const frames = new FrameReader(LIMIT_BYTES)
  const frame = frameOf(request)
  const batch = batchOf(request)
  // What is measured must be right.
  if ('errorCode' in checkBatches(batch)) throw new Error('the batch is refused')
  return {
    framing() {
      for (const piece of pieces) frames.push(piece)
      while (frames.hasNext()) frames.next()
    },
    decode() {
      const reader = new Reader(frame)
      const { apiVersion } = decodeRequestHeader(reader)
      produceRequest.decode(reader, apiVersion)
    },
    crc: () => void batch.crc32c(ATTRIBUTES_POSITION, batch.length),
  }
}

/** What is checked beside the checksum is the same for all sizes: the smallest batch, and its checksum to be taken off. */
export function makeCheckSteps(): { check: () => void; crc: () => void } {
  const batch = Chunks.of(buildBatch({ records: [{ value: null }] }))
  return {
    check: () => void checkBatches(batch),
    crc: () => void batch.crc32c(ATTRIBUTES_POSITION, batch.length),
  }
}
