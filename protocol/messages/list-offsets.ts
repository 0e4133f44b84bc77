/**
 * ListOffsets: the first, the last, or the first offset since a time (-2, -1, milliseconds).
 *
 * | version | request | response |
 * | --- | --- | --- |
 * | 0 | maxNumOffsets | oldStyleOffsets |
 * | 1 | one offset only (KIP-79) | timestamp, offset |
 * | 2 | isolationLevel (KIP-98) | throttleTimeMs |
 * | 4 | currentLeaderEpoch (KIP-320) | leaderEpoch |
 *
 * 3 and 5 are like the version before them. From 6 on it is flexible; not declared.
 */
import { ApiKey } from '../api-keys.ts'
import { message } from '../message.ts'
import {
  array,
  between,
  type InputOf,
  int16,
  int32,
  int64,
  int64Saturating,
  int8,
  since,
  string,
  type ValueOf,
} from '../schema.ts'

const options = { apiKey: ApiKey.ListOffsets, versions: [0, 5] } as const

export const listOffsetsRequest = message('ListOffsetsRequest', options, {
  replicaId: int32,
  isolationLevel: since(2, int8),
  topics: array({
    name: string,
    partitions: array({
      partitionIndex: int32,
      currentLeaderEpoch: since(4, int32, -1),
      /** A client may ask for the time that is farthest away. */
      timestamp: int64Saturating,
      maxNumOffsets: between(0, 0, int32, 1),
    }),
  }),
})
export type ListOffsetsRequest = ValueOf<typeof listOffsetsRequest>

export const listOffsetsResponse = message('ListOffsetsResponse', options, {
  throttleTimeMs: since(2, int32),
  topics: array({
    name: string,
    partitions: array({
      partitionIndex: int32,
      errorCode: int16,
      oldStyleOffsets: between(0, 0, array(int64)),
      timestamp: since(1, int64, -1),
      offset: since(1, int64, -1),
      leaderEpoch: since(4, int32, -1),
    }),
  }),
})
export type ListOffsetsResponse = ValueOf<typeof listOffsetsResponse>
export type ListOffsetsResponseInput = InputOf<typeof listOffsetsResponse>
