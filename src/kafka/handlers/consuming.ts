/**
 * ListOffsets 0–5, Fetch 0–11 and FindCoordinator 0–2: announced because librdkafka concludes from them which formats and codecs
 * a producer may use. ListOffsets is answered truly. What only a consumer asks is refused, with codes that make it stop and say
 * why, never with an empty success that would let it wait for ever.
 */
import { ErrorCode } from '../../../protocol/error-codes.ts'
import { fetchRequest, fetchResponse, type FetchRequest, type FetchResponseInput } from '../../../protocol/messages/fetch.ts'
import {
  findCoordinatorRequest,
  findCoordinatorResponse,
  type FindCoordinatorRequest,
  type FindCoordinatorResponseInput,
} from '../../../protocol/messages/find-coordinator.ts'
import {
  listOffsetsRequest,
  listOffsetsResponse,
  type ListOffsetsRequest,
  type ListOffsetsResponseInput,
} from '../../../protocol/messages/list-offsets.ts'
import type { Authorizer } from '../../catalog/authorizer.ts'
import type { Journal } from '../../journal/journal.ts'
import { principalOf, type Handler } from '../handler.ts'
import { errorCodeOf } from '../refusals.ts'

/** The `timestamp` that asks for the first offset there is; any other is answered with the next one. */
const EARLIEST = -2
const LATEST = -1

export function listOffsetsHandler(options: {
  authorizer: Authorizer
  journal: Journal
}): Handler<ListOffsetsRequest, ListOffsetsResponseInput> {
  const { authorizer, journal } = options
  return {
    request: listOffsetsRequest,
    response: listOffsetsResponse,
    handle({ topics }, call) {
      const described = topics.map(({ name, partitions }) => {
        const access = authorizer.authorize(principalOf(call), name)
        return {
          name,
          partitions: partitions.map(({ partitionIndex, timestamp }) => {
            if ('refusal' in access) return { partitionIndex, errorCode: errorCodeOf(access.refusal), oldStyleOffsets: [] }
            const { id, partitions: count } = access.logstore
            if (partitionIndex < 0 || partitionIndex >= count)
              return { partitionIndex, errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, oldStyleOffsets: [] }
            // Which log is the first since a time is not known here.
            if (timestamp !== EARLIEST && timestamp !== LATEST)
              return { partitionIndex, errorCode: ErrorCode.UNSUPPORTED_FOR_MESSAGE_FORMAT, oldStyleOffsets: [] }
            const offset = timestamp === EARLIEST ? 0 : journal.nextOffset(id, partitionIndex)
            return { partitionIndex, errorCode: ErrorCode.NONE, oldStyleOffsets: [offset], offset, leaderEpoch: 0 }
          }),
        }
      })
      return { response: { topics: described } }
    },
  }
}

const NO_RECORDS = new Uint8Array(0)

export const fetchHandler: Handler<FetchRequest, FetchResponseInput> = {
  request: fetchRequest,
  response: fetchResponse,
  handle({ topics }) {
    const responses = topics.map(({ topic, partitions }) => ({
      topic,
      partitions: partitions.map(({ partition }) => ({
        partitionIndex: partition,
        errorCode: ErrorCode.TOPIC_AUTHORIZATION_FAILED,
        highWatermark: -1,
        // Not null: librdkafka cannot read that, and asks again at once, for ever.
        records: NO_RECORDS,
      })),
    }))
    return { response: { responses } }
  },
}

/** The `keyType` of a coordinator for transactions. */
const TRANSACTION = 1

export const findCoordinatorHandler: Handler<FindCoordinatorRequest, FindCoordinatorResponseInput> = {
  request: findCoordinatorRequest,
  response: findCoordinatorResponse,
  handle({ keyType }) {
    const refusal =
      keyType === TRANSACTION
        ? {
            errorCode: ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
            errorMessage: 'transactions are not supported: set no transactional.id',
          }
        : {
            errorCode: ErrorCode.GROUP_AUTHORIZATION_FAILED,
            errorMessage: 'logs cannot be consumed over Kafka: query them instead',
          }
    return { response: { ...refusal, nodeId: -1, host: '', port: -1 } }
  },
}
