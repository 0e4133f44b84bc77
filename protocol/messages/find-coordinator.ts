/**
 * FindCoordinator: which broker keeps a consumer group or a transaction. Producers without transactions never send it, but
 * librdkafka compresses with lz4 only if it is announced.
 *
 * | version | request | response |
 * | --- | --- | --- |
 * | 0 | key | errorCode, nodeId, host, port |
 * | 1 | keyType: 0 group, 1 transaction (KIP-98) | throttleTimeMs, errorMessage |
 *
 * 2 is like 1. From 3 on it is flexible, from 4 on it takes several keys (KIP-699); not declared.
 */
import { ApiKey } from '../api-keys.ts'
import { message } from '../message.ts'
import { type InputOf, int16, int32, int8, nullableString, since, string, type ValueOf } from '../schema.ts'

const options = { apiKey: ApiKey.FindCoordinator, versions: [0, 2] } as const

export const findCoordinatorRequest = message('FindCoordinatorRequest', options, {
  key: string,
  keyType: since(1, int8),
})
export type FindCoordinatorRequest = ValueOf<typeof findCoordinatorRequest>

export const findCoordinatorResponse = message('FindCoordinatorResponse', options, {
  throttleTimeMs: since(1, int32),
  errorCode: int16,
  errorMessage: since(1, nullableString),
  nodeId: int32,
  host: string,
  port: int32,
})
export type FindCoordinatorResponse = ValueOf<typeof findCoordinatorResponse>
export type FindCoordinatorResponseInput = InputOf<typeof findCoordinatorResponse>
