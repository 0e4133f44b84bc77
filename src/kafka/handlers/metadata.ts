/**
 * Metadata 0–12: one broker, this node, at the address the client came by; and for each topic its partitions, or why there are
 * none.
 *
 * An answer of 3 or 29 is given only when it is true, for librdkafka up to 2.6 takes any code at topic level for final. Whether
 * a client would like a topic to be made is ignored.
 */
import { ErrorCode } from '../../../protocol/error-codes.ts'
import {
  metadataRequest,
  metadataResponse,
  type MetadataRequest,
  type MetadataResponseInput,
} from '../../../protocol/messages/metadata.ts'
import type { Authorizer } from '../../catalog/authorizer.ts'
import type { Logstore } from '../../catalog/model.ts'
import { principalOf, type Call, type Handler } from '../handler.ts'
import type { RefusalLog } from '../refusal-log.ts'
import { errorCodeOf } from '../refusals.ts'

/** The only node there is. */
const NODE_ID = 0
const CLUSTER_ID = 'sluice'
const NO_TOPIC_ID = '0'.repeat(32)

type Topic = MetadataResponseInput['topics'][number]

export function metadataHandler(options: {
  authorizer: Authorizer
  refusalLog: RefusalLog
}): Handler<MetadataRequest, MetadataResponseInput> {
  const { authorizer, refusalLog } = options

  function describeTopic(name: string, call: Call): Topic {
    const principal = principalOf(call)
    const access = authorizer.authorize(principal, name)
    if (!('refusal' in access)) return presentTopic(name, access.logstore)
    if (access.refusal === 'BAD_ACCESS_KEY') call.session.revoke()
    refusalLog.tell(call, { project: principal.project, topic: name, message: access.message })
    return refusedTopic(name, LEGAL_TOPIC.test(name) ? errorCodeOf(access.refusal) : ErrorCode.INVALID_TOPIC_EXCEPTION)
  }

  /** Topic ids may be asked for instead of names; sluice announces no API in which a client could use them. */
  function describe(requested: { topicId?: string; name?: string | null }, call: Call): Topic {
    if (requested.name !== null && requested.name !== undefined) return describeTopic(requested.name, call)
    // Before version 12 an answer cannot do without a name.
    const name = call.version < 12 ? '' : null
    return { ...refusedTopic(name, ErrorCode.UNKNOWN_TOPIC_ID), topicId: requested.topicId ?? NO_TOPIC_ID }
  }

  return {
    request: metadataRequest,
    response: metadataResponse,
    handle({ topics }, call) {
      const { version, advertised } = call
      // In version 0 an empty list asks for all topics, later on null does.
      const isAll = topics === null || (version === 0 && topics.length === 0)
      const described = isAll
        ? authorizer.listWritable(principalOf(call)).map(logstore => presentTopic(logstore.name, logstore))
        : withoutRepeats(topics).map(topic => describe(topic, call))
      const brokers = [{ nodeId: NODE_ID, host: advertised.host, port: advertised.port, rack: null }]
      return { response: { throttleTimeMs: 0, brokers, clusterId: CLUSTER_ID, controllerId: NODE_ID, topics: described } }
    },
  }
}

/** Each topic once, as Kafka answers: a short request must not ask for a long description again and again. */
function withoutRepeats<Named extends { name?: string | null }>(topics: readonly Named[]): Named[] {
  const names = new Set<string>()
  return topics.filter(({ name }) => name === null || name === undefined || (!names.has(name) && names.add(name)))
}

/** What Kafka takes for a topic name; dots are no part of a logstore's name, but `LOGSTORE.json` has one. */
const LEGAL_TOPIC = /^[a-zA-Z0-9._-]{1,249}$/

function presentTopic(name: string, logstore: Logstore): Topic {
  const partitions = Array.from({ length: logstore.partitions }, (_, partitionIndex) => ({
    errorCode: ErrorCode.NONE,
    partitionIndex,
    leaderId: NODE_ID,
    leaderEpoch: 0,
    replicaNodes: [NODE_ID],
    isrNodes: [NODE_ID],
    offlineReplicas: [],
  }))
  // Of the two names of a logstore only its own has the id: Java takes an id that two topics have for an error, and sends to neither.
  const topicId = name === logstore.name ? logstore.id.replaceAll('-', '') : NO_TOPIC_ID
  return { ...refusedTopic(name, ErrorCode.NONE), topicId, partitions }
}

function refusedTopic(name: string | null, errorCode: number): Topic {
  return { errorCode, name, topicId: NO_TOPIC_ID, isInternal: false, partitions: [] }
}
