/**
 * Producers as users have them: kafkajs over TLS and SASL/PLAIN.
 */
import { Kafka, logLevel, type Producer, type ProducerConfig } from 'kafkajs'
import type { Server } from './server.ts'

export interface ProducerOptions extends Pick<ProducerConfig, 'idempotent'> {
  /** The SASL user name. */
  project: string
  /** The SASL password, ID#SECRET. */
  password: string
  /** The listener's name; all but the internet and the intranet one are without TLS. */
  listener?: string
  /** Whether it logs in; it does unless told otherwise. */
  sasl?: boolean
  /** How often kafkajs sends again. */
  retries?: number
}

/** A producer that is connected. */
export async function openProducer(server: Server, options: ProducerOptions): Promise<Producer> {
  const { project, password, listener = 'internet', sasl = true, retries = 3, idempotent = false } = options
  const hasTls = listener === 'internet' || listener === 'intranet'
  const kafka = new Kafka({
    clientId: 'test',
    brokers: [`localhost:${server.port(listener)}`],
    ...(hasTls && { ssl: { ca: [server.ca.toString()] } }),
    ...(sasl && { sasl: { mechanism: 'plain', username: project, password } }),
    logLevel: logLevel.NOTHING,
    retry: { initialRetryTime: 50, maxRetryTime: 500, retries },
  })
  const producer = kafka.producer({ idempotent, ...(idempotent && { maxInFlightRequests: 1 }) })
  await producer.connect()
  return producer
}

/** The name of Kafka's error that made kafkajs give up; what else went wrong if it was none. */
export async function errorTypeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
    return 'no error'
  } catch (error) {
    for (let cause: unknown = error; cause instanceof Error; cause = cause.cause)
      if ('type' in cause && typeof cause.type === 'string') return cause.type
    return String(error)
  }
}
