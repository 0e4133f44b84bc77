/**
 * InitProducerId 0–4: a new id, epoch 0, for every idempotent producer. A connection whose access key was rejected gets one
 * too, so that its user sees the refusal on the topic and not a fatal error about the cluster.
 */
import { ErrorCode } from '../../../protocol/error-codes.ts'
import {
  initProducerIdRequest,
  initProducerIdResponse,
  type InitProducerIdRequest,
  type InitProducerIdResponseInput,
} from '../../../protocol/messages/init-producer-id.ts'
import type { ProducerIds } from '../../journal/producer-ids.ts'
import type { Handler } from '../handler.ts'

export function initProducerIdHandler(producerIds: ProducerIds): Handler<InitProducerIdRequest, InitProducerIdResponseInput> {
  return {
    request: initProducerIdRequest,
    response: initProducerIdResponse,
    async handle({ transactionalId }) {
      const refusal = {
        throttleTimeMs: 0,
        errorCode: ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        producerId: -1,
        producerEpoch: -1,
      }
      if (transactionalId !== null) return { response: refusal }
      return {
        response: { throttleTimeMs: 0, errorCode: ErrorCode.NONE, producerId: await producerIds.next(), producerEpoch: 0 },
      }
    },
  }
}
