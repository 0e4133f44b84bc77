/**
 * What every write goes through, whatever protocol it came by: may it be written, to which shard, into the journal.
 *
 * Nothing here waits. The order of a producer's writes is fixed by the order of the calls; what is left to wait for is the disk,
 * and that is the `durable` of the outcome.
 */
import { type Chunks } from '../../protocol/chunks.ts'
import { type BatchHeader } from '../../protocol/records/batch.ts'
import { type Authorizer, type Principal, type Refusal as AccessRefusal } from '../catalog/authorizer.ts'
import { type Appended, type Journal, type SequenceRefusal } from '../journal/journal.ts'
import { type Balancer } from './balancer.ts'

/** The batches of one partition of one request. */
export interface IncomingWrite {
  topic: string
  /** The partition that the producer named: a hint in a balanced logstore, part of the stream in any. */
  partition: number
  records: Chunks
  /** The batches of `records`, checked. */
  batches: readonly BatchHeader[]
  source: string
  clientId: string
}

export interface WriteRefusal {
  refusal: AccessRefusal['refusal'] | SequenceRefusal | 'UNKNOWN_PARTITION'
  /** One sentence for the person who runs the producer. */
  message: string
}

export class Ingest {
  readonly #authorizer: Authorizer
  readonly #balancer: Balancer
  readonly #journal: Journal

  constructor(options: { authorizer: Authorizer; balancer: Balancer; journal: Journal }) {
    this.#authorizer = options.authorizer
    this.#balancer = options.balancer
    this.#journal = options.journal
  }

  /** Takes a write into the journal; it is stored once `durable` of the outcome resolves. */
  write(principal: Principal, write: IncomingWrite): Appended | WriteRefusal {
    const access = this.#authorizer.authorize(principal, write.topic)
    if ('refusal' in access) return access
    const { logstore, variant } = access
    const { partition, records, batches, source, clientId } = write
    if (partition < 0 || partition >= logstore.partitions) {
      const message = `logstore "${logstore.name}" has the partitions 0 to ${logstore.partitions - 1}: ask for its metadata again`
      return { refusal: 'UNKNOWN_PARTITION', message }
    }
    const shard = this.#balancer.choose(logstore.id, logstore.shards)
    const accessKeyId = principal.accessKey?.id ?? ''
    const jsonTopic = variant === 'json'
    const appended = this.#journal.append({
      logstoreId: logstore.id,
      shard,
      partition,
      jsonTopic,
      source,
      clientId,
      accessKeyId,
      records,
      batches,
    })
    if (typeof appended === 'string') return { refusal: appended, message: sequenceMessages[appended] }
    if (!appended.isDuplicate) this.#balancer.add(logstore.id, shard, records.length)
    return appended
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
