/**
 * What every write goes through, whatever protocol it came by: may it be written, is there room and quota, to which shard, into
 * the journal.
 *
 * Nothing here waits. The order of a producer's writes is fixed by the order of the calls; what is left to wait for is the disk,
 * and that is the `durable` of the outcome.
 */
import type { Chunks } from '../../protocol/chunks.ts'
import type { BatchHeader } from '../../protocol/records/batch.ts'
import type { Authorizer, Principal, Refusal as AccessRefusal } from '../catalog/authorizer.ts'
import { writableShards } from '../catalog/shards.ts'
import type { Appended, Journal, SequenceRefusal } from '../journal/journal.ts'
import type { Balancer } from './balancer.ts'
import type { Quotas } from './quotas.ts'
import type { Room } from './room.ts'

/** The batches of one partition of one request. */
export interface IncomingWrite {
  topic: string
  /** The partition that the producer named: a hint in a balanced logstore, the shard in a keyed one, part of the stream in any. */
  partition: number
  records: Chunks
  /** The batches of `records`, checked. */
  batches: readonly BatchHeader[]
  source: string
  clientId: string
  /** False if the producer wants no answer, and so cannot be told that it has to send this again. */
  isAnswered: boolean
}

/** A write that was taken. */
export interface Taken extends Appended {
  /** How long to leave the producer unread, so that it sends less; 0 if it need not. */
  slowMs: number
}

export interface WriteRefusal {
  refusal: AccessRefusal['refusal'] | SequenceRefusal | OverloadRefusal | 'UNKNOWN_PARTITION'
  /** One sentence for the person who runs the producer. */
  message: string
}

/** Why a write that is right in itself cannot be taken now: sent again in a while, it will be. */
export type OverloadRefusal = 'NO_ROOM' | 'OVER_QUOTA'

export function isOverload(refusal: WriteRefusal['refusal']): refusal is OverloadRefusal {
  return refusal === 'NO_ROOM' || refusal === 'OVER_QUOTA'
}

/** The longest that a producer is left unread at a stretch; one that would have to wait longer is refused. */
export const LONGEST_SLOW_MS = 1000

export class Ingest {
  readonly #authorizer: Authorizer
  readonly #balancer: Balancer
  readonly #journal: Journal
  readonly #room: Room
  readonly #quotas: Quotas

  constructor(options: { authorizer: Authorizer; balancer: Balancer; journal: Journal; room: Room; quotas: Quotas }) {
    this.#authorizer = options.authorizer
    this.#balancer = options.balancer
    this.#journal = options.journal
    this.#room = options.room
    this.#quotas = options.quotas
  }

  /** Counts a request of a producer, whatever becomes of it. */
  countRequest({ project, accessKey }: Principal): void {
    if (accessKey !== undefined) this.#quotas.charge(project, { bytes: 0, requests: 1 })
  }

  /** Takes a write into the journal; it is stored once `durable` of the outcome resolves. */
  write(principal: Principal, write: IncomingWrite): Taken | WriteRefusal {
    const access = this.#authorizer.authorize(principal, write.topic)
    if ('refusal' in access) return access
    const { logstore, variant } = access
    const { partition, records, batches, source, clientId } = write
    if (partition < 0 || partition >= logstore.partitions) {
      const message = `logstore "${logstore.name}" has the partitions 0 to ${logstore.partitions - 1}: ask for its metadata again`
      return { refusal: 'UNKNOWN_PARTITION', message }
    }
    const shard = logstore.mode === 'keyed' ? partition : this.#balancer.choose(logstore.id, writableShards(logstore))
    const accessKeyId = principal.accessKey?.id ?? ''
    const jsonTopic = variant === 'json'
    const entry = { logstoreId: logstore.id, shard, partition, jsonTopic, source, clientId, accessKeyId, records, batches }
    const overload = this.#findOverload(principal.project, logstore.id, write.isAnswered)
    if (overload !== undefined) {
      // What is stored already needs no room.
      const taken = this.#journal.findTaken(entry)
      if (taken !== undefined) return { ...taken, slowMs: 0 }
      this.refuse(principal, { ...write, batch: batches[0] })
      return overload
    }
    const appended = this.#journal.append(entry)
    if (typeof appended === 'string') return { refusal: appended, message: sequenceMessages[appended] }
    const { baseOffset, durable, isDuplicate } = appended
    if (isDuplicate) return { ...appended, slowMs: 0 }
    this.#balancer.add(logstore.id, shard, records.length)
    this.#quotas.charge(principal.project, { bytes: records.length, requests: 0 })
    return { shard, baseOffset, durable, isDuplicate, slowMs: this.#slowMs(principal.project, logstore.id) }
  }

  /** Why nothing can be taken of this logstore now. Who wants no answer is not refused for what waiting cures. */
  #findOverload(project: string, logstoreId: string, isAnswered: boolean): WriteRefusal | undefined {
    const problem = this.#room.problem(logstoreId)
    if (problem !== undefined) return { refusal: 'NO_ROOM', message: `${problem}; send it again later` }
    if (!isAnswered || this.#quotas.debtMs(project) <= LONGEST_SLOW_MS) return undefined
    const message = `project "${project}" sends more than its quota: send it again in a moment, and less of it`
    return { refusal: 'OVER_QUOTA', message }
  }

  #slowMs(project: string, logstoreId: string): number {
    const slowMs = Math.max(this.#quotas.debtMs(project), LONGEST_SLOW_MS * this.#room.slowness(logstoreId))
    return Math.min(LONGEST_SLOW_MS, Math.ceil(slowMs))
  }

  /**
   * Records that a write was refused before it came here (a batch that is corrupt, say), so that nothing its producer sent
   * behind it is taken before it.
   */
  refuse(principal: Principal, write: { topic: string; partition: number; batch: BatchHeader | undefined }): void {
    const { batch } = write
    if (batch === undefined || batch.producerId < 0) return
    const access = this.#authorizer.authorize(principal, write.topic)
    if ('refusal' in access) return
    const stream = {
      producerId: batch.producerId,
      logstoreId: access.logstore.id,
      jsonTopic: access.variant === 'json',
      partition: write.partition,
    }
    this.#journal.refuse(stream, { epoch: batch.producerEpoch, firstSequence: batch.baseSequence, count: batch.recordCount })
  }
}

const sequenceMessages: Record<SequenceRefusal, string> = {
  OUT_OF_ORDER_SEQUENCE: 'a batch that this producer sent before was not stored; send it and what follows it again, in order',
  OLD_PRODUCER_EPOCH: 'another instance of this producer has taken over with a newer epoch',
}
