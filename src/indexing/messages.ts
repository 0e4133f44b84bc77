/**
 * What the acknowledging process and the indexer tell each other: one JSON object per line, in order.
 */
import type { LogLevel } from '../base/log.ts'
import type { FieldReport } from '../catalog/field-statistics.ts'
import type { DeletedLogstore, Logstore } from '../catalog/model.ts'
import type { Indexed } from '../journal/checkpoint.ts'
import type { ReadLimit } from '../journal/reader.ts'
import type { StoreConnection } from '../store/connection.ts'
import type { FreshnessCounts } from './freshness.ts'

export type ToIndexer =
  /** The first message: where the journal is and from where on to read it. */
  | {
      kind: 'start'
      journalDirectory: string
      nodeId: string
      indexed: Indexed
      /** As `Indexer` takes them. */
      memoryBytes: number
      flushMs: number
      logLevel: LogLevel
    }
  /** Sent before any entry of a new logstore may be read, and after each change. */
  | { kind: 'catalog'; logstores: readonly Logstore[]; deleted: readonly DeletedLogstore[] }
  /** Where the store answers now; undefined while it does not. */
  | { kind: 'store'; connection: StoreConnection | undefined }
  /** The journal may be read up to here. */
  | { kind: 'durable'; limit: ReadLimit }

export type FromIndexer =
  /**
   * So far it has come. Since it said so last: how many rows were stored, how long they took, and by logstore id the shards whose next
   * offset in the table has changed, with that offset.
   */
  | {
      kind: 'indexed'
      indexed: Indexed
      rows: number
      freshness: FreshnessCounts
      offsets: Record<string, [shard: number, next: number][]>
    }
  /** The table of a deleted logstore is gone. */
  | { kind: 'dropped'; logstoreId: string }
  /** The bytes of the files that hold the parked logs of a logstore: those that wait until its table can be written. */
  | { kind: 'parked'; logstoreId: string; bytes: number }
  /** What was seen of the fields of a logstore since the last time. */
  | { kind: 'fields'; report: FieldReport }
  /**
   * What keeps a logstore from being indexed, or null when it goes on; a logstore id of '' means the journal itself, whose problem is
   * over when more is indexed.
   */
  | { kind: 'problem'; logstoreId: string; problem: string | null }
