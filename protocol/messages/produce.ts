/**
 * Produce: record batches for partitions of topics. The API that everything here is about.
 *
 * | version | request | response |
 * | --- | --- | --- |
 * | 0 | message formats 0 and 1 | |
 * | 1 | | throttleTimeMs |
 * | 2 | | logAppendTimeMs |
 * | 3 | transactionalId; format 2 (KIP-98) | |
 * | 5 | | logStartOffset |
 * | 7 | zstd allowed (KIP-110) | |
 * | 8 | | recordErrors, errorMessage (KIP-467) |
 * | 9 | flexible | flexible |
 * | 10 | | currentLeader, nodeEndpoints, tagged (KIP-951) |
 *
 * 4 and 6 are like the version before them. Which formats and codecs a version may carry is not checked, for clients do not care:
 * Kong sends format 1 in version 3. The records say themselves what they are.
 */
import { ApiKey } from '../api-keys.ts'
import { message } from '../message.ts'
import {
  array,
  type InputOf,
  int16,
  int32,
  int64,
  nullableString,
  records,
  since,
  string,
  struct,
  tagged,
  type ValueOf,
} from '../schema.ts'

const options = { apiKey: ApiKey.Produce, versions: [0, 10], flexibleFrom: 9 } as const

export const produceRequest = message('ProduceRequest', options, {
  transactionalId: since(3, nullableString),
  /** 0: no answer is wanted, not even one. 1 and -1: answer when it is stored. */
  acks: int16,
  timeoutMs: int32,
  topicData: array({
    name: string,
    partitionData: array({ index: int32, records }),
  }),
})
export type ProduceRequest = ValueOf<typeof produceRequest>

export const produceResponse = message('ProduceResponse', options, {
  responses: array({
    name: string,
    partitionResponses: array({
      index: int32,
      errorCode: int16,
      baseOffset: int64,
      logAppendTimeMs: since(2, int64, -1),
      logStartOffset: since(5, int64, -1),
      recordErrors: since(8, array({ batchIndex: int32, batchIndexErrorMessage: since(8, nullableString) })),
      errorMessage: since(8, nullableString),
      currentLeader: tagged(0, 10, struct({ leaderId: since(10, int32, -1), leaderEpoch: since(10, int32, -1) })),
    }),
  }),
  /** At the end, unlike in all other responses. */
  throttleTimeMs: since(1, int32),
  nodeEndpoints: tagged(0, 10, array({ nodeId: int32, host: string, port: int32, rack: since(10, nullableString) })),
})
export type ProduceResponse = ValueOf<typeof produceResponse>
export type ProduceResponseInput = InputOf<typeof produceResponse>
