/**
 * Why a write or a topic is refused, as Kafka says it: the one place where the words of the log service become error codes.
 */
import { ErrorCode } from '../../protocol/error-codes.ts'
import type { WriteRefusal } from '../ingest/ingest.ts'

const codes: Record<WriteRefusal['refusal'], number> = {
  UNKNOWN_PROJECT: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
  UNKNOWN_LOGSTORE: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
  UNKNOWN_PARTITION: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
  OTHER_REGION: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
  BAD_ACCESS_KEY: ErrorCode.TOPIC_AUTHORIZATION_FAILED,
  NO_RIGHT: ErrorCode.TOPIC_AUTHORIZATION_FAILED,
  OUT_OF_ORDER_SEQUENCE: ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
  OLD_PRODUCER_EPOCH: ErrorCode.INVALID_PRODUCER_EPOCH,
  // Every client tries again on this one, and asks nothing else of it (on 6 they ask for metadata first, 89 they take for final).
  NO_ROOM: ErrorCode.NOT_ENOUGH_REPLICAS,
  OVER_QUOTA: ErrorCode.NOT_ENOUGH_REPLICAS,
}

export function errorCodeOf(refusal: WriteRefusal['refusal']): number {
  return codes[refusal]
}
