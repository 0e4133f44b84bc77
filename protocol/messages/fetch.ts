/**
 * Fetch: read records from offsets on. Producers never send it, but librdkafka concludes from the announced range that the
 * broker knows format 2 (from version 4) and zstd (from version 10).
 *
 * | version | request | response |
 * | --- | --- | --- |
 * | 1 | | throttleTimeMs |
 * | 3 | maxBytes (KIP-74) | |
 * | 4 | isolationLevel (KIP-98) | lastStableOffset, abortedTransactions |
 * | 5 | logStartOffset | logStartOffset |
 * | 7 | sessionId, sessionEpoch, forgottenTopicsData (KIP-227) | errorCode, sessionId |
 * | 9 | currentLeaderEpoch (KIP-320) | |
 * | 10 | zstd allowed (KIP-110) | |
 * | 11 | rackId (KIP-392) | preferredReadReplica |
 *
 * 2, 6 and 8 are like the version before them. From 12 on it is flexible; not declared.
 */
import { ApiKey } from '../api-keys.ts'
import { message } from '../message.ts'
import { array, type InputOf, int16, int32, int64, int8, nullable, records, since, string, type ValueOf } from '../schema.ts'

const options = { apiKey: ApiKey.Fetch, versions: [0, 11] } as const

export const fetchRequest = message('FetchRequest', options, {
  replicaId: since(0, int32, -1),
  maxWaitMs: int32,
  minBytes: int32,
  maxBytes: since(3, int32, 0x7fffffff),
  isolationLevel: since(4, int8),
  sessionId: since(7, int32),
  sessionEpoch: since(7, int32, -1),
  topics: array({
    topic: string,
    partitions: array({
      partition: int32,
      currentLeaderEpoch: since(9, int32, -1),
      fetchOffset: int64,
      logStartOffset: since(5, int64, -1),
      partitionMaxBytes: int32,
    }),
  }),
  forgottenTopicsData: since(7, array({ topic: string, partitions: array(int32) })),
  rackId: since(11, string),
})
export type FetchRequest = ValueOf<typeof fetchRequest>

export const fetchResponse = message('FetchResponse', options, {
  throttleTimeMs: since(1, int32),
  errorCode: since(7, int16),
  sessionId: since(7, int32),
  responses: array({
    topic: string,
    partitions: array({
      partitionIndex: int32,
      errorCode: int16,
      highWatermark: int64,
      lastStableOffset: since(4, int64, -1),
      logStartOffset: since(5, int64, -1),
      abortedTransactions: since(4, nullable(array({ producerId: int64, firstOffset: int64 }))),
      preferredReadReplica: since(11, int32, -1),
      records,
    }),
  }),
})
export type FetchResponse = ValueOf<typeof fetchResponse>
export type FetchResponseInput = InputOf<typeof fetchResponse>
