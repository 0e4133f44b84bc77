/**
 * Metadata: the brokers, and the partitions of topics with their leaders.
 *
 * | version | request | response |
 * | --- | --- | --- |
 * | 0 | no topics mean all | |
 * | 1 | null means all, no topics mean none | rack, controllerId, isInternal |
 * | 2 | | clusterId (KIP-78) |
 * | 3 | | throttleTimeMs |
 * | 4 | allowAutoTopicCreation | |
 * | 5 | | offlineReplicas (KIP-112) |
 * | 7 | | leaderEpoch (KIP-320) |
 * | 8–10 | includeClusterAuthorizedOperations (KIP-430) | clusterAuthorizedOperations |
 * | 8 | includeTopicAuthorizedOperations | topicAuthorizedOperations |
 * | 9 | flexible | flexible |
 * | 10 | topicId, name may be null (KIP-516) | topicId |
 * | 12 | topicId works | name may be null |
 *
 * 6 and 11 are like the version before them, but for what 11 drops.
 */
import { ApiKey } from '../api-keys.ts'
import { message } from '../message.ts'
import {
  array,
  between,
  bool,
  type InputOf,
  int16,
  int32,
  nullable,
  nullableString,
  since,
  string,
  uuid,
  type ValueOf,
} from '../schema.ts'

const options = { apiKey: ApiKey.Metadata, versions: [0, 12], flexibleFrom: 9 } as const

/** What authorized operations are if they were not asked for: the least int32. */
const NOT_ASKED_FOR = -2147483648

export const metadataRequest = message('MetadataRequest', options, {
  topics: nullable(array({ topicId: since(10, uuid), name: nullable(string, 10) }), 1),
  allowAutoTopicCreation: since(4, bool, true),
  includeClusterAuthorizedOperations: between(8, 10, bool),
  includeTopicAuthorizedOperations: since(8, bool),
})
export type MetadataRequest = ValueOf<typeof metadataRequest>

export const metadataResponse = message('MetadataResponse', options, {
  throttleTimeMs: since(3, int32),
  brokers: array({ nodeId: int32, host: string, port: int32, rack: since(1, nullableString) }),
  clusterId: since(2, nullableString),
  controllerId: since(1, int32, -1),
  topics: array({
    errorCode: int16,
    name: nullable(string, 12),
    topicId: since(10, uuid),
    isInternal: since(1, bool),
    partitions: array({
      errorCode: int16,
      partitionIndex: int32,
      leaderId: int32,
      leaderEpoch: since(7, int32, -1),
      replicaNodes: array(int32),
      isrNodes: array(int32),
      offlineReplicas: since(5, array(int32)),
    }),
    topicAuthorizedOperations: since(8, int32, NOT_ASKED_FOR),
  }),
  clusterAuthorizedOperations: between(8, 10, int32, NOT_ASKED_FOR),
})
export type MetadataResponse = ValueOf<typeof metadataResponse>
export type MetadataResponseInput = InputOf<typeof metadataResponse>
