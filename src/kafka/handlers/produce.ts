/**
 * Produce 0–10: logs come in.
 *
 *     each partition, in the order of the request, without waiting:
 *       check the batches  →  take them into the journal (authorise, quota, sequence, shard, offset)
 *     then wait until all of them are on disk  →  answer
 *
 * A partition that is refused does not keep the others of its request from being stored.
 *
 * A producer that sends more than can be taken is told in `throttleTimeMs`, and left unread for that time; should that not be
 * enough, it is refused before anything is stored, and so is what it has sent behind that. What is stored is answered at once.
 */
import type { Chunks } from '../../../protocol/chunks.ts'
import { ErrorCode } from '../../../protocol/error-codes.ts'
import {
  produceRequest,
  produceResponse,
  type ProduceRequest,
  type ProduceResponseInput,
} from '../../../protocol/messages/produce.ts'
import { BATCH_HEADER_BYTES, readBatchHeader, type BatchHeader } from '../../../protocol/records/batch.ts'
import { checkBatches, type BatchRefusal } from '../../../protocol/records/check-batches.ts'
import { conversionBudget, type ConversionBudget } from '../../../protocol/records/message-set.ts'
import type { Log } from '../../base/log.ts'
import type { Outcome } from '../../base/outcome.ts'
import { isOverload, LONGEST_SLOW_MS, type Ingest, type WriteRefusal } from '../../ingest/ingest.ts'
import { principalOf, type Answer, type Call, type Handler } from '../handler.ts'
import type { RefusalLog } from '../refusal-log.ts'
import { errorCodeOf } from '../refusals.ts'

type PartitionData = ProduceRequest['topicData'][number]['partitionData'][number]
type PartitionResponse = ProduceResponseInput['responses'][number]['partitionResponses'][number]

/** What becomes of what was sent for one partition. */
interface PartitionAnswer {
  response: PartitionResponse
  /** Of what was taken: fails if it could not be stored, whatever the response says. */
  durable?: Outcome
}

/** What becomes of what was sent for one topic. */
interface TopicAnswer {
  name: string
  partitions: PartitionAnswer[]
}

const ACKS = [-1, 0, 1]

export interface ProduceOptions {
  ingest: Ingest
  refusalLog: RefusalLog
  log: Log
  /** Called with the error code of each partition that is refused. */
  onRefused: (errorCode: number) => void
}

export function produceHandler(options: ProduceOptions) {
  const { ingest, refusalLog, log, onRefused } = options

  function refuseAll(transactionalId: string | null, acks: number): BatchRefusal | undefined {
    if (transactionalId !== null && transactionalId !== '')
      return {
        errorCode: ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        message: 'transactions are not supported: set no transactional.id',
      }
    if (!ACKS.includes(acks)) return { errorCode: ErrorCode.INVALID_REQUIRED_ACKS, message: 'acks must be 0, 1 or -1 (all)' }
    return undefined
  }

  /** Refuses what is sent for one partition, so that nothing its producer sent behind it is taken before it. */
  function refuse(
    topic: string,
    { index, records }: PartitionData,
    call: Call,
    { errorCode, message, recordIndex }: BatchRefusal,
  ): PartitionResponse {
    const header = findFirstHeader(records)
    const batch = call.refusedStreams.take(topic, index, header) ?? header
    ingest.refuse(principalOf(call), { topic, partition: index, batch })
    call.refusedStreams.add(topic, index, batch)
    return refused(index, errorCode, message, recordIndex)
  }

  /** Takes the batches of one partition before it returns. */
  function take(
    topic: string,
    { index, records: received }: PartitionData,
    call: Call,
    { budget, isAnswered }: { budget: ConversionBudget; isAnswered: boolean },
  ): PartitionAnswer {
    const { source, clientId, refusedStreams, pace, session } = call
    const principal = principalOf(call)
    if (pace.isRefusing) return { response: refuse(topic, { index, records: received }, call, behindRefused) }
    const checked = checkBatches(received, budget)
    if ('errorCode' in checked) return { response: refuse(topic, { index, records: received }, call, checked) }
    const { records, batches } = checked
    const [first] = batches
    const earlier = refusedStreams.take(topic, index, first)
    if (earlier !== undefined) ingest.refuse(principal, { topic, partition: index, batch: earlier })
    const outcome = ingest.write(principal, { topic, partition: index, records, batches, source, clientId, isAnswered })
    if ('refusal' in outcome) {
      if (outcome.refusal === 'BAD_ACCESS_KEY') session.revoke()
      if (isOverload(outcome.refusal)) pace.refuse(LONGEST_SLOW_MS)
      else if (!isKnownStream(outcome.refusal))
        refusalLog.tell(call, { project: principal.project, topic, message: outcome.message })
      if (!isKnownStream(outcome.refusal)) refusedStreams.add(topic, index, earlier ?? first)
      return { response: refused(index, errorCodeOf(outcome.refusal), outcome.message) }
    }
    pace.slow(outcome.slowMs)
    return { response: stored(index, outcome.baseOffset), durable: outcome.durable }
  }

  /** The answer once it is known what has become of each; none for acks = 0, where the end of the connection tells of a failure. */
  function answer(
    acks: number,
    topics: readonly TopicAnswer[],
    { source, throttleTimeMs }: { source: string; throttleTimeMs: number },
  ): Answer<ProduceResponseInput> {
    let problem: string | undefined
    const responses: ProduceResponseInput['responses'][number][] = []
    for (const { name, partitions } of topics) {
      const partitionResponses = partitions.map(responseTo)
      for (const { errorCode, errorMessage } of partitionResponses) {
        if (errorCode === ErrorCode.NONE) continue
        onRefused(errorCode)
        problem ??= `topic ${JSON.stringify(name)}: ${errorMessage}`
      }
      responses.push({ name, partitionResponses })
    }
    // One line for a request, however many partitions it has.
    if (problem !== undefined) log.debug({ source, problem }, 'batch refused')
    if (acks !== 0) return { response: { responses, throttleTimeMs } }
    return problem === undefined ? {} : { thenClose: `it asked for no answer (acks = 0), and a batch was refused: ${problem}` }
  }

  return {
    request: produceRequest,
    response: produceResponse,
    handle({ acks, topicData, transactionalId }, call) {
      const refusal = refuseAll(transactionalId, acks)
      const terms = { budget: conversionBudget(), isAnswered: acks !== 0 }
      ingest.countRequest(principalOf(call))
      const outcomes: Outcome[] = []
      const topics = topicData.map(({ name, partitionData }) => ({
        name,
        partitions: partitionData.map((data): PartitionAnswer => {
          if (refusal !== undefined) return { response: refuse(name, data, call, refusal) }
          const taken = take(name, data, call, terms)
          if (taken.durable !== undefined) outcomes.push(taken.durable)
          return taken
        }),
      }))
      const circumstances = { source: call.source, throttleTimeMs: call.pace.waitMs }
      return { outcomes, make: () => answer(acks, topics, circumstances) }
    },
  } satisfies Handler<ProduceRequest, ProduceResponseInput>
}

const behindRefused: BatchRefusal = {
  errorCode: ErrorCode.NOT_ENOUGH_REPLICAS,
  message: 'a batch before this one could not be taken for now: send both again, in order',
}

/** Whether the journal keeps what is refused for this, and nothing behind it is taken even if the logstore is made anew meanwhile. */
function isKnownStream(refusal: WriteRefusal['refusal']): boolean {
  return refusal === 'OUT_OF_ORDER_SEQUENCE' || refusal === 'OLD_PRODUCER_EPOCH'
}

/** The first batch's header, for what can be told from it of a batch that is refused; older formats have no producers. */
function findFirstHeader(records: Chunks | null): BatchHeader | undefined {
  if (records === null || records.length < BATCH_HEADER_BYTES) return undefined
  const header = readBatchHeader(records, 0)
  return header.magic === 2 ? header : undefined
}

function stored(index: number, baseOffset: number): PartitionResponse {
  // The log start stays 0: franz-go compares it with offsets of the partition it named, which need not be the shard.
  return {
    index,
    errorCode: ErrorCode.NONE,
    baseOffset,
    logAppendTimeMs: -1,
    logStartOffset: 0,
    recordErrors: [],
    errorMessage: null,
  }
}

/** The response now that it is known whether the disk has taken it. */
function responseTo({ response, durable }: PartitionAnswer): PartitionResponse {
  if (durable?.error === undefined) return response
  return refused(response.index, ErrorCode.KAFKA_STORAGE_ERROR, 'the disk failed; send it again')
}

/** Where one record is the reason, its own error names it (KIP-467); Java tells the user of the others that they were beside it. */
function refused(index: number, errorCode: number, errorMessage: string, recordIndex?: number): PartitionResponse {
  const recordErrors = recordIndex === undefined ? [] : [{ batchIndex: recordIndex, batchIndexErrorMessage: errorMessage }]
  return { index, errorCode, baseOffset: -1, logAppendTimeMs: -1, logStartOffset: -1, recordErrors, errorMessage }
}
