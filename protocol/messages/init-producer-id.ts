/**
 * InitProducerId: a producer id for an idempotent producer (KIP-98).
 *
 * | version | request | response |
 * | --- | --- | --- |
 * | 0 | transactionalId, transactionTimeoutMs | throttleTimeMs, errorCode, producerId, producerEpoch |
 * | 2 | flexible | flexible |
 * | 3 | producerId, producerEpoch (KIP-360) | |
 *
 * 1 and 4 are like the version before them.
 */
import { ApiKey } from '../api-keys.ts'
import { message } from '../message.ts'
import { type InputOf, int16, int32, int64, nullableString, since, type ValueOf } from '../schema.ts'

const options = { apiKey: ApiKey.InitProducerId, versions: [0, 4], flexibleFrom: 2 } as const

export const initProducerIdRequest = message('InitProducerIdRequest', options, {
  transactionalId: nullableString,
  transactionTimeoutMs: int32,
  producerId: since(3, int64, -1),
  producerEpoch: since(3, int16, -1),
})
export type InitProducerIdRequest = ValueOf<typeof initProducerIdRequest>

export const initProducerIdResponse = message('InitProducerIdResponse', options, {
  throttleTimeMs: since(0, int32),
  errorCode: int16,
  producerId: since(0, int64, -1),
  producerEpoch: int16,
})
export type InitProducerIdResponse = ValueOf<typeof initProducerIdResponse>
export type InitProducerIdResponseInput = InputOf<typeof initProducerIdResponse>
