/** What is measured: one kind of logs, all the way. */
import type { KafkaCost } from './kafka.ts'
import type { PipelineCost, Plan } from './sluice.ts'

export interface PipelineRow extends PipelineCost, KafkaCost {
  payload: string
  codec: string
  batchBytes: number
  bareCpuPerGigabyte: number
  /** Of all processes of sluice. */
  treeCpuPerGigabyte: number
  /** To that of Kafka and the bare engine together: with the smaller one of Kafka's figures, and with that at the same rate. */
  ratio: number
  sameRateRatio: number
}

export function makeRow({ payload, codec, batch }: Plan['load'], cost: PipelineCost, kafka: KafkaCost): PipelineRow {
  const gigabytes = cost.logBytes / 1e9
  const { serve, indexer, engine } = cost.cpuSeconds
  const treeCpuPerGigabyte = (serve + indexer + engine) / gigabytes
  const bareCpuPerGigabyte = cost.bare.engineCpuSeconds / gigabytes
  const { closedCpuPerGigabyte, sameRateCpuPerGigabyte } = kafka
  const ratioTo = (kafkaCpu: number): number => treeCpuPerGigabyte / (kafkaCpu + bareCpuPerGigabyte)
  return {
    payload: payload!,
    codec: codec!,
    batchBytes: batch,
    ...cost,
    ...kafka,
    bareCpuPerGigabyte,
    treeCpuPerGigabyte,
    ratio: ratioTo(Math.min(closedCpuPerGigabyte, sameRateCpuPerGigabyte)),
    sameRateRatio: ratioTo(sameRateCpuPerGigabyte),
  }
}
