/** What Kafka takes to acknowledge the same loads: nothing is stored behind it. */
import { join } from 'node:path'
import type { Certificates } from '../load/certificates.ts'
import { runLoad, type Load, type LoadResult } from '../load/generator.ts'
import { Kafka } from '../load/kafka.ts'
import { cacheDirectory } from '../load/paths.ts'

export interface KafkaLoad {
  load: Load
  /** What sluice could store of it. */
  rowsPerSecond: number
}

export interface KafkaCost {
  /** As fast as it goes, and at the rate of sluice. */
  closedCpuPerGigabyte: number
  sameRateCpuPerGigabyte: number
}

const LINGER_MS = 250

/** Starts one broker for all loads, and removes it. */
export async function measureKafka(
  certificates: Certificates,
  loads: readonly KafkaLoad[],
  { warmUpSeconds, seconds }: { warmUpSeconds: number; seconds: number },
  begin: (what: string, seconds: number) => void,
): Promise<KafkaCost[]> {
  begin('Kafka: start', 8)
  const kafka = await Kafka.start({ certificates, directory: join(cacheDirectory, 'pipeline-kafka') })
  try {
    const costs: KafkaCost[] = []
    for (const [index, { load, rowsPerSecond }] of loads.entries()) {
      begin(`Kafka: ${load.payload}`, warmUpSeconds + 2 * seconds + 10)
      const run = async (special: Load): Promise<number> => {
        const topic = `bench-${index}-${special.rate ?? 'closed'}`
        const result = await runLoad(kafka, { ...load, ...special, topic })
        await kafka.deleteTopic(topic)
        return cpuPerGigabyte(result)
      }
      // Java compiles what runs often.
      const closedCpuPerGigabyte = await run({ warmup: warmUpSeconds, duration: seconds })
      const rate = Math.round(rowsPerSecond)
      const sameRateCpuPerGigabyte = await run({ rate, lingerMs: LINGER_MS, warmup: 2, duration: seconds })
      costs.push({ closedCpuPerGigabyte, sameRateCpuPerGigabyte })
    }
    return costs
  } finally {
    await kafka.remove()
  }
}

function cpuPerGigabyte({ servers: [broker], payload_bytes }: LoadResult): number {
  return broker!.cpu_s / (payload_bytes / 1e9)
}
