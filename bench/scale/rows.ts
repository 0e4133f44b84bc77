/** What is measured: a server at one size of one dimension; or how fresh logs are, by the number of logstores. */
import type { Freshness } from '../freshness/measure.ts'
import type { Measurement } from './dimensions.ts'

export interface Point extends Measurement {
  dimension: string
  size: number
  /** CPU per request, as a multiple of that at the smallest size. */
  relativeCpu: number
  problem?: string
}

export interface ScaleRow {
  points: Point[]
  freshness: Freshness[]
}
