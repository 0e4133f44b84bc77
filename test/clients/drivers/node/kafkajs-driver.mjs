/** The driver of kafkajs. */
import { readFileSync } from 'node:fs'
import { load, runDriver } from './job.mjs'

const { default: kafkajs } = await load('kafkajs')
const { CompressionCodecs, CompressionTypes, Kafka, logLevel } = kafkajs
const { default: snappy } = await load('kafkajs-snappy')
CompressionCodecs[CompressionTypes.Snappy] = snappy

await runDriver(async job => {
  const kafka = new Kafka({
    brokers: [job.bootstrap],
    ssl: { ca: [readFileSync(job.ca, 'utf8')] },
    sasl: { mechanism: 'plain', username: job.user, password: job.password },
    logLevel: logLevel.NOTHING,
  })
  const producer = kafka.producer({
    idempotent: job.idempotent,
    ...(job.idempotent && { maxInFlightRequests: 1 }),
    createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
  })
  await producer.connect()
  const compression = Object.entries(CompressionTypes).find(([name]) => name.toLowerCase() === job.codec)[1]
  return {
    // kafkajs chooses a partition anew for each attempt unless it is named, and then no server can tell that it is the same batch.
    send: messages =>
      producer.sendBatch({
        acks: job.acks,
        compression,
        topicMessages: job.topics.map(topic => ({
          topic,
          messages: messages
            .filter(message => message.topic === topic)
            .map(({ value }) => (job.idempotent ? { value, partition: 0 } : { value })),
        })),
      }),
    close: () => producer.disconnect(),
  }
})
